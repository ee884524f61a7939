"""Vector code: loops over samples that keep what they compute in registers, written once for registers of any width.

A `staged` function is ordinary Python that runs once, while a kernel is compiled. What it does to values is not done
then, but written down as machine instructions. So it decides itself how many values it keeps in registers. That is left
to LLVM in a kernel, which spills in the innermost loop where there are too few. It also takes a tenth of the time to
compile, because numba never sees the statements. With NUMBA_DISABLE_JIT=1 the function computes with NumPy arrays.

Its first argument is the machine. Arrays, contiguous ones alone, are `Rows`, and all other arguments are numbers or
tuples of them. A value is a number or a vector of consecutive samples. Values are added and multiplied in the order in
which they are written; a product and a sum become one operation where the processor has one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from numba import types
from numba.core import cgutils, errors
from numba.extending import intrinsic

from fastem.compiled.jit import JIT, widened
from fastem.compiled.lanes.machine import Machine
from fastem.compiled.lanes.plain import run_plainly
from fastem.compiled.lanes.target import REGISTER

Body = Callable[..., Any]


def staged(function: Body) -> Any:
    """Make a staged function, function(machine, *arguments), callable from kernels; it returns nothing."""
    return _made(function, lambda arguments: types.void)


def compact(function: Body) -> Any:
    """The same for what does little work itself: a few values, or calls of kernels.

    The kernel that it is in is compiled for size, which takes a third to a half of the time: LLVM neither unrolls its
    loops nor vectorises what is not written in vectors.
    """
    return _made(function, lambda arguments: types.void, ("optsize",))


def valued(function: Body) -> Any:
    """The same for a function whose result is of the type of its first argument, a number."""
    return _made(function, lambda arguments: arguments[0])


def summed(function: Body) -> Any:
    """The same for a function whose result is of the type of the numbers in its first argument, an array."""
    return _made(function, lambda arguments: arguments[0].dtype)


def _made(function: Body, result_of: Body, attributes: tuple[str, ...] = ()) -> Any:
    if not JIT:
        return wraps(function)(lambda *arguments: run_plainly(function, arguments))

    def typing(_typing: Any, *arguments: Any) -> Any:
        arguments = tuple(types.unliteral(argument) for argument in arguments)
        for i, argument in enumerate(arguments):
            if isinstance(argument, types.Array) and argument.layout != "C":
                raise errors.TypingError(f"argument {i} of {function.__name__} is not known to be contiguous.")
        signature = result_of(arguments)(types.StarArgTuple.from_types(arguments))

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kinds = list(signature.args[0])
            unpacked = cgutils.unpack_tuple(builder, values[0], len(kinds))
            machine = Machine(context, builder)
            result = function(machine, *(machine.argument(*pair) for pair in zip(kinds, unpacked, strict=True)))
            if result is not None:
                return result.value
            widened(builder)
            for attribute in attributes:
                builder.function.attributes.add(attribute)
            return context.get_dummy_value()

        return signature, generate

    typing.__name__, typing.__doc__, typing.__module__ = function.__name__, function.__doc__, function.__module__
    return intrinsic(typing)


def fetching(machine: Any, tile: Any, sweep: Any) -> Any:
    """A function that asks for some of what lies behind a tile, in a fit the next tile, while samples t are worked on.

    sweep: which of a kernel's sweeps over the tile this is, and of how many. It is called for every two registers'
    worth of samples, as requests must be spread over all of the work for memory to be read while the loops compute. On
    a Zen 5 at (200k, 16, 16), a diagonal iteration went from 3.5 to 3.25 ms and a tied one from 4.9 to 4.65. All
    requests at once, between two kernels, gained nothing.
    """
    n, (step, n_steps) = 2 * tile.lanes, sweep
    n_chunks = (tile.width + (n - 1)) // n
    lines = tile.size // (64 * tile.lanes // REGISTER)
    count = (lines + n_steps * n_chunks - 1) // (n_steps * n_chunks)
    before = lines + step * n_chunks * count

    def fetch(t: Any) -> None:
        first = before + t // n * count
        machine.repeat(0, count, lambda i: tile.fetch(64 * (first + i)))

    return fetch
