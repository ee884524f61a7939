"""Log densities of counts over one tile: loops that several families share."""

from __future__ import annotations

import numpy as np

from fastem.compiled.jit import part, wide
from fastem.compiled.vectorised import log_factorial64


@part
def log_counts(tile, params, n_features, zero, log_rate, constant, rows, out):
    """out[k, t] = params[k, constant] - tile[-1, t] + sum_j (zero_kj if x_tj is 0, else x_tj log rate_kj).

    tile IN (> n_features, T), its last row sum_j log x_j!; zero_k and log rate_k begin at these columns of params. If
    `zero` is -1, zero_kj is 0, so that a rate of 0 does not make 0 log rate NaN. out OUT (K, T). 2 flops per entry.
    """
    wide()
    nothing, last = tile.dtype.type(0), tile.shape[0] - 1
    for i in range(rows.size):
        k = rows[i]
        first = params[k, constant]
        for t in range(tile.shape[1]):
            out[k, t] = first - tile[last, t]
        for j in range(n_features):
            slope = params[k, log_rate + j]
            at_zero = params[k, zero + j] if zero >= 0 else nothing
            for t in range(tile.shape[1]):
                x = tile[j, t]
                out[k, t] += at_zero if x == nothing else x * slope


@part
def log_factorials(tile, n_features):
    """Set the last row of a tile to sum_j log x_j!, which is infinite if some x_j is no count."""
    wide()
    last = tile.shape[0] - 1
    for t in range(tile.shape[1]):
        tile[last, t] = 0
    for j in range(n_features):
        for t in range(tile.shape[1]):
            tile[last, t] += log_factorial64(np.float64(tile[j, t]))


@part
def weighted_counts(resp, tile, n_features, rows, out):
    """Add sum r, sum r x_j and sum r [x_j > 0] to columns 0, 1 + j and 1 + n_features + j of row k. 4 flops per entry.

    tile IN (>= n_features, T); resp IN (K, T); out INOUT float64. Four features at a time: eight sums, four features, a
    row of resp and a zero fill the 16 registers of AVX2. A block beyond the last feature repeats it, to no effect.
    """
    wide()
    nothing, end = tile.dtype.type(0), n_features - 1
    for i in range(rows.size):
        k = rows[i]
        total = nothing
        for t in range(tile.shape[1]):
            total += resp[k, t]
        out[k, 0] += total
        for j in range(0, n_features, 4):
            j1, j2, j3 = min(j + 1, end), min(j + 2, end), min(j + 3, end)
            s0 = s1 = s2 = s3 = nothing
            p0 = p1 = p2 = p3 = nothing
            for t in range(tile.shape[1]):
                r = resp[k, t]
                s0 += r * tile[j, t]
                s1 += r * tile[j1, t]
                s2 += r * tile[j2, t]
                s3 += r * tile[j3, t]
                p0 += r if tile[j, t] > nothing else nothing
                p1 += r if tile[j1, t] > nothing else nothing
                p2 += r if tile[j2, t] > nothing else nothing
                p3 += r if tile[j3, t] > nothing else nothing
            out[k, 1 + j] += s0
            out[k, 1 + n_features + j] += p0
            if j + 1 < n_features:
                out[k, 2 + j] += s1
                out[k, 2 + n_features + j] += p1
            if j + 2 < n_features:
                out[k, 3 + j] += s2
                out[k, 3 + n_features + j] += p2
            if j + 3 < n_features:
                out[k, 4 + j] += s3
                out[k, 4 + n_features + j] += p3
