"""Jobs: the arguments of a compiled step, as a record of int64 fields that it reads at an address.

A field is an integer, the address of an array's data, or the bits of a float64; the arrays must outlive the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Prepared(NamedTuple):
    """A step that can be run: its address, its job, the arrays that the job points to, and what else it points to."""

    step: int
    job: Array
    arrays: Mapping[str, Array]
    kept: Any = None


class Fields:
    """The names of a job's fields, and their places in it. Those of `reals` hold the bits of a float64."""

    def __init__(self, names: str, reals: str = "") -> None:
        self.names, self._reals = (*names.split(), *reals.split()), frozenset(reals.split())
        self.place = {name: i for i, name in enumerate(self.names)}
        self._nothing = np.zeros(len(self.names), dtype=np.int64)

    def job(
        self, arrays: Mapping[str, Array], numbers: Mapping[str, int], reals: Mapping[str, float] | None = None
    ) -> Array:
        """A job with these arrays and numbers, and 0 in all other fields: int64, in the order of the names."""
        job, place = self._nothing.copy(), self.place
        for name, number in numbers.items():
            job[place[name]] = number
        for name, value in (reals or {}).items():
            job.view(np.float64)[place[name]] = value
        for name, array in arrays.items():
            job[place[name]] = array.ctypes.data
        return job

    def read(self, machine: Any, address: Any) -> SimpleNamespace:
        """The fields of the job at an address, for staged functions."""
        job = machine.rows(address, (len(self.names),), "i8")
        fields = {name: job.number(0, i) for i, name in enumerate(self.names)}
        return SimpleNamespace(**{n: machine.real(bits) if n in self._reals else bits for n, bits in fields.items()})
