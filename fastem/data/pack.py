"""Pack a user's data into tiles, once per fit."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from fastem.compiled.arrays import aligned
from fastem.compiled.jit import address, matrix, vector
from fastem.compiled.job import Prepared
from fastem.data.samples import Known
from fastem.data.threads import Team
from fastem.data.tiles import Data, chunks, span_bounds, tile_size
from fastem.data.walk import FIELDS, pack_address, walk_address
from fastem.families.base import Array, Family, Frame


@cache
def derive_address(family: Family, dtype: Any) -> int:
    """The address of a family's `derive` kernel, or 0 if it has none."""
    derive = family.kernels().derive
    return 0 if derive is None else address(derive, matrix(dtype), vector("i8"))


def weights_of_tiles(sample_weight: Array | None, n: int, dtype: Any) -> tuple[Array, float]:
    """The weights of the tiles, and their unit, as in `Data`, of n samples."""
    size = tile_size(n)
    n_tiles = -(-n // size)
    if sample_weight is None:
        weights = np.ones((2, size), dtype=dtype)
        weights[1, n - (n_tiles - 1) * size :] = 0
        return weights, 1.0
    # A power of two changes no bit of the sums, and keeps weights of any size inside float32.
    # The largest of a chunk's weights may be 0: the clip keeps it from the logarithm.
    unit = float(2.0 ** np.floor(np.log2(np.clip(sample_weight.max(), 2.0**-1000, 2.0**1000))))
    weights = np.zeros(n_tiles * size, dtype=dtype)
    # A positive weight stays positive in float32.
    weights[:n] = np.where(sample_weight > 0, np.maximum(sample_weight / unit, np.finfo(dtype).tiny), 0.0)
    return weights.reshape(n_tiles, size), unit


def pack(X: Array, sample_weight: Array | None, family: Family, frame: Frame, dtype: Any, team: Team) -> Data:
    """Pack checked data (n_samples, n_features) into tiles in the coordinates of `frame`."""
    n = len(X)
    weights, unit = weights_of_tiles(sample_weight, n, dtype)
    total = float(n) if sample_weight is None else float(sample_weight.sum())
    data = blank(X.shape, weights, sample_weight is not None, family, frame, dtype)
    data = replace(data, unit=unit, total_weight=total)
    for first, piece in chunks(X, dtype, data.tiles.shape[2]):
        packing = prepare(data, piece, first, family)
        team.run(packing.step, packing.job.ctypes.data, len(packing.arrays["bounds"]) - 1, 3.0 * piece.size)
    return data


def with_known(data: Data, known: Known | None) -> Data:
    """The same tiles, with what is known about the components of their samples."""
    if known is None:
        nothing = dict.fromkeys(("known", "known_rows", "known_tile"), 0)
        return replace(data, known=None, knowledge="", fields={**data.fields, **nothing})
    (n_tiles, _, size), (knowledge, table) = data.tiles.shape, known.table
    rows = np.zeros((n_tiles * size, table.shape[1]), dtype=data.tiles.dtype)
    rows[: len(table)] = table
    arranged = np.ascontiguousarray(rows.reshape(n_tiles, size, -1).swapaxes(1, 2))
    fields = {"known": arranged.ctypes.data, "known_rows": table.shape[1], "known_tile": arranged.strides[0]}
    return replace(data, known=arranged, knowledge=knowledge, fields={**data.fields, **fields})


def with_row(data: Data, values: Array | float) -> Data:
    """The same tiles, with one number more that is known about each sample: the last row of `known`.

    values: (n_samples,), or the same for all.
    """
    n_tiles, _, size = data.tiles.shape
    row = np.zeros(n_tiles * size, dtype=data.tiles.dtype)
    row[: data.n_samples] = values
    rows = [] if data.known is None else [data.known]
    arranged = np.ascontiguousarray(np.concatenate([*rows, row.reshape(n_tiles, 1, size)], axis=1))
    place = {"known": arranged.ctypes.data, "known_rows": arranged.shape[1], "known_tile": arranged.strides[0]}
    return replace(data, known=arranged, fields={**data.fields, **place})


def blank(shape: tuple[int, ...], weights: Array, weighted: bool, family: Family, frame: Frame, dtype: Any) -> Data:
    """Tiles for data of this shape, (n_samples, n_features), that nothing has been written to.

    weights: those of the tiles, as in `Data`.
    """
    n, d = shape
    size = tile_size(n)
    n_tiles, rows = -(-n // size), d + family.n_derived(d)
    tiles = aligned((n_tiles, rows, size), dtype)
    fields = {
        "item_bytes": tiles.itemsize,
        "tiles": tiles.ctypes.data,
        "tile_rows": rows,
        "tile_size": size,
        "weights": weights.ctypes.data,
        "weighted": weighted,
        "last_tile": n_tiles - 1,
    }
    return Data(tiles, weights, weighted, 1.0, n, d, float(n), frame, fields)


def prepare(data: Data, piece: Array, first: int, family: Family) -> Prepared:
    """The packing of some rows, the first of which is row `first` of the data, into tiles; piece is of their dtype."""
    (_, rows, size), dtype, d = data.tiles.shape, data.tiles.dtype, data.n_features
    bounds, last_tile, layout = span_bounds(-(-len(piece) // size), 1), (len(piece) - 1) // size, family.layout(d, 1)
    arrays = {
        "source": piece,
        "bounds": bounds,
        "shift": np.ascontiguousarray(data.frame.shift),
        "factor": 2.0 / data.frame.scale,
        "tiles": data.tiles[first // size :],
        "weights": data.sample_weight[first // size :] if data.weighted else data.sample_weight,
        "layout": layout,
    }
    numbers = {
        "item_bytes": data.tiles.itemsize,
        "n_features": d,
        "n_samples": len(piece),
        "tile_rows": rows,
        "tile_size": size,
        # A piece that ends within the data ends in a full tile.
        "last_tile": last_tile if first + len(piece) == data.n_samples else -1,
        "weighted": data.weighted,
        "pack": pack_address(dtype),
        "derive": derive_address(family, dtype),
        "n_layout": len(layout),
    }
    return Prepared(walk_address(dtype), FIELDS.job(arrays, numbers), arrays)
