"""Mixtures of some features: of some alone, given others, and what others predict of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.families.base import Array
from fastem.families.parameters import FloatArray
from fastem.model.evaluation import component_log_density
from fastem.model.model import Model
from fastem.model.result import Fitted, Result


def marginal(mixture: Result | Fitted, features: Sequence[int | str]) -> Result:
    """The mixture of some features alone.

    Parameters
    ----------
    mixture : a Result, or a fitted estimator.
    features : their numbers from 0, or their names, in the order that the new mixture is to have.

    Returns
    -------
    Result : with status GIVEN.

    Raises
    ------
    ValueError, TypeError : unknown, repeated or no features.

    Examples
    --------
    >>> import fastem
    >>> mixture = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0, 4.0], [5.0, 2.0]])
    >>> fastem.marginal(mixture, [1]).parameters["rates"].tolist()
    [[4.0], [2.0]]
    """
    result = validation.check_mixture(mixture)
    validation.check_usable(result)
    return _marginal(result, validation.check_features(features, result.n_features, result.feature_names))


def conditional(mixture: Result | Fitted, given: Mapping[int | str, float]) -> Result:
    """The mixture of the other features, given the values of some.

    Parameters
    ----------
    mixture : a Result, or a fitted estimator, of Gaussian components or of independent features.
    given : the values of features, by their numbers from 0, or by name, such as ``{0: 1.5}``.

    Returns
    -------
    Result : of the features that are not given, in their order, with status GIVEN. Its weights are the probabilities of
        the components given the values.

    Raises
    ------
    ValueError, TypeError : unknown features, all features, or values that no component can have produced.

    Examples
    --------
    >>> import fastem
    >>> spread = [[[1.0, 0.5], [0.5, 1.0]]]
    >>> both = fastem.from_parameters(fastem.Gaussian(), [1.0], means=[[0.0, 0.0]], covariances=spread)
    >>> other = fastem.conditional(both, {0: 2.0})
    >>> other.parameters["means"].tolist(), other.parameters["covariances"].tolist()
    ([[1.0]], [[[0.75]]])
    """
    result = validation.check_mixture(mixture)
    validation.check_usable(result)
    validation.check_given(given)
    names = result.feature_names
    held = validation.check_features(list(given), result.n_features, names)
    values = validation.check_values(given)
    rest = validation.check_rest(held, result.n_features)
    slopes, means, covariances = _regressions(result, held, rest, values[None])
    weights = _weights(result, held, values[None])[0]
    validation.check_possible(weights)
    found = _marginal(result, rest)
    named = dict(found.parameters)
    if slopes is not None:
        named["means"], named["covariances"] = means[0], covariances
    return Result(found.model, weights, named, feature_names=found.feature_names)


class Regression(NamedTuple):
    """What `regress` returns.

    Attributes
    ----------
    mean : (n_samples, m), the expectation of the other features.
    covariance : (n_samples, m, m), their covariance.
    """

    mean: FloatArray
    covariance: FloatArray


def regress(X: Any, mixture: Any, given: Sequence[int | str] | None = None) -> Regression:
    """Gaussian mixture regression: the other features, given some, for many samples (Ghahramani and Jordan 1994).

    Parameters
    ----------
    X : array-like, (n_samples, n_given), the values of the features that are given. X and the mixture may change
        places.
    mixture : a Result of Gaussian components, or a fitted estimator.
    given : which features X has, by number or name; None for the first ones.

    Returns
    -------
    Regression : mean and covariance of the features that are not given, in their order.

    Raises
    ------
    ValueError, TypeError : unusable input; a family without covariances.

    References
    ----------
    Ghahramani and Jordan (1994), Advances in Neural Information Processing Systems 6, 120-127.
    """
    mixture, X = (X, mixture) if validation.is_mixture(X) else (mixture, X)
    result: Result = validation.check_mixture(mixture)
    validation.check_usable(result)
    result.covariance_matrices()  # a family without covariances says so
    checked = validation.check_data(X).astype(np.float64)
    names = range(checked.shape[1]) if given is None else given
    held = validation.check_features(list(names), result.n_features, result.feature_names)
    validation.check_as_many(checked.shape[1], len(held))
    validation.check_finite(checked, checked.dtype)
    rest = validation.check_rest(held, result.n_features)
    matrices = _as_matrices(result)
    _, means, covariances = _regressions(matrices, held, rest, checked)
    weights = _weights(result, held, checked)
    mean = np.einsum("nk,nkj->nj", weights, means)
    apart = means - mean[:, None, :]
    spread = np.einsum("nk,kij->nij", weights, covariances)
    return Regression(mean, spread + np.einsum("nk,nki,nkj->nij", weights, apart, apart))


def _as_matrices(result: Result) -> Result:
    """The same Gaussian mixture with a matrix for each component."""
    from fastem.families import Gaussian

    named = {"means": result.parameters["means"], "covariances": result.covariance_matrices()}
    return Result(Model(Gaussian("full"), result.n_components), result.weights, named)


def _marginal(result: Result, features: Array) -> Result:
    """The mixture of checked features."""
    named = {}
    for p in result.family.parameters:
        value = np.asarray(result.parameters[p.name])
        for axis, what in enumerate(p.axes):
            if what == "d":
                value = np.take(value, features, axis=axis)
        named[p.name] = value
    names = result.feature_names
    kept = None if names is None else tuple(names[j] for j in features)
    return Result(Model(result.family, result.n_components), result.weights, named, feature_names=kept)


def _weights(result: Result, held: Array, values: Array) -> Array:
    """The probabilities of the components given values (n, m) of some features, (n, K); NaN where none is possible."""
    own = _marginal(result, held)
    with np.errstate(divide="ignore", invalid="ignore"):
        joint = component_log_density(values, Result(own.model, own.weights, own.parameters)) + np.log(own.weights)
        joint = np.exp(joint - joint.max(axis=1, keepdims=True))
        return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def _regressions(result: Result, held: Array, rest: Array, values: Array) -> tuple[Array | None, Array, Array]:
    """Of each component, the slopes on given features, the means (n, K, m) and the covariances of the rest.

    The slopes are None where features are independent, so that nothing follows from those that are given.
    """
    named = result.parameters
    if not getattr(result.family, "matrices", False):
        return None, np.empty(0), np.empty(0)
    means, covariances = np.asarray(named["means"]), np.asarray(named["covariances"])
    inner, cross = covariances[..., held[:, None], held], covariances[..., rest[:, None], held]
    slopes = np.linalg.solve(inner, cross.swapaxes(-1, -2)).swapaxes(-1, -2)  # (..., m, given)
    left = covariances[..., rest[:, None], rest] - slopes @ cross.swapaxes(-1, -2)
    apart = values[:, None, :] - means[:, held]
    moved = means[:, rest] + np.einsum("...mg,nkg->nkm" if slopes.ndim == 2 else "kmg,nkg->nkm", slopes, apart)
    return slopes, moved, 0.5 * (left + left.swapaxes(-1, -2))
