"""What does at once, in NumPy, what a staged function says: the twin of `machine` for NUMBA_DISABLE_JIT=1."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastem.compiled.jit import call, carray, pointer
from fastem.compiled.lanes.target import REGISTER

Value = Any
Body = Callable[..., Any]


class PlainRows:
    """`Rows` in NumPy."""

    def __init__(self, machine: Plain, array: Any, first: int = 0) -> None:
        self._machine, self._array, self._flat, self._first = machine, array, array.reshape(-1), first
        self.size, self.height, self.width = array.size, array.shape[0], array.shape[-1]
        self.dtype = array.dtype
        self.lanes, self.code = REGISTER // self.dtype.itemsize, self.dtype.str[1:]

    def number(self, i: int, j: int) -> Value:
        return self._flat[self._first + i * self.width + j]

    def vector(self, i: int, t: int, n: int) -> Value:
        first, value = self._first + i * self.width + t, np.zeros(n, dtype=self.dtype)
        count = n if self._machine.left is None else self._machine.left
        value[:count] = self._flat[first : first + count]
        return value

    def put(self, i: int, t: int, value: Value) -> None:
        first, size = self._first + i * self.width + t, np.size(value)
        count = size if self._machine.left is None or size == 1 else self._machine.left
        self._flat[first : first + count] = value if size == 1 else value[:count]

    def add(self, i: int, t: int, value: Value) -> None:
        first = self._first + i * self.width + t
        self._flat[first : first + np.size(value)] += value

    def cut(self, first: int, shape: Sequence[int]) -> PlainRows:
        return PlainRows(self._machine, self._flat[first : first + math.prod(shape)].reshape(shape))

    def fetch(self, offset: int) -> None:
        pass


class Plain:
    """Does what a staged function says at once, in NumPy."""

    def __init__(self) -> None:
        self.left: int | None = None

    def repeat(self, first: int, last: int, body: Body, *carried: Any, step: int = 1) -> tuple[Any, ...]:
        for i in range(first, last, step):
            carried = body(i, *carried) or ()
        return carried

    def rows(self, place: int, shape: Sequence[int], code: str) -> PlainRows:
        return PlainRows(self, carray(pointer(place), tuple(shape), np.dtype(code)))

    def call(self, target: int, *arguments: Any) -> None:
        call(target, *(each._array if isinstance(each, PlainRows) else each for each in arguments))

    def loop(self, _symbol: str, ufunc: Any, x: PlainRows, out: PlainRows) -> None:
        out._flat[...] = ufunc(x._flat)

    def when(self, condition: Any, body: Body, *carried: Any) -> tuple[Any, ...]:
        return (body(*carried) or ()) if condition else carried

    def until(self, body: Body, *carried: Any) -> tuple[Any, ...]:
        ended = False
        while not ended:
            ended, *rest = body(*carried)
            carried = tuple(rest)
        return carried

    def samples(self, size: int, n: int, body: Body, *carried: Any) -> tuple[Any, ...]:
        whole = size // n * n
        carried = self.repeat(0, whole, body, *carried, step=n)
        self.left = size - whole
        carried = self.repeat(whole, size, body, *carried, step=n)
        self.left = None
        return carried

    def totals(
        self, rows: PlainRows, terms: Callable[[Any, int], Sequence[Value]], in_pairs: Sequence[bool]
    ) -> list[Value]:
        sums = np.zeros((len(in_pairs), 1), dtype=rows.dtype)
        for t in range(rows.width):
            self.left = 1
            sums += [[term[0]] for term in terms(t, 1)]
        self.left = None
        return list(sums)

    def apart(self, n: int) -> int:
        return n if self.left is None else self.left

    def zeros(self, rows: PlainRows, n: int) -> Value:
        return np.zeros(n, dtype=rows.dtype)

    def zero(self, rows: PlainRows) -> Value:
        return rows.dtype.type(0)

    def integer(self, value: int) -> int:
        return value

    def product(self, a: Value, b: Value) -> Value:
        return a * b

    def at_most(self, i: int, bound: int) -> int:
        return min(i, bound)

    def flag(self, condition: Any) -> bool:
        return bool(condition)

    def choose(self, condition: Any, value: int, otherwise: int) -> int:
        return value if condition else otherwise

    def where(self, condition: Any, value: Value, otherwise: Value = 0.0) -> Value:
        kind = getattr(value, "dtype", None) or otherwise.dtype
        return np.asarray(np.where(condition, value, otherwise)).astype(kind)[()]

    def larger(self, a: Value, b: Value) -> Value:
        return self.where(b > a, b, a)

    def bits(self, x: Value) -> Value:
        return x.view(f"i{x.dtype.itemsize}")

    def real(self, bits: Value) -> Value:
        return bits.view(f"f{bits.dtype.itemsize}")

    def float_of(self, i: int, model: Value) -> Value:
        return model.dtype.type(i)

    def log(self, x: Value) -> Value:
        return np.log(x)

    def root(self, x: Value) -> Value:
        return np.sqrt(x)

    def whole(self, x: Value) -> int:
        return int(x)

    def is_single(self, x: Value) -> bool:
        return bool(x.dtype == np.float32)

    def double(self, x: Value) -> Value:
        return x.astype(np.float64)

    def like(self, x: Value, model: Value) -> Value:
        return x.astype(model.dtype)

    def pieces(self, vector: Value, n: int) -> list[Value]:
        return list(vector.reshape(-1, n))

    def sums(self, vectors: Sequence[Value]) -> Value:
        return np.array([vector.sum() for vector in vectors])


def run_plainly(function: Body, arguments: Sequence[Any]) -> Any:
    machine = Plain()

    def taken(argument: Any) -> Any:
        if isinstance(argument, np.ndarray):
            return PlainRows(machine, argument)
        return np.float64(argument) if isinstance(argument, float) else argument

    with np.errstate(all="ignore"):
        return function(machine, *map(taken, arguments))
