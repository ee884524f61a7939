"""Centres without a density. k-means is hard assignment with these kernels; there are two pairs of them.

`log_prob` is minus half the squared distance. Row of params: centre (d). Row of statistics: sum r | sum r x (d).

`score` differs from it by |x|^2 / 2, which is the same for all centres: it ranks them at 2 flops an entry instead of 3.
Row of params: centre (d) | half its square. `gather` adds each sample to its own component's row alone.
"""

from __future__ import annotations

from fastem._jit import kernel, part, wide
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


@part
def _product(tile, d, params, k0, k1, k2, k3, out):
    """out[k, t] = x_t . centre_k - half_square_k for four components, four features at a time."""
    size = tile.shape[1]
    h0, h1, h2, h3 = params[k0, d], params[k1, d], params[k2, d], params[k3, d]
    whole = d // 4 * 4
    if whole == 0:
        for t in range(size):
            out[k0, t] = -h0
            out[k1, t] = -h1
            out[k2, t] = -h2
            out[k3, t] = -h3
    for j in range(0, whole, 4):
        a00, a01, a02, a03 = params[k0, j], params[k0, j + 1], params[k0, j + 2], params[k0, j + 3]
        a10, a11, a12, a13 = params[k1, j], params[k1, j + 1], params[k1, j + 2], params[k1, j + 3]
        a20, a21, a22, a23 = params[k2, j], params[k2, j + 1], params[k2, j + 2], params[k2, j + 3]
        a30, a31, a32, a33 = params[k3, j], params[k3, j + 1], params[k3, j + 2], params[k3, j + 3]
        if j == 0:
            for t in range(size):
                z0 = tile[j, t]
                z1 = tile[j + 1, t]
                z2 = tile[j + 2, t]
                z3 = tile[j + 3, t]
                out[k0, t] = a00 * z0 + a01 * z1 + a02 * z2 + a03 * z3 - h0
                out[k1, t] = a10 * z0 + a11 * z1 + a12 * z2 + a13 * z3 - h1
                out[k2, t] = a20 * z0 + a21 * z1 + a22 * z2 + a23 * z3 - h2
                out[k3, t] = a30 * z0 + a31 * z1 + a32 * z2 + a33 * z3 - h3
        else:
            for t in range(size):
                z0 = tile[j, t]
                z1 = tile[j + 1, t]
                z2 = tile[j + 2, t]
                z3 = tile[j + 3, t]
                out[k0, t] += a00 * z0 + a01 * z1 + a02 * z2 + a03 * z3
                out[k1, t] += a10 * z0 + a11 * z1 + a12 * z2 + a13 * z3
                out[k2, t] += a20 * z0 + a21 * z1 + a22 * z2 + a23 * z3
                out[k3, t] += a30 * z0 + a31 * z1 + a32 * z2 + a33 * z3
    for j in range(whole, d):
        a00, a10, a20, a30 = params[k0, j], params[k1, j], params[k2, j], params[k3, j]
        for t in range(size):
            z0 = tile[j, t]
            out[k0, t] += a00 * z0
            out[k1, t] += a10 * z0
            out[k2, t] += a20 * z0
            out[k3, t] += a30 * z0


@kernel
def score(tile, params, layout, rows, out, scratch):
    """out[k, t] = x_t . centre_k - |centre_k|^2 / 2, largest for the nearest centre. 2 d flops per entry.

    tile IN (>= d, T); params IN; out OUT (K, T). The last four components may be computed twice.
    """
    wide()
    d, n = layout[0], rows.size
    if n >= 4:
        for i in range(0, n, 4):
            first = min(i, n - 4)
            _product(tile, d, params, rows[first], rows[first + 1], rows[first + 2], rows[first + 3], out)
    else:
        for i in range(n):
            k = rows[i]
            for t in range(tile.shape[1]):
                out[k, t] = -params[k, d]
            for j in range(d):
                coefficient = params[k, j]
                for t in range(tile.shape[1]):
                    out[k, t] += coefficient * tile[j, t]


@kernel
def gather(tile, resp, params, layout, rows, out, scratch):
    """Add w and w x to the row of out of each sample's own component. 2 d flops a sample, whatever K.

    tile IN (>= d, T), T a multiple of 8; scratch IN (>= 2, T): the component and the weight of each sample, as
    `nearest` leaves them; out INOUT float64; resp unused. Eight samples, a line of the tile, at a time.
    """
    d = layout[0]
    for first in range(0, tile.shape[1], 8):
        k0, k1, k2, k3 = (
            int(scratch[0, first]),
            int(scratch[0, first + 1]),
            int(scratch[0, first + 2]),
            int(scratch[0, first + 3]),
        )
        k4, k5, k6, k7 = (
            int(scratch[0, first + 4]),
            int(scratch[0, first + 5]),
            int(scratch[0, first + 6]),
            int(scratch[0, first + 7]),
        )
        w0, w1, w2, w3 = scratch[1, first], scratch[1, first + 1], scratch[1, first + 2], scratch[1, first + 3]
        w4, w5, w6, w7 = scratch[1, first + 4], scratch[1, first + 5], scratch[1, first + 6], scratch[1, first + 7]
        out[k0, 0] += w0
        out[k1, 0] += w1
        out[k2, 0] += w2
        out[k3, 0] += w3
        out[k4, 0] += w4
        out[k5, 0] += w5
        out[k6, 0] += w6
        out[k7, 0] += w7
        for j in range(d):
            out[k0, 1 + j] += w0 * tile[j, first]
            out[k1, 1 + j] += w1 * tile[j, first + 1]
            out[k2, 1 + j] += w2 * tile[j, first + 2]
            out[k3, 1 + j] += w3 * tile[j, first + 3]
            out[k4, 1 + j] += w4 * tile[j, first + 4]
            out[k5, 1 + j] += w5 * tile[j, first + 5]
            out[k6, 1 + j] += w6 * tile[j, first + 6]
            out[k7, 1 + j] += w7 * tile[j, first + 7]
