"""Centres without a density: k-means is hard assignment with these kernels.

`log_prob` is minus half the squared distance. Row of params: centre (d). Row of statistics: sum r | sum r x (d).
`gather` gathers the same statistics as `accumulate`, but adds each sample only to the row of its own component.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastem.compiled.jit import kernel
from fastem.compiled.lanes import compact
from fastem.compiled.squares import distances, weighted_sums


@kernel
def log_prob(tile, params, layout, rows, out, latent, scratch):
    """out[k, t] = -1/2 |x_t - centre_k|^2. 3 d flops per entry. tile IN (>= d, T); out OUT (K, T)."""
    distances(tile, layout[0], params, rows, out)


@kernel
def accumulate(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add sum r and sum r x to row k of out. 2 d flops per entry. tile IN (>= d, T); resp IN (K, T)."""
    weighted_sums(resp, tile, layout[0], rows, out, scratch)


@compact
def _gathered(machine: Any, tile: Any, labels: Any, sample_weight: Any, d: Any, out: Any) -> None:
    """`gather`. Four samples at a time."""

    def four(t: Any) -> None:
        own = [(machine.whole(labels.number(0, t + i)), sample_weight.number(0, t + i), t + i) for i in range(4)]
        for k, weight, _ in own:
            out.put(k, 0, out.number(k, 0) + machine.double(weight))

        def feature(j: Any) -> None:
            for k, weight, i in own:
                out.put(k, 1 + j, out.number(k, 1 + j) + machine.double(weight * tile.number(j, i)))

        machine.repeat(0, d, feature)

    machine.repeat(0, tile.width, four, step=4)


@kernel
def gather(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add w and w x to the row of out of each sample's own component. 2 d flops per sample, for any K.

    tile IN (>= d, T), T a multiple of 4; labels IN (T,), the component of each sample; sample_weight IN (T,); out INOUT
    float64; resp unused.
    """
    _gathered(tile, labels, sample_weight, layout[0], out)


@kernel
def add_up(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add sum_t sample_weight_t resp[c, t] to out[c, 0]: the potential of centre c. resp (C, T) comes from `closer`."""
    for c in range(resp.shape[0]):
        added = 0.0
        for t in range(resp.shape[1]):
            added += np.float64(sample_weight[t]) * np.float64(resp[c, t]) if sample_weight[t] > 0 else 0.0
        out[c, 0] += added
