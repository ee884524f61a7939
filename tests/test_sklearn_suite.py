"""scikit-learn's own tests of the public interface of GaussianMixture, run on ours."""

import numpy as np
import pytest

import fastem

theirs = pytest.importorskip("sklearn.mixture.tests.test_gaussian_mixture")
general = pytest.importorskip("sklearn.mixture.tests.test_mixture")

LEFT_OUT = {
    "calls scikit-learn's private functions": {
        "test_suffstat_sk_full",
        "test_suffstat_sk_tied",
        "test_suffstat_sk_diag",
        "test_gaussian_suffstat_sk_spherical",
        "test_compute_log_det_cholesky",
        "test_gaussian_mixture_log_probabilities",
        "test_gaussian_mixture_precisions_init",
        "test_gaussian_mixture_all_init_does_not_estimate_gaussian_parameters",
    },
    "needs the array API, which fastem does not take": {
        "test_gaussian_mixture_array_api_compliance",
        "test_gaussian_mixture_raises_where_array_api_not_implemented",
    },
    "expects an error where fastem guards an ill-conditioned covariance": {"test_regularisation"},
    "pairs precisions by the order of scikit-learn's own k-means": {"test_gaussian_mixture_precisions_init_diag"},
    "holds in float64; in float32 fastem's mean has more digits than the mean of scores": {"test_score"},
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(params=[0, 1, 2])
def global_random_seed(request):
    return request.param


@pytest.fixture(params=["float64", "float32"])
def global_dtype(request):
    return np.dtype(request.param).type


@pytest.fixture(autouse=True)
def ours(monkeypatch):
    monkeypatch.setattr(theirs, "GaussianMixture", fastem.GaussianMixture)


for _name, _test in vars(theirs).items():
    if _name.startswith("test_") and not any(_name in names for names in LEFT_OUT.values()):
        globals()[_name] = _test


def test_score_in_float64():
    theirs.test_score(np.float64)


@pytest.mark.parametrize("estimator", [fastem.GaussianMixture, fastem.PoissonMixture])
def test_n_iter_is_the_number_of_iterations(estimator):
    X = np.random.default_rng(0).poisson(3.0, (10, 5))
    assert estimator(max_iter=1, tol=0.0).fit(X).n_iter_ == 1


def test_more_components_than_samples_is_an_error():
    general.test_mixture_n_components_greater_than_n_samples_error(fastem.GaussianMixture())
