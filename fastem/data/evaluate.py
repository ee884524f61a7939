"""Densities, responsibilities and labels of samples under one mixture, packed into tiles on the way.

The sibling of the fold: the same walk with the same kernels, and no knowledge of any family.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastem.data.fold import log_prob_address, mode_addresses, shape_of
from fastem.data.memory import aligned
from fastem.data.pack import derive_address
from fastem.data.threads import Team
from fastem.data.tiles import MAX_SPANS, chunks, span_bounds
from fastem.data.tiles import tile_size as choose_tile_size
from fastem.data.walk import FIELDS, pack_address, walk_address
from fastem.families.base import Array, Family, Frame


class Evaluation(NamedTuple):
    """values: what was wanted, see `evaluate`. finite: whether all values of X are."""

    values: Array
    finite: bool


def evaluate(
    X: Array,
    family: Family,
    frame: Frame,
    params: Array,
    log_weights: Array,
    dtype: Any,
    team: Team,
    want: str,
    alone: bool = True,
) -> Evaluation:
    """Evaluate one mixture at data (n_samples, n_features), in pieces.

    want: "log_density", (n,) float64; "resp", (n, K) in `dtype`; or "labels", (n,) int64, by hard assignment, which
    spares the exponentials. alone: nothing else is computed in this team's call. Beyond the values it holds one
    converted piece of X at most, and none where X is C-contiguous of this dtype.
    """
    n, d = X.shape
    n_components = len(log_weights)
    shape, size = shape_of(family, d, n_components), choose_tile_size(n)
    tile_rows = d + family.n_derived(d)
    if want == "resp":
        values = np.empty((n, n_components), dtype=dtype)
    else:
        values = np.empty(n, dtype=np.int64 if want == "labels" else np.float64)
    rows_of_block = n_components + 2 + shape.latent_rows + shape.scratch_rows + tile_rows
    arrays = {
        "density": np.ascontiguousarray(params, dtype=dtype),
        "log_weights": np.ascontiguousarray(log_weights, dtype=dtype),
        "rows": np.arange(n_components, dtype=np.int64),
        "starts": np.zeros(1, dtype=np.int64),
        "layout": family.layout(d, n_components),
        "shift": np.ascontiguousarray(frame.shift),
        "factor": 2.0 / frame.scale,
        "weights": np.ones((1, size), dtype=dtype),
        "block": aligned((min(team.n_threads, MAX_SPANS), rows_of_block, size), dtype),
    }
    numbers = {
        "log_prob": log_prob_address(family.kernels(), dtype),
        **mode_addresses("hard" if want == "labels" else "soft", dtype),
        "pack": pack_address(dtype),
        "derive": derive_address(family, dtype),
        "item_bytes": np.dtype(dtype).itemsize,
        "tile_rows": tile_rows,
        "tile_size": size,
        "last_tile": -1,  # every sample counts the same, also where a tile is not full
        "n_components": n_components,
        "n_starts": 1,
        "n_layout": len(arrays["layout"]),
        "n_features": d,
        "density_rows": shape.params[0],
        "density_width": shape.params[1],
        "scratch_rows": shape.scratch_rows,
        "latent_rows": shape.latent_rows,
    }
    finite = True
    for first, piece in chunks(X, dtype, size):
        bounds = span_bounds(-(-len(piece) // size), 1)
        zeros, totals = np.empty(len(bounds) - 1), np.empty(len(bounds) - 1)
        ready = {**arrays, want: values[first:], "source": piece, "bounds": bounds, "finite": zeros, "totals": totals}
        job = FIELDS.job(ready, {**numbers, "n_samples": len(piece)})
        work = (shape.work + 20.0 * n_components) * len(piece)
        team.run(walk_address(dtype), job.ctypes.data, len(bounds) - 1, work, alone and len(piece) == n)
        finite = finite and not np.isnan(zeros).any()
    return Evaluation(values, finite)
