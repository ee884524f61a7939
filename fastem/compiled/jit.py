"""The only place that spells numba options: decorators, flags, and kernels as addresses.

A kernel travels as the int64 address of its machine code. One compiled fold then serves every family, the disk cache
is hit in a new process, and an edited kernel is seen. With NUMBA_DISABLE_JIT=1 every piece here
has a twin in plain Python, so that coverage can be measured.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import carray as _carray
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from fastem.compiled.caching import kept, stamped

Function = TypeVar("Function", bound=Callable[..., Any])

JIT = not config.DISABLE_JIT

# 'nnan' and 'ninf' stay out: -inf is a legal log weight and NaN must be seen.
_FLAGS = {"reassoc", "nsz", "arcp", "contract", "afn"}


def _compile(function: Function, label: str, quick: bool = True, **options: Any) -> Function:
    if not JIT:
        return function
    labelled = stamped(function, label)
    return cast(Function, kept(lambda cache: njit(cache=cache, **options)(labelled), quick))


# These options leave out the two functions that numba adds around each kernel, to call it from Python and from C.
_BARE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_KEPT = ("nogil", "error_model", "fastmath")


def kernel(function: Function) -> Function:
    """Compile a floating-point loop over samples.

    The code behind an `address` is compiled separately, without wrappers, which saves a fifth of the first fit's time.
    The dispatcher that is returned is for callers from compiled code and from Python, and costs nothing until called.
    """
    return _compile(function, "kernel", nogil=True, error_model="numpy", fastmath=_FLAGS)


def routine(function: Function) -> Function:
    """Compile a loop that only other kernels call."""
    return _compile(function, "bare", nogil=True, error_model="numpy", fastmath=_FLAGS, **_BARE)


def exact(function: Function) -> Function:
    """Compile a loop in which the order of additions matters: nothing may be reassociated."""
    return _compile(function, "exact", nogil=True, error_model="numpy", fastmath={"contract"})


def rounded(function: Function) -> Function:
    """Compile a loop in which each operation is rounded by itself, as in NumPy: no product joins a sum."""
    return _compile(function, "rounded", nogil=True, error_model="numpy")


def inline(function: Function) -> Function:
    """Compile arithmetic that is inlined into kernels and keeps its own flags.

    'reassoc' would fold (x + MAGIC) - MAGIC to x, and inline='always' would inherit the caller's flags.
    """
    return _compile(function, "inline", forceinline=True, error_model="numpy", fastmath={"contract"}, **_BARE)


def part(function: Function) -> Function:
    """Compile loops as a part of each kernel that calls them, with that kernel's flags.

    Inlined before type inference, a part is optimised once, inside its caller: the first fit compiles a third faster.
    """
    return function if not JIT else cast(Function, njit(inline="always")(function))


def serial_engine(function: Function) -> Function:
    """Compile an engine that runs in the calling thread, without the interpreter's lock."""
    return _compile(function, "serial", nogil=True, error_model="numpy")


def parallel_engine(function: Function) -> Function:
    """Compile an engine whose prange loops run in numba's own threads."""
    return _compile(function, "parallel", nogil=True, error_model="numpy", parallel=True)


def cached(function: Function | None = None, **options: Any) -> Any:
    """Compile a function that calls fastem's kernels, and keep its machine code on disk.

    It is ``numba.njit(cache=True)`` but for two things. Numba's cache looks at the function's own file alone, and would
    go on with the old kernels after an upgrade of fastem; this one is renewed when fastem's compiled code changes. And
    where no cache can be written, the function is compiled in memory instead of raising an error. An edit of functions
    that were imported from other files of yours is not seen: put them into one file, or begin with an empty cache.

    Parameters
    ----------
    function : the function. With options, leave it out: ``@fastem.jit.cached(parallel=True)``.
    **options : those of ``numba.njit``, but for ``cache``.

    Returns
    -------
    A numba dispatcher. With NUMBA_DISABLE_JIT=1, the function itself.
    """
    if function is None:
        return lambda function: cached(function, **options)
    return _compile(function, "cached", quick=False, **options)


def address(function: Any, *argument_types: Any) -> int:
    """Compile `function` for these argument types and return the address of its machine code."""
    key = (id(function), argument_types)
    if key in _ADDRESSES:
        return _ADDRESSES[key]
    with _LOCK:
        twin = _bare_twin(function)
        if JIT:
            signature = tuple(_numba_type(*argument) for argument in argument_types)
            twin.compile(types.void(*signature))
            compiled = twin.overloads[signature]
            _ADDRESSES[key] = int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
        else:
            _ADDRESSES[key] = id(function)
            _PYTHON_KERNELS[id(function)] = function
    return _ADDRESSES[key]


def _bare_twin(function: Any) -> Any:
    """The source of a kernel compiled with its flags, but without wrappers.

    A dispatcher that was not made here, or has no wrappers, is its own twin.
    """
    if id(function) not in _BARE_TWINS:
        source, options = getattr(getattr(function, "py_func", None), "__wrapped__", None), {}
        if source is not None:
            options = {name: value for name, value in function.targetoptions.items() if name in _KEPT}
        twin = function
        if source is not None and not function.targetoptions.get("no_cpython_wrapper"):
            flags = options.get("fastmath", set())
            label = "bare" if flags == _FLAGS else f"bare {sorted(flags)}"
            twin = _compile(source, label, **options, **_BARE)
        # The kernel is kept beside its twin, so that no other object ever gets its id.
        _BARE_TWINS[id(function)] = function, twin
    return _BARE_TWINS[id(function)][1]


