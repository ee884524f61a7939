"""Jobs: what a compiled step is told, as a record of int64 fields that it reads at an address.

A field is a number, or the address of an array's data; the arrays must outlive the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Fields:
    """The names of a job's fields, and their places in it. Kernels read a record of `dtype`."""

    def __init__(self, names: str) -> None:
        self.names = tuple(names.split())
        self.place = {name: i for i, name in enumerate(self.names)}
        self.dtype = np.dtype([(name, np.int64) for name in self.names])

    def job(self, arrays: Mapping[str, Array], numbers: Mapping[str, int]) -> Array:
        """A job with these arrays and numbers, and 0 in all other fields: int64, in the order of the names."""
        fields = dict(numbers)
        for name, array in arrays.items():
            fields[name] = array.ctypes.data
        return np.array([fields.get(name, 0) for name in self.names], dtype=np.int64)
