"""What writes down the machine instructions of a staged function. `plain` has its twin in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from fastem.compiled.jit import called
from fastem.compiled.lanes.rows import KINDS, Rows
from fastem.compiled.lanes.target import REGISTER
from fastem.compiled.lanes.values import ALONE, FIRST, Number, n_bytes, shuffle

Body = Callable[..., Any]


class Machine:
    """Writes down what a staged function does."""

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder
        self._single = False  # whether vectors hold one sample each, beside zeros

    def argument(self, kind: Any, value: Any) -> Any:
        if isinstance(kind, types.BaseTuple):
            parts = cgutils.unpack_tuple(self.builder, value, len(kind))
            return tuple(self.argument(*pair) for pair in zip(kind, parts, strict=True))
        if isinstance(kind, types.Array):
            array = self.context.make_array(kind)(self.context, self.builder, value)
            shape = [Number(self.builder, each) for each in cgutils.unpack_tuple(self.builder, array.shape, kind.ndim)]
            return Rows(self, array.data, shape, kind.dtype)
        return Number(self.builder, value)

    def rows(self, place: Number, shape: Sequence[Any], code: str) -> Rows:
        """The array at an address, of one or two dimensions. code: "f4", "f8", "i8" or "b1"."""
        lengths = [each if isinstance(each, Number) else self.integer(each) for each in shape]
        kind = self.context.get_data_type(KINDS[code])
        return Rows(self, self.builder.inttoptr(place.value, kind.as_pointer()), lengths, KINDS[code])

    def call(self, target: Number, *arguments: Any) -> None:
        """Call the compiled kernel at an address; it must have been compiled for exactly these types.

        Arguments are arrays and integers. What the kernel raises, the caller raises.
        """
        passed = [(types.int64, a.value) if isinstance(a, Number) else a.passed() for a in arguments]
        status = called(self.context, self.builder, target.value, passed)
        with cgutils.if_unlikely(self.builder, status.is_error):
            self.context.call_conv.return_status_propagate(self.builder, status)

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

    def loop(self, symbol: str, _ufunc: Any, x: Rows, out: Rows) -> None:
        """Let NumPy's loop with this symbol write a ufunc of the numbers of x to out."""
        builder, byte, integer, zero = self.builder, ir.IntType(8).as_pointer(), ir.IntType(64), ir.IntType(32)(0)
        places = cgutils.alloca_once(builder, ir.ArrayType(byte, 2))
        sizes, steps = (cgutils.alloca_once(builder, ir.ArrayType(integer, n)) for n in (1, 2))
        for i, rows in enumerate((x, out)):
            place = ir.IntType(32)(i)
            builder.store(builder.bitcast(rows.place, byte), builder.gep(places, [zero, place]))
            builder.store(integer(8), builder.gep(steps, [zero, place]))
        builder.store(x.size.value, builder.gep(sizes, [zero, zero]))
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), 4 * [byte]), symbol)
        pointers = [builder.bitcast(each, byte) for each in (places, sizes, steps)]
        builder.call(function, [*pointers, ir.Constant(byte, None)])

    def when(self, condition: Any, body: Body, *carried: Any) -> tuple[Any, ...]:
        """Call body(*carried) where a condition holds; it returns what is carried on, and nothing changes elsewhere."""
        builder = self.builder
        before = builder.basic_block
        inside, after = (builder.append_basic_block(name) for name in ("inside", "after"))
        builder.cbranch(condition.value, inside, after)
        builder.position_at_end(inside)
        results = body(*carried) or ()
        end = builder.basic_block
        builder.branch(after)
        builder.position_at_end(after)
        found = []
        for value, result in zip(carried, results, strict=True):
            phi = builder.phi(value.value.type)
            phi.add_incoming(value.value, before)
            phi.add_incoming(result.value, end)
            found.append(Number(builder, phi))
        return tuple(found)

    def until(self, body: Body, *carried: Any) -> tuple[Any, ...]:
        """Call body(*carried) until the first of its results, a condition, holds; the others are what is carried on."""
        builder, before = self.builder, self.builder.basic_block
        inside, after = (builder.append_basic_block(name) for name in ("inside", "after"))
        builder.branch(inside)
        builder.position_at_end(inside)
        phis = [builder.phi(value.value.type) for value in carried]
        for phi, value in zip(phis, carried, strict=True):
            phi.add_incoming(value.value, before)
        ended, *results = body(*(Number(builder, phi) for phi in phis))
        for phi, value in zip(phis, results, strict=True):
            phi.add_incoming(value.value, builder.basic_block)
        builder.cbranch(ended.value, after, inside)
        builder.position_at_end(after)
        return tuple(results)

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
        self, rows: Rows, terms: Callable[[Any, int], Sequence[Number]], in_pairs: Sequence[bool]
    ) -> list[Number]:
        """The sums over samples t of the vectors terms(t, n).

        Four vectors at a time are added up, to four sums each, as LLVM does it; what is left is added up to one more.
        in_pairs: for each sum, whether the four are added in pairs, or one after the other.
        """
        n, size, count = rows.lanes, rows.width, len(in_pairs)
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
            total = (a + b) + (c + d) if in_pairs[i] else a + b + c + d
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
        return Number(self.builder, ir.Constant(rows._kind, 0 if isinstance(rows._kind, ir.IntType) else 0.0))

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

    def flag(self, condition: Any) -> Number:
        """A condition as it lies in an array."""
        return Number(self.builder, self.builder.zext(condition.value, ir.IntType(8)))

    def choose(self, condition: Any, value: Any, otherwise: Any) -> Number:
        """One of two integers."""
        mine, theirs = (each.value if isinstance(each, Number) else ir.IntType(64)(each) for each in (value, otherwise))
        return Number(self.builder, self.builder.select(condition.value, mine, theirs))

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

    def log(self, x: Number) -> Number:
        """The natural logarithm of a number, by the C library."""
        return self._by_llvm("llvm.log", x)

    def root(self, x: Number) -> Number:
        """The square root."""
        return self._by_llvm("llvm.sqrt", x)

    def _by_llvm(self, name: str, x: Number) -> Number:
        kind = x.value.type
        element = getattr(kind, "element", kind)
        full = f"{name}.{f'v{kind.count}' if isinstance(kind, ir.VectorType) else ''}{element.intrinsic_name}"
        function = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(kind, [kind]), full)
        return Number(self.builder, self.builder.call(function, [x.value]))

    def whole(self, x: Number) -> Number:
        """A number without its fraction, as an integer."""
        return Number(self.builder, self.builder.fptosi(x.value, ir.IntType(64)))

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
