"""Loops that several families share. Each runs over the samples of one tile innermost and is blocked by hand.

A block is 4 rows x 4 columns because 16 coefficients, 4 inputs and 4 accumulators fill the 32 vector registers of
AVX-512 (DESIGN, section 4, rule 2). Lower-triangular matrices are stored as 4 x 4 blocks, row of blocks by row of
blocks, the last row and column padded with zeros; `blocks_of` and `matrix_of` convert.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem._jit import kernel, part, routine, wide

Array = NDArray[Any]


def n_blocks(order: int) -> int:
    """How many 4 x 4 blocks the lower triangle of a matrix of this order has."""
    strips = (order + 3) // 4
    return strips * (strips + 1) // 2


@lru_cache(maxsize=64)
def _lower(strips: int) -> tuple[Array, Array]:
    return np.tril_indices(strips)


def blocks_of(matrices: Array) -> Array:
    """Lower-triangular matrices (..., n, n) as blocks (..., n_blocks * 16)."""
    order = matrices.shape[-1]
    strips = (order + 3) // 4
    padded = np.zeros((*matrices.shape[:-2], 4 * strips, 4 * strips))
    padded[..., :order, :order] = matrices
    split = padded.reshape(*matrices.shape[:-2], strips, 4, strips, 4).swapaxes(-3, -2)
    down, across = _lower(strips)
    return np.ascontiguousarray(split[..., down, across, :, :]).reshape(*matrices.shape[:-2], -1)


def matrix_of(blocks: Array, order: int) -> Array:
    """Symmetric matrices (..., n, n) from the blocks (..., n_blocks * 16) of their lower triangles."""
    strips = (order + 3) // 4
    down, across = _lower(strips)
    split = np.zeros((*blocks.shape[:-1], strips, strips, 4, 4))
    split[..., down, across, :, :] = blocks.reshape(*blocks.shape[:-1], -1, 4, 4)
    full = split.swapaxes(-3, -2).reshape(*blocks.shape[:-1], 4 * strips, 4 * strips)[..., :order, :order]
    lower = np.tril(full)
    return lower + np.swapaxes(np.tril(full, -1), -1, -2)


@part
def pad(buffer, n, size):
    """Zero the rows n .. up to the next multiple of 4 of a buffer of which only `n` rows hold data."""
    for j in range(n, (n + 3) // 4 * 4):
        for t in range(size):
            buffer[j, t] = 0


@part
def strip_product(flat, row, start, strip, z, y):
    """y[0:4] = the blocks left of the diagonal of one strip of a lower-triangular matrix, times z.

    flat IN (rows, width): the matrix in blocks begins at flat[row, start] and may run on through the rows below, no
    block across two of them; z IN (4 * strips, T); y OUT (>= 4, T).
    8 * 4 * strip * T flops. Nothing is written where strip is 0.
    """
    wide()
    size = z.shape[1]
    width = flat.shape[1]
    first = start + 16 * (strip * (strip + 1) // 2)
    for column in range(strip):
        place = first + 16 * column
        k = row + place // width
        o = place % width
        a00 = flat[k, o]
        a01 = flat[k, o + 1]
        a02 = flat[k, o + 2]
        a03 = flat[k, o + 3]
        a10 = flat[k, o + 4]
        a11 = flat[k, o + 5]
        a12 = flat[k, o + 6]
        a13 = flat[k, o + 7]
        a20 = flat[k, o + 8]
        a21 = flat[k, o + 9]
        a22 = flat[k, o + 10]
        a23 = flat[k, o + 11]
        a30 = flat[k, o + 12]
        a31 = flat[k, o + 13]
        a32 = flat[k, o + 14]
        a33 = flat[k, o + 15]
        j = 4 * column
        if column == 0:
            for t in range(size):
                z0 = z[j, t]
                z1 = z[j + 1, t]
                z2 = z[j + 2, t]
                z3 = z[j + 3, t]
                y[0, t] = a00 * z0 + a01 * z1 + a02 * z2 + a03 * z3
                y[1, t] = a10 * z0 + a11 * z1 + a12 * z2 + a13 * z3
                y[2, t] = a20 * z0 + a21 * z1 + a22 * z2 + a23 * z3
                y[3, t] = a30 * z0 + a31 * z1 + a32 * z2 + a33 * z3
        else:
            for t in range(size):
                z0 = z[j, t]
                z1 = z[j + 1, t]
                z2 = z[j + 2, t]
                z3 = z[j + 3, t]
                y[0, t] += a00 * z0 + a01 * z1 + a02 * z2 + a03 * z3
                y[1, t] += a10 * z0 + a11 * z1 + a12 * z2 + a13 * z3
                y[2, t] += a20 * z0 + a21 * z1 + a22 * z2 + a23 * z3
                y[3, t] += a30 * z0 + a31 * z1 + a32 * z2 + a33 * z3


@routine
def weighted_outer(a, b, n, out, row, start):
    """Add sum_t a[j, t] b[c, t], c <= j < n, to the blocks that begin at out[row, start].

    a, b IN (>= n rounded up to 4, T), padded with zero rows; out INOUT float64, laid out as for `strip_product`.
    32 * n_blocks * T flops.
    """
    wide()
    size = a.shape[1]
    width = out.shape[1]
    place = start
    for strip in range((n + 3) // 4):
        j = 4 * strip
        for column in range(strip + 1):
            c = 4 * column
            zero = a.dtype.type(0)
            s00 = s01 = s02 = s03 = zero
            s10 = s11 = s12 = s13 = zero
            s20 = s21 = s22 = s23 = zero
            s30 = s31 = s32 = s33 = zero
            for t in range(size):
                a0 = a[j, t]
                a1 = a[j + 1, t]
                a2 = a[j + 2, t]
                a3 = a[j + 3, t]
                b0 = b[c, t]
                b1 = b[c + 1, t]
                b2 = b[c + 2, t]
                b3 = b[c + 3, t]
                s00 += a0 * b0
                s01 += a0 * b1
                s02 += a0 * b2
                s03 += a0 * b3
                s10 += a1 * b0
                s11 += a1 * b1
                s12 += a1 * b2
                s13 += a1 * b3
                s20 += a2 * b0
                s21 += a2 * b1
                s22 += a2 * b2
                s23 += a2 * b3
                s30 += a3 * b0
                s31 += a3 * b1
                s32 += a3 * b2
                s33 += a3 * b3
            k = row + place // width
            o = place % width
            out[k, o] += s00
            out[k, o + 1] += s01
            out[k, o + 2] += s02
            out[k, o + 3] += s03
            out[k, o + 4] += s10
            out[k, o + 5] += s11
            out[k, o + 6] += s12
            out[k, o + 7] += s13
            out[k, o + 8] += s20
            out[k, o + 9] += s21
            out[k, o + 10] += s22
            out[k, o + 11] += s23
            out[k, o + 12] += s30
            out[k, o + 13] += s31
            out[k, o + 14] += s32
            out[k, o + 15] += s33
            place += 16


@part
def squared_distances(points, n_features, params, start, rows, out):
    """out[k, t] = sum_j (points[j, t] - params[k, start + j])**2 for k in rows. 3 flops per entry.

    points IN (>= n_features, T); out OUT (n_components, T).
    """
    wide()
    size = points.shape[1]
    whole = n_features // 4 * 4
    for i in range(rows.size):
        k = rows[i]
        if whole == 0:
            for t in range(size):
                out[k, t] = 0
        for j in range(0, whole, 4):
            m0 = params[k, start + j]
            m1 = params[k, start + j + 1]
            m2 = params[k, start + j + 2]
            m3 = params[k, start + j + 3]
            if j == 0:
                for t in range(size):
                    z0 = points[j, t] - m0
                    z1 = points[j + 1, t] - m1
                    z2 = points[j + 2, t] - m2
                    z3 = points[j + 3, t] - m3
                    out[k, t] = z0 * z0 + z1 * z1 + z2 * z2 + z3 * z3
            else:
                for t in range(size):
                    z0 = points[j, t] - m0
                    z1 = points[j + 1, t] - m1
                    z2 = points[j + 2, t] - m2
                    z3 = points[j + 3, t] - m3
                    out[k, t] += z0 * z0 + z1 * z1 + z2 * z2 + z3 * z3
        for j in range(whole, n_features):
            m0 = params[k, start + j]
            for t in range(size):
                z0 = points[j, t] - m0
                out[k, t] += z0 * z0


@part
def weighted_sums(resp, tile, n_features, rows, out):
    """Add sum_t resp[k, t] to out[k, 0] and sum_t resp[k, t] tile[j, t] to out[k, 1 + j]. 2 flops per entry."""
    wide()
    size = tile.shape[1]
    whole = n_features // 4 * 4
    zero = tile.dtype.type(0)
    for i in range(rows.size):
        k = rows[i]
        s0 = zero
        for t in range(size):
            s0 += resp[k, t]
        out[k, 0] += s0
        for j in range(0, whole, 4):
            s0 = s1 = s2 = s3 = zero
            for t in range(size):
                r = resp[k, t]
                s0 += r * tile[j, t]
                s1 += r * tile[j + 1, t]
                s2 += r * tile[j + 2, t]
                s3 += r * tile[j + 3, t]
            out[k, 1 + j] += s0
            out[k, 2 + j] += s1
            out[k, 3 + j] += s2
            out[k, 4 + j] += s3
        for j in range(whole, n_features):
            s0 = zero
            for t in range(size):
                s0 += resp[k, t] * tile[j, t]
            out[k, 1 + j] += s0


@part
def weighted_squares(tile, resp, params, n_features, k, out, row):
    """Add sum r and sum r z to out[k], and sum r z^2 to out[row, 1 + d :], z = x - mean_k. 5 d flops a sample.

    With row == k each component keeps its own squares; a shared row pools them.
    """
    wide()
    d = n_features
    size = tile.shape[1]
    whole = d // 4 * 4
    zero = tile.dtype.type(0)
    s0 = zero
    for t in range(size):
        s0 += resp[k, t]
    out[k, 0] += s0
    for j in range(0, whole, 4):
        m0 = params[k, j]
        m1 = params[k, j + 1]
        m2 = params[k, j + 2]
        m3 = params[k, j + 3]
        s0 = s1 = s2 = s3 = zero
        q0 = q1 = q2 = q3 = zero
        for t in range(size):
            r = resp[k, t]
            z0 = tile[j, t] - m0
            z1 = tile[j + 1, t] - m1
            z2 = tile[j + 2, t] - m2
            z3 = tile[j + 3, t] - m3
            w0 = r * z0
            w1 = r * z1
            w2 = r * z2
            w3 = r * z3
            s0 += w0
            s1 += w1
            s2 += w2
            s3 += w3
            q0 += w0 * z0
            q1 += w1 * z1
            q2 += w2 * z2
            q3 += w3 * z3
        out[k, 1 + j] += s0
        out[k, 2 + j] += s1
        out[k, 3 + j] += s2
        out[k, 4 + j] += s3
        out[row, d + 1 + j] += q0
        out[row, d + 2 + j] += q1
        out[row, d + 3 + j] += q2
        out[row, d + 4 + j] += q3
    for j in range(whole, d):
        m0 = params[k, j]
        s0 = q0 = zero
        for t in range(size):
            z0 = tile[j, t] - m0
            w0 = resp[k, t] * z0
            s0 += w0
            q0 += w0 * z0
        out[k, 1 + j] += s0
        out[row, d + 1 + j] += q0


@kernel
def scaled_log_prob(tile, params, layout, rows, out, scratch):
    """out[k, t] = constant_k - 1/2 |x_t / sd - mean_k / sd|^2 with one sd per feature; x is scaled once. 3 K d flops.

    Row k of params: mean (d) | mean / sd (d) | constant; the shared row begins with 1/sd (d). tile IN (d, T);
    out OUT (K, T); scratch OUT (>= d, T).
    """
    wide()
    d, n_components = layout[0], layout[1]
    size = tile.shape[1]
    half = tile.dtype.type(0.5)
    for j in range(d):
        factor = params[n_components, j]
        for t in range(size):
            scratch[j, t] = tile[j, t] * factor
    squared_distances(scratch, d, params, d, rows, out)
    for i in range(rows.size):
        k = rows[i]
        constant = params[k, 2 * d]
        for t in range(size):
            out[k, t] = constant - half * out[k, t]


@kernel
def tied_squares(tile, resp, params, layout, rows, out, scratch):
    """Add sum r and sum r z to row k of out, and sum r z^2 over all components to its shared row. 5 d flops per entry.

    tile IN (d, T); resp IN (K, T); params IN, beginning with the means; out INOUT float64; scratch unused.
    """
    wide()
    for i in range(rows.size):
        weighted_squares(tile, resp, params, layout[0], rows[i], out, layout[1])
