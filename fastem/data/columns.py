"""One look at the columns of a user's data: where they lie, how they spread, whether all values are finite."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from fastem.compiled.jit import INTEGER, address, carray, part, pointer, record_at, routine
from fastem.compiled.job import Fields
from fastem.data.threads import Team
from fastem.data.tiles import chunks, span_bounds, tile_size
from fastem.families.base import Array, Columns

# Columns of no larger half range count as constant: the inverse of a smaller scale is not finite.
SMALLEST_RANGE = 1e-307

FIELDS = Fields("source n_features count weights bounds shift tile_size low high sums")
_DTYPE = FIELDS.dtype


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


@part
def _column_span(job_address, span, worker, real):
    """Facts about the columns in the rows of one span. A row of weight 0 counts only as to whether it is finite.

    high, low OUT (d,): largest and smallest value. sums OUT (3 d + 1,): sums of w u and w u^2 with u = x - shift, of
    0 x, which is NaN if x is not finite, and of the weights w.
    """
    job = record_at(job_address, _DTYPE)
    bounds = carray(pointer(job.bounds + 8 * span), 2, np.int64)
    d = job.n_features
    source = carray(pointer(job.source), (job.count, d), real)
    weights = carray(pointer(job.weights), job.count if job.weights != 0 else 0, np.float64)
    shift = carray(pointer(job.shift), d, np.float64)
    low = carray(pointer(job.low + 8 * d * span), d, np.float64)
    high = carray(pointer(job.high + 8 * d * span), d, np.float64)
    sums = carray(pointer(job.sums + 8 * (3 * d + 1) * span), 3 * d + 1, np.float64)
    for j in range(d):
        low[j] = np.inf
        high[j] = -np.inf
    for j in range(3 * d + 1):
        sums[j] = 0.0
    for i in range(bounds[0] * job.tile_size, min(bounds[1] * job.tile_size, job.count)):
        weight = 1.0 if job.weights == 0 else weights[i]
        sums[3 * d] += weight
        for j in range(d):
            value = np.float64(source[i, j])
            u = value - shift[j]
            sums[j] += weight * u
            sums[d + j] += weight * u * u
            sums[2 * d + j] += 0.0 * value
            low[j] = value if value < low[j] and weight > 0.0 else low[j]
            high[j] = value if value > high[j] and weight > 0.0 else high[j]


@routine
def _column_span_f4(job, span, worker):
    _column_span(job, span, worker, np.float32)


@routine
def _column_span_f8(job, span, worker):
    _column_span(job, span, worker, np.float64)


_STEPS = {"f4": _column_span_f4, "f8": _column_span_f8}


@cache
def _step_address(dtype: Any) -> int:
    return address(_STEPS[np.dtype(dtype).str[1:]], INTEGER, INTEGER, INTEGER)


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
        with np.errstate(all="ignore"):
            offset, square = sums[:d] / sums[-1], sums[d : 2 * d] / sums[-1]
            location, variance = shift + offset, square - offset * offset
            half = 0.5 * high - 0.5 * low
            # If squares leave the range of floating point, half the range of the data serves as a scale.
            spread = np.where((variance > 1e-305) & np.isfinite(variance), np.sqrt(variance), half)
        location = np.clip(np.where(np.isfinite(location), location, 0.5 * low + 0.5 * high), low, high)
        if (spread >= 1e-6 * np.abs(location - shift)).all():
            break
        # The first row lies so far from the others that the variance has lost its digits. Again, about the mean.
        shift = location
    constant = ~(half > SMALLEST_RANGE)
    return Columns(np.where(constant, low, location), np.where(constant, 0.0, spread), low, high)


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
        arrays = {"source": piece, "bounds": bounds, "shift": shift, "low": lows, "high": highs, "sums": sums}
        if sample_weight is not None:
            arrays["weights"] = sample_weight[first : first + len(piece)]
        job = FIELDS.job(arrays, {"n_features": d, "count": len(piece), "tile_size": size})
        team.run(_step_address(dtype), job.ctypes.data, n, 6.0 * piece.size)
        for s in range(n):
            low, high = np.minimum(low, lows[s]), np.maximum(high, highs[s])
            total += sums[s]
    return low, high, total
