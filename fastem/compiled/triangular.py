"""Triangular matrices against tiles, in blocks. Each loop runs over the samples of one tile innermost.

A block is 4 rows x 4 columns because 16 coefficients, 4 inputs and 4 accumulators fill the 32 vector registers of
AVX-512. Lower-triangular matrices are stored as 4 x 4 blocks, row of blocks by row of blocks, the last row and column
padded with zeros; `blocks_of` and `matrix_of` convert.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.compiled.jit import inline, part, routine, wide

Array = NDArray[Any]


def n_blocks(order: int) -> int:
    """How many 4 x 4 blocks the lower triangle of a matrix of this order has."""
    strips = (order + 3) // 4
    return strips * (strips + 1) // 2


def _row(i: Any) -> Any:
    """Where row i of a lower triangle begins among its blocks."""
    return 16 * ((i // 4) * (i // 4 + 1) // 2) + 4 * (i % 4)


def _column(j: Any) -> Any:
    """How far behind the beginning of its row column j lies."""
    return 16 * (j // 4) + j % 4


block_row, block_column = inline(_row), inline(_column)


def _places(order: int) -> tuple[Array, Array]:
    """The place of each entry of a symmetric matrix among its blocks, (n, n), and the entry at each place.

    The latter, (n_blocks * 16,), numbers the entries of the matrix row by row; for padding it is n * n.
    """
    i, j = np.indices((order, order))
    places = _row(np.maximum(i, j)) + _column(np.minimum(i, j))
    entries = np.full(16 * n_blocks(order), order * order)
    lower = np.tril_indices(order)
    entries[places[lower]] = lower[0] * order + lower[1]
    places.flags.writeable = entries.flags.writeable = False
    return places, entries


_of_small_order = lru_cache(maxsize=16)(_places)


def _kept_places(order: int) -> tuple[Array, Array]:
    """`_places`, kept for later calls if the order is small."""
    return _of_small_order(order) if order <= 256 else _places(order)


def blocks_of(matrices: Array) -> Array:
    """The lower triangles of matrices (..., n, n) as blocks (..., n_blocks * 16)."""
    n = matrices.shape[-1]
    padded = np.zeros((*matrices.shape[:-2], n * n + 1))
    padded[..., :-1] = matrices.reshape(*matrices.shape[:-2], n * n)
    return padded.take(_kept_places(n)[1], axis=-1)


def matrix_of(blocks: Array, order: int) -> Array:
    """Symmetric matrices (..., n, n) from the blocks (..., n_blocks * 16) of their lower triangles."""
    return blocks.take(_kept_places(order)[0], axis=-1)


@part
def pad(buffer, n, size):
    """Zero the rows of a buffer from n to the next multiple of 4; the first n rows hold data."""
    for j in range(n, (n + 3) // 4 * 4):
        for t in range(size):
            buffer[j, t] = 0


@part
def strip_product(flat, row, start, strip, z, y):
    """y[0:4] = the blocks left of the diagonal of one strip of a lower-triangular matrix, times z.

    flat IN (rows, width): the matrix in blocks begins at flat[row, start] and may run on through the rows below, no
    block across two of them; z IN (4 * strips, T); y OUT (>= 4, T).
    8 * 4 * strip * T flops. Nothing is written if strip is 0.
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
