"""One look at the columns of a user's data: where they lie, how they spread, whether all values are finite."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fastem.compiled.job import Fields
from fastem.compiled.lanes.steps import steps
from fastem.data.threads import Team
from fastem.data.tiles import chunks, span_bounds, tile_size
from fastem.families.base import Array, Columns

# Columns of no larger half range count as constant: the inverse of a smaller scale is not finite.
SMALLEST_RANGE = 1e-307

# Rows that are looked at together.
BLOCK = 16

# weights: one for each row, or a single one if not `weighted`.
FIELDS = Fields("source n_features count weights weighted bounds shift shift_bytes tile_size low high sums")
_ONE = np.ones(1)


def merged(one: Columns, weight: float, other: Columns, other_weight: float) -> Columns:
    """The facts about two pieces of data together, from those about each and the sums of their weights."""
    if weight == 0.0 or other_weight == 0.0:
        return one if other_weight == 0.0 else other
    share, apart = other_weight / (weight + other_weight), other.location - one.location
    # Scaled by the largest, so that squares neither overflow nor vanish.
    size = np.maximum(np.maximum(one.spread, other.spread), np.abs(apart))
    size = np.where(size > 0, size, 1.0)
    within = (1.0 - share) * (one.spread / size) ** 2 + share * (other.spread / size) ** 2
    spread = size * np.sqrt(within + share * (1.0 - share) * (apart / size) ** 2)
    low, high = np.minimum(one.low, other.low), np.maximum(one.high, other.high)
    return Columns(np.clip(one.location + share * apart, low, high), spread, low, high)


def _column_span(machine: Any, real: str, job: Any, span: Any, _worker: Any) -> None:
    """Facts about the columns in the rows of one span. A row of weight 0 counts only as to whether it is finite.

    high, low OUT (d,): largest and smallest value. sums OUT (3 d + 1,): sums of w u and w u^2 with u = x - shift, of
    0 x, which is NaN if x is not finite, and of the weights w.
    """
    job = FIELDS.read(machine, job)
    d = job.n_features
    source, weights = machine.rows(job.source, (job.count, d), real), machine.rows(job.weights, (job.count,), "f8")
    bounds, shift = (
        machine.rows(job.bounds + 8 * span, (2,), "i8"),
        machine.rows(job.shift + job.shift_bytes * span, (d,), "f8"),
    )
    low, high = (machine.rows(place + 8 * d * span, (d,), "f8") for place in (job.low, job.high))
    sums = machine.rows(job.sums + 8 * (3 * d + 1) * span, (3 * d + 1,), "f8")
    n, infinity = low.lanes, machine.zero(low) + np.inf
    last_row = machine.at_most(bounds.number(0, 1) * job.tile_size, job.count)

    def weight(i: Any) -> Any:
        return weights.number(0, i * job.weighted)

    def begin(j: Any) -> None:
        low.put(0, j, infinity)
        high.put(0, j, -1.0 * infinity)

    def block(first: Any) -> None:
        """Some rows, column by column, so that a column's sums stay in registers."""
        last = machine.at_most(first + BLOCK, last_row)

        def columns(j: Any) -> None:
            origin = shift.vector(0, j, n)

            def row(i: Any, total: Any, square: Any, zeros: Any, least: Any, largest: Any) -> list[Any]:
                w, value = weight(i), machine.double(source.vector(i, j, n))
                u, counts = value - origin, w > 0.0
                return [
                    total + w * u,
                    square + w * u * u,
                    zeros + 0.0 * value,
                    machine.where((value < least) & counts, value, least),
                    machine.where((value > largest) & counts, value, largest),
                ]

            places = [(sums, j), (sums, d + j), (sums, 2 * d + j), (low, j), (high, j)]
            found = machine.repeat(first, last, row, *(rows.vector(0, place, n) for rows, place in places))
            for (rows, place), value in zip(places, found, strict=True):
                rows.put(0, place, value)

        machine.samples(d, n, columns)
        (total,) = machine.repeat(first, last, lambda i, total: [total + weight(i)], sums.number(0, 3 * d))
        sums.put(0, 3 * d, total)

    machine.repeat(0, d, begin)
    machine.repeat(0, sums.width, lambda j: sums.put(0, j, machine.zero(sums)))
    machine.repeat(bounds.number(0, 0) * job.tile_size, last_row, block, step=BLOCK)


_step_address = steps(_column_span)


Pieces = Callable[[], Iterable[tuple[Array, Array | None, Any]]]


def columns(X: Array, sample_weight: Array | None, dtype: Any, team: Team) -> Columns | None:
    """Location and spread of the columns of X, or None if some value is not finite. Reads X once, rarely twice."""
    first = 0 if sample_weight is None else int(np.argmax(sample_weight > 0))
    return columns_of(lambda: [(X, sample_weight, dtype)], X[first], team)


