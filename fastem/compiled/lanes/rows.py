"""Arrays as a staged function sees them. `plain` has their twin in NumPy."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from fastem.compiled.lanes.target import REGISTER
from fastem.compiled.lanes.values import Number

# The types of numbers in memory, by NumPy's codes.
KINDS = {"f4": types.float32, "f8": types.float64, "i8": types.int64, "b1": types.boolean}


class Rows:
    """A 2-D array of contiguous rows, or a 1-D one, which is a single row."""

    def __init__(self, machine: Any, data: Any, shape: list[Number], numbers: Any) -> None:
        self._machine, self._data, self._shape, self._numbers = machine, data, shape, numbers
        self._kind = machine.context.get_data_type(numbers)
        self.height, self.width = shape[0], shape[-1]

    @property
    def size(self) -> Number:
        """How many values it has."""
        return math.prod(self._shape[1:], start=self._shape[0])

    @property
    def place(self) -> Any:
        """Where it begins."""
        return self._data

    @property
    def code(self) -> str:
        """The type of its values, as NumPy writes it."""
        return next(code for code, numbers in KINDS.items() if numbers == self._numbers)

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

    def cut(self, first: Any, shape: Any) -> Rows:
        """Some of its values, from the first on, as an array of this shape."""
        lengths = [each if isinstance(each, Number) else self._machine.integer(each) for each in shape]
        return Rows(self._machine, self._place(0, first), lengths, self._numbers)

    def fetch(self, offset: Any) -> None:
        """Ask for the cache line at `offset` bytes from the beginning, which may lie beyond the end, to read it."""
        builder, byte, flag = self._machine.builder, ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        place = builder.gep(builder.bitcast(self._data, byte), [offset.value])
        builder.call(function, [place, flag(0), flag(2), flag(1)])  # into the second-level cache, data

    def _place(self, i: Any, j: Any) -> Any:
        offset = j if isinstance(i, int) and i == 0 else i * self.width + j
        return self._machine.gep(self._data, offset if isinstance(offset, Number) else self._machine.integer(offset))

    def passed(self) -> tuple[Any, Any]:
        """The type and the value of the array as numba passes it to a function."""
        from numba.np.arrayobj import populate_array  # takes 25 ms, which a process with a warm cache does not need

        machine, kind = self._machine, types.Array(self._numbers, len(self._shape), "C")
        context, builder, integer = machine.context, machine.builder, ir.IntType(64)
        array = context.make_array(kind)(context, builder)
        size = context.get_abi_sizeof(self._kind)
        strides = [integer(size)]
        for length in self._shape[:0:-1]:
            strides.insert(0, builder.mul(strides[0], length.value))
        populate_array(
            array, self._data, [length.value for length in self._shape], strides, integer(size), meminfo=None
        )
        return kind, array._getvalue()
