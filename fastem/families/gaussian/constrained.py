"""M-steps of Gaussians whose means are fixed, in part or as a whole, or shared.

With m the mean deviation from the old mean, s the shift to the new one, and E the mean square about the old one, the
covariance about the new mean is E - m s' - s m' + s s'. `maximise` subtracts s s' from what it is given, so that it is
given E - m s' - s m' + 2 s s', and sums that give the shift s. The new means maximise the likelihood for the old
covariances, and the new covariances for the new means.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastem.compiled.arrays import some
from fastem.compiled.factors import factorise
from fastem.compiled.triangular import blocks_of, n_blocks
from fastem.families.base import Array, Frame, identity_frame
from fastem.families.parameters import Parameters


def targeted(
    family: Any,
    statistics: Array,
    params: Array,
    fixed: Parameters,
    shared: tuple[str, ...],
    frame: Frame,
    counts: Array,
) -> Array:
    """Statistics (rows, width) of one mixture from which `maximise` finds the means that the constraints allow."""
    if "means" not in fixed and "means" not in shared:
        return statistics
    n_components, d = len(counts), len(frame.scale)
    old = params[:n_components, :d]
    held = np.full((n_components, d), np.nan) if "means" not in fixed else fixed["means"] / frame.scale
    alive = counts > 0
    divisors = np.where(alive, counts, 1.0)[:, None]
    moved = np.where(alive[:, None], statistics[:n_components, 1 : d + 1] / divisors, 0.0)
    raw = family.pooled and family.matrices  # its sums are about the origin
    if raw:
        moved = np.where(alive[:, None], moved - old, 0.0)
    if "means" in shared:
        shift = _shared_mean(family, params, old + moved, held[0], counts) - old
    else:
        unknown = np.isnan(held)
        shift = np.where(unknown, moved, held - old)
        partly = np.asarray(unknown.any(axis=1) & ~unknown.all(axis=1) if family.matrices else unknown[:0])
        if some(partly):
            precisions = _precisions(family, params, d, n_components)
            for k in np.flatnonzero(partly):
                free, precision = unknown[k], precisions[k]
                pull = precision[np.ix_(free, ~free)] @ (moved[k] - shift[k])[~free]
                shift[k, free] = moved[k, free] + _solved(precision[np.ix_(free, free)], pull)
    shift = np.where(alive[:, None], shift, 0.0)
    result = statistics.copy()
    result[:n_components, 1 : d + 1] = counts[:, None] * (shift + (old if raw else 0.0))
    _second_moments(family, result, moved, shift, counts)
    return result


def _shared_mean(family: Any, params: Array, means: Array, held: Array, counts: Array) -> Array:
    """The mean (d,) that maximises the likelihood for the covariances of rows; held (d,): NaN where it is free."""
    (n_components, d), target, free = means.shape, held.copy(), np.isnan(held)
    if not (some(free) and counts.sum() > 0):
        return np.where(free, means.mean(axis=0), held)
    if family.matrices:
        precisions = _precisions(family, params, d, n_components) * counts[:, None, None]
        total, wanted = precisions.sum(axis=0), np.einsum("kij,kj->i", precisions, means)
        pulled = wanted[free] - total[np.ix_(free, ~free)] @ held[~free]
        target[free] = _solved(total[np.ix_(free, free)], pulled)
    else:
        named = family.unpack(params, identity_frame(d), n_components)
        shares = counts[:, None] / family.variances(named, n_components, d)
        target[free] = ((shares * means).sum(axis=0) / shares.sum(axis=0))[free]
    return target


# Not by LAPACK, whose threads would wait for work while those of the next pass run.


def _precisions(family: Any, params: Array, d: int, n_components: int) -> Array:
    """The inverses of covariance matrices, (n_components, d, d)."""
    named = family.unpack(params, identity_frame(d), n_components)
    factors = factorise(family.covariance_matrices(named), np.zeros(d)).inverse_factors
    return np.einsum("kji,kjl->kil", factors, factors)


def _solved(matrix: Array, vector: Array) -> Array:
    """The solution x of matrix x = vector, for a positive definite matrix."""
    (factor,) = factorise(matrix[None], np.zeros(len(matrix))).inverse_factors
    return np.asarray(factor.T @ (factor @ vector))


def _second_moments(family: Any, statistics: Array, moved: Array, shift: Array, counts: Array) -> None:
    """Add counts (2 s s' - m s' - s m') to where a shape keeps its sums of squares."""
    if family.matrices:
        left = shift[:, :, None] * (shift - moved)[:, None, :]
        _add(family, statistics, counts[:, None, None] * (left + left.swapaxes(1, 2)))
    else:
        _add(family, statistics, 2.0 * counts[:, None] * shift * (shift - moved))


def _add(family: Any, statistics: Array, change: Array) -> None:
    """Add to where a shape keeps its sums of squares: change (K, d, d) where these are matrices, otherwise (K, d)."""
    n_components, d = change.shape[:2]
    if family.matrices:
        if family.pooled:
            blocks = blocks_of(change.sum(axis=0)[None])[0]
            flat = statistics[n_components:].reshape(-1)
            flat[: len(blocks)] += blocks
            statistics[n_components:] = flat.reshape(statistics[n_components:].shape)
        else:
            statistics[:, d + 1 : d + 1 + 16 * n_blocks(d)] += blocks_of(change)
    elif family.pooled:
        statistics[n_components, d + 1 : 2 * d + 1] += change.sum(axis=0)
    elif family.common_scale:
        statistics[:, d + 1] += change.sum(axis=1)
    else:
        statistics[:, d + 1 : 2 * d + 1] += change


def with_samples_at(family: Any, statistics: Array, params: Array, place: Array, weights: Array) -> Array:
    """Statistics of one mixture with a sample at a place (d,) more in each component, of these weights (K,)."""
    n_components, d = len(weights), len(place)
    apart, result = place - params[:n_components, :d], statistics.copy()
    result[:n_components, 0] += weights
    raw = family.pooled and family.matrices  # its sums are about the origin
    result[:n_components, 1 : d + 1] += weights[:, None] * (place if raw else apart)
    if family.matrices:
        _add(family, result, weights[:, None, None] * apart[:, :, None] * apart[:, None, :])
    else:
        _add(family, result, weights[:, None] * apart**2)
    return result
