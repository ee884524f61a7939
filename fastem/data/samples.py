"""Samples and their weights, which are checked, taken and drawn together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastem.families.base import Array


class Samples(NamedTuple):
    """Checked data.

    X: (n_samples, n_features) numbers. sample_weight: (n_samples,) float64, or None if every sample counts 1.
    """

    X: Array
    sample_weight: Array | None = None

    @property
    def n_samples(self) -> int:
        """The number of rows."""
        return len(self.X)

    @property
    def total_weight(self) -> float:
        """The sum of the weights."""
        return float(len(self.X)) if self.sample_weight is None else float(self.sample_weight.sum())

    def take(self, rows: Array, dtype: np.dtype) -> Samples:
        """Some of the samples, their values in `dtype`."""
        weights = None if self.sample_weight is None else self.sample_weight[rows]
        return Samples(np.ascontiguousarray(self.X[rows], dtype=dtype), weights)
