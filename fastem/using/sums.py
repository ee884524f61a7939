"""The laws of linear maps and of sums of independent vectors, as mixtures again."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastem import validation
from fastem.families import Gaussian
from fastem.families.base import Array
from fastem.model.model import Model
from fastem.model.result import Fitted, Result


def transform_affine(mixture: Result | Fitted, A: Any, b: Any = None) -> Result:
    """The law of A x + b where x is from a Gaussian mixture.

    Parameters
    ----------
    mixture : a Result of Gaussian components, or a fitted estimator.
    A : array-like, (m, n_features), of rank m. b : (m,) or None for 0.

    Returns
    -------
    Result : of "tied" components if the mixture's share a covariance, otherwise of "full" ones.

    Raises
    ------
    ValueError, TypeError : a wrong shape, a matrix of lower rank, or a family without covariances.
    """
    result: Result = validation.check_mixture(mixture)
    matrices = result.covariance_matrices()
    map_, moved = validation.check_affine(A, b, result.n_features)
    means = np.asarray(result.parameters["means"]) @ map_.T + moved
    found = map_ @ matrices @ map_.T
    return _gaussian(result.weights, means, 0.5 * (found + found.swapaxes(1, 2)), result.family.pooled)


def convolve(mixture: Result | Fitted, other: Any) -> Result:
    """The law of the sum of two independent vectors: means and covariances of each pair of components add.

    Parameters
    ----------
    mixture : a Result of Gaussian components, or a fitted estimator.
    other : another one, of the same features; or the covariance of Gaussian noise with mean 0, a matrix (n_features,
        n_features) or one variance.

    Returns
    -------
    Result : of K1 K2 components: first all of `mixture` with component 0 of `other`, then with component 1, and so on.
        It is "tied" if both share a covariance, otherwise "full".

    Raises
    ------
    ValueError, TypeError : unlike numbers of features, an impossible covariance, or a family without covariances.

    Examples
    --------
    >>> import fastem
    >>> named = {"means": [[0.0], [4.0]], "covariances": [[1.0], [2.0]]}
    >>> one = fastem.from_parameters(fastem.Gaussian("diag"), [0.5, 0.5], **named)
    >>> noisy = fastem.convolve(one, 3.0)
    >>> noisy.parameters["covariances"].ravel().tolist()
    [4.0, 5.0]
    """
    result: Result = validation.check_mixture(mixture)
    matrices, d = result.covariance_matrices(), result.n_features
    if validation.is_mixture(other):
        second: Result = validation.check_mixture(other)
        validation.check_same_features(d, second.n_features)
        weights, means, noise = second.weights, np.asarray(second.parameters["means"]), second.covariance_matrices()
        pooled = result.family.pooled and second.family.pooled
    else:
        weights, means, noise = np.ones(1), np.zeros((1, d)), validation.check_noise(other, d)[None]
        pooled = result.family.pooled
    return _gaussian(
        np.outer(weights, result.weights).ravel(),
        (means[:, None, :] + np.asarray(result.parameters["means"])).reshape(-1, d),
        (noise[:, None] + matrices).reshape(-1, d, d),
        pooled,
    )


def _gaussian(weights: Array, means: Array, covariances: Array, pooled: bool) -> Result:
    named = {"means": means, "covariances": covariances[0] if pooled else covariances}
    return Result(Model(Gaussian("tied" if pooled else "full"), len(weights)), weights / weights.sum(), named)
