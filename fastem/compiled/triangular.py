"""Triangular matrices against tiles, in blocks.

Lower-triangular matrices are stored as blocks of 4 rows x 4 columns, row of blocks by row of blocks, the last row and
column padded with zeros; `blocks_of` and `matrix_of` convert. Four rows are called a strip.

A product with a tile is made for two registers' worth of samples at a time, and four rows: eight sums, which is how
many multiply-adds are on their way at once, two inputs and a coefficient. A sum of outer products keeps one block, or
half of it on AVX2: with all of it, the 16 registers were spilled in the innermost loop, and it reached 0.5 of the peak
instead of 0.7.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.compiled.lanes import fetching
from fastem.compiled.lanes.target import FEW

Array = NDArray[Any]


def n_blocks(order: int) -> int:
    """How many 4 x 4 blocks the lower triangle of a matrix of this order has."""
    strips = (order + 3) // 4
    return strips * (strips + 1) // 2


def row_of(i: Any) -> Any:
    """Where row i of a lower triangle begins among its blocks."""
    return 16 * ((i // 4) * (i // 4 + 1) // 2) + 4 * (i % 4)


def column_of(j: Any) -> Any:
    """How far behind the beginning of its row column j lies."""
    return 16 * (j // 4) + j % 4


def _places(order: int) -> tuple[Array, Array]:
    """The place of each entry of a symmetric matrix among its blocks, (n, n), and the entry at each place.

    The latter, (n_blocks * 16,), numbers the entries of the matrix row by row; for padding it is n * n.
    """
    i, j = np.indices((order, order))
    places = row_of(np.maximum(i, j)) + column_of(np.minimum(i, j))
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


def _block(strip: Any, column: Any) -> Any:
    """Where a block begins."""
    return 16 * (strip * (strip + 1) // 2 + column)


def _whitened(
    machine: Any,
    tile: Any,
    t: Any,
    d: Any,
    mean: Any,
    matrix: tuple[Any, Any, Any],
    scratch: Any,
    done: Any,
    *carried: Any,
) -> Any:
    """W (x - mean) for samples from t on, by strips: done(strip, its four sums, *carried) says what is carried on.

    matrix: the array, row and column at which the blocks of W begin, running on through the rows below. mean(j): that
    of a feature. scratch keeps the deviations close together: in rows as long as a tile's, a power of two apart, they
    would push each other out of the first-level cache.
    """
    n, last = 2 * tile.lanes, (d + 3) // 4 - 1
    flat, row, start = matrix

    def one(strip: Any, *carried: Any, is_last: bool = False) -> Any:
        def column(c: Any, *y: Any) -> list[Any]:
            sums = list(y)
            for q in range(4):
                z = scratch.vector(0, (4 * c + q) * machine.apart(n), n)
                for r in range(4):
                    sums[r] = sums[r] + flat.number(row, start + _block(strip, c) + (4 * r + q)) * z
            return sums

        y = list(machine.repeat(0, strip, column, *4 * [machine.zeros(tile, n)]))
        for q in range(4):
            # Beyond the last feature that one is repeated, to no effect, as its coefficients are 0.
            j = machine.at_most(4 * strip + q, d - 1) if is_last else 4 * strip + q
            z = tile.vector(j, t, n) - mean(j)
            if not is_last:
                scratch.put(0, (4 * strip + q) * machine.apart(n), z)
            for r in range(q, 4):
                y[r] = y[r] + flat.number(row, start + _block(strip, strip) + (4 * r + q)) * z
        return done(strip, y, *carried)

    return one(last, *machine.repeat(0, last, one, *carried), is_last=True)


def whitened_squares(machine: Any, tile: Any, params: Any, k: Any, d: Any, scratch: Any, out: Any, sweep: Any) -> None:
    """For staged functions: out[k, t] = params[k, d] - 1/2 |W (x_t - params[k, :d])|^2, W in blocks from column d + 1.

    tile IN (>= d, T); out OUT (K, T); scratch OUT (>= d, T). sweep: as in `fetching`. d(d+1) flops per entry.
    """
    fetch = fetching(machine, tile, sweep)

    def chunk(t: Any) -> None:
        def done(strip: Any, y: Any, total: Any) -> list[Any]:
            square = machine.product(y[0], y[0]) + y[1] * y[1]
            return [total - 0.5 * (square + y[2] * y[2] + y[3] * y[3])]

        constant = machine.zeros(tile, 2 * tile.lanes) + params.number(k, d)
        matrix = params, k, d + 1
        (total,) = _whitened(machine, tile, t, d, lambda j: params.number(k, j), matrix, scratch, done, constant)
        out.put(k, t, total)
        fetch(t)

    machine.samples(tile.width, 2 * tile.lanes, chunk)


def whitened(machine: Any, tile: Any, flat: Any, row: Any, d: Any, scratch: Any, y: Any) -> None:
    """For staged functions: y = W tile, W in blocks from flat[row, 0] on. d(d+1) flops a sample.

    tile IN (>= d, T); y OUT (>= d rounded up to 4, T); scratch OUT (>= d, T), which may not overlap with y.
    """

    def chunk(t: Any) -> None:
        def done(strip: Any, sums: Any) -> list[Any]:
            for r in range(4):
                y.put(4 * strip + r, t, sums[r])
            return []

        _whitened(machine, tile, t, d, lambda j: machine.zero(tile), (flat, row, machine.integer(0)), scratch, done)

    machine.samples(tile.width, 2 * tile.lanes, chunk)


def _outer(machine: Any, a: Any, j: Any, b: Any, c: Any, out: Any, row: Any, place: Any) -> None:
    """Add sum_t a[j + r, t] b[c + q, t] to out[row, place + 4 r + q], r and q < 4. 32 T flops."""
    n, n_rows = a.lanes, 2 if FEW else 4
    for first in range(0, 4, n_rows):

        def step(t: Any, *sums: Any, first: int = first) -> list[Any]:
            x = [a.vector(j + (first + r), t, n) for r in range(n_rows)]
            y = [b.vector(c + q, t, n) for q in range(4)]
            return [sums[4 * r + q] + x[r] * y[q] for r in range(n_rows) for q in range(4)]

        sums = machine.samples(a.width, n, step, *4 * n_rows * [machine.zeros(a, n)])
        out.add(row, place + 4 * first, machine.sums(sums))


def deviations(
    machine: Any, tile: Any, resp: Any, params: Any, k: Any, d: Any, z: Any, weighted: Any, out: Any
) -> None:
    """For staged functions: add sum_t r_t and sum_t r_t z_t to the first 1 + d columns of out[k].

    z = x - params[k, :d] and r = resp[k]. With more than four features, z and r z are kept for
    `outer_products`. tile IN (>= d, T); z, weighted OUT (>= d, T). 3 d flops per sample.
    """

    def sums(pair: Any, keep: bool) -> None:
        def terms(t: Any, n: int) -> list[Any]:
            share, results = resp.vector(k, t, n), []
            for j in pair:
                deviation = tile.vector(j, t, n) - params.number(k, j)
                product = machine.product(deviation, share)
                if keep:
                    z.put(j, t, deviation)
                    weighted.put(j, t, product)
                results.append(product)
            return results

        first, second = machine.totals(tile, terms, [False, False])
        out.add(k, 1 + pair[0], first)
        out.add(k, 1 + pair[1], machine.where(pair[0] < pair[1], second))

    (count,) = machine.totals(tile, lambda t, n: [resp.vector(k, t, n)], [True])
    out.add(k, 0, count)
    pairs = (d + 1) // 2
    to_keep = machine.where(d > 4, pairs, 0)  # all pairs, or none
    for first, last, keep in ((0, to_keep, True), (to_keep, pairs, False)):
        machine.repeat(first, last, lambda i, keep=keep: sums((2 * i, machine.at_most(2 * i + 1, d - 1)), keep))


def _mirrored(machine: Any, out: Any, row: Any, place: Any, lower: dict[tuple[int, int], Any]) -> None:
    """Add the sums of a block on the diagonal, of which only the lower triangle was made."""
    out.add(row, place, machine.sums([lower[max(r, q), min(r, q)] for r in range(4) for q in range(4)]))


_LOWER = [(r, q) for r in range(4) for q in range(r + 1)]


def _outer_corner(machine: Any, a: Any, b: Any, j: Any, out: Any, row: Any, place: Any) -> None:
    """`_outer` of a block on the diagonal, c = j. 20 T flops."""
    n = a.lanes

    def step(t: Any, *sums: Any) -> list[Any]:
        y = [b.vector(j + q, t, n) for q in range(4)]
        x = [a.vector(j + r, t, n) for r in range(4)]
        return [sums[i] + x[r] * y[q] for i, (r, q) in enumerate(_LOWER)]

    sums = machine.samples(a.width, n, step, *len(_LOWER) * [machine.zeros(a, n)])
    _mirrored(machine, out, row, place, dict(zip(_LOWER, sums, strict=True)))


def small_outer(machine: Any, tile: Any, resp: Any, params: Any, k: Any, d: Any, out: Any, place: Any) -> None:
    """For staged functions: add sum_t resp[k, t] z z', z = x_t - params[k, :d], to the block at out[k, place].

    That is for up to four features. 36 T flops. Nothing is stored on the way, which would take longer than the sums.
    """
    n = tile.lanes

    def step(t: Any, *sums: Any) -> list[Any]:
        share, z = resp.vector(k, t, n), []
        for q in range(4):
            j = machine.at_most(machine.integer(q), d - 1)
            z.append(tile.vector(j, t, n) - params.number(k, j))
        return [sums[i] + (z[r] * share) * z[q] for i, (r, q) in enumerate(_LOWER)]

    sums = machine.samples(tile.width, n, step, *len(_LOWER) * [machine.zeros(tile, n)])
    inside = [machine.where(d > r, total) for (r, _), total in zip(_LOWER, sums, strict=True)]
    _mirrored(machine, out, k, place, dict(zip(_LOWER, inside, strict=True)))


# Columns of blocks that are gone through together, 128 kB of a tile's rows: they stay in the second-level cache.
_PANEL = 16


def outer_products(machine: Any, a: Any, b: Any, n: Any, out: Any, row: Any, start: Any) -> None:
    """For staged functions: add sum_t a[j, t] b[c, t], c <= j < n, to the blocks that begin at out[row, start].

    a, b IN (>= n rounded up to 4, T), padded with zero rows; out INOUT float64, laid out as the head of this file says,
    no block across two rows. 32 * n_blocks * T flops. Two strips of a and one of b are in the first-level cache.
    """
    width, strips, repeat, when = out.width, (n + 3) // 4, machine.repeat, machine.when

    def block(strip: Any, column: Any) -> None:
        place = start + _block(strip, column)
        at = row + place // width, place % width
        when(strip == column, lambda: _outer_corner(machine, a, b, 4 * strip, out, *at))
        when(strip != column, lambda: _outer(machine, a, 4 * strip, b, 4 * column, out, *at))

    def panel(first: Any) -> None:
        def pair(one: Any) -> None:
            def blocks(column: Any) -> None:
                begin = machine.choose(column < one, one, column)
                repeat(begin, machine.at_most(one + 2, strips), lambda strip: block(strip, column))

            repeat(first, machine.at_most(first + _PANEL, one + 2), blocks)

        repeat(first, strips, pair, step=2)

    repeat(0, strips, panel, step=_PANEL)


def padded(machine: Any, rows: Any, n: Any) -> None:
    """For staged functions: zero rows from n to the next multiple of 4; the first n hold data."""
    first, last = n * rows.width, (n + 3) // 4 * 4 * rows.width
    machine.repeat(first, last, lambda i: rows.put(0, i, machine.zero(rows)))
