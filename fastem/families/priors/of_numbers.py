"""Priors of weights, rates and probabilities, each of which is worth some samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastem.families.base import Family, Frame
from fastem.families.parameters import Array, Parameters
from fastem.families.priors.prior import Derivatives, Prior, at_least
from fastem.validation import check_derivatives


@dataclass(frozen=True, eq=False)
class Dirichlet(Prior):
    """A Dirichlet prior of the mixing weights: prod_k weight_k^(alpha_k - 1).

    The M-step is (n_k + alpha_k - 1) / their sum, with n_k the sum of the component's responsibilities.

    Parameters
    ----------
    alpha : number, or (n_components,) numbers, >= 1. alpha - 1 is worth so many samples of each component.

    Raises
    ------
    ValueError : by the fit: alpha is below 1, not finite, or of another shape.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.array([[0.0], [0.1], [0.2], [5.0]])
    >>> mixture = fastem.fit(X, fastem.Gaussian("spherical"), 2, prior=fastem.Dirichlet(11.0), seed=0)
    >>> np.sort(mixture.weights).round(3).tolist()  # (1 + 10) / 24 and (3 + 10) / 24
    [0.458, 0.542]

    References
    ----------
    Gelman et al. (2013), Bayesian Data Analysis, section 3.4.
    """

    alpha: Any

    name: ClassVar[str] = "dirichlet"
    parameter: ClassVar[str] = "weights"

    def why_not(self, n_features: int, n_components: int) -> str | None:
        alpha = np.asarray(self.alpha, dtype=np.float64)
        if alpha.shape not in ((), (n_components,)):
            return f"Dirichlet: alpha has shape {alpha.shape}; expected one number, or {n_components}."
        return None if (alpha >= 1).all() and np.isfinite(alpha).all() else at_least("Dirichlet", "alpha", 1, alpha)

    @property
    def is_symmetric(self) -> bool:
        return np.ndim(self.alpha) == 0

    def symmetric(self) -> Prior:
        return Dirichlet(float(np.mean(self.alpha)))

    def take(self, order: Array) -> Prior:
        return self if self.is_symmetric else Dirichlet(np.asarray(self.alpha)[order])

    def pseudo_counts(self, n_components: int) -> Array:
        return np.broadcast_to(np.asarray(self.alpha, dtype=np.float64) - 1.0, (n_components,))

    def log_density(self, family: Family, weights: Array, named: Parameters) -> float:
        counts = self.pseudo_counts(len(weights))
        with np.errstate(divide="ignore"):
            return float(np.where(counts > 0, counts * np.log(weights), 0.0).sum())


@dataclass(frozen=True, eq=False)
class Gamma(Prior):
    """A gamma prior of Poisson rates l: l^(shape - 1) exp(-rate l).

    The M-step is (sum of counts + shape - 1) / (n_k + rate), with n_k the sum of the component's responsibilities.

    Parameters
    ----------
    shape : number, or (n_features,), >= 1
    rate : number, or (n_features,), >= 0
        They are worth `rate` samples, whose counts add up to shape - 1.

    Raises
    ------
    ValueError : by the fit: a number that is too small or not finite, or another shape.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> fastem.fit(np.array([[3], [5]]), fastem.Poisson(), 1, prior=fastem.Gamma(3.0, 3.0)).parameters["rates"].round(9)
    array([[2.]])

    References
    ----------
    Gelman et al. (2013), Bayesian Data Analysis, section 2.6.
    """

    shape: Any
    rate: Any

    name: ClassVar[str] = "gamma"
    parameter: ClassVar[str] = "rates"

    def why_not(self, n_features: int, n_components: int) -> str | None:
        return _why_not_numbers("Gamma", n_features, shape=(self.shape, 1), rate=(self.rate, 0))

    def added(self, family: Family, statistics: Array, params: Array, frame: Frame, alive: Array) -> Array:
        # Rates are sums over counts; where `rate` differs between features, sums are stretched so that one count does.
        d = statistics.shape[1] - 1
        shape, rate = (np.broadcast_to(np.asarray(x, dtype=np.float64), (d,)) for x in (self.shape, self.rate))
        result, counts = statistics.copy(), statistics[alive, :1]
        result[alive, 0] += rate[0]
        result[alive, 1:] = (statistics[alive, 1:] + (shape - 1.0)) * ((counts + rate[0]) / (counts + rate))
        return result

    def log_density(self, family: Family, weights: Array, named: Parameters) -> float:
        rates = named["rates"]
        with np.errstate(divide="ignore"):
            terms = np.where(np.asarray(self.shape) > 1, (np.asarray(self.shape) - 1.0) * np.log(rates), 0.0)
        return float((terms - np.asarray(self.rate) * rates).sum())

    def derivatives(self, family: Family, tangent: Any, k: int, n_components: int, frame: Frame) -> Derivatives:
        expected = np.asarray(self.rate) * check_derivatives(tangent, "rates", family)[k]
        return np.asarray(self.shape) - 1.0 - expected, np.diag(expected)


@dataclass(frozen=True, eq=False)
class Beta(Prior):
    """A beta prior of Bernoulli probabilities: p^(a - 1) (1 - p)^(b - 1).

    The M-step is (number of ones + a - 1) / (n_k + a + b - 2), with n_k the sum of the component's responsibilities.

    Parameters
    ----------
    a, b : numbers >= 1. They are worth a - 1 ones and b - 1 zeros in each component and feature.

    Raises
    ------
    ValueError : by the fit: a number below 1, or not finite.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> fit = fastem.fit(np.array([[0], [0]]), fastem.Bernoulli(), 1, prior=fastem.Beta(2.0, 2.0))
    >>> fit.parameters["probabilities"].round(9)
    array([[0.25]])

    References
    ----------
    Gelman et al. (2013), Bayesian Data Analysis, section 2.4.
    """

    a: float
    b: float

    name: ClassVar[str] = "beta"
    parameter: ClassVar[str] = "probabilities"

    def why_not(self, n_features: int, n_components: int) -> str | None:
        return _why_not_numbers("Beta", None, a=(self.a, 1), b=(self.b, 1))

    def added(self, family: Family, statistics: Array, params: Array, frame: Frame, alive: Array) -> Array:
        result = statistics.copy()
        result[alive, 0] += self.a + self.b - 2.0
        result[alive, 1:] += self.a - 1.0
        return result

    def log_density(self, family: Family, weights: Array, named: Parameters) -> float:
        p = named["probabilities"]
        with np.errstate(divide="ignore"):
            ones = (self.a - 1.0) * np.log(p) if self.a > 1 else np.zeros_like(p)
            zeros = (self.b - 1.0) * np.log1p(-p) if self.b > 1 else np.zeros_like(p)
        return float((ones + zeros).sum())

    def derivatives(self, family: Family, tangent: Any, k: int, n_components: int, frame: Frame) -> Derivatives:
        p, worth = check_derivatives(tangent, "probabilities", family)[k], self.a + self.b - 2.0
        return self.a - 1.0 - worth * p, np.diag(worth * p * (1.0 - p))


def _why_not_numbers(prior: str, n_features: int | None, **numbers: tuple[Any, float]) -> str | None:
    """Why some numbers, each with the least that it may be, are none; with n_features, arrays of them may be given."""
    for name, (value, least) in numbers.items():
        array = np.asarray(value, dtype=np.float64)
        if array.shape not in ((), *([] if n_features is None else [(n_features,)])):
            more = "" if n_features is None else f", or {n_features} of them"
            return f"{prior}: {name} has shape {array.shape}; expected a number{more}."
        if not (np.isfinite(array) & (array >= least)).all():
            return at_least(prior, name, least, value)
    return None
