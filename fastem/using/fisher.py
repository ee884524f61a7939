"""Fisher vectors: sets of samples, such as the local descriptors of an image, as vectors of one length."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastem import validation
from fastem.families.base import Array
from fastem.families.parameters import FloatArray
from fastem.model.evaluation import responsibilities


def fisher_vector(
    X: Any,
    mixture: Any,
    groups: Any = None,
    *,
    improved: bool = False,
    alpha: float = 0.5,
    n_threads: int | None = None,
) -> FloatArray:
    """The gradient of the mean log-likelihood of sets of samples, as a description of each set.

    Parameters
    ----------
    X : array-like, (n_samples, n_features)
    mixture : a Result of Gaussian components with diagonal covariances ("diag", "spherical", "tied_diag" or
        "tied_spherical"), or a fitted estimator. X and the mixture may change places.
    groups : array-like, (n_samples,), or None
        The set that each sample is of, such as the number of its image. None takes all samples for one set.
    improved : whether to take signed powers and make the length 1 (Perronnin, Sanchez and Mensink 2010).
    alpha : float > 0, the power.
    n_threads : as in `fit`.

    Returns
    -------
    (2 n_features n_components + n_components,) float64, or with groups (n_groups, ...), the groups in sorted order
        First the weights', then the means', then the deviations' part, divided by the diagonal Fisher information. They
        are those of ``skimage.feature.fisher_vector``.

    Raises
    ------
    ValueError, TypeError : unusable input; covariances that are matrices.

    References
    ----------
    Perronnin and Dance (2007), CVPR. Perronnin, Sanchez and Mensink (2010), ECCV.
    """
    X, result = validation.data_and_mixture(X, mixture)
    validation.check_diagonal(result.family)
    validation.check_alpha(alpha)
    checked = validation.check_data(X, result)
    named, order, starts = validation.check_groups(groups, len(checked))
    resp = responsibilities(checked, result, n_threads=n_threads)
    means = np.asarray(result.parameters["means"])
    variances = result.family.moments(result.parameters)[1]
    roots = np.sqrt(result.weights)[:, None]
    found = []
    for first, last in starts:
        rows = order[first:last]
        points, shares = checked[rows].astype(np.float64), resp[rows].astype(np.float64) / (last - first)
        sums = shares.sum(axis=0)
        # About the means, so that data far from zero lose no digits.
        first_moments, second_moments = np.empty(means.shape), np.empty(means.shape)
        for k, mean in enumerate(means):
            apart = points - mean
            first_moments[k], second_moments[k] = shares[:, k] @ apart, shares[:, k] @ apart**2
        parts = (
            (sums - result.weights) / roots[:, 0],
            (first_moments / (roots * np.sqrt(variances))).ravel(),
            ((sums[:, None] * variances - second_moments) / (np.sqrt(2.0) * roots * variances)).ravel(),
        )
        vector = np.concatenate(parts)
        found.append(_improved(vector, alpha) if improved else vector)
    return found[0] if named is None else np.array(found)


def _improved(vector: Array, alpha: float) -> Array:
    powers = np.sign(vector) * np.abs(vector) ** alpha
    length = np.linalg.norm(powers)
    return np.asarray(powers / length if length > 0 else powers)
