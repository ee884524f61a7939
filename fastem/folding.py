"""EM's one fold: log-likelihood and sufficient statistics over tiles of samples, and its sibling `evaluate`.

fold(theta, data) = sum_i w_i (log sum_k weight_k p(x_i | theta_k), r_ik T(x_i; theta_k)). The fold calls a family's
kernels by address and knows no family; one compiled step serves all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import carray

from fastem import assign
from fastem._jit import address, call, exact, kernel, matrix, pointer, vector
from fastem.families.base import Array, Family, Frame, Kernels
from fastem.threads import Team
from fastem.tiles import MAX_PARTIALS, Data, aligned, chunks, derive_address, pack_tile, span_bounds, step_address
from fastem.tiles import tile_size as choose_tile_size

_FIELDS = """
    item_bytes log_prob assign accumulate derive
    tiles tile_rows tile_size n_tiles first_tile weights weighted last_tile prior prior_rows
    density density_rows density_width params params_rows params_width log_weights n_components
    starts n_starts rows n_rows layout n_layout bounds
    totals statistics statistics_rows statistics_width
    block scratch scratch_rows
    source n_samples n_features shift factor log_density resp labels
"""
JOB = np.dtype([(name, np.int64) for name in _FIELDS.split()])


@kernel
def _fold_span(job_address, span, worker, real):
    """Fold the tiles of one span, in order, for each active start; only pointers move here."""
    job = carray(pointer(job_address), 1, JOB)[0]
    bytes_per_real = job.item_bytes
    size, n_components = job.tile_size, job.n_components
    bounds = carray(pointer(job.bounds + 8 * span), 2, np.int64)
    layout = carray(pointer(job.layout), job.n_layout, np.int64)
    starts = carray(pointer(job.starts), job.n_starts, np.int64)
    rows = carray(pointer(job.rows), job.n_rows, np.int64)
    block_bytes = bytes_per_real * size * (n_components + 1 + job.scratch_rows)
    place = job.block + worker * block_bytes
    block = carray(pointer(place), (n_components, size), real)
    log_norm = carray(pointer(place + bytes_per_real * size * n_components), size, real)
    scratch = carray(
        pointer(place + bytes_per_real * size * (n_components + 1)), (job.scratch_rows, size), real
    )
    partial = 8 * job.statistics_rows * job.statistics_width
    for g in range(job.n_starts):
        slot = span * job.n_starts + g
        total = carray(pointer(job.totals + 8 * slot), 1, np.float64)
        total[0] = 0.0
        flat = carray(pointer(job.statistics + partial * slot), partial // 8, np.float64)
        for s in range(flat.size):
            flat[s] = 0.0
    for i in range(bounds[0], bounds[1]):
        tile_bytes = bytes_per_real * job.tile_rows * size
        tile = carray(pointer(job.tiles + i * tile_bytes), (job.tile_rows, size), real)
        which = i if job.weighted != 0 else (1 if i == job.last_tile else 0)
        weights = carray(pointer(job.weights + bytes_per_real * size * which), size, real)
        prior_bytes = bytes_per_real * job.prior_rows * size
        prior = carray(pointer(job.prior + (i - job.first_tile) * prior_bytes), (job.prior_rows, size), real)
        for g in range(job.n_starts):
            start = starts[g]
            slot = span * job.n_starts + g
            total = carray(pointer(job.totals + 8 * slot), 1, np.float64)
            width = bytes_per_real * job.density_rows * job.density_width
            density = carray(pointer(job.density + start * width), (job.density_rows, job.density_width), real)
            width = bytes_per_real * job.params_rows * job.params_width
            params = carray(pointer(job.params + start * width), (job.params_rows, job.params_width), real)
            log_weights = carray(
                pointer(job.log_weights + bytes_per_real * n_components * start), n_components, real
            )
            statistics = carray(
                pointer(job.statistics + partial * slot), (job.statistics_rows, job.statistics_width), np.float64
            )
            if job.log_prob != 0:
                call(job.log_prob, tile, density, layout, rows, block, scratch)
            call(job.assign, block, log_weights, weights, prior, log_norm, total, scratch)
            call(job.accumulate, tile, block, params, layout, rows, statistics, scratch)


@kernel
def _evaluate_span(job_address, span, worker, real):
    """Log densities, responsibilities and labels of the samples of one span, packed on the way."""
    job = carray(pointer(job_address), 1, JOB)[0]
    bytes_per_real = job.item_bytes
    size, n_components, n, d = job.tile_size, job.n_components, job.n_samples, job.n_features
    bounds = carray(pointer(job.bounds + 8 * span), 2, np.int64)
    layout = carray(pointer(job.layout), job.n_layout, np.int64)
    rows = carray(pointer(job.rows), job.n_rows, np.int64)
    source = carray(pointer(job.source), (n, d), real)
    shift, factor = carray(pointer(job.shift), d, np.float64), carray(pointer(job.factor), d, np.float64)
    params = carray(pointer(job.params), (job.params_rows, job.params_width), real)
    log_weights = carray(pointer(job.log_weights), n_components, real)
    log_density = carray(pointer(job.log_density), n if job.log_density != 0 else 0, np.float64)
    resp = carray(pointer(job.resp), (n if job.resp != 0 else 0, n_components), real)
    labels = carray(pointer(job.labels), n if job.labels != 0 else 0, np.int64)
    weights = carray(pointer(job.weights), size, real)
    row_bytes = bytes_per_real * size
    place = job.block + worker * row_bytes * (n_components + 1 + job.scratch_rows + job.tile_rows)
    block = carray(pointer(place), (n_components, size), real)
    place += row_bytes * n_components
    log_norm = carray(pointer(place), size, real)
    scratch = carray(pointer(place + row_bytes), (job.scratch_rows, size), real)
    tile = carray(pointer(place + row_bytes * (1 + job.scratch_rows)), (job.tile_rows, size), real)
    total = np.zeros(1)
    for i in range(bounds[0], bounds[1]):
        first = i * size
        count = min(size, n - first)
        pack_tile(source, first, count, d, shift, factor, tile)
        if job.derive != 0:
            call(job.derive, tile, layout)
        call(job.log_prob, tile, params, layout, rows, block, scratch)
        call(job.assign, block, log_weights, weights, weights.reshape((1, size)), log_norm, total, scratch)
        if job.log_density != 0:
            for t in range(count):
                log_density[first + t] = log_norm[t]
        if job.resp != 0:
            for t in range(count):
                for k in range(n_components):
                    resp[first + t, k] = block[k, t]
        if job.labels != 0:
            for t in range(count):
                best = 0
                for k in range(1, n_components):
                    if block[k, t] > block[best, t]:
                        best = k
                labels[first + t] = best


@kernel
def _fold_span_f4(job, span, worker):
    _fold_span(job, span, worker, np.float32)


@kernel
def _fold_span_f8(job, span, worker):
    _fold_span(job, span, worker, np.float64)


@kernel
def _evaluate_span_f4(job, span, worker):
    _evaluate_span(job, span, worker, np.float32)


@kernel
def _evaluate_span_f8(job, span, worker):
    _evaluate_span(job, span, worker, np.float64)


_FOLD = {"f4": _fold_span_f4, "f8": _fold_span_f8}
_EVALUATE = {"f4": _evaluate_span_f4, "f8": _evaluate_span_f8}
ASSIGN = {"soft": assign.soft, "hard": assign.hard, "given": assign.given}


@exact
def _combine(partials, out):
    """out[j] = the partials' j-th entries summed in the order of the spans."""
    for j in range(out.size):
        out[j] = partials[0, j]
    for s in range(1, partials.shape[0]):
        for j in range(out.size):
            out[j] += partials[s, j]


