"""Between covariances, precisions and Cholesky factors of precisions, as scikit-learn stores them.

Arrays are matrices (..., d, d) where `matrices` is true, else variances of any shape. A Cholesky factor P of a
precision is upper triangular with P P' = C^-1.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from fastem.families.base import Array
from fastem.guards import factorise


def cholesky_of_covariances(covariances: Array, matrices: bool) -> Array:
    """The Cholesky factor of the precision of each covariance."""
    if not matrices:
        return np.asarray(1.0 / np.sqrt(covariances))
    d = covariances.shape[-1]
    inverse = factorise(covariances.reshape(-1, d, d), np.zeros(d)).inverse_factors
    return np.ascontiguousarray(np.swapaxes(inverse, 1, 2)).reshape(covariances.shape)


def precisions_of(cholesky: Array, matrices: bool) -> Array:
    """P P'."""
    return np.asarray(cholesky @ np.swapaxes(cholesky, -1, -2) if matrices else cholesky**2)


def covariances_of(cholesky: Array, matrices: bool) -> Array:
    """The covariance, float64, of each Cholesky factor of a precision: P'^-1 P^-1."""
    cholesky = np.asarray(cholesky, dtype=np.float64)
    if not matrices:
        return np.asarray(1.0 / cholesky**2)
    d = cholesky.shape[-1]
    factors = [np.tril(lapack.dtrtri(p.T, lower=1)[0]) for p in cholesky.reshape(-1, d, d)]
    return np.array([factor @ factor.T for factor in factors]).reshape(cholesky.shape)


def covariances_of_precisions(precisions: Array, matrices: bool) -> Array:
    """The inverse of each (positive definite) precision."""
    if not matrices:
        return np.asarray(1.0 / precisions)
    d = precisions.shape[-1]
    # Of the reversed matrix, so that the factor is the upper triangular one of scikit-learn.
    flipped = np.linalg.cholesky(precisions.reshape(-1, d, d)[:, ::-1, ::-1])
    return covariances_of(flipped[:, ::-1, ::-1], True).reshape(precisions.shape)
