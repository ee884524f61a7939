"""From the same start, after the same number of iterations, scikit-learn has the same parameters."""

from pathlib import Path

import numpy as np
import pytest

import fastem

sklearn_mixture = pytest.importorskip("sklearn.mixture")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

HERE = Path(__file__).parent
N_ITER = 10


def china():
    from sklearn.datasets import load_sample_image

    return load_sample_image("china.jpg")[::2, ::2].reshape(-1, 3).astype(np.float64)


def table(name, n_features):
    """The features of a table; a last column of iris and of wine13 names the species and the cultivar."""
    path = HERE / "data" / f"{name}.csv"
    return lambda: np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(n_features))


DATA = {
    "faithful": (table("faithful", 2), 2),
    "iris": (table("iris", 4), 3),
    "wine13": (table("wine13", 13), 3),
    "china": (china, 5),
}


@pytest.fixture(scope="module", params=DATA)
def data(request):
    load, n_components = DATA[request.param]
    return load(), n_components


@pytest.mark.parametrize("reg_covar", [0, 1e-6])
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_parameters_and_likelihoods_agree_with_sklearn(data, covariance_type, reg_covar):
    X, n_components = data
    rng = np.random.default_rng(0)
    precision = 1.0 / X.var(axis=0)
    settings = {
        "n_components": n_components,
        "covariance_type": covariance_type,
        "reg_covar": reg_covar,
        "tol": 0,
        "max_iter": N_ITER,
        "weights_init": np.full(n_components, 1.0 / n_components),
        "means_init": X[rng.choice(len(X), n_components, replace=False)],
        "precisions_init": {
            "full": np.array([np.diag(precision)] * n_components),
            "tied": np.diag(precision),
            "diag": np.tile(precision, (n_components, 1)),
            "spherical": np.full(n_components, precision.mean()),
        }[covariance_type],
    }
    expected = sklearn_mixture.GaussianMixture(**settings).fit(X)
    actual = fastem.GaussianMixture(**settings).fit(X)
    assert actual.n_iter_ == expected.n_iter_ == N_ITER
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        theirs, ours = getattr(expected, name), getattr(actual, name)
        assert ours.shape == theirs.shape
        assert np.linalg.norm(ours - theirs) <= 1e-8 * np.linalg.norm(theirs), name
    # scikit-learn's bounds are those of the parameters before each M-step, ours are those of the parameters after it.
    np.testing.assert_allclose(actual.lower_bounds_[:-1], expected.lower_bounds_[1:], rtol=1e-8)
    np.testing.assert_allclose(actual.lower_bound_, expected.score(X), rtol=1e-8)
    few = X[:5000]
    np.testing.assert_allclose(actual.score_samples(few), expected.score_samples(few), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(actual.predict_proba(few), expected.predict_proba(few), atol=1e-8)
    np.testing.assert_allclose([actual.bic(X), actual.aic(X)], [expected.bic(X), expected.aic(X)], rtol=1e-10)
    drawn, labels = actual.set_params(random_state=3).sample(50)
    theirs, their_labels = expected.set_params(random_state=3).sample(50)
    np.testing.assert_array_equal(labels, their_labels)
    np.testing.assert_allclose(drawn, theirs, rtol=1e-6, atol=1e-6 * np.abs(theirs).max())
