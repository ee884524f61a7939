"""User data as tiles: feature-major, centred, scaled and padded. They are packed once per fit.

A tile is (n_features + derived rows, T), unit stride along its T samples. The last tile is padded with samples of
weight 0 at the origin of the frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from fastem.compiled.lanes import staged
from fastem.families.base import Array, Frame

# 256 samples x 8 rows of log_prob is 16 kB: stays in L1. 128 and 512 were 5 to 10% slower for most shapes.
TILE = 256
MAX_SPANS = 64
MAX_PARTIALS = 128 * 2**20  # bytes of all partial statistics of one mixture together
CHUNK = 16 * 2**20  # bytes of the user's array that are converted at a time, if it must be converted


@dataclass(frozen=True)
class Data:
    """Data packed for one frame.

    tiles: (n_tiles, tile_rows, tile_size) float32 or float64. sample_weight: (n_tiles, tile_size), or (2, tile_size)
    for unweighted data, the weights of a full tile and those of the last tile; in units of `unit`, a power of two.
    fields: the fields of a job that say where these tiles are and how large. known: (n_tiles, rows, tile_size), what is
    known about the samples' components as the kernel weigh[knowledge] of data/fold takes it; None if nothing is.
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
    known: Array | None = None
    knowledge: str = ""

    @property
    def n_tiles(self) -> int:
        return int(self.tiles.shape[0])


def tile_size(n_samples: int) -> int:
    """Samples per tile: fewer for small data, a power of two that fills vector registers."""
    return min(TILE, max(16, 1 << (n_samples - 1).bit_length()))


@lru_cache(maxsize=1024)
def span_bounds(n_tiles: int, partial_bytes: int) -> Array:
    """Where each span of tiles begins, read-only. It depends on the data's shape alone, never on threads or starts."""
    # If memory limits their number it is a power of two, so that few spans with large partials share out evenly.
    affordable = 1 << max(0, int(MAX_PARTIALS // max(partial_bytes, 1)).bit_length() - 1)
    n_spans = min(MAX_SPANS, n_tiles, affordable)
    bounds: Array = np.arange(n_spans + 1, dtype=np.int64) * n_tiles // n_spans
    bounds.flags.writeable = False
    return bounds


def into_tile(
    machine: Any, source: Any, first: Any, count: Any, n_features: Any, shift: Any, factor: Any, tile: Any
) -> None:
    """For staged functions: tile[j, t] = (source[first + t, j] - shift_j) / scale_j for t < count, 0 beyond.

    Values are transposed first, eight samples (a line of the tile) at a time, and then scaled along the samples. That
    takes 1 ns per value; doing both at once took 1.4 to 2.2.
    """

    def line(t: Any) -> None:
        def column(j: Any) -> None:
            for each in range(8):
                tile.put(j, t + each, source.number(first + t + each, j))

        machine.repeat(0, n_features, column)

    def left(t: Any) -> None:
        machine.repeat(0, n_features, lambda j: tile.put(j, t, source.number(first + t, j)))

    whole = count // 8 * 8
    machine.repeat(0, whole, line, step=8)
    machine.repeat(whole, count, left)
    _scaled(machine, count, n_features, shift, factor, tile)


def _scaled(machine: Any, count: Any, n_features: Any, shift: Any, factor: Any, tile: Any) -> None:
    """Values of a user's, of the first `count` samples of a tile, in the coordinates of the frame; 0 beyond.

    Halves are subtracted and the factor is 2 / scale, so that no finite pair of values overflows. A value so far from
    the origin that its square might overflow is held at a limit, so that log densities end at -inf, never at NaN.
    """
    limit = 1e18 if tile.code == "f4" else 1e150
    n, nothing = tile.lanes, machine.zero(tile)

    def row(j: Any) -> None:
        origin, scale = 0.5 * shift.number(0, j), factor.number(0, j)

        def chunk(t: Any) -> None:
            x = tile.vector(j, t, n)
            z = (0.5 * machine.double(x) - origin) * scale
            z = machine.where(z > limit, limit, z)
            tile.put(j, t, machine.like(machine.where(z < -limit, -limit, z), x))

        machine.samples(count, n, chunk)
        machine.repeat(count, tile.width, lambda t: tile.put(j, t, nothing))

    machine.repeat(0, n_features, row)


scale_tile = staged(_scaled)


def chunks(X: Array, dtype: Any, size: int) -> Iterator[tuple[int, Array]]:
    """Consecutive pieces of X as C-contiguous arrays of `dtype`, without a copy if X is one already.

    Yields (first row, piece); each piece but the last has a multiple of `size` rows.
    """
    dtype = np.dtype(dtype)
    if X.flags.c_contiguous and X.dtype == dtype and X.flags.aligned:
        yield 0, X
        return
    rows = max(size, CHUNK // (X.shape[1] * dtype.itemsize) // size * size)
    for first in range(0, X.shape[0], rows):
        yield first, np.ascontiguousarray(X[first : first + rows], dtype=dtype)