def log_prob_address(kernels: Kernels, dtype: Any) -> int:
    """The address of a family's log_prob for tiles of this dtype."""
    real, integers = matrix(dtype), vector("i8")
    return address(kernels.log_prob, real, real, integers, integers, real, real)


def _accumulate_address(kernels: Kernels, dtype: Any) -> int:
    real, integers = matrix(dtype), vector("i8")
    return address(kernels.accumulate, real, real, real, integers, integers, matrix("f8"), real)


def assign_address(mode: str, dtype: Any) -> int:
    """The address of one of the kernels that turn log densities into responsibilities."""
    real, row = matrix(dtype), vector(dtype)
    return address(ASSIGN[mode], real, row, row, real, row, vector("f8"), real)


class Shape(NamedTuple):
    """The sizes of one mixture's rows: what the fold must know of a family.

    params, statistics: (rows, width). scratch_rows: rows of scratch. work: flops of one fold per sample, roughly.
    """

    params: tuple[int, int]
    statistics: tuple[int, int]
    scratch_rows: int
    work: float


def shape_of(family: Family, n_features: int, n_components: int) -> Shape:
    params = family.params_shape(n_features, n_components)
    statistics = family.statistics_shape(n_features, n_components)
    scratch = max(2, family.scratch_rows(n_features, n_components))
    return Shape(params, statistics, scratch, 2.0 * (params[0] * params[1] + statistics[0] * statistics[1]))


