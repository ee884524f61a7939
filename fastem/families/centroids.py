"""Centres without a density: k-means is hard assignment with these kernels.

`log_prob` is minus half the squared distance. Row of params: centre (d). Row of statistics: sum r | sum r x (d).
`gather` gathers the same statistics as `accumulate`, but adds each sample only to the row of its own component.
"""

from __future__ import annotations

import numpy as np

from fastem.compiled.jit import kernel
from fastem.compiled.squares import from_squares, weighted_sums


@kernel
def log_prob(tile, params, layout, rows, out, latent, scratch):
    """out[k, t] = -1/2 |x_t - centre_k|^2. 3 d flops per entry. tile IN (>= d, T); out OUT (K, T)."""
    from_squares(tile, tile, layout[0], params, 0, -1, -1, rows, out)


@kernel
def accumulate(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add sum r and sum r x to row k of out. 2 d flops per entry. tile IN (>= d, T); resp IN (K, T)."""
    weighted_sums(resp, tile, layout[0], rows, out, scratch)


@kernel
def gather(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add w and w x to the row of out of each sample's own component. 2 d flops per sample, for any K.

    tile IN (>= d, T), T a multiple of 4; labels IN (T,), the component of each sample; sample_weight IN (T,); out INOUT
    float64; resp unused. Four samples at a time.
    """
    d = layout[0]
    for t in range(0, tile.shape[1], 4):
        k0, k1, k2, k3 = int(labels[t]), int(labels[t + 1]), int(labels[t + 2]), int(labels[t + 3])
        w0, w1, w2, w3 = sample_weight[t], sample_weight[t + 1], sample_weight[t + 2], sample_weight[t + 3]
        out[k0, 0] += w0
        out[k1, 0] += w1
        out[k2, 0] += w2
        out[k3, 0] += w3
        for j in range(d):
            out[k0, 1 + j] += w0 * tile[j, t]
            out[k1, 1 + j] += w1 * tile[j, t + 1]
            out[k2, 1 + j] += w2 * tile[j, t + 2]
            out[k3, 1 + j] += w3 * tile[j, t + 3]


@kernel
def add_up(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add sum_t sample_weight_t resp[c, t] to out[c, 0]: the potential of centre c. resp (C, T) comes from `closer`."""
    for c in range(resp.shape[0]):
        added = 0.0
        for t in range(resp.shape[1]):
            added += np.float64(sample_weight[t]) * np.float64(resp[c, t]) if sample_weight[t] > 0 else 0.0
        out[c, 0] += added
