"""M-steps of Gaussians whose means are fixed, in part or as a whole, or shared.

With m the mean deviation from the old mean, s the shift to the new one, and E the mean square about the old one, the
covariance about the new mean is E - m s' - s m' + s s'. `maximise` subtracts s s' from what it is given, so that it is
given E - m s' - s m' + 2 s s', and sums that give the shift s. The new means maximise the likelihood for the old
covariances, and the new covariances for the new means.
"""

from __future__ import annotations

from typing import Any

import numpy as np

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
    held = np.full((n_components, d), np.nan) if "means" not in fixed else np.asarray(fixed["means"]) / frame.scale
    alive = counts > 0
    divisors = np.where(alive, counts, 1.0)[:, None]
    moved = np.where(alive[:, None], statistics[:n_components, 1 : d + 1] / divisors, 0.0)
    raw = family.pooled and family.matrices  # its sums are about the origin
    if raw:
        moved = np.where(alive[:, None], moved - old, 0.0)
    named = family.unpack(params, identity_frame(d), n_components)
    if "means" in shared:
        target = _shared_mean(old + moved, held[0], family.covariance_matrices(named), counts)
        shift = target - old
    else:
        shift = np.where(np.isnan(held), moved, held - old)
        partly = np.isnan(held).any(axis=1) & ~np.isnan(held).all(axis=1)
        if family.matrices and partly.any():
            matrices = family.covariance_matrices(named)
            for k in np.flatnonzero(partly):
                free = np.isnan(held[k])
                precision = np.linalg.inv(matrices[k])
                pull = precision[np.ix_(free, ~free)] @ (moved[k] - shift[k])[~free]
                shift[k, free] = moved[k, free] + np.linalg.solve(precision[np.ix_(free, free)], pull)
    shift = np.where(alive[:, None], shift, 0.0)
    result = statistics.copy()
    result[:n_components, 1 : d + 1] = counts[:, None] * (shift + (old if raw else 0.0))
    _second_moments(family, result, moved, shift, counts)
    return result


def _shared_mean(means: Array, held: Array, covariances: Array, counts: Array) -> Array:
    """The mean (d,) that maximises the likelihood for these covariances; held (d,): NaN where it is free."""
    precisions = np.linalg.inv(covariances) * counts[:, None, None]
    total, wanted = precisions.sum(axis=0), np.einsum("kij,kj->i", precisions, means)
    target, free = held.copy(), np.isnan(held)
    if free.any() and counts.sum() > 0:
        pulled = wanted[free] - total[np.ix_(free, ~free)] @ held[~free]
        target[free] = np.linalg.solve(total[np.ix_(free, free)], pulled)
    return np.where(np.isnan(target), means.mean(axis=0), target)


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
