"""What scikit-learn stores, and in what form: its own estimators from ours and back, precisions and their factors.

In conversions of covariances, if `matrices` is true, arrays hold matrices (..., d, d), otherwise variances in any
shape.
"""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
from scipy.linalg import lapack
from sklearn.utils.validation import check_is_fitted

from fastem.compiled.factors import factorise
from fastem.families.base import Array
from fastem.validation import estimators as checks


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


def survives(covariances: Array, cholesky: Array, dtype: Any, matrices: bool) -> bool:
    """Whether covariances and factors of precisions can be stored in `dtype`."""
    if dtype == np.float64:
        return True
    with np.errstate(over="ignore", under="ignore"):
        stored, factors = covariances.astype(dtype), cholesky.astype(dtype)
        squares = factors * factors
    if not matrices:
        return bool((stored > 0).all() and np.isfinite(stored).all() and np.isfinite(squares).all())
    if not (np.isfinite(stored).all() and np.isfinite(squares).all() and (np.diagonal(factors, 0, -2, -1) > 0).all()):
        return False
    return bool((np.linalg.eigvalsh(stored.astype(np.float64)) > 0).all())


# The shapes that scikit-learn does not have, and those that have the same densities there.
_THEIR_SHAPE = {"tied_diag": "diag", "tied_spherical": "spherical"}
_COMMON = ("converged_", "n_iter_", "lower_bound_", "lower_bounds_", "n_features_in_", "feature_names_in_")
_OF_COVARIANCES = ("covariances_", "precisions_", "precisions_cholesky_")