def columns_of(pieces: Pieces, first_row: Array, team: Team) -> Columns | None:
    """`columns` of data in pieces, each with its weights and the dtype in which it is read.

    pieces: called for each reading; it may raise an error about the data. first_row (n_features,): any sample.
    """
    shift = np.array(first_row, dtype=np.float64)
    for _ in range(2):
        d = len(shift)
        low, high, sums = np.full(d, np.inf), np.full(d, -np.inf), np.zeros(3 * d + 1)
        for X, sample_weight, dtype in pieces():
            lows, highs, some = _column_facts(X, sample_weight, shift, dtype, team)
            low, high = np.minimum(low, lows), np.maximum(high, highs)
            sums += some
        if np.isnan(sums[2 * d : 3 * d]).any():
            return None
        facts, shift, is_sure = _facts_from(shift, low, high, sums)
        if is_sure:
            break
        # The first row lies so far from the others that the variance has lost its digits. Again, about the mean.
    return facts


def _facts_from(shift: Array, low: Array, high: Array, sums: Array) -> tuple[Columns, Array, Array]:
    """The facts from what one reading has found, (..., d); the locations; and whether the variances have their digits.

    sums (..., 3 d + 1), as `_column_span` makes them.
    """
    d = shift.shape[-1]
    with np.errstate(all="ignore"):
        offset, square = sums[..., :d] / sums[..., -1:], sums[..., d : 2 * d] / sums[..., -1:]
        location, variance = shift + offset, square - offset * offset
        half = 0.5 * high - 0.5 * low
        # If squares leave the range of floating point, half the range of the data serves as a scale.
        spread = np.where((variance > 1e-305) & np.isfinite(variance), np.sqrt(variance), half)
    location = np.clip(np.where(np.isfinite(location), location, 0.5 * low + 0.5 * high), low, high)
    is_sure = np.asarray((spread >= 1e-6 * np.abs(location - shift)).all(axis=-1))
    constant = ~(half > SMALLEST_RANGE)
    facts = Columns(np.where(constant, low, location), np.where(constant, 0.0, spread), low, high)
    return facts, location, is_sure


def columns_of_each(X: Array, sample_weight: Array | None, team: Team) -> tuple[Columns, Array]:
    """`columns` of each of many data sets, X (n_sets, n, d) in the dtype in which they are read, contiguous.

    sample_weight (n_sets, n) float64, or None. The facts are (n_sets, d); they mean something where the second result,
    (n_sets,) bool, is true. Elsewhere some value is not finite, or the data have to be read twice.
    """
    m, n, d = X.shape
    size = tile_size(n)
    begins = span_bounds(-(-n // size), 40 * d)[:-1] * size
    n_spans = len(begins)
    bounds = np.append((np.arange(m)[:, None] * n + begins).reshape(-1), m * n)
    first = np.zeros(m, dtype=np.int64) if sample_weight is None else np.argmax(sample_weight > 0, axis=1)
    shift = X[np.arange(m), first].astype(np.float64)
    shifts = np.repeat(shift, n_spans, axis=0)
    lows, highs, parts = np.empty((m, n_spans, d)), np.empty((m, n_spans, d)), np.empty((m, n_spans, 3 * d + 1))
    weights = _ONE if sample_weight is None else np.ascontiguousarray(sample_weight)
    arrays = {"source": X, "weights": weights, "bounds": bounds, "shift": shifts}
    arrays |= {"low": lows, "high": highs, "sums": parts}
    numbers = {"n_features": d, "count": m * n, "tile_size": 1, "weighted": sample_weight is not None}
    job = FIELDS.job(arrays, {**numbers, "shift_bytes": shifts.strides[0]})
    team.run(_step_address(X.dtype), job.ctypes.data, m * n_spans, 6.0 * X.size)
    low, high, sums = lows[:, 0], highs[:, 0], parts[:, 0]
    for s in range(1, n_spans):
        low, high = np.minimum(low, lows[:, s]), np.maximum(high, highs[:, s])
        sums = sums + parts[:, s]
    facts, _, is_sure = _facts_from(shift, low, high, sums)
    return facts, is_sure & ~np.isnan(sums[:, 2 * d : 3 * d]).any(axis=1)


def _column_facts(
    X: Array, sample_weight: Array | None, shift: Array, dtype: Any, team: Team
) -> tuple[Array, Array, Array]:
    """(low, high, sums) of `_column_span` over all of X."""
    d = X.shape[1]
    size = tile_size(len(X))
    low, high, total = np.full(d, np.inf), np.full(d, -np.inf), np.zeros(3 * d + 1)
    for first, piece in chunks(X, dtype, size):
        bounds = span_bounds(-(-len(piece) // size), 40 * d)
        n = len(bounds) - 1
        lows, highs, sums = np.empty((n, d)), np.empty((n, d)), np.empty((n, 3 * d + 1))
        weights = _ONE if sample_weight is None else sample_weight[first : first + len(piece)]
        arrays = {"source": piece, "weights": weights, "bounds": bounds, "shift": shift}
        arrays |= {"low": lows, "high": highs, "sums": sums}
        numbers = {"n_features": d, "count": len(piece), "tile_size": size, "weighted": sample_weight is not None}
        job = FIELDS.job(arrays, numbers)
        team.run(_step_address(dtype), job.ctypes.data, n, 6.0 * piece.size)
        for s in range(n):
            low, high = np.minimum(low, lows[s]), np.maximum(high, highs[s])
            total += sums[s]
    return low, high, total