class Mixtures(NamedTuple):
    """The mixtures of several starts: params (n_starts, *Shape.params) and log_weights (n_starts, K), float64."""

    params: Array
    log_weights: Array


@dataclass(frozen=True)
class Plan:
    """Everything about a fold that stays the same from pass to pass.

    density: the kernels whose log_prob assigns samples, and their shape; None where responsibilities are given.
    statistics: the kernels whose accumulate gathers statistics, and their shape.
    """

    data: Data
    n_components: int
    layout: Array
    density: tuple[Kernels, Shape] | None
    statistics: tuple[Kernels, Shape]
    mode: str = "soft"


def run(
    plan: Plan, density: Mixtures, params: Array, starts: Array, team: Team, prior: Array | None = None, first: int = 0
) -> tuple[Array, Array]:
    """One pass over the data for these starts: log-likelihoods (n,) and statistics (n, rows, width), float64.

    `params` are what the statistics are gathered about. `prior`, (tiles, K, T), covers the tiles from `first` on and
    limits the pass to them.
    """
    size = plan.statistics[1].statistics
    partial_bytes = 8 * size[0] * size[1]
    last = plan.data.n_tiles if prior is None else first + len(prior)
    bounds = first + span_bounds(last - first, partial_bytes)
    totals, statistics = np.empty(len(starts)), np.empty((len(starts), *size))
    batch = max(1, MAX_PARTIALS // (partial_bytes * (len(bounds) - 1)))
    for b in range(0, len(starts), batch):
        chosen = slice(b, b + batch)
        _run_batch(plan, density, params, starts[chosen], team, prior, bounds, totals[chosen], statistics[chosen])
    return totals * plan.data.unit, statistics * plan.data.unit


def _run_batch(
    plan: Plan,
    density: Mixtures,
    params: Array,
    starts: Array,
    team: Team,
    prior: Array | None,
    bounds: Array,
    totals: Array,
    statistics: Array,
) -> None:
    data, n_components = plan.data, plan.n_components
    dtype, shape = data.tiles.dtype, plan.statistics[1]
    n_tiles, tile_rows, size = data.tiles.shape
    density_shape = shape if plan.density is None else plan.density[1]
    scratch_rows = max(shape.scratch_rows, density_shape.scratch_rows)
    n_spans, n_starts = len(bounds) - 1, len(starts)
    workspace = aligned((team.n_threads, n_components + 1 + scratch_rows, size), dtype)
    arrays = {
        "tiles": data.tiles,
        "weights": data.sample_weight,
        "prior": np.empty((0, 0), dtype=dtype) if prior is None else prior,
        "density": np.ascontiguousarray(density.params, dtype=dtype),
        "log_weights": np.ascontiguousarray(density.log_weights, dtype=dtype),
        "params": np.ascontiguousarray(params, dtype=dtype),
        "starts": np.ascontiguousarray(starts, dtype=np.int64),
        "rows": np.arange(n_components, dtype=np.int64),
        "layout": plan.layout,
        "bounds": bounds,
        "totals": np.empty((n_spans, n_starts)),
        "statistics": np.empty((n_spans, n_starts * shape.statistics[0] * shape.statistics[1])),
        "block": workspace,
    }
    numbers = {
        "log_prob": 0 if plan.density is None else log_prob_address(plan.density[0], dtype),
        "assign": assign_address(plan.mode, dtype),
        "accumulate": _accumulate_address(plan.statistics[0], dtype),
        "item_bytes": np.dtype(dtype).itemsize,
        "tile_rows": tile_rows,
        "tile_size": size,
        "first_tile": bounds[0],
        "weighted": data.weighted,
        "last_tile": n_tiles - 1,
        "prior_rows": arrays["prior"].shape[1],
        "density_rows": density_shape.params[0],
        "density_width": density_shape.params[1],
        "params_rows": shape.params[0],
        "params_width": shape.params[1],
        "n_components": n_components,
        "n_starts": n_starts,
        "n_rows": n_components,
        "n_layout": len(plan.layout),
        "statistics_rows": shape.statistics[0],
        "statistics_width": shape.statistics[1],
        "scratch_rows": scratch_rows,
    }
    job = _record(arrays, numbers)
    work = (shape.work + 20.0 * n_components) * float(bounds[-1] - bounds[0]) * size * n_starts
    team.run(step_address(_FOLD, dtype), job.ctypes.data, n_spans, work)
    _combine(arrays["totals"], totals)
    _combine(arrays["statistics"], statistics.reshape(-1))


def _record(arrays: dict[str, Array], numbers: dict[str, Any]) -> Array:
    job = np.zeros(1, dtype=JOB)
    for name, array in arrays.items():
        job[name] = array.ctypes.data
    for name, number in numbers.items():
        job[name] = number
    return job


class Evaluation(NamedTuple):
    """log_density (n,) float64; resp (n, K) in the data's dtype; labels (n,) int64; None where not asked for."""

    log_density: Array | None
    resp: Array | None
    labels: Array | None


def evaluate(
    X: Array,
    family: Family,
    frame: Frame,
    params: Array,
    log_weights: Array,
    dtype: Any,
    team: Team,
    want: tuple[str, ...],
) -> Evaluation:
    """Evaluate one mixture at checked data (n_samples, n_features), in pieces; `want` names fields of Evaluation.

    Beyond the results it holds one converted piece of X at most, and none where X is C-contiguous of this dtype.
    """
    n, d = X.shape
    n_components = len(log_weights)
    shape, size = shape_of(family, d, n_components), choose_tile_size(n)
    tile_rows = d + family.n_derived
    results: dict[str, Any] = {
        "log_density": np.empty(n) if "log_density" in want else None,
        "resp": np.empty((n, n_components), dtype=dtype) if "resp" in want else None,
        "labels": np.empty(n, dtype=np.int64) if "labels" in want else None,
    }
    arrays = {
        "params": np.ascontiguousarray(params, dtype=dtype),
        "log_weights": np.ascontiguousarray(log_weights, dtype=dtype),
        "rows": np.arange(n_components, dtype=np.int64),
        "layout": family.layout(d, n_components),
        "shift": np.ascontiguousarray(frame.shift),
        "factor": 2.0 / frame.scale,
        "weights": np.ones(size, dtype=dtype),
        "block": aligned((team.n_threads, n_components + 1 + shape.scratch_rows + tile_rows, size), dtype),
    }
    numbers = {
        "log_prob": log_prob_address(family.kernels(), dtype),
        "assign": assign_address("soft", dtype),
        "derive": derive_address(family, dtype),
        "item_bytes": np.dtype(dtype).itemsize,
        "tile_rows": tile_rows,
        "tile_size": size,
        "n_components": n_components,
        "n_rows": n_components,
        "n_layout": len(arrays["layout"]),
        "n_features": d,
        "params_rows": shape.params[0],
        "params_width": shape.params[1],
        "scratch_rows": shape.scratch_rows,
    }
    for first, piece in chunks(X, dtype, size):
        bounds = span_bounds(-(-len(piece) // size), 1)
        targets = {name: array[first:] for name, array in results.items() if array is not None}
        job = _record(
            {**arrays, **targets, "source": piece, "bounds": bounds}, {**numbers, "n_samples": len(piece)}
        )
        work = (shape.work + 20.0 * n_components) * len(piece)
        team.run(step_address(_EVALUATE, dtype), job.ctypes.data, len(bounds) - 1, work)
    return Evaluation(**results)
