"""Densities, responsibilities and labels of samples under one mixture, packed into tiles on the way.

Like the fold, this is the walk over tiles with the kernels of a family, and it knows no family.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastem.data.fold import log_prob_address, mode_addresses, shape_of
from fastem.data.memory import aligned
from fastem.data.pack import derive_address
from fastem.data.threads import Team
from fastem.data.tiles import MAX_SPANS, Data, chunks, span_bounds
from fastem.data.tiles import tile_size as choose_tile_size
from fastem.data.walk import FIELDS, pack_address, walk_address
from fastem.families.base import Array, Family, Frame

# What is wanted, if it is not by the mode "soft", and if the field of the job that receives it has another name.
_MODE, _FIELD = {"labels": "labels", "log_prob": "none"}, {"log_prob": "resp"}


class Evaluation(NamedTuple):
    """values: what was wanted, see `evaluate`. finite: whether all values of X are finite."""

    values: Array
    finite: bool


def evaluate(
    X: Array | Data,
    family: Family,
    frame: Frame,
    params: Array,
    log_weights: Array,
    dtype: Any,
    team: Team,
    want: str,
    alone: bool = True,
) -> Evaluation:
    """Evaluate one mixture at data (n_samples, n_features), in pieces, or at tiles in `frame`.

    want: "log_density", (n,) float64; "resp" or "log_prob" (of each component alone), (n, K) in `dtype`; or "labels",
    (n,) int64, by hard assignment, which spares the exponentials. alone: whether nothing else is computed in this
    team's call. Besides the values, it holds at most one converted piece of X, and none if X is C-contiguous of this
    dtype.
    """
    packed = isinstance(X, Data)
    n, d = (X.n_samples, X.n_features) if isinstance(X, Data) else X.shape
    n_components = len(log_weights)
    shape, size = shape_of(family, d, n_components), choose_tile_size(n)
    tile_rows = d + family.n_derived(d)
    if want in ("resp", "log_prob"):
        values = np.empty((n, n_components), dtype=dtype)
    else:
        values = np.empty(n, dtype=np.int64 if want == "labels" else np.float64)
    rows_of_block = n_components + 2 + shape.latent_rows + shape.scratch_rows + (0 if packed else tile_rows)
    arrays = {
        "density": np.ascontiguousarray(params, dtype=dtype),
        "log_weights": np.ascontiguousarray(log_weights, dtype=dtype),
        "rows": np.arange(n_components, dtype=np.int64),
        "starts": np.zeros(1, dtype=np.int64),
        "layout": family.layout(d, n_components),
        "weights": np.ones((1, size), dtype=dtype),
        "block": aligned((min(team.n_threads, MAX_SPANS), rows_of_block, size), dtype),
    }
    numbers = {
        "log_prob": log_prob_address(family.kernels(), dtype),
        **mode_addresses(_MODE.get(want, "soft"), dtype),
        "item_bytes": np.dtype(dtype).itemsize,
        "tile_rows": tile_rows,
        "tile_size": size,
        "last_tile": -1,  # every tile has the same weights, even one that is not full
        "n_components": n_components,
        "n_starts": 1,
        "n_layout": len(arrays["layout"]),
        "n_features": d,
        "density_rows": shape.params[0],
        "density_width": shape.params[1],
        "scratch_rows": shape.scratch_rows,
        "latent_rows": shape.latent_rows,
    }
    if isinstance(X, Data):
        pieces: Any = [(0, X.tiles)]
    else:
        pieces = chunks(X, dtype, size)
        arrays |= {"shift": np.ascontiguousarray(frame.shift), "factor": 2.0 / frame.scale}
        numbers |= {"pack": pack_address(dtype), "derive": derive_address(family, dtype)}
    finite = True
    for first, piece in pieces:
        n_rows = n if packed else len(piece)
        bounds = span_bounds(-(-n_rows // size), 1)
        zeros, totals = np.empty(len(bounds) - 1), np.empty(len(bounds) - 1)
        ready = {**arrays, _FIELD.get(want, want): values[first:], "bounds": bounds, "totals": totals}
        ready |= {"tiles": piece} if packed else {"source": piece, "finite": zeros}
        job = FIELDS.job(ready, {**numbers, "n_samples": n_rows})
        work = (shape.work + 20.0 * n_components) * n_rows
        team.run(walk_address(dtype), job.ctypes.data, len(bounds) - 1, work, alone and n_rows == n)
        finite = finite and (packed or not np.isnan(zeros).any())
    return Evaluation(values, finite)
