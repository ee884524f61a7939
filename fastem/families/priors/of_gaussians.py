"""The normal-inverse-Wishart prior of Gaussian components."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fastem.compiled.factors import factorise
from fastem.families.base import Family, Frame
from fastem.families.gaussian import constrained
from fastem.families.parameters import Array, Parameters
from fastem.families.priors.prior import Derivatives, Prior, Spread, at_least
from fastem.validation import check_derivatives

# OpenBLAS multiplies matrices up to this size without its threads, in a sixth of the time of einsum.
ALONE = 64


def _products(matrices: Array, other: Array) -> Array:
    """Each of some square matrices (m, d, d) times another one (d, d)."""
    return matrices @ other if len(other) <= ALONE else np.einsum("kij,jl->kil", matrices, other)


@dataclass(frozen=True, eq=False)
class NormalInverseWishart(Prior):
    """A normal-inverse-Wishart prior of Gaussian means and covariances, in the form of each covariance shape.

    mean_k given C_k is normal about `mean` with covariance C_k / shrinkage. C_k is inverse-Wishart with `dof` degrees
    of freedom and `scale`; a variance is inverse-gamma with shape dof / 2 and scale scale / 2. With n_k, m_k and S_k
    the sum of responsibilities, mean and scatter of a component, in d features, the M-step of full covariances is

        mean_k = (n_k m_k + shrinkage mean) / (n_k + shrinkage)
        C_k = (scale + S_k + n_k shrinkage / (n_k + shrinkage) (m_k - mean)(m_k - mean)') / (dof + n_k + d + 2)

    The modes are mclust's, but for EII and EEI, where mclust departs from its own formulas.

    Parameters
    ----------
    mean : (n_features,), or None for the mean of the data
    shrinkage : number >= 0. It is worth so many samples at `mean` in each component.
    dof : number > n_features - 1, or None for n_features + 2
    scale : a positive definite matrix (n_features, n_features) for "full" and "tied"; for the others a number > 0, or
        (n_features,) of them. None is the covariance of the data over n_components^(2 / n_features), of whose diagonal
        the mean is taken for variances.

    Raises
    ------
    ValueError : by the fit: a number out of its range, another shape, or a scale that is not positive definite.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> fastem.fit(X, fastem.Gaussian("full"), 8, seed=0, prior=fastem.NormalInverseWishart()).status.name
    'CONVERGED'

    References
    ----------
    Fraley and Raftery (2007), J. Classification 24, 155-181, whose defaults, and mclust's, are those of None.
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
        scale = spread.covariance if matrices else spread.covariance.mean()
        return replace(
            self,
            mean=np.asarray(spread.mean if self.mean is None else self.mean, dtype=np.float64),
            dof=float(d + 2 if self.dof is None else self.dof),
            scale=np.asarray(scale / share if self.scale is None else self.scale, dtype=np.float64),
        )

    def why_not(self, n_features: int, n_components: int) -> str | None:
        d = n_features
        if not np.isfinite(self.shrinkage) or self.shrinkage < 0:
            return at_least("NormalInverseWishart", "shrinkage", 0, self.shrinkage)
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
        held = counts > 0
        n = np.maximum(counts - self.shrinkage * held, 0.0)
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
        if np.count_nonzero(held) == len(held):
            return {**named, "covariances": found}
        return {**named, "covariances": np.where(held.reshape(-1, *[1] * (covariances.ndim - 1)), found, covariances)}

    def _scale(self, family: Family, d: int) -> Array:
        """The scale in the form of the family's covariances; a number may stand for that of all features."""
        scale = np.asarray(self.scale)
        if getattr(family, "matrices", False):
            return scale if scale.ndim == 2 else np.eye(d) * scale
        if getattr(family, "common_scale", False):
            return np.asarray(np.diagonal(scale).mean() if scale.ndim == 2 else scale.mean())
        return np.diagonal(scale) if scale.ndim == 2 else scale

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
                traces = np.einsum("kij,kij->k", _products(factor.inverse_factors, scale), factor.inverse_factors)
                of_own = (dof + d + 1) * log_determinants + traces.reshape(own.shape[:-2])
            else:
                logs, each = np.log(own), own[..., None] if getattr(family, "common_scale", False) else own
                log_determinants = d * logs if getattr(family, "common_scale", False) else logs.sum(axis=-1)
                squares = (apart * apart / each).sum()
                of_own = (dof + 2) * logs + scale / own
            n_alike = len(apart) // log_determinants.size  # components that share a covariance
            of_means = n_alike * log_determinants.sum() + self.shrinkage * squares
        return float(-0.5 * (of_means + of_own.sum()))

    def derivatives(self, family: Family, tangent: Any, k: int, n_components: int, frame: Frame) -> Derivatives:
        d, dof, own = len(self.mean), float(self.dof or 0.0), self._scale(family, len(self.mean))
        if getattr(family, "matrices", False):
            logs, scatter = dof + d + 1, own / np.outer(frame.scale, frame.scale)
        else:
            # A variance of all features is one number, whose prior counts once.
            share = d if getattr(family, "common_scale", False) else 1
            logs, scatter = (dof + 2) / share, np.diag(np.broadcast_to(own / share, (d,)) / frame.scale**2)
        share = n_components if family.pooled else 1
        place = (np.asarray(self.mean) - frame.shift) / frame.scale
        of_prior = check_derivatives(tangent, "of_prior", family)
        found: Derivatives = of_prior(k, 1.0 + logs / share, self.shrinkage, place, scatter / share)
        return found
