"""Gaussians of six shapes, which share a textbook: Bishop (2006), Pattern Recognition and Machine Learning, 9.2."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from cases import Case
from scipy import stats

import fastem


def matrix(rng, d):
    """A random covariance matrix."""
    a = rng.standard_normal((d, d + 2))
    return a @ a.T / (d + 2) + 0.2 * np.eye(d)


def diagonals(scatters):
    return np.diagonal(scatters, axis1=1, axis2=2)


def eyes(values, d):
    return values[:, None, None] * np.eye(d, dtype=values.dtype)


class Shape(NamedTuple):
    """draw(rng, K, d): covariances in this shape. matrices(covariances, K, d): in full, (K, d, d).

    estimate(scatters (K, d, d), counts (K,)): the covariances that maximise the likelihood. n_free(d, K): how many
    numbers they are.
    """

    draw: Callable
    matrices: Callable
    estimate: Callable
    n_free: Callable


SHAPES = {
    "full": Shape(
        lambda rng, k, d: np.array([matrix(rng, d) for _ in range(k)]),
        lambda c, k, d: c,
        lambda s, n: s / n[:, None, None],
        lambda d, k: k * d * (d + 1) // 2,
    ),
    "tied": Shape(
        lambda rng, k, d: matrix(rng, d),
        lambda c, k, d: np.stack([c] * k),
        lambda s, n: s.sum(axis=0) / n.sum(),
        lambda d, k: d * (d + 1) // 2,
    ),
    "diag": Shape(
        lambda rng, k, d: rng.uniform(0.3, 2.0, (k, d)),
        lambda c, k, d: np.stack([np.diag(row) for row in c]),
        lambda s, n: diagonals(s) / n[:, None],
        lambda d, k: k * d,
    ),
    "spherical": Shape(
        lambda rng, k, d: rng.uniform(0.3, 2.0, k),
        lambda c, k, d: eyes(c, d),
        lambda s, n: diagonals(s).mean(axis=1) / n,
        lambda d, k: k,
    ),
    "tied_diag": Shape(
        lambda rng, k, d: rng.uniform(0.3, 2.0, d),
        lambda c, k, d: np.stack([np.diag(c)] * k),
        lambda s, n: diagonals(s).sum(axis=0) / n.sum(),
        lambda d, k: d,
    ),
    "tied_spherical": Shape(
        lambda rng, k, d: np.array(rng.uniform(0.3, 2.0)),
        lambda c, k, d: eyes(np.stack([c] * k), d),
        lambda s, n: np.asarray(diagonals(s).sum() / n.sum() / s.shape[1]),
        lambda d, k: 1,
    ),
}


class Gaussian(Case):
    has_offset = True
    estimator = fastem.GaussianMixture

    def __init__(self, shape):
        self.shape = shape
        self.family = fastem.Gaussian(shape)
        self.settings = {"covariance_type": shape, "reg_covar": 0}
        self._table = SHAPES[shape]

    def draw_parameters(self, rng, n_components, n_features, spread):
        means = spread * rng.standard_normal((n_components, n_features))
        return {"means": means, "covariances": self._table.draw(rng, n_components, n_features)}

    def matrices(self, parameters):
        """The covariances as full matrices (K, d, d)."""
        return self._table.matrices(np.asarray(parameters["covariances"]), *np.shape(parameters["means"]))

    def log_prob(self, parameters, X):
        pairs = zip(parameters["means"], self.matrices(parameters), strict=True)
        return np.array([stats.multivariate_normal.logpdf(X, *pair).reshape(len(X)) for pair in pairs]).T

    def long_log_prob(self, parameters, X):
        columns = []
        for mean, covariance in zip(parameters["means"], self.matrices(parameters), strict=True):
            factor = cholesky(covariance)
            y = solve(factor, X - mean)
            log_determinant = 2 * np.log(np.diag(factor)).sum()
            log_2_pi = np.log(2 * X.dtype.type(np.pi))
            columns.append(-0.5 * (X.shape[1] * log_2_pi + log_determinant + (y * y).sum(axis=1)))
        return np.stack(columns, axis=1)

    def m_step(self, resp, X):
        counts = resp.sum(axis=0)
        means = (resp.T @ X) / counts[:, None]
        scatters = np.array([(resp[:, k, None] * (X - m)).T @ (X - m) for k, m in enumerate(means)])
        return {"means": means, "covariances": self._table.estimate(scatters, counts)}

    def n_parameters(self, n_features, n_components):
        return n_components * n_features + self._table.n_free(n_features, n_components)

    def apart(self):
        ones = self._table.estimate(np.stack([np.eye(2)] * 3), np.ones(3))
        return {"means": [[0, 0], [30, 0], [0, 40]], "covariances": ones}

    def draw_data(self, rng, n_samples, n_features):
        return 5.0 + np.sqrt(5.0) * rng.standard_normal((n_samples, n_features))

    def assert_proper(self, parameters):
        for matrix in self.matrices(parameters):
            scale = np.sqrt(np.diag(matrix))
            assert (scale > 0).all()
            np.testing.assert_allclose(matrix, matrix.T)
            assert np.linalg.eigvalsh(matrix / scale / scale[:, None])[0] > -1e-12


def cholesky(matrix):
    """Lower triangular factor, row by row, in the matrix's own precision."""
    factor = np.zeros_like(matrix)
    for i in range(len(matrix)):
        for j in range(i + 1):
            value = matrix[i, j] - factor[i, :j] @ factor[j, :j]
            factor[i, j] = np.sqrt(value) if i == j else value / factor[j, j]
    return factor


def solve(factor, rows):
    """factor^-1 applied to each row of `rows`, by forward substitution."""
    solved = np.zeros_like(rows)
    for i in range(len(factor)):
        solved[:, i] = (rows[:, i] - solved[:, :i] @ factor[i, :i]) / factor[i, i]
    return solved


BY_SHAPE = {shape: Gaussian(shape) for shape in SHAPES}
CASES = list(BY_SHAPE.values())
FULL, DIAG = BY_SHAPE["full"], BY_SHAPE["diag"]
