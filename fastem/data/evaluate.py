"""Densities, responsibilities and labels of samples under one mixture, packed into tiles on the way.

Like the fold, this is the walk over tiles with the kernels of a family, and it knows no family. Compiled code can call
`log_density` and `component_log_density`, which work in the calling thread.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.compiled.arrays import LINE, aligned
from fastem.compiled.jit import call, kernel, part
from fastem.data.fold import log_prob_address, mode_addresses, shape_of
from fastem.data.pack import derive_address
from fastem.data.threads import FAILED, Team, run_here
from fastem.data.tiles import MAX_SPANS, Data, chunks, scale_tile, span_bounds
from fastem.data.tiles import tile_size as choose_tile_size
from fastem.data.walk import FIELDS, pack_address, walk_address
from fastem.families.base import Array, Family, Frame

# The number of samples in a tile of `log_density`.
_TILE = 128
# Below this many flops an evaluation, which is alone in its call, runs in the calling thread. It takes 0.4 ms at most,
# and the threads of a pool, which take 0.16 ms to start, would save no more on two cores.
FEW = 20_000_000
_N_FIELDS = len(FIELDS.names)
# What is wanted, if it is not by the mode "soft", and if the field of the job that receives it has another name.
_MODE, _FIELD = {"labels": "labels", "log_prob": "none"}, {"log_prob": "resp"}


class Evaluation(NamedTuple):
    """values: what was wanted, see `evaluate`. finite: whether all values of X are finite."""

    values: Array
    finite: bool


class Ready(NamedTuple):
    """A mixture as the walk reads it, for data of one dtype: all that an evaluation needs beside the data.

    job: the fields that are the same for all data. arrays: kept alive here, because the job holds their addresses.
    block_rows: rows of a worker's scratch, each one tile wide. work: flops per sample, roughly. Nothing writes to it,
    so several threads may use it at once.
    """

    dtype: Any
    n_features: int
    n_components: int
    block_rows: int
    work: float
    job: Array
    arrays: tuple[Array, ...]


def ready(family: Family, frame: Frame, params: Array, log_weights: Array, dtype: Any) -> Ready:
    """Make a mixture, given by its rows in the coordinates of `frame`, ready to be evaluated."""
    d, n_components, dtype = len(frame.shift), len(log_weights), np.dtype(dtype)
    shape = shape_of(family, d, n_components)
    tile_rows = d + family.n_derived(d)
    arrays = {
        "density": np.ascontiguousarray(params, dtype=dtype),
        "log_weights": np.ascontiguousarray(log_weights, dtype=dtype),
        "rows": np.arange(n_components, dtype=np.int64),
        "starts": np.zeros(1, dtype=np.int64),
        "layout": family.layout(d, n_components),
        "shift": np.array(frame.shift),
        "factor": 2.0 / frame.scale,
    }
    numbers = {
        "log_prob": log_prob_address(family.kernels(), dtype),
        "pack": pack_address(dtype),
        "derive": derive_address(family, dtype),
        "item_bytes": dtype.itemsize,
        "tile_rows": tile_rows,
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
    block_rows = n_components + 2 + shape.latent_rows + shape.scratch_rows + tile_rows
    work = shape.work + 20.0 * n_components
    return Ready(dtype, d, n_components, block_rows, work, FIELDS.job(arrays, numbers), tuple(arrays.values()))


@lru_cache(maxsize=64)
def _ones(size: int, dtype: Any) -> tuple[Array, int]:
    """The weights of a tile of samples that all count once, read-only, and their address."""
    ones = np.ones(size, dtype=dtype)
    ones.flags.writeable = False
    return ones, ones.ctypes.data


def _values(n: int, mixture: Ready, want: str) -> Array:
    """Room for what is wanted of n samples."""
    if want in ("resp", "log_prob"):
        return np.empty((n, mixture.n_components), dtype=mixture.dtype)
    return np.empty(n, dtype=np.int64 if want == "labels" else np.float64)


def evaluate_ready(X: Array, mixture: Ready, team: Team | None, want: str, alone: bool = True) -> Evaluation:
    """`evaluate` of a mixture that is ready. Without a team it works in the calling thread.

    For one sample this takes 8 us, of which most goes to looking up addresses; so what it allocates is one block.
    """
    n, size = len(X), choose_tile_size(len(X))
    dtype = mixture.dtype
    values = _values(n, mixture, want)
    # One block of words: the job, counters, what the spans say, and from a multiple of 64 bytes on, the workers'.
    n_workers, n_spans = 1 if team is None else min(team.n_threads, MAX_SPANS), min(MAX_SPANS, -(-n // size))
    first_fact = _N_FIELDS + FAILED + 1
    first_word = first_fact + 2 * n_spans
    block_bytes = n_workers * mixture.block_rows * size * dtype.itemsize
    words = np.empty(first_word + LINE // 8 + block_bytes // 8, dtype=np.int64)
    location, place = words.ctypes.data, FIELDS.place
    job, facts = words[:_N_FIELDS], words[first_fact:first_word].view(np.float64)
    job[:] = mixture.job
    counters = words[_N_FIELDS:first_fact]
    for field, kernel_address in mode_addresses(_MODE.get(want, "soft"), dtype).items():
        job[place[field]] = kernel_address
    job[place["tile_size"]], job[place["weights"]] = size, _ones(size, dtype)[1]
    job[place["block"]] = -(-(location + 8 * first_word) // LINE) * LINE
    job[place["finite"]] = location + 8 * first_fact
    job[place["totals"]] = location + 8 * (first_fact + n_spans)
    wanted, width = values.ctypes.data, values.strides[0]
    finite = True
    for first, piece in chunks(X, dtype, size):
        bounds = span_bounds(-(-len(piece) // size), 1)
        job[place["bounds"]], job[place["source"]] = bounds.ctypes.data, piece.ctypes.data
        job[place["n_samples"]], job[place[_FIELD.get(want, want)]] = len(piece), wanted + first * width
        if team is None:
            counters[:] = 0
            run_here(walk_address(dtype), location, counters, len(bounds) - 1)
        else:
            work = mixture.work * len(piece)
            team.run(walk_address(dtype), location, len(bounds) - 1, work, alone and len(piece) == n)
        finite = finite and not math.isnan(sum(facts[: len(bounds) - 1].tolist()))
    return Evaluation(values, finite)


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
    of_mixture = ready(family, frame, params, log_weights, dtype)
    if isinstance(X, Data):
        return _evaluate_tiles(X, of_mixture, team, want)
    return evaluate_ready(X, of_mixture, team, want, alone)


def _evaluate_tiles(data: Data, mixture: Ready, team: Team, want: str) -> Evaluation:
    """`evaluate` at data that are in tiles already, in the coordinates of the mixture's rows."""
    n, dtype, n_tiles = data.n_samples, mixture.dtype, len(data.tiles)
    values, size = _values(n, mixture, want), data.tiles.shape[2]
    bounds = span_bounds(n_tiles, 1)
    arrays = {
        _FIELD.get(want, want): values,
        "bounds": bounds,
        "totals": np.empty(len(bounds) - 1),
        "tiles": data.tiles,
        "weights": np.ones((1, size), dtype=dtype),
        "block": aligned((min(team.n_threads, MAX_SPANS), mixture.block_rows, size), dtype),
    }
    numbers = {**mode_addresses(_MODE.get(want, "soft"), dtype), "tile_size": size, "n_samples": n}
    job, place = mixture.job.copy(), FIELDS.place
    for field in ("source", "pack"):
        job[place[field]] = 0
    for field, number in numbers.items():
        job[place[field]] = number
    for field, array in arrays.items():
        job[place[field]] = array.ctypes.data
    team.run(walk_address(dtype), job.ctypes.data, len(bounds) - 1, mixture.work * n, True)
    return Evaluation(values, True)


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
    for j in range(X.shape[1]):
        for t in range(count):
            tile[j, t] = X[first + t, j]
    scale_tile(count, X.shape[1], arguments.shift, arguments.factor, tile)
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
