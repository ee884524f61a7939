"""One pass and one M-step from equal parameters, against the textbook in extended precision."""

import numpy as np
import pytest
from families.gaussian import BY_SHAPE
from tables import FAMILIES, blobs

import fastem

Long = np.longdouble
# This has 64 bits of mantissa if the processor does; otherwise long double is double, and the test proves little.
pytestmark = pytest.mark.skipif(np.finfo(Long).eps > 2e-19, reason="long double is no wider than double here")
N, D, K = 3_000, 5, 4


EXACT = [case for case in FAMILIES if hasattr(case, "long_log_prob")]


def reference(X, mixture, case):
    """The log-likelihood, and the parameters after one M-step."""
    X = X.astype(Long)
    parameters = {name: value.astype(Long) for name, value in mixture.parameters.items()}
    joint = case.long_log_prob(parameters, X) + np.log(mixture.weights.astype(Long))
    top = joint.max(axis=1, keepdims=True)
    norm = top + np.log(np.exp(joint - top).sum(axis=1, keepdims=True))
    resp = np.exp(joint - norm)
    return norm.sum(), {"weights": resp.sum(axis=0) / len(X), **case.m_step(resp, X)}


# float64: the project promises 1e-12, norm-wise. float32: responsibilities have 7 digits, and log densities an absolute
# error of about 1e-6 times their size; sums over samples are float64 and average that out.
@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-12), (np.float32, 2e-6)])
@pytest.mark.parametrize("case", EXACT, ids=repr)
def test_one_iteration_agrees_with_extended_precision(case, dtype, bound, rng):
    mixture, X = blobs(case, rng, N, K, D)
    X = X.astype(dtype)
    log_likelihood, expected = reference(X, mixture, case)
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
    _, expected = reference(X, mixture, BY_SHAPE["spherical"])
    result = fastem.fit(X, mixture.family, 4, start=mixture, tol=0, max_iter=1)
    ratio = (result.parameters["covariances"] / expected["covariances"]).astype(np.float64)
    np.testing.assert_allclose(ratio, 1.0, atol=bound)
