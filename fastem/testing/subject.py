"""What the laws are asked of: a family, a way to draw mixtures of it, and an independent density."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastem.families.base import Array, Family, Parameters
from fastem.model.evaluation import log_density
from fastem.model.evidence import from_parameters, sample
from fastem.model.result import Result

EPS = float(np.finfo(np.float64).eps)
REGULARISED = "the family's M-step maximises something other than the likelihood (is_regularised)"
Draw = Callable[[np.random.Generator, int, int, float], tuple[Array, Parameters]]
LogProb = Callable[[Parameters, Array], Array]


class Skipped(Exception):  # noqa: N818  (no error: the law says nothing of this family, and why)
    """A law does not apply."""


@dataclass(frozen=True)
class Subject:
    """A family, and what its author knows of it.

    draw: (rng, n_components, n_features, spread) -> mixing weights and named parameters; None draws each parameter as
    its Kind does. log_prob: (parameters, X) -> log densities (n_samples, n_components), by other means.
    """

    family: Family
    draw: Draw | None = None
    log_prob: LogProb | None = None

    def mixture(self, rng: np.random.Generator, n_components: int, n_features: int, spread: float = 2.0) -> Result:
        """A random mixture, whose locations vary by about `spread`."""
        if self.draw is not None:
            weights, parameters = self.draw(rng, n_components, n_features, spread)
        else:
            weights = rng.dirichlet(np.full(n_components, 5.0))
            shapes = {p: p.shape(n_features, n_components) for p in self.family.parameters}
            parameters = {p.name: p.kind.drawn(rng, shape, spread) for p, shape in shapes.items()}
        return from_parameters(self.family, weights, **parameters)

    def blobs(
        self, rng: np.random.Generator, n_samples: int, n_components: int, n_features: int, spread: float = 2.0
    ) -> tuple[Result, Array]:
        """A random mixture and data from it."""
        mixture = self.mixture(rng, n_components, n_features, spread)
        return mixture, np.ascontiguousarray(sample(mixture, n_samples, seed=int(rng.integers(2**31))).X)

    def log_prob_of(self, parameters: Parameters, X: Array) -> Array:
        """log p(x | component k), (n, K): by the independent density, where there is one."""
        if self.log_prob is not None:
            return self.log_prob(parameters, np.asarray(X, dtype=float))
        n_components = len(self.family.moments(parameters)[0])
        ones = (self.family.take(parameters, np.array([k])) for k in range(n_components))
        return np.stack([log_density(X, from_parameters(self.family, [1.0], **one)) for one in ones], axis=1)

    def e_step(self, mixture: Result, X: Array) -> tuple[Array, Array]:
        """log p(x) and responsibilities, by the independent density where there is one."""
        with np.errstate(divide="ignore"):
            joint = self.log_prob_of(mixture.parameters, X) + np.log(mixture.weights)
        top = joint.max(axis=1, keepdims=True)
        norm = np.log(np.exp(joint - top).sum(axis=1, keepdims=True)) + top
        return norm[:, 0], np.exp(joint - norm)


def assert_close(actual: Parameters, expected: Parameters, rtol: float, atol: float = 0.0) -> None:
    """Named parameters agree, relative to the largest entry of each."""
    assert set(actual) == set(expected), f"parameters are {sorted(actual)}; expected {sorted(expected)}"
    for name, value in expected.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(actual[name], value, rtol=rtol, atol=rtol * scale + atol, err_msg=name)


def start_of(mixture: Result) -> dict[str, Any]:
    """A mixture as the start of a fit."""
    return {"weights": mixture.weights, **mixture.parameters}
