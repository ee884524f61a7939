"""One pass and one M-step from equal parameters, against the textbook in extended precision."""

import numpy as np
import pytest
from scipy.special import gammaln
from tables import FAMILIES, blobs

import fastem

Long = np.longdouble
# This has 64 bits of mantissa if the processor does; otherwise long double is double, and the test proves little.
pytestmark = pytest.mark.skipif(np.finfo(Long).eps > 2e-19, reason="long double is no wider than double here")
N, D, K = 3_000, 5, 4


def cholesky(matrix):
    """Lower triangular factor, row by row."""
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


def matrices(covariances, shape):
    """One covariance matrix per component, whatever the shape."""
    covariances, eye = np.asarray(covariances, dtype=Long), np.eye(D, dtype=Long)
    return {
        "full": lambda: covariances,
        "tied": lambda: np.stack([covariances] * K),
        "diag": lambda: np.stack([np.diag(row) for row in covariances]),
        "spherical": lambda: np.stack([value * eye for value in covariances]),
        "tied_diag": lambda: np.stack([np.diag(covariances)] * K),
        "tied_spherical": lambda: np.stack([covariances * eye] * K),
    }[shape]()


def log_prob(X, mixture, shape):
    """log p(x | k), (n, K)."""
    X = X.astype(Long)
    if shape == "counts":
        rates = mixture.parameters["rates"].astype(Long)
        return X @ np.log(rates).T - rates.sum(axis=1) - gammaln(X.astype(np.float64) + 1).sum(axis=1)[:, None]
    columns = []
    for mean, covariance in zip(
        mixture.parameters["means"].astype(Long), matrices(mixture.parameters["covariances"], shape), strict=True
    ):
        factor = cholesky(covariance)
        y = solve(factor, X - mean)
        log_determinant = 2 * np.log(np.diag(factor)).sum()
        columns.append(-0.5 * (D * np.log(2 * Long(np.pi)) + log_determinant + (y * y).sum(axis=1)))
    return np.stack(columns, axis=1)


def reference(X, mixture, shape):
    """The log-likelihood, and the parameters after one M-step."""
    joint = log_prob(X, mixture, shape) + np.log(mixture.weights.astype(Long))
    top = joint.max(axis=1, keepdims=True)
    norm = top + np.log(np.exp(joint - top).sum(axis=1, keepdims=True))
    resp, X = np.exp(joint - norm), X.astype(Long)
    counts = resp.sum(axis=0)
    weights, locations = counts / len(X), (resp.T @ X) / counts[:, None]
    if shape == "counts":
        return norm.sum(), {"weights": weights, "rates": locations}
    scatters = np.stack([(resp[:, k, None] * (X - locations[k])).T @ (X - locations[k]) for k in range(K)])
    diagonals = np.diagonal(scatters, axis1=1, axis2=2)
    covariances = {
        "full": lambda: scatters / counts[:, None, None],
        "tied": lambda: scatters.sum(axis=0) / len(X),
        "diag": lambda: diagonals / counts[:, None],
        "spherical": lambda: diagonals.mean(axis=1) / counts,
        "tied_diag": lambda: diagonals.sum(axis=0) / len(X),
        "tied_spherical": lambda: diagonals.sum() / len(X) / D,
    }[shape]()
    return norm.sum(), {"weights": weights, "means": locations, "covariances": covariances}


# float64: the project promises 1e-12, norm-wise. float32: responsibilities have 7 digits, and log densities an absolute
# error of about 1e-6 times their size; sums over samples are float64 and average that out.
@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-12), (np.float32, 2e-6)])
@pytest.mark.parametrize("case", FAMILIES, ids=repr)
def test_one_iteration_agrees_with_extended_precision(case, dtype, bound, rng):
    mixture, X = blobs(case, rng, N, K, D)
    X = X.astype(dtype)
    log_likelihood, expected = reference(X, mixture, case.shape)
    result = fastem.fit(X, case.family, K, start=mixture, tol=0, max_iter=1)
    actual = {"weights": result.weights, **result.parameters}
    assert abs(result.history[0] - log_likelihood) <= bound * abs(log_likelihood)
    for name, value in expected.items():
        assert np.linalg.norm((actual[name] - value).astype(np.float64)) <= bound * np.linalg.norm(
            value.astype(np.float64)
        ), name


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_spherical_variances_keep_their_digits_however_far_the_components_are(dtype, bound, rng):
    """Squares are gathered about the origin or about the mean, see gaussian_spherical.RAW_64; each variance counts."""
    spread = np.array([1.0, 0.3, 0.03, 0.01])
    centres = np.array([[0.0] * 5, [3.0] * 5, [-2.0] * 5, [5.0] * 5])
    X = (centres[np.arange(400) % 4] + spread[np.arange(400) % 4, None] * rng.standard_normal((400, 5))).astype(dtype)
    mixture = fastem.from_parameters(
        fastem.Gaussian("spherical"), np.full(4, 0.25), means=centres, covariances=spread**2
    )
    _, expected = reference(X, mixture, "spherical")
    result = fastem.fit(X, mixture.family, 4, start=mixture, tol=0, max_iter=1)
    ratio = (result.parameters["covariances"] / expected["covariances"]).astype(np.float64)
    np.testing.assert_allclose(ratio, 1.0, atol=bound)
