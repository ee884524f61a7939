"""Adapting a mixture to a few data of one kind, as speaker recognition adapts a background model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastem import validation
from fastem.families.base import Array
from fastem.model import evidence as core
from fastem.model.result import Result, Status


def adapt(
    X: Any,
    mixture: Any,
    *,
    relevance: float = 16.0,
    parameters: Sequence[str] = ("means",),
    n_iter: int = 1,
    sample_weight: Any = None,
    n_threads: int | None = None,
) -> Result:
    """A mixture moved towards some data, each component as far as it has seen samples (Reynolds et al. 2000).

    Component k moves by the fraction n_k / (n_k + relevance) from its own parameters to those that the data say, with
    n_k the sum of its responsibilities. That is the mode under a prior at the mixture worth `relevance` samples a
    component.

    Parameters
    ----------
    X : array-like, (n_samples, n_features), or what `pack` returns
    mixture : a Result, such as a background model that was fitted to all speakers, or a fitted estimator. X and the
        mixture may change places.
    relevance : float >= 0
        With 0, components that have seen samples go to what the data say.
    parameters : names of what moves
        "weights", and the family's parameters: "means" and "covariances" of Gaussians, "rates", "probabilities".
        Covariances that components share stay.
    n_iter : int >= 1, how often the responsibilities are found anew; each time the fraction counts from `mixture`.
    sample_weight : (n_samples,) or None
    n_threads : as in `fit`.

    Returns
    -------
    Result : with status GIVEN, its components in the order of the mixture's.

    Raises
    ------
    ValueError, TypeError : unusable input; an unknown parameter, or a covariance that is shared.

    References
    ----------
    Reynolds, Quatieri and Dunn (2000), Digital Signal Processing 10, 19-41, equations 11 to 14.

    Examples
    --------
    >>> import fastem
    >>> world = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0], [20.0]])
    >>> near = fastem.adapt([[2], [3], [4], [2]], world, relevance=4, parameters=["rates"])
    >>> near.parameters["rates"].round(1).tolist()
    [[1.9], [20.0]]
    """
    X, mixture = validation.data_and_mixture(X, mixture)
    names = validation.check_adapted(parameters, mixture.family)
    validation.check_relevance(relevance)
    validation.check_integer("n_iter", n_iter, 1)
    moved: Result = mixture
    for _ in range(n_iter):
        evidence = core.fold(X, moved, sample_weight=sample_weight, n_threads=n_threads)
        own = core.maximise(replace(evidence, mixture=_plain(moved)))
        counts = evidence.statistics[: mixture.n_components, 0]
        with np.errstate(invalid="ignore"):
            alpha = np.where(counts > 0, counts / (counts + relevance), 0.0)
        moved = _between(mixture, own, alpha, names)
    return moved


def _plain(mixture: Result) -> Result:
    """The mixture of a model of which nothing is known, so that data alone say where it goes."""
    return replace(mixture, model=replace(mixture.model.unheld(), priors=()))


def _between(mixture: Result, own: Result, alpha: Array, names: Sequence[str]) -> Result:
    """The mixture with some parameters moved by alpha (n_components,) to those of another."""
    found, weights = dict(mixture.parameters), mixture.weights
    for name in names:
        if name not in ("weights", "covariances"):
            found[name] = _mean(mixture.parameters[name], own.parameters[name], alpha)
    if "covariances" in names:
        found["covariances"] = _covariances(mixture, own, np.asarray(found["means"]), alpha)
    if "weights" in names:
        weights = _mean(weights, own.weights, alpha)
        weights = weights / weights.sum()
    return Result(mixture.model, weights, found, status=Status.GIVEN, feature_names=mixture.feature_names)


def _mean(before: Array, after: Array, alpha: Array) -> Array:
    share = alpha.reshape(-1, *[1] * (np.ndim(before) - 1))
    return np.asarray(share * after + (1.0 - share) * before)


def _covariances(mixture: Result, own: Result, means: Array, alpha: Array) -> Array:
    """Covariances about new means, of which the second moments lie between: equation 13, without differences."""
    family, d = mixture.family, mixture.n_features

    def about(result: Result) -> Array:
        """E (x - new mean)(x - new mean)' of each component, in the form of the covariances."""
        apart, own = np.asarray(result.parameters["means"]) - means, np.asarray(result.parameters["covariances"])
        if own.ndim == 3:
            return np.asarray(own + apart[:, :, None] * apart[:, None, :])
        return np.asarray(own + apart**2) if own.ndim == 2 else np.asarray(own + (apart**2).sum(axis=1) / d)

    assert not family.pooled
    return _mean(about(mixture), about(own), alpha)
