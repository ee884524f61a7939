"""User data to tiles: feature-major, centred, scaled and padded, packed once per fit.

A tile is (n_features + derived rows, T), unit stride along its T samples. The last tile is padded with samples of
weight 0 at the origin of the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastem.compiled.jit import (
    INTEGER,
    address,
    call,
    carray,
    matrix,
    part,
    pointer,
    record,
    record_at,
    routine,
    vector,
)
from fastem.data.memory import aligned
from fastem.data.threads import Team
from fastem.families.base import Array, Family, Frame

# 256 samples x 8 rows of log_prob is 16 kB: stays in L1. 128 and 512 were 5 to 10% slower for most shapes.
TILE = 256
MAX_SPANS = 64
MAX_PARTIALS = 128 * 2**20  # bytes of all partial statistics of one mixture together
CHUNK = 16 * 2**20  # bytes of the user's array that are converted at a time, where they must be

_FIELDS = """
    source n_features count weights bounds shift factor tiles tile_rows tile_size derive layout n_layout low high sums
"""
JOB = np.dtype([(name, np.int64) for name in _FIELDS.split()])


class Columns(NamedTuple):
    """What one look at the columns tells.

    location, spread: weighted mean and standard deviation per feature, (n_features,), float64; spread is exactly 0
    for a constant feature. low, high: the smallest and largest value per feature.
    """

    location: Array
    spread: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Data:
    """Data packed for one frame.

    tiles: (n_tiles, tile_rows, tile_size) float32 or float64. sample_weight: (n_tiles, tile_size), or
    (2, tile_size) for unweighted data, a full tile's and the last tile's; in units of `unit`, a power of two.
    fields: what every job over these tiles says of them.
    """

    tiles: Array
    sample_weight: Array
    weighted: bool
    unit: float
    n_samples: int
    n_features: int
    total_weight: float
    frame: Frame
    fields: dict[str, int]

    @property
    def n_tiles(self) -> int:
        return int(self.tiles.shape[0])


def tile_size(n_samples: int) -> int:
    """Samples per tile: fewer for small data, a power of two that fills vector registers."""
    return min(TILE, max(16, 1 << (n_samples - 1).bit_length()))


@lru_cache(maxsize=1024)
def span_bounds(n_tiles: int, partial_bytes: int) -> Array:
    """Where each span of tiles begins, read-only: a function of the data's shape alone, never of threads or starts."""
    # A power of two where memory is the limit, so that the spans of few large partials share out evenly.
    affordable = 1 << max(0, int(MAX_PARTIALS // max(partial_bytes, 1)).bit_length() - 1)
    n_spans = min(MAX_SPANS, n_tiles, affordable)
    bounds: Array = np.arange(n_spans + 1, dtype=np.int64) * n_tiles // n_spans
    bounds.flags.writeable = False
    return bounds


@part
def pack_tile(source, first, count, n_features, shift, factor, tile):
    """tile[j, t] = (source[first + t, j] - shift_j) / scale_j for t < count, 0 beyond.

    Halves are subtracted and the factor is 2 / scale, so that no finite pair of values overflows. What is further from
    the origin than any square can tell is held there, so that log densities end at -inf, never at NaN.
    """
    limit = 1e18 if tile.itemsize == 4 else 1e150
    # Transposed first, eight samples (a line of the tile) at a time, then scaled along the samples: 1 ns a value, where
    # both at once took 1.4 to 2.2.
    whole = count // 8 * 8
    for first_of_line in range(0, whole, 8):
        for j in range(n_features):
            for t in range(8):
                tile[j, first_of_line + t] = source[first + first_of_line + t, j]
    for t in range(whole, count):
        for j in range(n_features):
            tile[j, t] = source[first + t, j]
    for j in range(n_features):
        origin, scale = 0.5 * shift[j], factor[j]
        for t in range(count):
            z = (0.5 * tile[j, t] - origin) * scale
            z = limit if z > limit else z
            tile[j, t] = -limit if z < -limit else z
        for t in range(count, tile.shape[1]):
            tile[j, t] = 0


@part
def _pack_span(job_address, span, worker, real):
    """Pack the tiles of one span; samples of weight 0 go to the origin, where nothing can overflow.

    Memory-bound: reads and writes each value once.
    """
    job = record_at(job_address, JOB)
    bounds = carray(pointer(job.bounds + 8 * span), 2, np.int64)
    n, d, size = job.count, job.n_features, job.tile_size
    source = carray(pointer(job.source), (n, d), real)
    shift, factor = carray(pointer(job.shift), d, np.float64), carray(pointer(job.factor), d, np.float64)
    tiles = carray(pointer(job.tiles), ((n + size - 1) // size, job.tile_rows, size), real)
    layout = carray(pointer(job.layout), job.n_layout, np.int64)
    weighted = job.weights != 0
    weights = carray(pointer(job.weights), ((n + size - 1) // size if weighted else 0, size), real)
    for i in range(bounds[0], bounds[1]):
        first = i * size
        pack_tile(source, first, min(size, n - first), d, shift, factor, tiles[i])
        if weighted:
            for t in range(size):
                if weights[i, t] == 0.0:
                    for j in range(d):
                        tiles[i, j, t] = 0.0
        if job.derive != 0:
            call(job.derive, tiles[i], layout)


@part
def _column_span(job_address, span, worker, real):
    """Facts about the columns of one span's rows, about `shift`; rows of weight 0 count for finiteness alone.

    high, low OUT (d,): largest and smallest value. sums OUT (3 d + 1,): sums of w u and w u^2 with u = x - shift, of
    0 x, which is NaN where x is not finite, and of the weights w.
    """
    job = record_at(job_address, JOB)
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
def _pack_span_f4(job, span, worker):
    _pack_span(job, span, worker, np.float32)


@routine
def _pack_span_f8(job, span, worker):
    _pack_span(job, span, worker, np.float64)


@routine
def _column_span_f4(job, span, worker):
    _column_span(job, span, worker, np.float32)


@routine
def _column_span_f8(job, span, worker):
    _column_span(job, span, worker, np.float64)


_PACK = {"f4": _pack_span_f4, "f8": _pack_span_f8}
_COLUMN = {"f4": _column_span_f4, "f8": _column_span_f8}


def step_address(steps: dict[str, Any], dtype: Any) -> int:
    """The address of the version of a step for tiles of this dtype."""
    return address(steps[np.dtype(dtype).str[1:]], INTEGER, INTEGER, INTEGER)


def derive_address(family: Family, dtype: Any) -> int:
    """The address of a family's `derive` kernel, 0 where it has none."""
    derive = family.kernels().derive
    return 0 if derive is None else address(derive, matrix(dtype), vector("i8"))


def chunks(X: Array, dtype: Any, size: int) -> Any:
    """Consecutive pieces of X as C-contiguous arrays of `dtype`, without a copy where X is that already.

    Yields (first row, piece); each piece but the last has a multiple of `size` rows.
    """
    dtype = np.dtype(dtype)
    if X.flags.c_contiguous and X.dtype == dtype and X.flags.aligned:
        yield 0, X
        return
    rows = max(size, CHUNK // (X.shape[1] * dtype.itemsize) // size * size)
    for first in range(0, X.shape[0], rows):
        yield first, np.ascontiguousarray(X[first : first + rows], dtype=dtype)


Pieces = Callable[[], Iterable[tuple[Array, Array | None, Any]]]


def columns(X: Array, sample_weight: Array | None, dtype: Any, team: Team) -> Columns | None:
    """Location and spread of the columns of X, or None where some value is not finite. Reads X once, rarely twice."""
    first = 0 if sample_weight is None else int(np.argmax(sample_weight > 0))
    return columns_of(lambda: [(X, sample_weight, dtype)], X[first], team)


def columns_of(pieces: Pieces, first_row: Array, team: Team) -> Columns | None:
    """The same of data in pieces, each with its weights and the dtype in which it is read.

    pieces is called for each reading, and may refuse what it sees. first_row (n_features,): any sample.
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
            # Squares beyond the range of floating point: any scale within the data's range serves as well.
            spread = np.where((variance > 1e-305) & np.isfinite(variance), np.sqrt(variance), half)
        location = np.clip(np.where(np.isfinite(location), location, 0.5 * low + 0.5 * high), low, high)
        if (spread >= 1e-6 * np.abs(location - shift)).all():
            break
        # The first row lies so far from the others that the variance has cancelled: once more, about the mean.
        shift = location
    constant = ~(half > 1e-300)
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
        job = record(JOB, arrays, {"n_features": d, "count": len(piece), "tile_size": size})
        team.run(step_address(_COLUMN, dtype), job.ctypes.data, n, 6.0 * piece.size)
        for s in range(n):
            low, high = np.minimum(low, lows[s]), np.maximum(high, highs[s])
            total += sums[s]
    return low, high, total


def _packed_weights(sample_weight: Array | None, n: int, size: int, dtype: Any) -> tuple[Array, float]:
    n_tiles = -(-n // size)
    if sample_weight is None:
        weights = np.ones((2, size), dtype=dtype)
        weights[1, n - (n_tiles - 1) * size :] = 0
        return weights, 1.0
    # A power of two changes no bit of the sums, and keeps weights of any size inside float32.
    unit = float(2.0 ** np.clip(np.floor(np.log2(sample_weight.max())), -1000, 1000))
    weights = np.zeros(n_tiles * size, dtype=dtype)
    # A positive weight stays positive in float32.
    weights[:n] = np.where(sample_weight > 0, np.maximum(sample_weight / unit, np.finfo(dtype).tiny), 0.0)
    return weights.reshape(n_tiles, size), unit


def unpacked(X: Array, sample_weight: Array | None, family: Family, frame: Frame, dtype: Any) -> Data:
    """Data without tiles: what `pack` would say of them, before the memory is taken."""
    n, d = X.shape
    total = float(n) if sample_weight is None else float(sample_weight.sum())
    tiles = np.empty((0, d + family.n_derived, tile_size(n)), dtype)
    return Data(tiles, tiles[:, 0], sample_weight is not None, 1.0, n, d, total, frame, {})


def pack(X: Array, sample_weight: Array | None, family: Family, frame: Frame, dtype: Any, team: Team) -> Data:
    """Pack checked data (n_samples, n_features) into tiles in the coordinates of `frame`."""
    n, d = X.shape
    size = tile_size(n)
    n_tiles, rows = -(-n // size), d + family.n_derived
    tiles = aligned((n_tiles, rows, size), dtype)
    factor, layout = 2.0 / frame.scale, family.layout(d, 1)
    derive = derive_address(family, dtype)
    weights, unit = _packed_weights(sample_weight, n, size, dtype)
    for first, piece in chunks(X, dtype, size):
        target = tiles[first // size :]
        bounds = span_bounds(-(-len(piece) // size), 1)
        arrays = {
            "source": piece,
            "bounds": bounds,
            "shift": np.ascontiguousarray(frame.shift),
            "factor": factor,
            "tiles": target,
            "layout": layout,
        }
        if sample_weight is not None:
            arrays["weights"] = weights[first // size :]
        numbers = {
            "n_features": d,
            "count": len(piece),
            "tile_rows": rows,
            "tile_size": size,
            "derive": derive,
            "n_layout": len(layout),
        }
        job = record(JOB, arrays, numbers)
        team.run(step_address(_PACK, dtype), job.ctypes.data, len(bounds) - 1, 3.0 * piece.size)
    total = float(n) if sample_weight is None else float(sample_weight.sum())
    fields = {
        "item_bytes": tiles.itemsize,
        "tiles": tiles.ctypes.data,
        "tile_rows": rows,
        "tile_size": size,
        "weights": weights.ctypes.data,
        "weighted": sample_weight is not None,
        "last_tile": n_tiles - 1,
    }
    return Data(tiles, weights, sample_weight is not None, unit, n, d, total, frame, fields)