def vector(dtype: Any) -> tuple[str, int]:
    """The type of a contiguous 1-D array, for `address`."""
    return np.dtype(dtype).str[1:], 1


def matrix(dtype: Any) -> tuple[str, int]:
    """The type of a contiguous 2-D array, for `address`."""
    return np.dtype(dtype).str[1:], 2


INTEGER, FLAGS = ("i8", 0), ("b1", 2)


def _numba_type(code: str, n_dimensions: int) -> Any:
    """What `vector`, `matrix`, INTEGER and FLAGS stand for; numba's own types take 10 us to make and to look up."""
    scalar = {"f4": types.float32, "f8": types.float64, "i8": types.int64, "b1": types.boolean}[code]
    return types.Array(scalar, n_dimensions, "C") if n_dimensions else scalar


_ADDRESSES: dict[tuple[int, Any], int] = {}
_BARE_TWINS: dict[int, tuple[Any, Any]] = {}
_LOCK = threading.RLock()
_PYTHON_KERNELS: dict[int, Callable[..., Any]] = {}

if JIT:
    carray = _carray

    def called(context: Any, builder: Any, target: Any, arguments: Any) -> Any:
        """Call the machine code at an address with arguments, (type, value) each; how that ended."""
        kinds, values = [kind for kind, _ in arguments], [value for _, value in arguments]
        function_type = context.call_conv.get_function_type(types.none, kinds)
        location = builder.inttoptr(target, function_type.as_pointer())
        return context.call_conv.call_function(builder, location, types.none, kinds, values)[0]

    def _called(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = list(signature.args[1])
        unpacked = cgutils.unpack_tuple(builder, values[1], len(kinds))
        return called(context, builder, values[0], list(zip(kinds, unpacked, strict=True)))

    @intrinsic
    def call(_typing: Any, target: Any, *arguments: Any) -> Any:
        """Call the compiled kernel at an address; it must have been compiled for exactly these types.

        What the kernel raises, the caller raises.
        """
        signature = types.void(types.int64, types.StarArgTuple.from_types(arguments))

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            status = _called(context, builder, signature, values)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return signature, generate

    @intrinsic
    def raises(_typing: Any, target: Any, *arguments: Any) -> Any:
        """Call the compiled kernel at an address; whether it raised something, which goes no further."""
        signature = types.boolean(types.int64, types.StarArgTuple.from_types(arguments))

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return _called(context, builder, signature, values).is_error

        return signature, generate

    @intrinsic
    def pointer(_typing: Any, location: Any) -> Any:
        """An int64 address as the void pointer that numba.carray takes."""

        def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            return builder.inttoptr(values[0], ir.IntType(8).as_pointer())

        return types.voidptr(types.int64), generate

    @part
    def numbers_at(location, shape):
        """The float64 numbers at an address, as an array of this shape."""
        return carray(pointer(location), shape, np.float64)

    @intrinsic
    def fetch_add(_typing: Any, location: Any, increment: Any) -> Any:
        """Add to the int64 at an address, atomically; returns the value before."""

        def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            counter = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
            return builder.atomic_rmw("add", counter, values[1], "monotonic")

        return types.int64(types.int64, types.int64), generate

    @intrinsic
    def wide(_typing: Any) -> Any:
        """Let the enclosing kernel use 512-bit registers if the processor has them.

        LLVM prefers 256 bits on Intel's server processors; 512 made the full-covariance kernels 1.3 to 1.6 times
        faster on an Emerald Rapids (E-step at d = 32: 32 -> 47 GFLOP/s; M-step 27 -> 36).
        """

        def generate(context: Any, builder: Any, _signature: Any, _values: Any) -> Any:
            widened(builder)
            return context.get_dummy_value()

        return types.void(), generate

    def widened(builder: Any) -> None:
        """`wide`, for those who write machine instructions themselves."""
        # llvmlite lists the attributes that it knows; this one is LLVM's own and is written as a string.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')

else:

    def carray(location: Any, shape: Any, dtype: Any) -> Any:
        """numba's carray, but with an empty array for a null pointer, which that refuses in plain Python."""
        return _carray(location, shape, dtype) if location.value else np.empty(0, dtype=dtype)

    def called(context: Any, builder: Any, target: Any, arguments: Any) -> Any:
        return None

    def call(target: int, *arguments: Any) -> None:
        _PYTHON_KERNELS[int(target)](*arguments)

    def raises(target: int, *arguments: Any) -> bool:
        call(target, *arguments)  # in plain Python, what a kernel raises goes its own way
        return False

    def pointer(location: int) -> Any:
        return ctypes.c_void_p(int(location))

    def numbers_at(location: int, shape: Any) -> Any:
        return carray(pointer(location), shape, np.float64)

    def fetch_add(location: int, increment: int) -> int:
        counter = _carray(ctypes.c_void_p(int(location)), (1,), np.int64)
        before = int(counter[0])
        counter[0] += increment
        return before

    def wide() -> None:
        return None

    def widened(builder: Any) -> None:
        return None
