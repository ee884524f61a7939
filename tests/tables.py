"""The table of all families, and mixtures and data for each. A new family is one entry here."""

from dataclasses import dataclass
from typing import Any

import numpy as np

import fastem
from fastem.data.samples import Samples
from fastem.fitting.survey import prepare
from fastem.model.model import Model


@dataclass(frozen=True)
class Case:
    """A family, and how to draw a mixture of it."""

    family: Any
    shape: str

    def __repr__(self):
        return self.family.name

    def mixture(self, rng, n_components, n_features, spread=2.0):
        """A random mixture of this family."""
        weights = rng.dirichlet(np.full(n_components, 5.0))
        if self.shape == "counts":
            return fastem.from_parameters(self.family, weights, rates=rng.gamma(3.0, 2.0, (n_components, n_features)))
        means = spread * rng.standard_normal((n_components, n_features))
        return fastem.from_parameters(
            self.family, weights, means=means, covariances=self._covariances(rng, *means.shape)
        )

    def _covariances(self, rng, n_components, n_features):
        def matrix():
            a = rng.standard_normal((n_features, n_features + 2))
            return a @ a.T / (n_features + 2) + 0.2 * np.eye(n_features)

        return {
            "full": lambda: np.array([matrix() for _ in range(n_components)]),
            "tied": matrix,
            "diag": lambda: rng.uniform(0.3, 2.0, (n_components, n_features)),
            "spherical": lambda: rng.uniform(0.3, 2.0, n_components),
            "tied_diag": lambda: rng.uniform(0.3, 2.0, n_features),
            "tied_spherical": lambda: np.array(rng.uniform(0.3, 2.0)),
        }[self.shape]()


GAUSSIANS = [
    Case(fastem.Gaussian(shape), shape)
    for shape in ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical")
]
FAMILIES = [*GAUSSIANS, Case(fastem.Poisson(), "counts")]


def draw(mixture, n_samples, seed=0, dtype=np.float64):
    """Data from a mixture."""
    return np.ascontiguousarray(fastem.sample(mixture, n_samples, seed=seed).X, dtype=dtype)


def blobs(case, rng, n_samples, n_components, n_features, spread=2.0):
    """A random mixture and data from it."""
    mixture = case.mixture(rng, n_components, n_features, spread)
    return mixture, draw(mixture, n_samples, seed=rng.integers(2**31))


def problem_on(X, sample_weight, family, n_components, threads):
    """The problem of a mixture on data, as `fit` makes it."""
    return prepare(Model(family, n_components), Samples(X, sample_weight), threads)