def _copied(estimator: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Copies of those of these attributes that an estimator has."""
    return {name: copy.copy(value) for name, value in vars(estimator).items() if name in names}


def _arguments(estimator: Any, other: Any) -> dict[str, Any]:
    """The arguments of an estimator that an estimator of class `other` has, too."""
    names = other._get_param_names()
    return {name: value for name, value in estimator.get_params(deep=False).items() if name in names}


def _for_each(value: Any, shape: str, n_components: int) -> Any:
    """Variances in a shape that components share, once for each component."""
    return np.tile(value, (n_components, *[1] * np.ndim(value))) if shape in _THEIR_SHAPE else copy.copy(value)


def to_gaussian_mixture(estimator: Any) -> Any:
    """A fitted ``sklearn.mixture.GaussianMixture`` from a fitted fastem.GaussianMixture."""
    from sklearn.mixture import GaussianMixture

    estimator._check_fitted()
    estimator._mixture()  # checks that the attributes fit each other
    shape, n_components = estimator.covariance_type, len(estimator.weights_)
    arguments = _arguments(estimator, GaussianMixture)
    arguments |= {"n_components": n_components, "covariance_type": _THEIR_SHAPE.get(shape, shape)}
    arguments["max_iter"] = max(1, estimator.max_iter)
    if estimator.init_params not in ("kmeans", "k-means++", "random", "random_from_data"):
        arguments["init_params"] = "kmeans"
    initial = estimator.precisions_init
    if estimator.covariances_init is not None:
        covariances = np.asarray(estimator.covariances_init, dtype=np.float64)
        initial = np.linalg.inv(covariances) if shape in ("full", "tied") else 1.0 / covariances
    if initial is not None:
        arguments["precisions_init"] = _for_each(np.asarray(initial), shape, n_components)
    made = GaussianMixture(**arguments)
    vars(made).update(_copied(estimator, ("weights_", "means_", *_COMMON)))
    factors = getattr(estimator, "precisions_cholesky_", None)
    matrices = shape in ("full", "tied")
    if factors is None:
        factors = guarded(estimator.covariances_, matrices)[1]
    made.precisions_cholesky_ = _for_each(factors, shape, n_components)
    for name in ("covariances_", "precisions_"):
        value = getattr(estimator, name, None)
        if value is None:
            value = (covariances_of if name == "covariances_" else precisions_of)(factors, matrices)
        setattr(made, name, _for_each(value, shape, n_components))
    return made


def from_gaussian_mixture(cls: Any, mixture: Any, settings: dict[str, Any]) -> Any:
    """A fitted estimator of class `cls` from a fitted ``sklearn.mixture.GaussianMixture``."""
    from sklearn.mixture import GaussianMixture

    checks.check_theirs(mixture, GaussianMixture)
    check_is_fitted(mixture)
    made = cls(**{**_arguments(mixture, cls), **settings})
    made._validate_params()
    vars(made).update(_copied(mixture, ("weights_", "means_", *_OF_COVARIANCES, *_COMMON)))
    made.n_components_, made.n_passes_, made.fit_report_ = len(mixture.weights_), mixture.n_iter_, ()
    made._begin_memory()
    made._mixture()  # checks that the attributes fit each other
    return made


_OF_KMEANS = ("cluster_centers_", "labels_", "inertia_", "n_iter_", "n_features_in_", "feature_names_in_")


def to_kmeans(estimator: Any) -> Any:
    """A fitted ``sklearn.cluster.KMeans`` from a fitted fastem.KMeans.

    What scikit-learn keeps in private attributes, such as its number of threads, comes from a fit of the centres.
    """
    from sklearn.cluster import KMeans

    estimator._check_fitted()
    centres = np.ascontiguousarray(estimator.cluster_centers_)
    made = KMeans(len(centres), init=centres, n_init=1, max_iter=1).fit(centres)
    made.set_params(**{**_arguments(estimator, KMeans), "n_clusters": len(centres)})
    vars(made).update(_copied(estimator, _OF_KMEANS))
    return made


def from_kmeans(cls: Any, clusters: Any, settings: dict[str, Any]) -> Any:
    """A fitted estimator of class `cls` from a fitted ``sklearn.cluster.KMeans``."""
    from sklearn.cluster import KMeans

    checks.check_theirs(clusters, KMeans)
    check_is_fitted(clusters)
    made = cls(**{**_arguments(clusters, cls), **settings})
    made._validate_params()
    vars(made).update(_copied(clusters, _OF_KMEANS))
    made._begin_memory()
    return made


class GaussianTwin:
    """The way to scikit-learn's own GaussianMixture, and back."""

    @classmethod
    def from_sklearn(cls, mixture: Any, **settings: Any) -> Self:
        """A fitted estimator from a fitted ``sklearn.mixture.GaussianMixture``, with its arguments and attributes.

        Parameters
        ----------
        mixture : a fitted GaussianMixture of scikit-learn.
        **settings : further arguments of the constructor, or other values of those it has from `mixture`.

        Returns
        -------
        A GaussianMixture that predicts the same. `n_passes_` is `n_iter_`, and `fit_report_` is empty.

        Raises
        ------
        TypeError : `mixture` is something else. NotFittedError : it is not fitted.
        """
        made: Self = from_gaussian_mixture(cls, mixture, settings)
        return made

    def to_sklearn(self) -> Any:
        """A fitted ``sklearn.mixture.GaussianMixture`` with the same parameters, for tools that ask for that class.

        What scikit-learn has no name for becomes what has the same densities: "tied_diag" becomes "diag", and
        "tied_spherical" "spherical"; its `bic` and `aic` count the shared variances once for each component. Methods of
        starting that it does not have become "kmeans".

        Raises
        ------
        NotFittedError : before `fit`. ValueError : attributes that do not fit each other.
        """
        return to_gaussian_mixture(self)


class KMeansTwin:
    """The way to scikit-learn's own KMeans, and back."""

    @classmethod
    def from_sklearn(cls, clusters: Any, **settings: Any) -> Self:
        """A fitted estimator from a fitted ``sklearn.cluster.KMeans``, with its arguments and attributes.

        Parameters
        ----------
        clusters : a fitted KMeans of scikit-learn.
        **settings : further arguments of the constructor, or other values of those it has from `clusters`.

        Raises
        ------
        TypeError : `clusters` is something else. NotFittedError : it is not fitted.
        """
        made: Self = from_kmeans(cls, clusters, settings)
        return made

    def to_sklearn(self) -> Any:
        """A fitted ``sklearn.cluster.KMeans`` with the same centres, for tools that ask for that class.

        Raises
        ------
        NotFittedError : before `fit`.
        """
        return to_kmeans(self)
