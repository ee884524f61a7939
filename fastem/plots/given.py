"""What is drawn: mixtures, whoever fitted them; two of their features; and as many samples as can be seen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.families import Gaussian
from fastem.families.base import Array
from fastem.model.evaluation import responsibilities
from fastem.model.evidence import from_parameters
from fastem.model.result import Result
from fastem.plots.geometry import has_covariances
from fastem.validation import plots as checks

# More points than this are thinned: they would lie on each other.
N_POINTS = 10_000


class Shown(NamedTuple):
    """Samples that are drawn, without missing values.

    X: (n, n_features) float64. labels: (n,) the likeliest component of each. largest: (n,) its responsibility. whole:
    all samples, for histograms.
    """

    X: Array
    labels: Array
    largest: Array
    whole: Array


def mixture_of(mixture: Any) -> Result:
    """The Result of what a user gave: a Result, an estimator of fastem's, or a Gaussian mixture of scikit-learn's."""
    if validation.is_mixture(mixture):
        return validation.check_mixture(mixture)
    shape: Any = checks.shape_of_theirs(mixture)
    return from_parameters(
        Gaussian(shape), mixture.weights_, means=mixture.means_, covariances=np.asarray(mixture.covariances_)
    )


def names_of(mixture: Any, result: Result) -> list[str]:
    """The names of the features, or their numbers."""
    names = result.feature_names
    if names is None:
        names = getattr(mixture, "feature_names_in_", None)
    return [f"feature {j}" for j in range(result.n_features)] if names is None else [str(name) for name in names]


def shown(X: Any, result: Result, n_points: int) -> Shown:
    """The samples without missing values, at most so many of them, evenly chosen."""
    whole = checks.check_points(X, result.n_features)
    rows = np.flatnonzero(np.isfinite(whole).all(axis=1))
    if len(rows) > n_points:
        rows = np.sort(np.random.default_rng(0).choice(rows, n_points, replace=False))
    chosen = np.asarray(whole[rows], dtype=np.float64)
    resp = responsibilities(chosen, result)
    return Shown(chosen, resp.argmax(axis=1), resp.max(axis=1), whole)


def marginal_of(result: Result, features: Any) -> Result:
    """The mixture of some of the features: marginal covariances, and parameters of features that are independent."""
    features = list(features)
    if features == list(range(result.n_features)):
        return result
    if has_covariances(result):
        blocks = result.covariance_matrices()[:, features][:, :, features]
        means = np.asarray(result.parameters["means"])[:, features]
        return from_parameters(Gaussian("full"), result.weights, means=means, covariances=blocks)
    parts = {}
    for p in result.family.parameters:
        value = np.asarray(result.parameters[p.name])
        parts[p.name] = np.take(value, features, axis=p.axes.index("d")) if "d" in p.axes else value
    return from_parameters(result.family, result.weights, **parts)


def is_discrete(result: Result, X: Array) -> bool:
    """Whether nothing between whole numbers can be produced; X (n, d): some values that can."""
    return result.family.why_impossible(np.floor(X[:1]) + 0.5) is not None
