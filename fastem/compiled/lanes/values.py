"""Numbers and vectors of which a staged function knows no more than the instructions that they are results of."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

FIRST = ir.IntType(32)(0)
# Without any flag, an operation would get those of the kernel.
ALONE = ("nsz",)


class Number:
    """The result of an instruction: an integer, a number, or a vector of numbers."""

    # Operators with one of NumPy's numbers on the left are this class's, which NumPy 1 has to be told.
    __array_ufunc__ = None

    def __init__(self, builder: Any, value: Any) -> None:
        self._builder, self.value = builder, value

    def _pair(self, other: Any) -> tuple[Any, Any]:
        """The two operands as LLVM's values of one type: a number beside a vector is repeated."""
        mine, kind = self.value, self.value.type
        if not isinstance(other, Number):
            return mine, constant(kind, other)
        theirs = other.value
        if isinstance(kind, ir.VectorType) and not isinstance(theirs.type, ir.VectorType):
            theirs = splat(self._builder, theirs, kind)
        if isinstance(theirs.type, ir.VectorType) and not isinstance(kind, ir.VectorType):
            mine = splat(self._builder, mine, theirs.type)
        return mine, theirs

    def _made(self, whole: str, real: str, pair: tuple[Any, Any]) -> Number:
        if isinstance(getattr(pair[0].type, "element", pair[0].type), ir.IntType):
            return Number(self._builder, getattr(self._builder, whole)(*pair))
        return Number(self._builder, getattr(self._builder, real)(*pair, flags=("contract",)))

    def __add__(self, other: Any) -> Number:
        return self._made("add", "fadd", self._pair(other))

    def __radd__(self, other: Any) -> Number:
        return self._made("add", "fadd", self._pair(other)[::-1])

    def __sub__(self, other: Any) -> Number:
        return self._made("sub", "fsub", self._pair(other))

    def __rsub__(self, other: Any) -> Number:
        return self._made("sub", "fsub", self._pair(other)[::-1])

    def __mul__(self, other: Any) -> Number:
        return self._made("mul", "fmul", self._pair(other))

    def __rmul__(self, other: Any) -> Number:
        return self._made("mul", "fmul", self._pair(other)[::-1])

    def __truediv__(self, other: Any) -> Number:
        return Number(self._builder, self._builder.fdiv(*self._pair(other), flags=("contract",)))

    def __rtruediv__(self, other: Any) -> Number:
        return Number(self._builder, self._builder.fdiv(*self._pair(other)[::-1], flags=("contract",)))

    def __lshift__(self, places: int) -> Number:
        return Number(self._builder, self._builder.shl(self.value, constant(self.value.type, places)))

    def __rshift__(self, places: int) -> Number:
        return Number(self._builder, self._builder.ashr(self.value, constant(self.value.type, places)))

    def __floordiv__(self, other: Any) -> Number:
        """Of integers that are not negative."""
        return Number(self._builder, self._builder.udiv(*self._pair(other)))

    def __mod__(self, other: Any) -> Number:
        """Of integers that are not negative."""
        return Number(self._builder, self._builder.urem(*self._pair(other)))

    def _compared(self, sign: str, other: Any, ordered: bool = True) -> Number:
        pair, builder = self._pair(other), self._builder
        if isinstance(getattr(pair[0].type, "element", pair[0].type), ir.IntType):
            return Number(builder, builder.icmp_signed(sign, *pair))
        return Number(builder, (builder.fcmp_ordered if ordered else builder.fcmp_unordered)(sign, *pair))

    def __and__(self, other: Any) -> Number:
        return Number(self._builder, self._builder.and_(*self._pair(other)))

    def __or__(self, other: Any) -> Number:
        return Number(self._builder, self._builder.or_(*self._pair(other)))

    def __lt__(self, other: Any) -> Number:
        return self._compared("<", other)

    def __ge__(self, other: Any) -> Number:
        return self._compared(">=", other)

    def __le__(self, other: Any) -> Number:
        return self._compared("<=", other)

    def __gt__(self, other: Any) -> Number:
        return self._compared(">", other)

    def __eq__(self, other: Any) -> Any:
        return self._compared("==", other)

    def __ne__(self, other: Any) -> Any:  # true for NaN
        return self._compared("!=", other, ordered=False)

    __hash__ = None  # type: ignore[assignment]


def n_bytes(kind: Any) -> int:
    return 4 if isinstance(kind, ir.FloatType) else 8


def constant(kind: Any, value: Any) -> Any:
    return ir.Constant(kind, [value] * kind.count) if isinstance(kind, ir.VectorType) else ir.Constant(kind, value)


def splat(builder: Any, value: Any, kind: Any) -> Any:
    """A vector of one number."""
    undefined, zero = ir.Constant(ir.VectorType(value.type, kind.count), ir.Undefined), ir.IntType(32)(0)
    single = builder.insert_element(undefined, value, zero)
    return builder.shuffle_vector(single, undefined, ir.Constant(ir.VectorType(ir.IntType(32), kind.count), None))


def shuffle(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))
