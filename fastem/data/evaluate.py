"""Densities, responsibilities and labels of samples under one mixture, packed into tiles on the way.

Like the fold, this is the walk over tiles with the kernels of a family, and it knows no family. Compiled code can call
`log_density` and `component_log_density`, which work in the calling thread.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.compiled.jit import call, kernel, part
from fastem.data.fold import log_prob_address, mode_addresses, shape_of
from fastem.data.memory import aligned
from fastem.data.pack import derive_address
from fastem.data.threads import Team
from fastem.data.tiles import MAX_SPANS, Data, chunks, pack_tile, span_bounds
from fastem.data.tiles import tile_size as choose_tile_size
from fastem.data.walk import FIELDS, pack_address, walk_address
from fastem.families.base import Array, Family, Frame

# The number of samples in a tile of `log_density`.
_TILE = 128
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


class _Fields(NamedTuple):
    log_prob: int
    weigh: int
    normalise: int
    derive: int
    params: Array
    log_weights: Array
    layout: Array
    shift: Array
    factor: Array
    tile_rows: int
    latent_rows: int
    scratch_rows: int


class Arguments(_Fields):
    """A mixture as compiled code reads it; make it with `arguments` and hand it to `log_density`.

    log_prob, weigh, normalise, derive: addresses of compiled kernels, valid in this process. params (rows, width),
    log_weights (K,), shift (d,), factor (d,): float64. layout: int64. tile_rows, latent_rows, scratch_rows: rows of the
    buffers. Where it is unpickled, in another process, addresses are looked up anew.
    """

    _made_of: tuple[Family, Frame, Array, Array]

    def __reduce__(self) -> Any:
        validation.check_movable(self)
        return arguments_of, self._made_of

    def __deepcopy__(self, memo: Any) -> Arguments:
        return self  # nothing in it changes


def arguments_of(family: Family, frame: Frame, params: Array, log_weights: Array) -> Arguments:
    """The arguments of `log_density` for a mixture, given as rows in the coordinates of a frame."""
    n_features, dtype = len(frame.scale), np.float64
    modes, shape = mode_addresses("soft", dtype), shape_of(family, n_features, len(log_weights))
    made = Arguments(
        log_prob_address(family.kernels(), dtype),
        modes["weigh"],
        modes["normalise"],
        derive_address(family, dtype),
        params,
        log_weights,
        family.layout(n_features, len(log_weights)),
        frame.shift,
        2.0 / frame.scale,
        n_features + family.n_derived(n_features),
        shape.latent_rows,
        shape.scratch_rows,
    )
    made._made_of = family, frame, params, log_weights
    return made


@part
def _tile_log_prob(X, arguments, first, count, rows, tile, block, latent, scratch):
    """block[k, t] = log p(X[first + t] | k), for t < count."""
    pack_tile(X, first, count, arguments.layout[0], arguments.shift, arguments.factor, tile)
    if arguments.derive != 0:
        call(arguments.derive, tile, arguments.layout)
    call(arguments.log_prob, tile, arguments.params, arguments.layout, rows, block, latent, scratch)


@kernel
def log_density(X, arguments, out):
    """out[i] = log density of the mixture at X[i], nats.

    X IN (n_samples, n_features), any strides, float64 or float32; arguments from `fastem.jit.arguments`; out OUT
    (n_samples,). Raises ValueError if the shapes disagree; values are not checked. Allocates a few kB once per call.
    """
    n = X.shape[0]
    if X.shape[1] != arguments.shift.size or out.size != n:
        raise ValueError("X must be (n_samples, n_features of the mixture) and out (n_samples,)")
    n_components = arguments.log_weights.size
    tile = np.empty((arguments.tile_rows, _TILE))
    block = np.empty((n_components, _TILE))
    scratch = np.empty((arguments.scratch_rows, _TILE))
    log_norm, labels, ones, total = np.empty(_TILE), np.empty(_TILE), np.ones(_TILE), np.zeros(1)
    known = np.empty((0, _TILE))
    latent = np.empty((arguments.latent_rows, _TILE))
    rows = np.arange(n_components)
    for first in range(0, n, _TILE):
        count = min(_TILE, n - first)
        _tile_log_prob(X, arguments, first, count, rows, tile, block, latent, scratch)
        call(arguments.weigh, block, arguments.log_weights, known)
        call(arguments.normalise, block, ones, known, log_norm, labels, total, scratch)
        for t in range(count):
            out[first + t] = log_norm[t]


@kernel
def component_log_density(X, arguments, out):
    """out[i, k] = log density of component k alone at X[i], nats, without its mixing proportion.

    X IN (n_samples, n_features), any strides, float64 or float32; arguments from `fastem.jit.arguments`; out OUT
    (n_samples, n_components). Raises ValueError if the shapes disagree; values are not checked. Allocates a few kB once
    per call.
    """
    n, n_components = X.shape[0], arguments.log_weights.size
    if X.shape[1] != arguments.shift.size or out.shape[0] != n or out.shape[1] != n_components:
        raise ValueError("X must be (n_samples, n_features of the mixture) and out (n_samples, n_components)")
    tile = np.empty((arguments.tile_rows, _TILE))
    block = np.empty((n_components, _TILE))
    scratch = np.empty((arguments.scratch_rows, _TILE))
    latent = np.empty((arguments.latent_rows, _TILE))
    rows = np.arange(n_components)
    for first in range(0, n, _TILE):
        count = min(_TILE, n - first)
        _tile_log_prob(X, arguments, first, count, rows, tile, block, latent, scratch)
        for t in range(count):
            for k in range(n_components):
                out[first + t, k] = block[k, t]
