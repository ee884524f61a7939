"""The one walk over tiles, for several starts at once. It calls kernels by address.

Tiles are stored, or packed from rows on the way. A fold, the packing itself, the answers for new data and the seeding
of k-means are all this walk, with different kernels. It knows no family, no mixing and no algorithm; a field that is 0
stands for a kernel or an array that is not there.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fastem.compiled.jit import INTEGER, address, call, carray, matrix, part, pointer, record_at, routine, vector
from fastem.compiled.job import Fields
from fastem.data.tiles import pack_tile

FIELDS = Fields("""
    item_bytes n_features tile_rows tile_size tiles first_tile last_tile weights weighted bounds layout n_layout
    source n_samples shift factor pack derive finite
    log_prob weigh normalise accumulate known known_rows known_start known_tile
    density density_rows density_width params params_rows params_width log_weights
    n_components starts n_starts rows latent_rows scratch_rows block
    totals statistics statistics_rows statistics_width
    log_density resp labels
""")
_DTYPE = FIELDS.dtype


@part
def _walk(job_address, span, worker, real):
    """Walk over the tiles of one span, in order; only pointers move here.

    Each worker has a block of its own: log densities (K rows), log_norm, labels, latent, scratch, and a tile if rows
    are packed on the way.
    """
    job = record_at(job_address, _DTYPE)
    bytes_per_real = job.item_bytes
    size, n_components, d = job.tile_size, job.n_components, job.n_features
    bounds = carray(pointer(job.bounds + 8 * span), 2, np.int64)
    layout = carray(pointer(job.layout), job.n_layout, np.int64)
    starts = carray(pointer(job.starts), job.n_starts, np.int64)
    rows = carray(pointer(job.rows), n_components, np.int64)
    row_bytes = bytes_per_real * size
    own_tile = job.tile_rows if job.tiles == 0 else 0
    place = job.block + worker * row_bytes * (n_components + 2 + job.latent_rows + job.scratch_rows + own_tile)
    block = carray(pointer(place), (n_components, size), real)
    place += row_bytes * n_components
    log_norm = carray(pointer(place), size, real)
    labels = carray(pointer(place + row_bytes), size, real)
    place += 2 * row_bytes
    latent = carray(pointer(place), (job.latent_rows, size), real)
    place += row_bytes * job.latent_rows
    scratch = carray(pointer(place), (job.scratch_rows, size), real)
    buffer = place + row_bytes * job.scratch_rows
    source = carray(pointer(job.source), (job.n_samples if job.source != 0 else 0, d), real)
    shift = carray(pointer(job.shift), d if job.source != 0 else 0, np.float64)
    factor = carray(pointer(job.factor), d if job.source != 0 else 0, np.float64)
    finite = carray(pointer(job.finite + 8 * span), 1 if job.finite != 0 else 0, np.float64)
    if job.finite != 0:
        finite[0] = 0.0
    partial = 8 * job.statistics_rows * job.statistics_width
    for g in range(job.n_starts):
        slot = span * job.n_starts + g
        total = carray(pointer(job.totals + 8 * slot), 1, np.float64)
        total[0] = 0.0
        flat = carray(pointer(job.statistics + partial * slot), partial // 8, np.float64)
        for s in range(flat.size):
            flat[s] = 0.0
    tile_bytes = row_bytes * job.tile_rows
    for i in range(bounds[0], bounds[1]):
        tile = carray(pointer(job.tiles + i * tile_bytes if job.tiles != 0 else buffer), (job.tile_rows, size), real)
        which = i if job.weighted != 0 else (1 if i == job.last_tile else 0)
        weights = carray(pointer(job.weights + row_bytes * which), size, real)
        first = i * size
        count = min(size, job.n_samples - first)
        if job.source != 0:
            call(job.pack, source, first, count, shift, factor, weights, job.weighted, finite, tile)
            if job.derive != 0:
                call(job.derive, tile, layout)
        for g in range(job.n_starts):
            start = starts[g]
            slot = span * job.n_starts + g
            total = carray(pointer(job.totals + 8 * slot), 1, np.float64)
            width = bytes_per_real * job.density_rows * job.density_width
            density = carray(pointer(job.density + start * width), (job.density_rows, job.density_width), real)
            width = bytes_per_real * job.params_rows * job.params_width
            params = carray(pointer(job.params + start * width), (job.params_rows, job.params_width), real)
            log_weights = carray(pointer(job.log_weights + bytes_per_real * n_components * start), n_components, real)
            statistics = carray(
                pointer(job.statistics + partial * slot), (job.statistics_rows, job.statistics_width), np.float64
            )
            place = job.known + start * job.known_start + (i - job.first_tile) * job.known_tile
            known = carray(pointer(place), (job.known_rows, size), real)
            if job.log_prob != 0:
                call(job.log_prob, tile, density, layout, rows, block, latent, scratch)
            if job.weigh != 0:
                call(job.weigh, block, log_weights, known)
            if job.normalise != 0:
                call(job.normalise, block, weights, known, log_norm, labels, total, scratch)
            if job.accumulate != 0:
                call(job.accumulate, tile, block, labels, latent, weights, params, layout, rows, statistics, scratch)
        if job.log_density != 0:
            values = carray(pointer(job.log_density), job.n_samples, np.float64)
            for t in range(count):
                values[first + t] = log_norm[t]
        if job.resp != 0:
            shares = carray(pointer(job.resp), (job.n_samples, n_components), real)
            for t in range(count):
                for k in range(n_components):
                    shares[first + t, k] = block[k, t]
        if job.labels != 0:
            chosen = carray(pointer(job.labels), job.n_samples, np.int64)
            for t in range(count):
                chosen[first + t] = max(int(labels[t]), 0)  # -1: impossible under every component


@routine
def _walk_f4(job, span, worker):
    _walk(job, span, worker, np.float32)


@routine
def _walk_f8(job, span, worker):
    _walk(job, span, worker, np.float64)


@routine
def _pack(source, first, count, shift, factor, weights, weighted, finite, tile):
    """Pack rows of a user's array into a tile; samples of weight 0 go to the origin, where nothing can overflow.

    source IN (n, d); shift, factor IN (d,) float64; weights IN (T,); finite INOUT float64 (1,), which becomes NaN if a
    value is not finite, or (0,); tile OUT (>= d, T). Memory-bound: reads and writes each value once.
    """
    d = source.shape[1]
    if finite.size > 0:
        zero = source.dtype.type(0)
        zeros = zero
        for t in range(count):
            for j in range(d):
                zeros += zero * source[first + t, j]
        finite[0] += zeros
    pack_tile(source, first, count, d, shift, factor, tile)
    if weighted != 0:
        for t in range(count):
            if weights[t] == 0.0:
                for j in range(d):
                    tile[j, t] = 0.0


_STEPS = {"f4": _walk_f4, "f8": _walk_f8}


@cache
def walk_address(dtype: Any) -> int:
    """The address of the walk over tiles of this dtype."""
    return address(_STEPS[np.dtype(dtype).str[1:]], INTEGER, INTEGER, INTEGER)


@cache
def pack_address(dtype: Any) -> int:
    """The address of the kernel that packs rows of this dtype."""
    real, row, doubles = matrix(dtype), vector(dtype), vector("f8")
    return address(_pack, real, INTEGER, INTEGER, doubles, doubles, row, INTEGER, doubles, real)
