"""How components are mixed: the share of the data that each of them has.

Everything that depends on the mixing is here, once: its M-step, its degrees of freedom, its unconstrained vector, its
derivatives, and the name under which a file keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastem.compiled.arrays import some
from fastem.compiled.numpys import LONGEST
from fastem.data.normalise import log_shares
from fastem.families.base import Array

# The square root of the smallest weight that a leap may give a component.
SMALLEST_ROOT = 1e-12


@dataclass(frozen=True)
class Proportions:
    """Free mixing proportions, one for each component, that sum to 1.

    roots: whether a vector holds their square roots rather than their logarithms, which is better where many go to 0.
    """

    roots: bool = False
    name: ClassVar[str] = "proportions"
    # `maximise` of one start, none of whose components is without samples, as a kernel: m_step(counts, out).
    m_step: ClassVar[Any] = staticmethod(log_shares)

    def maximise(self, counts: Array, starving: Array) -> Array:
        """Log proportions from summed responsibilities, both (..., K); -inf for a component without samples.

        A starving component keeps its old parameters. It gets no weight, as these must not enter the likelihood.
        """
        if some(starving):
            counts = np.where(starving, 0.0, counts)
        if np.count_nonzero(counts) == counts.size and counts.shape[-1] <= LONGEST:
            own, log_weights = counts.reshape(-1, counts.shape[-1]).copy(), np.empty(counts.shape)
            for shares, row in zip(own, log_weights.reshape(own.shape), strict=True):
                self.m_step(shares, row)
            return log_weights
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Array = np.log(counts / counts.sum(axis=-1, keepdims=True))
        return found

    def n_free(self, n_components: int) -> int:
        """The degrees of freedom."""
        return n_components - 1

    def to_vector(self, log_weights: Array) -> Array:
        """Log proportions as an unconstrained vector (K,): centred, and 0 for components without samples.

        They are centred because their sum is arbitrary: on the Times deaths, Anderson's method takes 17 passes with
        centring and 27 without. No step changes the 0 of a component without samples. Of 500 known densities, most of
        which lose their weight, Anderson's method finds the maximum in 200 passes from roots, and not in 3,000 from
        logarithms.
        """
        if self.roots:
            return np.exp(0.5 * log_weights)
        alive = np.isfinite(log_weights)
        return np.where(alive, log_weights - log_weights[alive].mean(), 0.0)

    def from_vector(self, vector: Array, alive: Array) -> Array:
        """The inverse of `to_vector`; only the components that are `alive`, (K,) bool, have samples."""
        if self.roots:  # a leap may go below 0
            log_weights = np.where(alive, 2.0 * np.log(np.maximum(vector, SMALLEST_ROOT)), -np.inf)
            return log_weights - np.log(np.exp(log_weights).sum())
        log_weights = np.where(alive, vector - vector[alive].max(), -np.inf)
        return log_weights - np.log(np.exp(log_weights).sum())

    def n_entries(self, n_components: int) -> int:
        """The length of `to_vector`."""
        return n_components

    def take(self, order: Array) -> Proportions:
        """The mixing of some of the components, in this order."""
        return self

    def resized(self, n_components: int) -> Proportions | None:
        """The mixing of so many components; None if it says something else of each."""
        return self

    def to_json(self) -> dict[str, Any]:
        """What a file keeps of it, besides its name."""
        return {"roots": True} if self.roots else {}

    def change(self, before: Array, after: Array) -> float:
        """The largest difference between two proportions of the same component; the arguments are log proportions."""
        return float(np.abs(np.exp(after) - np.exp(before)).max())

    def tangent(self, weights: Array) -> ProportionsTangent:
        """Derivatives at these proportions (K,)."""
        return ProportionsTangent(np.asarray(weights))


@dataclass(frozen=True, eq=False)
class FixedProportions(Proportions):
    """Mixing proportions that are known: equal ones, or given ones. A component without samples keeps its own.

    weights: (n_components,) with sum 1; None if all are equal.
    """

    name: ClassVar[str] = "fixed"
    m_step: ClassVar[Any] = None
    weights: Array | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FixedProportions) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.name)

    def maximise(self, counts: Array, starving: Array) -> Array:
        if self.weights is None:
            return np.full(counts.shape, -np.log(counts.shape[-1]))
        with np.errstate(divide="ignore"):
            return np.array(np.broadcast_to(np.log(self.weights), counts.shape))

    def n_free(self, n_components: int) -> int:
        return 0

    def to_vector(self, log_weights: Array) -> Array:
        return log_weights[:0]

    def from_vector(self, vector: Array, alive: Array) -> Array:
        return self.maximise(np.ones(len(alive)), ~alive)

    def n_entries(self, n_components: int) -> int:
        return 0

    def tangent(self, weights: Array) -> ProportionsTangent:
        return ProportionsTangent(np.asarray(weights), fixed=True)

    def take(self, order: Array) -> Proportions:
        return self if self.weights is None else FixedProportions(weights=self.weights[order])

    def resized(self, n_components: int) -> Proportions | None:
        given = self.weights is not None and (self.weights != self.weights[0]).any()
        return None if given else FixedProportions()

    def to_json(self) -> dict[str, Any]:
        return {"proportions": None if self.weights is None else self.weights.tolist()}


class ProportionsTangent:
    """Derivatives of sum_k z_k log weight_k by the logits, log weight_k - log weight_K for k < K."""

    def __init__(self, weights: Array, fixed: bool = False) -> None:
        self._weights, self.n_free = weights, 0 if fixed else len(weights) - 1

    def scores(self, k: int, n: int) -> Array:
        """d log weight_k / d logits, for n samples of component k: (n, n_free)."""
        scores = np.broadcast_to(-self._weights[: self.n_free], (n, self.n_free)).copy()
        if k < self.n_free:
            scores[:, k] += 1.0
        return scores

    def information(self, total_weight: float) -> Array:
        """Minus the expected second derivatives, summed over samples: (n_free, n_free)."""
        weights = self._weights[: self.n_free]
        return total_weight * (np.diag(weights) - np.outer(weights, weights))

    def product(self, total_weight: float, direction: Array) -> Array:
        """`information` times a vector (n_free,), without the matrix."""
        weights = self._weights[: self.n_free]
        return np.asarray(total_weight * (weights * direction - weights * (weights @ direction)))

    def standard_errors(self, covariance: Array) -> Array:
        """The standard errors of the proportions (K,), from the covariance of the logits, by the delta method."""
        # d weight_k / d logit_j = weight_k (1[k = j] - weight_j)
        jacobian = (np.diag(self._weights) - np.outer(self._weights, self._weights))[:, : self.n_free]
        variances = np.einsum("ai,ij,aj->a", jacobian, covariance, jacobian)
        return np.sqrt(np.maximum(variances, 0.0))


def mixing_of(kept: dict[str, Any]) -> Proportions:
    """A mixing from what a file keeps; the names of what is read are taken out of it."""
    name, weights = kept.pop("mixing", Proportions.name), kept.pop("proportions", None)
    roots = kept.pop("roots", False)
    if name != FixedProportions.name:
        return Proportions(roots)
    return FixedProportions(weights=None if weights is None else np.array(weights))
