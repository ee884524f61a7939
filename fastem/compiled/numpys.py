"""NumPy's sums and logarithms for compiled code: the same bits, whether an M-step is made by NumPy or in a burst.

NumPy picks its loop of logarithms for the processor; on those with AVX-512, one value in a thousand differs in its last
bit from the C library's. The loop is found in the ufunc, whose first fields are public (numpy/ufuncobject.h), and is
called by a symbol, so that machine code stays valid in another process. Where it does not give what np.log gives, that
is called.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastem.compiled.jit import JIT, rounded

# Longer sums NumPy cuts in two.
LONGEST = 128


@rounded
def total_of(x):
    """x.sum() of a vector of at most LONGEST numbers: eight sums at a time, which are added in pairs."""
    n = x.size
    if n < 8:
        total = -0.0
        for i in range(n):
            total += x[i]
        return total
    a, b, c, d, e, f, g, h = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
    whole = n // 8 * 8
    for i in range(8, whole, 8):
        a += x[i]
        b += x[i + 1]
        c += x[i + 2]
        d += x[i + 3]
        e += x[i + 4]
        f += x[i + 5]
        g += x[i + 6]
        h += x[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(whole, n):
        total += x[i]
    return total


_SYMBOL = "fastem_numpy_log"
_LOOP = ctypes.CFUNCTYPE(None, *4 * [ctypes.c_void_p])


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


def _with_numpy(arguments: int, sizes: int, _steps: int, _data: int) -> None:
    """The same as the loop, by np.log."""
    n = ctypes.cast(sizes, ctypes.POINTER(ctypes.c_int64))[0]
    x, out = (
        np.ctypeslib.as_array(ctypes.cast(place, ctypes.POINTER(ctypes.c_double)), (n,))
        for place in ctypes.cast(arguments, ctypes.POINTER(ctypes.c_void_p))[:2]
    )
    out[...] = np.log(x)


def _loop() -> int:
    """The address of NumPy's loop over float64 numbers, or of `_with_numpy`."""
    inner = _UFunc.from_address(id(np.log))
    if (inner.nin, inner.nout, inner.nargs, inner.ntypes) == (1, 1, 2, len(np.log.types)) and "d->d" in np.log.types:
        index = np.log.types.index("d->d")
        address = inner.functions[index]
        if address and not inner.data[index]:
            x, out = np.exp(np.linspace(-9.0, 9.0, 37)), np.empty(37)
            places = (ctypes.c_void_p * 2)(x.ctypes.data, out.ctypes.data)
            _LOOP(address)(places, (ctypes.c_int64 * 1)(37), (ctypes.c_int64 * 2)(8, 8), None)
            if (out == np.log(x)).all():
                return int(address)
    return int(ctypes.cast(_FALLBACK, ctypes.c_void_p).value or 0)


_FALLBACK = _LOOP(_with_numpy)

if JIT:
    binding.add_symbol(_SYMBOL, _loop())

    @intrinsic
    def log_into(_typing: Any, x: Any, out: Any) -> Any:
        """out[:] = np.log(x), of contiguous float64 vectors; they may be the same."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            byte, integer = ir.IntType(8).as_pointer(), ir.IntType(64)
            arrays = [
                context.make_array(kind)(context, builder, each)
                for kind, each in zip(signature.args, values, strict=True)
            ]
            places = cgutils.alloca_once(builder, ir.ArrayType(byte, 2))
            sizes, steps = (cgutils.alloca_once(builder, ir.ArrayType(integer, n)) for n in (1, 2))
            zero = ir.IntType(32)(0)
            for i, array in enumerate(arrays):
                place = ir.IntType(32)(i)
                builder.store(builder.bitcast(array.data, byte), builder.gep(places, [zero, place]))
                builder.store(integer(8), builder.gep(steps, [zero, place]))
            n = cgutils.unpack_tuple(builder, arrays[0].shape, 1)[0]
            builder.store(n, builder.gep(sizes, [zero, zero]))
            kind = ir.FunctionType(ir.VoidType(), 4 * [byte])
            function = cgutils.get_or_insert_function(builder.module, kind, _SYMBOL)
            pointers = [builder.bitcast(each, byte) for each in (places, sizes, steps)]
            builder.call(function, [*pointers, ir.Constant(byte, None)])
            return context.get_dummy_value()

        return types.void(x, out), generate

else:

    def log_into(x: Any, out: Any) -> None:
        out[...] = np.log(x)
