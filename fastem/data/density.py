"""The log density of a mixture at the rows of an array, in the calling thread and from compiled code."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastem.compiled.jit import call, kernel
from fastem.data.tiles import pack_tile
from fastem.families.base import Array

_TILE = 128


class Arguments(NamedTuple):
    """A mixture as compiled code reads it; make it with `arguments` and hand it to `log_density`.

    log_prob, weigh, normalise, derive: addresses of compiled kernels, valid in this process. params (rows, width),
    log_weights (K,), shift (d,), factor (d,): float64. layout: int64. tile_rows, latent_rows, scratch_rows: rows of the
    buffers.
    """

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


@kernel
def log_density(X, arguments, out):
    """out[i] = log density of the mixture at X[i], nats.

    X IN (n_samples, n_features), any strides, float64 or float32; arguments from `fastem.jit.arguments`; out OUT
    (n_samples,). Raises ValueError where the shapes disagree; values are not checked. Allocates a few kB once per call.
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
        pack_tile(X, first, count, arguments.layout[0], arguments.shift, arguments.factor, tile)
        if arguments.derive != 0:
            call(arguments.derive, tile, arguments.layout)
        call(arguments.log_prob, tile, arguments.params, arguments.layout, rows, block, latent, scratch)
        call(arguments.weigh, block, arguments.log_weights, known)
        call(arguments.normalise, block, ones, known, log_norm, labels, total, scratch)
        for t in range(count):
            out[first + t] = log_norm[t]
