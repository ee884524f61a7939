"""Log densities for compiled code, which calls them in its own thread, and the arguments that they take."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.compiled.jit import call, kernel, part
from fastem.data.fold import log_prob_address, mode_addresses, shape_of
from fastem.data.pack import derive_address
from fastem.data.tiles import pack_tile
from fastem.families.base import Array, Family, Frame

# The number of samples in a tile.
_TILE = 128


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
