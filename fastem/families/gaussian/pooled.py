"""The M-step of components that share one diagonal covariance matrix, or a multiple of the identity.

Rows are as in TiedSquares. A leading axis of starts is gone through start by start.
"""

from __future__ import annotations

import numpy as np

from fastem.compiled.jit import numbers_at, rounded
from fastem.compiled.numpys import LONGEST, log_into, total_of
from fastem.families.base import Frame, Limits
from fastem.families.gaussian import shared as gaussian
from fastem.families.kernels import MStep
from fastem.families.parameters import Array


@rounded
def _moments(statistics, params, starving, means, squares, shifted, scratch):
    """New means (K, d), and pooled mean squares (d,): of the samples about these, and of the means' shifts; all OUT.

    scratch OUT (K,). A starving component keeps its mean.
    """
    n_components, d = means.shape
    for j in range(d):
        shifted[j] = 0.0
    for k in range(n_components):
        count = statistics[k, 0]
        scratch[k] = count
        for j in range(d):
            shift = 0.0 if starving[k] else statistics[k, 1 + j] / count
            means[k, j] = params[k, j] + shift
            shifted[j] += count * shift * shift
    total = max(total_of(scratch), gaussian.TINY)
    for j in range(d):
        squares[j] = (statistics[n_components, d + 1 + j] - shifted[j]) / total
        shifted[j] /= total


@rounded
def _write_rows(means, variances, log_scales, rows, scratch):
    """Rows of params, OUT, from their parts. log_scales: the sum of the logs of the frame's scales; scratch (d,)."""
    n_components, d = means.shape
    for j in range(d):
        deviation = np.sqrt(variances[j])
        rows[n_components, j] = 1.0 / deviation
        rows[n_components, d + j] = variances[j]
        scratch[j] = variances[j]
        for k in range(n_components):
            rows[k, j] = means[k, j]
            rows[k, d + j] = means[k, j] / deviation
    log_into(scratch, scratch)
    constant = -0.5 * (d * gaussian.LOG_2_PI + total_of(scratch)) - log_scales
    for k in range(n_components):
        rows[k, 2 * d] = constant
    rows[n_components, 2 * d] = 0.0


@rounded
def _m_step(statistics, params, constants, layout, rows, scratch, flags):
    """`maximise` where no variance is below its floor.

    constants (4, d): floor, ridge, the sum of log scales, and whether all features share one variance.
    """
    d, n_components = layout[0], layout[1]
    size = n_components * d
    means, counts = numbers_at(scratch.ctypes.data, (n_components, d)), scratch[size : size + n_components]
    place = size + n_components
    variances, shifted = scratch[place : place + d], scratch[place + d : place + 2 * d]
    _moments(statistics, params, flags[0], means, variances, shifted, counts)
    if constants[3, 0] != 0.0:
        variance = (total_of(variances) + constants[1, 0]) / d
        for j in range(d):
            variances[j] = variance
    else:
        for j in range(d):
            variances[j] += constants[1, j]
    below = False
    for j in range(d):
        below = below or not variances[j] >= constants[0, j]
    flags[1, 0] = below
    _write_rows(means, variances, constants[2, 0], rows, shifted)


def m_step(frame: Frame, limits: Limits, n_components: int, one_variance: bool) -> MStep | None:
    """The M-step as a kernel."""
    d = len(frame.scale)
    if d > LONGEST or n_components > LONGEST:
        return None
    ridge = np.full(d, limits.ridge.sum()) if one_variance else limits.ridge
    numbers = (np.full(d, np.log(frame.scale).sum()), np.full(d, float(one_variance)))
    return MStep(_m_step, np.stack([limits.floor, ridge, *numbers]), n_components * (d + 1) + 2 * d, 0)


def tied_rows(means: Array, variances: Array, frame: Frame) -> Array:
    """The parameter matrices (..., K + 1, 2 d + 1) of components that share one diagonal covariance matrix.

    means (..., K, d); variances (..., d).
    """
    *starts, n_components, d = means.shape
    params = np.zeros((*starts, n_components + 1, 2 * d + 1))
    if d <= LONGEST:
        log_scales, scratch = np.log(frame.scale).sum(), np.empty(d)
        each = zip(
            np.ascontiguousarray(means).reshape(-1, n_components, d),
            np.ascontiguousarray(variances).reshape(-1, d),
            params.reshape(-1, n_components + 1, 2 * d + 1),
            strict=True,
        )
        for own, spread, rows in each:
            _write_rows(own, spread, log_scales, rows, scratch)
        return params
    deviations = np.sqrt(variances)
    params[..., :n_components, :d] = means
    params[..., :n_components, d : 2 * d] = means / deviations[..., None, :]
    params[..., :n_components, 2 * d] = gaussian.log_constant(np.log(variances).sum(axis=-1), frame)[..., None]
    params[..., n_components, :d] = 1.0 / deviations
    params[..., n_components, d : 2 * d] = variances
    return params


def tied_moments(statistics: Array, params: Array, starving: Array) -> tuple[Array, Array, Array]:
    """New means (..., K, d), and pooled mean squares (..., d): of the samples about these, and of the means' shifts."""
    *starts, n_components = starving.shape
    d = (params.shape[-1] - 1) // 2
    means, squares, shifted = np.empty((*starts, n_components, d)), np.empty((*starts, d)), np.empty((*starts, d))
    each = zip(
        statistics.reshape(-1, *statistics.shape[-2:]), params.reshape(-1, *params.shape[-2:]),
        starving.reshape(-1, n_components), means.reshape(-1, n_components, d), squares.reshape(-1, d),
        shifted.reshape(-1, d), strict=True,
    )  # fmt: skip
    scratch = np.empty(n_components)
    for sums, rows, nobody, own, square, moved in each:
        _moments(sums, rows, nobody, own, square, moved, scratch)
    return means, squares, shifted
