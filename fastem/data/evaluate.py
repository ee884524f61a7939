"""Densities, responsibilities and labels of samples under one mixture, packed into tiles on the way.

The sibling of the fold: the same kernels by address, and no knowledge of any family.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastem.compiled.jit import call, carray, part, pointer, record, record_at, routine
from fastem.data.fold import assign_address, log_prob_address, shape_of
from fastem.data.memory import aligned
from fastem.data.threads import Team
from fastem.data.tiles import MAX_SPANS, chunks, derive_address, pack_tile, span_bounds, step_address
from fastem.data.tiles import tile_size as choose_tile_size
from fastem.families.base import Array, Family, Frame

_FIELDS = """
    item_bytes log_prob assign derive
    source n_samples n_features shift factor tile_rows tile_size bounds
    params params_rows params_width log_weights n_components rows layout n_layout weights
    log_density resp labels block scratch_rows finite
"""
JOB = np.dtype([(name, np.int64) for name in _FIELDS.split()])


@part
def _evaluate_span(job_address, span, worker, real):
    """Log densities, responsibilities and labels of the samples of one span, packed on the way."""
    job = record_at(job_address, JOB)
    bytes_per_real = job.item_bytes
    size, n_components, n, d = job.tile_size, job.n_components, job.n_samples, job.n_features
    bounds = carray(pointer(job.bounds + 8 * span), 2, np.int64)
    layout = carray(pointer(job.layout), job.n_layout, np.int64)
    rows = carray(pointer(job.rows), n_components, np.int64)
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
    finite = carray(pointer(job.finite + 8 * span), 1, np.float64)
    finite[0] = 0.0
    for i in range(bounds[0], bounds[1]):
        first = i * size
        count = min(size, n - first)
        zeros = real(0)
        for t in range(count):
            for j in range(d):
                zeros += real(0) * source[first + t, j]  # NaN where a value is not finite
        finite[0] += zeros
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
                labels[first + t] = max(int(scratch[0, t]), 0)  # -1: impossible under every component


@routine
def _evaluate_span_f4(job, span, worker):
    _evaluate_span(job, span, worker, np.float32)


@routine
def _evaluate_span_f8(job, span, worker):
    _evaluate_span(job, span, worker, np.float64)


_EVALUATE = {"f4": _evaluate_span_f4, "f8": _evaluate_span_f8}


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
    tile_rows = d + family.n_derived
    if want == "resp":
        values = np.empty((n, n_components), dtype=dtype)
    else:
        values = np.empty(n, dtype=np.int64 if want == "labels" else np.float64)
    arrays = {
        "params": np.ascontiguousarray(params, dtype=dtype),
        "log_weights": np.ascontiguousarray(log_weights, dtype=dtype),
        "rows": np.arange(n_components, dtype=np.int64),
        "layout": family.layout(d, n_components),
        "shift": np.ascontiguousarray(frame.shift),
        "factor": 2.0 / frame.scale,
        "weights": np.ones(size, dtype=dtype),
        "block": aligned(
            (min(team.n_threads, MAX_SPANS), n_components + 1 + shape.scratch_rows + tile_rows, size), dtype
        ),
    }
    numbers = {
        "log_prob": log_prob_address(family.kernels(), dtype),
        "assign": assign_address("hard" if want == "labels" else "soft", dtype),
        "derive": derive_address(family, dtype),
        "item_bytes": np.dtype(dtype).itemsize,
        "tile_rows": tile_rows,
        "tile_size": size,
        "n_components": n_components,
        "n_layout": len(arrays["layout"]),
        "n_features": d,
        "params_rows": shape.params[0],
        "params_width": shape.params[1],
        "scratch_rows": shape.scratch_rows,
    }
    finite = True
    for first, piece in chunks(X, dtype, size):
        bounds = span_bounds(-(-len(piece) // size), 1)
        zeros = np.empty(len(bounds) - 1)
        job = record(
            JOB,
            {**arrays, want: values[first:], "source": piece, "bounds": bounds, "finite": zeros},
            {**numbers, "n_samples": len(piece)},
        )
        work = (shape.work + 20.0 * n_components) * len(piece)
        whole = len(piece) == n
        team.run(step_address(_EVALUATE, dtype), job.ctypes.data, len(bounds) - 1, work, alone and whole)
        finite = finite and not np.isnan(zeros).any()
    return Evaluation(values, finite)
