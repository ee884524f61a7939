"""For any valid data: no exception, weights that sum to 1, positive definite covariances, finite predictions."""

import warnings

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import fastem

SHAPES = ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical")
DTYPES = ("f8", "f4", "f2", "i8", "i2", "u1", "?")


@st.composite
def problems(draw):
    """A matrix of any size, dtype, scale and degeneracy, weights for it, and a mixture to fit."""
    n = draw(st.integers(1, 60))
    d = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    X = rng.standard_normal((n, d)) + rng.integers(0, 3, (n, 1)) * draw(st.sampled_from([0.0, 1.0, 10.0, 1e3]))
    if dtype.kind == "f":
        exponent = {"f8": 70, "f4": 12, "f2": 2}[dtype.str[1:]]
        X = X * 10.0 ** draw(st.integers(-exponent, exponent)) / (1.0 if exponent > 2 else 1e3)
        X = X + draw(st.sampled_from([0.0, 0.0, 1.0, -1e3, 1e6 if exponent > 2 else 1.0]))
    elif dtype.kind in "iu":
        X = np.clip(X * 10, 0, 255)
    else:
        X = X > 0
    X = X.astype(dtype)
    degenerate = draw(st.sampled_from(["", "", "duplicates", "constant", "constant column", "collinear", "two values"]))
    if degenerate == "duplicates":
        X = X[rng.integers(0, max(1, n // 4), n)]
    elif degenerate == "constant":
        X[:] = X[0]
    elif degenerate == "constant column":
        X[:, 0] = X[0, 0]
    elif degenerate == "collinear":
        X[:, -1] = X[:, 0]
    elif degenerate == "two values":
        X = X[rng.integers(0, min(2, n), n)]
    weights = None
    if draw(st.booleans()):
        weights = rng.exponential(size=n) * 10.0 ** draw(st.integers(-100, 100))
        weights[rng.random(n) < draw(st.sampled_from([0.0, 0.3]))] = 0
        weights[0] = weights.max() if weights.max() > 0 else 1.0
    positive = n if weights is None else np.count_nonzero(weights)
    n_components = draw(st.integers(1, min(5, positive)))
    return X, weights, n_components


@st.composite
def fits(draw):
    """The settings of a fit."""
    return {
        "covariance_type": draw(st.sampled_from(SHAPES)),
        "reg_covar": draw(st.sampled_from([0.0, 1e-6, 1e-3])),
        "n_init": draw(st.integers(1, 3)),
        "init_params": draw(st.sampled_from(["kmeans", "k-means++", "random", "random_from_data"])),
        "max_iter": draw(st.integers(0, 30)),
        "random_state": draw(st.integers(0, 99)),
    }


def check(weights, covariances, shape, n_features):
    assert np.isclose(weights.sum(), 1.0, rtol=1e-6, atol=0)
    assert (weights >= 0).all()
    covariances = np.asarray(covariances, dtype=np.float64)
    assert np.isfinite(covariances).all()
    if shape in ("full", "tied"):
        for covariance in covariances.reshape(-1, n_features, n_features):
            np.testing.assert_array_equal(covariance, covariance.T)
            scale = np.sqrt(np.diagonal(covariance))
            assert (scale > 0).all()
            # Eigenvalues of the correlation matrix, as those of the covariances lose all digits to scales of 1e-70 and
            # 1e70 side by side.
            assert np.linalg.eigvalsh(covariance / scale / scale[:, None])[0] > 0
    else:
        assert (covariances > 0).all()


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems(), fits())
def test_the_estimator_fits_whatever_is_valid(problem, fit):
    X, sample_weight, n_components = problem
    before = X.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Best performing|Number of distinct")
        warnings.filterwarnings("ignore", "reg_covar=")  # scales are from 1e-70 to 1e70
        mixture = fastem.GaussianMixture(n_components, **fit).fit(X, sample_weight=sample_weight)
        check(mixture.weights_, mixture.covariances_, fit["covariance_type"], X.shape[1])
        resp = mixture.predict_proba(X)
        labels = mixture.predict(X)
        scores = mixture.score_samples(X)
        drawn, _ = mixture.sample(5)
    assert np.isfinite(mixture.means_).all()
    assert np.isfinite(scores).all()
    assert np.isfinite(resp).all()
    np.testing.assert_allclose(resp.sum(axis=1), 1, rtol=1e-5)
    assert ((labels >= 0) & (labels < n_components)).all()
    assert np.isfinite(drawn).all()
    assert np.isfinite(mixture.lower_bound_)
    np.testing.assert_array_equal(X, before)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems(), fits())
def test_the_core_fits_whatever_is_valid(problem, fit):
    X, sample_weight, n_components = problem
    shape = fit["covariance_type"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", fastem.FitWarning)
        result = fastem.fit(
            X, fastem.Gaussian(shape), n_components,
            sample_weight=sample_weight, n_init=fit["n_init"], start=fit["init_params"],
            max_iter=fit["max_iter"], seed=fit["random_state"],
        )  # fmt: skip
        check(result.weights, result.parameters["covariances"], shape, X.shape[1])
        assert np.isfinite(fastem.log_density(X, result)).all()
        resp = fastem.responsibilities(X, result)
    np.testing.assert_allclose(resp.sum(axis=1), 1, rtol=1e-5)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 50), st.integers(1, 4), st.floats(0, 1e6), st.integers(0, 2**32), st.booleans())
@example(1, 1, 0.0, 0, False)
def test_poisson_fits_whatever_counts(n, d, rate, seed, weighted):
    rng = np.random.default_rng(seed)
    X = rng.poisson(rng.random(d) * rate, (n, d))
    weights = rng.exponential(size=n) if weighted else None
    n_components = int(rng.integers(1, min(n, 4) + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Best performing|Number of distinct")
        mixture = fastem.PoissonMixture(n_components, random_state=0).fit(X, sample_weight=weights)
        assert np.isfinite(mixture.score_samples(X)).all()
    assert np.isclose(mixture.weights_.sum(), 1.0)
    assert (mixture.rates_ >= 0).all()
    assert np.isfinite(mixture.rates_).all()
