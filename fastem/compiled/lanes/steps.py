"""Steps, step(job, span, worker), from staged functions: one for each precision, compiled when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np

from fastem.compiled.jit import INTEGER, address, routine
from fastem.compiled.lanes import compact

Body = Callable[[Any, str, Any, Any, Any], None]
_BODY: Any = None  # each step has its own


def _step(job: Any, span: Any, worker: Any) -> None:
    _BODY(job, span, worker)


def steps(body: Body) -> Callable[[Any], int]:
    """A function that returns the address of a step for tiles of a dtype.

    body(machine, code, job, span, worker): what the step does, as a staged function. code: the type of the numbers in
    the tiles, "f4" or "f8".
    """

    @cache
    def address_of(dtype: Any) -> int:
        code = np.dtype(dtype).str[1:]

        def of_this_type(machine: Any, job: Any, span: Any, worker: Any) -> None:
            body(machine, code, job, span, worker)

        # All steps consist of the same statement, so the cache of machine code tells them apart by their names.
        name = f"{body.__module__}.{body.__name__}.{code}"
        named = FunctionType(_step.__code__, {**globals(), "_BODY": compact(of_this_type)}, name)
        named.__qualname__, named.__module__ = name, __name__
        return address(routine(named), INTEGER, INTEGER, INTEGER)

    return address_of
