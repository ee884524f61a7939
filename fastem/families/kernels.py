"""What is compiled of a family: the kernels that see samples, and its M-step for bursts."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fastem.compiled.jit import FLAGS, address, call, matrix, serial_engine, vector
from fastem.families.parameters import Array


class Kernels(NamedTuple):
    """The compiled tile kernels of a family (numba dispatchers; call them from any @njit function).

    Arrays are C-contiguous. With d features, K components and T >= 16 samples, tile: (d + n_derived, T) float32 or
    float64 ("real"), in the coordinates of the frame that `pack` was given; params: real, `params_shape`; layout:
    int64, from `layout`; rows: int64, the components to look at; scratch: real, (>= `scratch_rows`, T).

    log_prob(tile, params, layout, rows, out, latent, scratch): out[k, t], real (K, T), becomes the log density of
        sample t under row k, for k in rows. latent, real (`latent_rows`, T): results that it leaves for `accumulate`.
    accumulate(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch): add the statistics of
        row k, weighted by resp[k], to out[k]; out, float64, `statistics_shape`; out[k, 0] is always the sum of
        resp[k]. resp: real (K, T), responsibilities times sample weights. labels: real (T,), the component of each
        sample if one was chosen, otherwise undefined. sample_weight: real (T,).
    derive(tile, layout): fill the derived rows of a tile, whatever the number of components: layout is that of one.
        None if the family has none.
    """

    log_prob: Any
    accumulate: Any
    derive: Any = None


class MStep(NamedTuple):
    """A family's M-step as a kernel, for data with these limits: several are made in a burst, without the interpreter.

    kernel(statistics, params, constants, layout, rows, scratch, flags): rows OUT become what `maximise` makes of
        statistics (K or more rows) that were gathered at `params`, all float64 matrices, for components that do not
        starve. flags, bool (2, K): flags[0] stays false; flags[1, 0] becomes true where `maximise` would have to raise
        something to a floor, and rows mean nothing then. `maximise` gives the same bits.
    constants: float64 matrix, what else the kernel must know. n_scratch: how many float64 numbers of scratch it needs.
    centre: the column from which on the rows of `Family.reference` hold their centres; nobody looks at what else in
        them may depend on the centres. None if there is no such column.
    """

    kernel: Any
    constants: Array
    n_scratch: int
    centre: int | None = None

    def apply(self, statistics: Array, params: Array, layout: Array) -> Array | None:
        """The rows after the M-step of components none of which starves; None if something would have to be raised."""
        statistics, params = np.ascontiguousarray(statistics), np.ascontiguousarray(params)
        rows, n_components = np.empty_like(params), int(layout[1])
        scratch, flags = np.empty(max(self.n_scratch, 1)), np.zeros((2, n_components), dtype=np.bool_)
        _apply(m_step_address(self.kernel), statistics, params, self.constants, layout, rows, scratch, flags)
        return None if flags[1, 0] else rows


@cache
def m_step_address(kernel: Any) -> int:
    """The address of an M-step."""
    real = matrix("f8")
    return address(kernel, real, real, real, vector("i8"), real, vector("f8"), FLAGS)


@serial_engine
def _apply(kernel, statistics, params, constants, layout, rows, scratch, flags):
    call(kernel, statistics, params, constants, layout, rows, scratch, flags)
