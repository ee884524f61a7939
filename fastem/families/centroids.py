"""Centres without a density: log_prob is minus half the squared distance. k-means is hard assignment with this family.

Row of params: centre (d). Row of statistics: sum r | sum r x (d).
"""

from __future__ import annotations

from fastem._jit import kernel, wide
from fastem.families.squares import squared_distances, weighted_sums


@kernel
def log_prob(tile, params, layout, rows, out, scratch):
    """out[k, t] = -1/2 |x_t - centre_k|^2. 3 d flops per entry. tile IN (>= d, T); out OUT (K, T)."""
    wide()
    squared_distances(tile, layout[0], params, 0, rows, out)
    for i in range(rows.size):
        k = rows[i]
        for t in range(tile.shape[1]):
            out[k, t] *= -tile.dtype.type(0.5)


@kernel
def accumulate(tile, resp, params, layout, rows, out, scratch):
    """Add sum r and sum r x to row k of out. 2 d flops per entry. tile IN (>= d, T); resp IN (K, T)."""
    weighted_sums(resp, tile, layout[0], rows, out)
