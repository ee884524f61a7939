"""Conversions between covariances, precisions and Cholesky factors of precisions, as scikit-learn stores them.

If `matrices` is true, arrays hold matrices (..., d, d), otherwise variances in any shape.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from fastem.compiled.factors import factorise
from fastem.families.base import Array


def guarded(covariances: Array, matrices: bool) -> tuple[Array, Array]:
    """Each covariance, and the upper triangular P such that P P' is its inverse.

    If a matrix has no Cholesky factor because of rounding, its eigenvalues are raised as far as needed.
    """
    covariances = np.asarray(covariances, dtype=np.float64)
    if not matrices:
        return covariances, np.asarray(1.0 / np.sqrt(covariances))
    d = covariances.shape[-1]
    factor = factorise(covariances.reshape(-1, d, d), np.zeros(d))
    cholesky = np.ascontiguousarray(np.swapaxes(factor.inverse_factors, 1, 2)).reshape(covariances.shape)
    raised = np.where(factor.floored[:, None, None], factor.covariances, covariances.reshape(-1, d, d))
    return raised.reshape(covariances.shape), cholesky


def precisions_of(cholesky: Array, matrices: bool) -> Array:
    """The precision P P' of each Cholesky factor P."""
    return np.asarray(cholesky @ np.swapaxes(cholesky, -1, -2) if matrices else cholesky**2)


def upper_triangular(factors: Array) -> Array:
    """The upper triangular P with a positive diagonal and P P' = F F', for any square F, which a user may have set."""
    if not np.tril(factors, -1).any() and (np.diagonal(factors, axis1=-2, axis2=-1) > 0).all():
        return factors
    # F' = Q L with L lower triangular, by a QR decomposition of F' with its columns reversed; then P = L'.
    triangles = np.linalg.qr(np.swapaxes(factors, -1, -2)[..., ::-1])[1]
    lower = triangles[..., ::-1, ::-1]
    signs = np.where(np.diagonal(lower, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    return np.ascontiguousarray(np.swapaxes(lower * signs[..., None], -1, -2))


def covariances_of(cholesky: Array, matrices: bool) -> Array:
    """The covariance of each (upper triangular) Cholesky factor of a precision: P'^-1 P^-1."""
    if not matrices:
        return np.asarray(1.0 / cholesky**2)
    d = cholesky.shape[-1]
    factors = [np.tril(lapack.dtrtri(p.T, lower=1)[0]) for p in cholesky.reshape(-1, d, d)]
    return np.array([factor @ factor.T for factor in factors]).reshape(cholesky.shape)


def covariances_of_precisions(precisions: Array, matrices: bool) -> Array:
    """The inverse of each (positive definite) precision."""
    if not matrices:
        return np.asarray(1.0 / precisions)
    return covariances_of(upper_triangular(np.linalg.cholesky(precisions)), True)
