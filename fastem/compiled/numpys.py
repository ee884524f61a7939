"""NumPy's sums and logarithms for compiled code: the same bits, whether an M-step is made by NumPy or in a burst.

NumPy picks its loop of logarithms for the processor; on those with AVX-512, one value in a thousand differs in its last
bit from the C library's. The loop is found in the ufunc, whose first fields are public (numpy/ufuncobject.h), and is
called by a symbol, so that machine code stays valid in another process. Where it does not give what np.log gives, that
is called.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import binding

from fastem.compiled.jit import JIT
from fastem.compiled.lanes import staged, summed

# Longer sums NumPy cuts in two.
LONGEST = 128


def total_in(machine: Any, x: Any) -> Any:
    """For staged functions: x.sum() of at most LONGEST numbers: eight sums at a time, which are added in pairs."""
    whole = x.width // 8 * 8

    def eight(i: Any, *sums: Any) -> list[Any]:
        return [total + x.number(0, i + q) for q, total in enumerate(sums)]

    def one(i: Any, total: Any) -> list[Any]:
        return [total + x.number(0, i)]

    a, b, c, d, e, f, g, h = machine.repeat(0, whole, eight, *8 * [machine.zero(x)], step=8)
    (total,) = machine.repeat(whole, x.width, one, ((a + b) + (c + d)) + ((e + f) + (g + h)))
    return total


total_of = summed(total_in)


_LOOP = ctypes.CFUNCTYPE(None, *4 * [ctypes.c_void_p])
# Loops that call NumPy itself must not be forgotten while machine code may call them.
_KEPT: list[Any] = []


class _UFunc(ctypes.Structure):
    """The beginning of NumPy's PyUFuncObject."""

    _fields_ = (
        ("head", ctypes.c_byte * object.__basicsize__),
        ("nin", ctypes.c_int),
        ("nout", ctypes.c_int),
        ("nargs", ctypes.c_int),
        ("identity", ctypes.c_int),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
        ("ntypes", ctypes.c_int),
    )


def with_numpy(ufunc: Any) -> Any:
    """A C function that does what the ufunc's own loop over float64 numbers does, by calling it from Python."""

    def loop(arguments: int, sizes: int, _steps: int, _data: int) -> None:
        n = ctypes.cast(sizes, ctypes.POINTER(ctypes.c_int64))[0]
        x, out = (
            np.ctypeslib.as_array(ctypes.cast(place, ctypes.POINTER(ctypes.c_double)), (n,))
            for place in ctypes.cast(arguments, ctypes.POINTER(ctypes.c_void_p))[:2]
        )
        with np.errstate(all="ignore"):
            out[...] = ufunc(x)

    return _LOOP(loop)


def run_loop(loop: Any, x: Any) -> Any:
    """What a loop makes of a contiguous float64 vector."""
    out = np.empty_like(x)
    places = (ctypes.c_void_p * 2)(x.ctypes.data, out.ctypes.data)
    loop(places, (ctypes.c_int64 * 1)(len(x)), (ctypes.c_int64 * 2)(8, 8), None)
    return out


def loop_of(ufunc: Any, x: Any) -> Any:
    """The ufunc's own loop over float64 numbers if it gives what the ufunc gives for x; otherwise `with_numpy`."""
    inner = _UFunc.from_address(id(ufunc))
    if (inner.nin, inner.nout, inner.nargs, inner.ntypes) == (1, 1, 2, len(ufunc.types)) and "d->d" in ufunc.types:
        index = ufunc.types.index("d->d")
        address = inner.functions[index]
        if address and not inner.data[index]:
            loop = _LOOP(address)
            if (run_loop(loop, x) == ufunc(x)).all():
                return loop
    return with_numpy(ufunc)


def _into(ufunc: Any, x: Any) -> Callable[[Any, Any], None]:
    """A function of contiguous float64 vectors for compiled code: out[:] = ufunc(x); they may be the same."""
    if not JIT:

        def plain(x: Any, out: Any) -> None:
            out[...] = ufunc(x)

        return plain
    symbol, loop = _symbol_of(ufunc), loop_of(ufunc, x)
    _KEPT.append(loop)
    binding.add_symbol(symbol, ctypes.cast(loop, ctypes.c_void_p).value)

    def staged_loop(machine: Any, x: Any, out: Any) -> None:
        loop_in(machine, ufunc, x, out)

    return cast(Callable[[Any, Any], None], staged(staged_loop))


def _symbol_of(ufunc: Any) -> str:
    return f"fastem_numpy_{ufunc.__name__}"


def loop_in(machine: Any, ufunc: Any, x: Any, out: Any) -> None:
    """For staged functions: out = ufunc(x) by NumPy's loop, for log and log1p; they may be the same."""
    machine.loop(_symbol_of(ufunc), ufunc, x, out)


log_into = _into(np.log, np.exp(np.linspace(-9.0, 9.0, 37)))
log1p_into = _into(np.log1p, np.linspace(-0.99, 0.9, 37))
