"""Priors of the parameters: pseudo-evidence that is added to the statistics, so that M-steps find the mode (MAP).

A prior is an object. It says which family it is for, adds what it is worth, finishes what is no sum, and has a log
density, up to a constant. In the M-step all modes are maxima of the likelihood times the prior, not means.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fastem.compiled.factors import factorise
from fastem.families.base import Family, Frame
from fastem.families.gaussian import constrained
from fastem.families.parameters import Array, Parameters


class Spread(NamedTuple):
    """What a prior may ask about the data: their mean (d,) and covariance (d, d), with divisor n - 1."""

    mean: Array
    covariance: Array


class Prior(ABC):
    """A prior; see the head of this file.

    name: what files call it. parameter: the parameter of a family by which it is known whether it fits.
    """

    name: ClassVar[str]
    parameter: ClassVar[str]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prior) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def is_settled(self) -> bool:
        """Whether it needs nothing from the data."""
        return True

    def settled(self, family: Family, n_components: int, spread: Spread) -> Prior:
        """The prior with what it takes from the data filled in."""
        return self

    @abstractmethod
    def why_not(self, n_features: int, n_components: int) -> str | None:
        """Why it has no mode, or does not fit a mixture of this size; None if it does."""

    def added(self, family: Family, statistics: Array, params: Array, frame: Frame, alive: Array) -> Array:
        """Statistics of one mixture with the prior's pseudo-evidence, of components that are `alive`."""
        return statistics

    def finished(self, family: Family, named: dict[str, Array], counts: Array) -> dict[str, Array]:
        """Named parameters in the user's units, from statistics whose counts (K,) include the pseudo-evidence."""
        return named

    @abstractmethod
    def log_density(self, family: Family, weights: Array, named: Parameters) -> float:
        """The log of the prior density, without its constant."""

    def to_json(self) -> dict[str, Any]:
        """For files."""
        values: dict[str, Any] = asdict(self)  # type: ignore[call-overload]
        kept = {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in values.items()}
        return {"prior": self.name, **kept}


@dataclass(frozen=True, eq=False)
class Dirichlet(Prior):
    """A Dirichlet prior of the mixing weights: prod_k weight_k^(alpha_k - 1).

    alpha : number, or (n_components,) numbers, >= 1. alpha - 1 is worth so many samples of each component.
    """

    alpha: Any

    name: ClassVar[str] = "dirichlet"
    parameter: ClassVar[str] = "weights"

    def why_not(self, n_features: int, n_components: int) -> str | None:
        alpha = np.asarray(self.alpha, dtype=np.float64)
        if alpha.shape not in ((), (n_components,)):
            return f"Dirichlet: alpha has shape {alpha.shape}; expected one number, or {n_components}."
        return None if (alpha >= 1).all() and np.isfinite(alpha).all() else _at_least("Dirichlet", "alpha", 1, alpha)

    def pseudo_counts(self, n_components: int) -> Array:
        """What is added to the sums of the responsibilities, (n_components,)."""
        return np.broadcast_to(np.asarray(self.alpha, dtype=np.float64) - 1.0, (n_components,))

    def log_density(self, family: Family, weights: Array, named: Parameters) -> float:
        counts = self.pseudo_counts(len(weights))
        with np.errstate(divide="ignore"):
            return float(np.where(counts > 0, counts * np.log(weights), 0.0).sum())


@dataclass(frozen=True, eq=False)
class Gamma(Prior):
    """A gamma prior of Poisson rates: rate^(shape - 1) exp(-scale^-1 rate), with `rate` for the inverse scale.

    shape : number, or (n_features,), >= 1. rate : number, or (n_features,), >= 0. They are worth `rate` samples, whose
    counts add up to shape - 1.
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


@dataclass(frozen=True, eq=False)
class Beta(Prior):
    """A beta prior of Bernoulli probabilities: p^(a - 1) (1 - p)^(b - 1).

    a, b : numbers >= 1. They are worth a - 1 ones and b - 1 zeros in each component and feature.
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


