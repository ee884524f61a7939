"""Mixtures, data and kernels that the benchmarks share. Nothing here is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

import fastem
from fastem.compiled.arrays import aligned

SHAPES = ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical")
FAMILIES = (*SHAPES, "poisson")
TILE = 256
# What `variants` has, in its order.
KNOWN = ("plain", "plain again", "a tenth labelled", "prior_resp", "one mean fixed", "equal weights", "prior", "hard")


def family_of(name: str) -> Any:
    """A family by the name of its shape."""
    return fastem.Poisson() if name == "poisson" else fastem.Gaussian(name)


def overlapping(n: int, d: int, k: int, dtype: str = "float64") -> np.ndarray:
    """Data from overlapping clusters, (n, d)."""
    rng = np.random.default_rng(0)
    centres = 1.5 * rng.standard_normal((k, d))
    X = centres[rng.integers(k, size=n)] + rng.standard_normal((n, d))
    return X.astype(dtype)


def start(name: str, X: np.ndarray, k: int) -> Any:
    """A mixture at `k` samples with identity covariances, or at positive rates."""
    d = X.shape[1]
    weights, means = np.full(k, 1 / k), X[:k].astype(np.float64)
    if name == "poisson":
        return fastem.from_parameters(fastem.Poisson(), weights, rates=np.abs(means) + 1)
    covariances = {
        "full": np.tile(np.eye(d), (k, 1, 1)), "tied": np.eye(d), "diag": np.ones((k, d)), "spherical": np.ones(k),
        "tied_diag": np.ones(d), "tied_spherical": np.array(1.0),
    }[name]  # fmt: skip
    return fastem.from_parameters(family_of(name), weights, means=means, covariances=covariances)


def zeros(shape: tuple[int, int], dtype: str) -> np.ndarray:
    """Zeros aligned as in a fit. Vectors that cross two cache lines would cost kernels up to half their speed."""
    array = aligned(shape, dtype)
    array[...] = 0
    return array


class TileCase:
    """One tile, and what a family's kernels read and write, with d = 16 features and K = 16 components."""

    def __init__(self, name: str, dtype: str, d: int = 16, k: int = 16) -> None:
        family = family_of(name)
        X = np.abs(overlapping(TILE, d, k)).round() if name == "poisson" else overlapping(TILE, d, k)
        self.kernels = family.kernels()
        self.layout = family.layout(d, k)
        frame = family.frame(np.zeros(d), np.ones(d))
        self.params = family.pack(start(name, X, k).parameters, frame).astype(dtype)
        self.tile = zeros((d + family.n_derived(d), TILE), dtype)
        self.tile[:d] = X.T
        if self.kernels.derive is not None:
            self.kernels.derive(self.tile, self.layout)
        self.rows = np.arange(k)
        self.log_prob_out = zeros((k, TILE), dtype)
        self.resp = zeros((k, TILE), dtype)
        self.resp[...] = 1 / k
        self.statistics = np.zeros(family.statistics_shape(d, k))
        self.latent = zeros((family.latent_rows(d, k), TILE), dtype)
        self.labels, self.ones = np.zeros(TILE, dtype=dtype), np.ones(TILE, dtype=dtype)
        self.scratch = zeros((family.scratch_rows(d, k), TILE), dtype)

    def log_prob_arguments(self) -> tuple[Any, ...]:
        """The arguments of log_prob."""
        return self.tile, self.params, self.layout, self.rows, self.log_prob_out, self.latent, self.scratch

    def accumulate_arguments(self) -> tuple[Any, ...]:
        """The arguments of accumulate."""
        before = self.tile, self.resp, self.labels, self.latent, self.ones
        return *before, self.params, self.layout, self.rows, self.statistics, self.scratch


def repeated(kernel: Any, times: int = 100) -> Any:
    """A compiled function that calls a kernel `times` times, so that the call from Python hardly counts."""

    @njit
    def repeat(arguments):
        for _ in range(times):
            kernel(*arguments)

    return repeat


def variants(X: Any, mixture: Any) -> dict[str, dict[str, Any]]:
    """What is known in one way or another, as arguments of `fit`."""
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(len(X)) < 0.1, fastem.predict(X, mixture), -1)
    prior_resp = np.ones((len(X), mixture.n_components))
    prior_resp[:, 0] = 0.9
    means = np.array(mixture.parameters["means"])
    means[1:] = np.nan
    prior = fastem.NormalInverseWishart()
    known = ({"labels": labels}, {"prior_resp": prior_resp}, {"fixed": {"means": means}}, {"weights": "equal"})
    return dict(zip(KNOWN, ({}, {}, *known, {"prior": prior}, {"assignment": "hard"}), strict=True))
