"""What writes down the machine instructions of a staged function. `plain` has its twin in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from fastem.compiled.lanes.target import REGISTER
from fastem.compiled.lanes.values import ALONE, FIRST, Number, n_bytes, shuffle

Body = Callable[..., Any]


class Rows:
    """A 2-D array of contiguous rows, or a 1-D one, which is a single row."""

    def __init__(self, machine: Machine, data: Any, shape: list[Number], kind: Any) -> None:
        self._machine, self._data, self._shape, self._kind = machine, data, shape, kind
        self.height, self.width = shape[0], shape[-1]

    @property
    def size(self) -> Number:
        """How many values it has."""
        return math.prod(self._shape[1:], start=self._shape[0])

    @property
    def lanes(self) -> int:
        """How many of its values a register holds."""
        return REGISTER // (4 if isinstance(self._kind, ir.FloatType) else 8)

    def number(self, i: Any, j: Any) -> Number:
        """One value."""
        return self._machine.load(self._place(i, j), self._kind)

    def vector(self, i: Any, t: Any, n: int) -> Number:
        """The n values of row i from t on; the first of them beside zeros, where a loop goes sample by sample."""
        return self._machine.load(self._place(i, t), ir.VectorType(self._kind, n))

    def put(self, i: Any, t: Any, value: Number) -> None:
        """Write a value of the type of the rows."""
        kind = value.value.type
        if getattr(kind, "element", kind) != self._kind:
            raise TypeError(f"a staged function writes a value of type {kind} to rows of {self._kind}.")
        self._machine.store(self._place(i, t), value)

    def add(self, i: Any, t: Any, value: Number) -> None:
        """Add a value, which may be of a narrower type."""
        builder, place, kind = self._machine.builder, self._place(i, t), value.value.type
        own = ir.VectorType(self._kind, kind.count) if isinstance(kind, ir.VectorType) else self._kind
        wide = value if own == kind else Number(builder, builder.fpext(value.value, own))
        self._machine.store(place, self._machine.load(place, own) + wide)

    def fetch(self, offset: Any) -> None:
        """Ask for the cache line at `offset` bytes from the beginning, which may lie beyond the end, to read it."""
        builder, byte, flag = self._machine.builder, ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        place = builder.gep(builder.bitcast(self._data, byte), [offset.value])
        builder.call(function, [place, flag(0), flag(2), flag(1)])  # into the second-level cache, data

    def _place(self, i: Any, j: Any) -> Any:
        return self._machine.gep(self._data, i * self.width + j)


class Machine:
    """Writes down what a staged function does."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self._single = False  # whether vectors hold one sample each, beside zeros

    def argument(self, context: Any, kind: Any, value: Any) -> Any:
        if isinstance(kind, types.BaseTuple):
            parts = cgutils.unpack_tuple(self.builder, value, len(kind))
            return tuple(self.argument(context, *pair) for pair in zip(kind, parts, strict=True))
        if isinstance(kind, types.Array):
            array = context.make_array(kind)(context, self.builder, value)
            shape = [Number(self.builder, each) for each in cgutils.unpack_tuple(self.builder, array.shape, kind.ndim)]
            return Rows(self, array.data, shape, context.get_data_type(kind.dtype))
        return Number(self.builder, value)

    def gep(self, data: Any, offset: Any) -> Any:
        return self.builder.gep(data, [offset.value])

    def load(self, place: Any, kind: Any) -> Number:
        builder = self.builder
        if not isinstance(kind, ir.VectorType):
            return Number(builder, builder.load(place))
        if self._single:
            return Number(builder, builder.insert_element(ir.Constant(kind, None), builder.load(place), FIRST))
        pointer = builder.bitcast(place, kind.as_pointer())
        return Number(builder, builder.load(pointer, align=n_bytes(kind.element)))

    def store(self, place: Any, value: Number) -> None:
        builder, kind = self.builder, value.value.type
        if not isinstance(kind, ir.VectorType):
            builder.store(value.value, place)
        elif self._single:
            builder.store(builder.extract_element(value.value, FIRST), place)
        else:
            builder.store(value.value, builder.bitcast(place, kind.as_pointer()), align=n_bytes(kind.element))

    def repeat(self, first: Any, last: Any, body: Body, *carried: Any, step: int = 1) -> tuple[Any, ...]:
        """Call body(i, *carried) for i = first, first + step, ... before last; it returns what is carried on."""
        builder, integer = self.builder, ir.IntType(64)
        first, last = (each.value if isinstance(each, Number) else integer(each) for each in (first, last))
        before = builder.basic_block
        head, inside, after = (builder.append_basic_block(name) for name in ("head", "inside", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        i = builder.phi(integer)
        i.add_incoming(first, before)
        phis = [builder.phi(value.value.type) for value in carried]
        for phi, value in zip(phis, carried, strict=True):
            phi.add_incoming(value.value, before)
        builder.cbranch(builder.icmp_signed("<", i, last), inside, after)
        builder.position_at_end(inside)
        results = body(Number(builder, i), *(Number(builder, phi) for phi in phis)) or ()
        i.add_incoming(builder.add(i, integer(step)), builder.basic_block)
        for phi, value in zip(phis, results, strict=True):
            phi.add_incoming(value.value, builder.basic_block)
        builder.branch(head)
        builder.position_at_end(after)
        return tuple(Number(builder, phi) for phi in phis)

    def samples(self, size: Any, n: int, body: Body, *carried: Any) -> tuple[Any, ...]:
        """Call body(t, *carried) for every n-th of `size` samples, n a power of two.

        It is called for each sample that is left, with vectors that hold that one alone, beside zeros.
        """
        whole = Number(self.builder, self.builder.and_(size.value, ir.IntType(64)(-n)))
        carried = self.repeat(0, whole, body, *carried, step=n)
        self._single = True
        carried = self.repeat(whole, size, body, *carried)
        self._single = False
        return carried

    def totals(
        self, rows: Rows, terms: Callable[[Any, int], Sequence[Number]], count: int, in_pairs: bool = False
    ) -> list[Number]:
        """The sums over samples t of the `count` vectors terms(t, n).

        Four vectors at a time are added up, to four sums each, as LLVM does it; what is left is added up to one more.
        in_pairs: whether the four are added in pairs, or one after the other.
        """
        n, size = rows.lanes, rows.width
        few = n // 2 if REGISTER == 64 else min(n, 4)

        def step(t: Any, *sums: Any) -> list[Any]:
            quarters = [terms(t + quarter * n, n) for quarter in range(4)]
            return [sums[4 * i + quarter] + quarters[quarter][i] for i in range(count) for quarter in range(4)]

        def last(t: Any, *sums: Any) -> list[Any]:
            return [total + term for total, term in zip(sums, terms(t, few), strict=True)]

        whole = size // (4 * n) * (4 * n)
        most = self.repeat(0, whole, step, *4 * count * [self.zeros(rows, n)], step=4 * n)
        rest = self.repeat(whole, size // few * few, last, *count * [self.zeros(rows, few)], step=few)
        self._single = True
        rest = self.repeat(size // few * few, size, last, *rest)
        self._single = False
        results = []
        for i in range(count):
            a, b, c, d = most[4 * i : 4 * i + 4]
            total = (a + b) + (c + d) if in_pairs else a + b + c + d
            results.append(self.sums([total]) + self.sums([rest[i]]))
        return results

    def apart(self, n: int) -> int:
        """How many values a vector of n takes where it is stored."""
        return 1 if self._single else n

    def zeros(self, rows: Rows, n: int) -> Number:
        """A vector of n zeros of the type of `rows`."""
        return Number(self.builder, ir.Constant(ir.VectorType(rows._kind, n), None))

    def zero(self, rows: Rows) -> Number:
        """The number 0 of the type of `rows`."""
        return Number(self.builder, ir.Constant(rows._kind, 0.0))

    def integer(self, value: int) -> Number:
        """A constant."""
        return Number(self.builder, ir.IntType(64)(value))

    def product(self, a: Any, b: Any) -> Any:
        """A product that is rounded before anything is added, for sums of two products."""
        mine, theirs = a._pair(b)
        return Number(self.builder, self.builder.fmul(mine, theirs, flags=ALONE))

    def at_most(self, i: Any, bound: Any) -> Any:
        """The smaller of two integers."""
        return Number(self.builder, self.builder.select((i < bound).value, i.value, bound.value))

    def where(self, condition: Number, value: Any, otherwise: Any = 0.0) -> Number:
        """A value where the condition holds, and the other one elsewhere. One of them may be a constant."""
        if isinstance(value, Number):
            mine, theirs = value._pair(otherwise)
        else:
            theirs, mine = otherwise._pair(value)
        return Number(self.builder, self.builder.select(condition.value, mine, theirs))

    def larger(self, a: Any, b: Any) -> Number:
        """b where it is larger than a, otherwise a, which is kept if it is NaN."""
        return self.where(b > a, b, a)

    def bits(self, x: Number) -> Number:
        """The bits of a number as an integer."""
        return self._recast(x, {ir.DoubleType(): ir.IntType(64), ir.FloatType(): ir.IntType(32)})

    def real(self, bits: Number) -> Number:
        """The number that has these bits."""
        return self._recast(bits, {ir.IntType(64): ir.DoubleType(), ir.IntType(32): ir.FloatType()})

    def _recast(self, x: Number, kinds: dict[Any, Any]) -> Number:
        kind = x.value.type
        other = ir.VectorType(kinds[kind.element], kind.count) if isinstance(kind, ir.VectorType) else kinds[kind]
        return Number(self.builder, self.builder.bitcast(x.value, other))

    def float_of(self, i: Number, model: Number) -> Number:
        """An integer as a number of the precision of `model`."""
        kind = getattr(model.value.type, "element", model.value.type)
        return Number(self.builder, self.builder.sitofp(i.value, kind))

    def is_single(self, x: Number) -> bool:
        """Whether it is of single precision."""
        return isinstance(getattr(x.value.type, "element", x.value.type), ir.FloatType)

    def double(self, x: Number) -> Number:
        """The same in double precision."""
        kind, double = x.value.type, ir.DoubleType()
        wide = ir.VectorType(double, kind.count) if isinstance(kind, ir.VectorType) else double
        return Number(self.builder, self.builder.fpext(x.value, wide)) if self.is_single(x) else x

    def like(self, x: Number, model: Number) -> Number:
        """A number of double precision in that of `model`."""
        return Number(self.builder, self.builder.fptrunc(x.value, model.value.type)) if self.is_single(model) else x

    def pieces(self, vector: Number, n: int) -> list[Number]:
        """A vector cut into vectors of n."""
        value, count = vector.value, vector.value.type.count
        return [
            Number(self.builder, shuffle(self.builder, value, value, list(range(first, first + n))))
            for first in range(0, count, n)
        ]

    def sums(self, vectors: Sequence[Number]) -> Number:
        """The sums of vectors, a power of two of them, as one vector.

        The upper half of each is added to its lower half until one number is left. Two vectors are halved at a time.
        """
        builder = self.builder
        values = [vector.value for vector in vectors]
        lanes = values[0].type.count
        # Each entry holds, one after the other, `width` partial sums for each of several vectors.
        width = lanes
        while width > 1:
            half = width // 2
            if len(values) > 1:
                pairs = [(values[p], values[p + 1]) for p in range(0, len(values), 2)]
            else:
                pairs = [(values[0], ir.Constant(values[0].type, ir.Undefined))]
            n = values[0].type.count // width  # vectors in an entry
            merged = []
            for a, b in pairs:
                total = a.type.count
                starts = [g * width for g in range(n)] + [total + g * width for g in range(n)]
                if len(values) == 1:
                    starts = starts[:n]
                low = [s + e for s in starts for e in range(half)]
                high = [s + half + e for s in starts for e in range(half)]
                halves = shuffle(builder, a, b, low), shuffle(builder, a, b, high)
                merged.append(builder.fadd(*halves, flags=ALONE))
            values, width = merged, half
        while len(values) > 1:
            pairs = [(values[p], values[p + 1]) for p in range(0, len(values), 2)]
            values = [shuffle(builder, a, b, list(range(2 * a.type.count))) for a, b in pairs]
        return Number(builder, values[0])