@dataclass(frozen=True, eq=False)
class NormalInverseWishart(Prior):
    """A normal-inverse-Wishart prior of Gaussian means and covariances, in the form of each covariance shape.

    mean_k given C_k is normal about `mean` with covariance C_k / shrinkage. C_k is inverse-Wishart with `dof` degrees
    of freedom and `scale`; a variance is inverse-gamma with shape dof / 2 and scale scale / 2. What is None is that of
    Fraley and Raftery (2007, J. Classification 24), which is mclust's default: the mean of the data, shrinkage 0.01,
    dof n_features + 2, and the covariance of the data over n_components^(2 / n_features), of whose diagonal the mean is
    taken for variances. The modes are those of mclust; its EII and EEI, which differ from its own formulas, do not.

    mean : (n_features,) or None. shrinkage : >= 0. dof : > n_features - 1, or None. scale : a positive definite matrix
    (n_features, n_features) for "full" and "tied"; for the others a number > 0, or (n_features,) of them; or None.
    """

    mean: Any = None
    shrinkage: float = 0.01
    dof: float | None = None
    scale: Any = None

    name: ClassVar[str] = "normal_inverse_wishart"
    parameter: ClassVar[str] = "covariances"

    @property
    def is_settled(self) -> bool:
        return self.mean is not None and self.dof is not None and self.scale is not None

    def settled(self, family: Family, n_components: int, spread: Spread) -> Prior:
        d, matrices = len(spread.mean), bool(getattr(family, "matrices", False))
        share = n_components ** (2.0 / d)
        scale = spread.covariance if matrices else np.diagonal(spread.covariance).mean()
        return replace(
            self,
            mean=np.asarray(spread.mean if self.mean is None else self.mean, dtype=np.float64),
            dof=float(d + 2 if self.dof is None else self.dof),
            scale=np.asarray(scale / share if self.scale is None else self.scale, dtype=np.float64),
        )

    def why_not(self, n_features: int, n_components: int) -> str | None:
        d = n_features
        if not np.isfinite(self.shrinkage) or self.shrinkage < 0:
            return _at_least("NormalInverseWishart", "shrinkage", 0, self.shrinkage)
        if self.dof is not None and not (np.isfinite(self.dof) and self.dof > d - 1):
            return f"NormalInverseWishart: dof is {self.dof}; it must be above n_features - 1, which is {d - 1}."
        if self.mean is not None and (np.shape(self.mean) != (d,) or not np.isfinite(self.mean).all()):
            return f"NormalInverseWishart: mean has shape {np.shape(self.mean)}; expected ({d},) finite numbers."
        if self.scale is None:
            return None
        scale = np.asarray(self.scale, dtype=np.float64)
        if scale.shape not in ((), (d,), (d, d)):
            return f"NormalInverseWishart: scale has shape {scale.shape}; expected a number, ({d},) or ({d}, {d})."
        positive = np.linalg.eigvalsh(scale)[0] > 0 if scale.ndim == 2 else (scale > 0).all()
        return None if positive else "NormalInverseWishart: scale is not positive definite."

    def added(self, family: Family, statistics: Array, params: Array, frame: Frame, alive: Array) -> Array:
        place = (np.asarray(self.mean) - frame.shift) / frame.scale
        return constrained.with_samples_at(family, statistics, params, place, self.shrinkage * alive)

    def finished(self, family: Family, named: dict[str, Array], counts: Array) -> dict[str, Array]:
        held, n = counts > 0, np.maximum(counts - self.shrinkage * (counts > 0), 0.0)
        covariances, scale = named["covariances"], self._scale(family, len(self.mean))
        divisors = self._divisors(family, n)
        if family.pooled:
            worth = counts.sum() * (len(self.mean) if covariances.ndim == 0 else 1)
            return {**named, "covariances": (scale + worth * covariances) / divisors}
        if covariances.ndim == 1:
            worth = counts * len(self.mean)
        else:
            worth = counts.reshape(-1, *[1] * (covariances.ndim - 1))
            divisors = divisors.reshape(worth.shape)
        found = (scale + worth * covariances) / divisors
        return {**named, "covariances": np.where(held.reshape(-1, *[1] * (covariances.ndim - 1)), found, covariances)}

    def _scale(self, family: Family, d: int) -> Array:
        """The scale in the form of the family's covariances."""
        scale = np.asarray(self.scale)
        if getattr(family, "matrices", False):
            return scale if scale.ndim == 2 else np.eye(d) * scale
        if getattr(family, "common_scale", False):
            return np.asarray(np.diagonal(scale).mean() if scale.ndim == 2 else scale.mean())
        return np.broadcast_to(np.diagonal(scale) if scale.ndim == 2 else scale, (d,))

    def _divisors(self, family: Family, n: Array) -> Array:
        """What divides a covariance's scatter, for sums of responsibilities n (K,)."""
        d, dof = len(self.mean), float(self.dof or 0.0)
        matrices, common = getattr(family, "matrices", False), getattr(family, "common_scale", False)
        held, own = (n.sum(), len(n)) if family.pooled else (n, 1)
        if matrices:
            return np.asarray(dof + d + 1 + held + own)
        return np.asarray(dof + 2 + (held + own) * (d if common else 1))

    def log_density(self, family: Family, weights: Array, named: Parameters) -> float:
        d, dof = len(self.mean), float(self.dof or 0.0)
        own, scale = np.asarray(named["covariances"], dtype=np.float64), self._scale(family, d)
        apart = np.asarray(named["means"]) - self.mean
        with np.errstate(all="ignore"):
            if getattr(family, "matrices", False):
                # Not by LAPACK or BLAS, whose threads would wait for work while those of the next pass run.
                factor = factorise(own.reshape(-1, d, d), np.zeros(d))
                log_determinants = factor.log_determinants.reshape(own.shape[:-2])
                squares = (np.einsum("...ij,...j->...i", factor.inverse_factors, apart) ** 2).sum()
                traces = (np.einsum("kij,jl->kil", factor.inverse_factors, scale) * factor.inverse_factors).sum(
                    axis=(1, 2)
                )
                of_own = (dof + d + 1) * log_determinants + traces.reshape(own.shape[:-2])
            else:
                variances = np.broadcast_to(
                    own[..., None] if getattr(family, "common_scale", False) else own, apart.shape
                )
                log_determinants = np.log(variances).sum(axis=1)
                squares = (apart**2 / variances).sum()
                of_own = (dof + 2) * np.log(own) + scale / own
            of_means = np.broadcast_to(log_determinants, len(apart)).sum() + self.shrinkage * squares
        return float(-0.5 * (of_means + of_own.sum()))


PRIORS: dict[str, type[Any]] = {prior.name: prior for prior in (Dirichlet, Gamma, Beta, NormalInverseWishart)}


def prior_of(kept: Mapping[str, Any]) -> Prior:
    """The inverse of `Prior.to_json`."""
    values = {name: np.array(v) if isinstance(v, list) else v for name, v in kept.items() if name != "prior"}
    found: Prior = PRIORS[kept["prior"]](**values)
    return found


def _at_least(prior: str, name: str, least: float, value: Any) -> str:
    return f"{prior}: {name} is {value}; it must be finite and >= {least}, or there is no mode."


def _why_not_numbers(prior: str, n_features: int | None, **numbers: tuple[Any, float]) -> str | None:
    """Why some numbers, each with the least that it may be, are none; with n_features, arrays of them may be given."""
    for name, (value, least) in numbers.items():
        array = np.asarray(value, dtype=np.float64)
        if array.shape not in ((), *([] if n_features is None else [(n_features,)])):
            more = "" if n_features is None else f", or {n_features} of them"
            return f"{prior}: {name} has shape {array.shape}; expected a number{more}."
        if not (np.isfinite(array) & (array >= least)).all():
            return _at_least(prior, name, least, value)
    return None
