"""Priors: modes instead of maxima, against mclust, closed forms and small changes of every parameter."""

import json
from pathlib import Path

import numpy as np
import pytest
from tables import GAUSSIANS

import fastem
from fastem.families import SHAPES

DATA = Path(__file__).parent / "data"
SHAPES_OF = {"VVV": "full", "EEE": "tied", "VVI": "diag", "VII": "spherical"}
every_shape = pytest.mark.parametrize("shape", SHAPES)
pytestmark = pytest.mark.filterwarnings("ignore::fastem.FitWarning")


def table(name):
    rows = np.genfromtxt(DATA / f"{name}.csv", delimiter=",", skip_header=1, dtype=str)
    if name == "faithful":
        X = rows.astype(float)
        return X, (X[:, 0] >= 3).astype(int)
    place = 0 if name == "banknote" else rows.shape[1] - 1
    return np.delete(rows, place, axis=1).astype(float), np.unique(rows[:, place], return_inverse=True)[1]


@pytest.mark.parametrize("name", SHAPES_OF)
@pytest.mark.parametrize("data", ["faithful", "iris", "banknote"])
def test_mclusts_default_prior(name, data):
    reference = json.loads((DATA / "mclust_map.json").read_text(encoding="utf-8"))["datasets"][data]["models"][name]
    X, labels = table(data)
    settings = {"criterion": "parameters", "tol": 1e-10, "max_iter": 5000}  # the likelihood is not at its maximum
    family, k = fastem.Gaussian(SHAPES_OF[name]), labels.max() + 1
    found = fastem.fit(X, family, k, start=labels, prior="fraley-raftery", **settings)
    assert found.log_likelihood == pytest.approx(reference["loglik_tight"], abs=1e-6)
    np.testing.assert_allclose(found.weights, reference["parameters_tight"]["pro"], atol=1e-6)
    np.testing.assert_allclose(found.parameters["means"], reference["parameters_tight"]["mean"], rtol=1e-6)
    (prior,) = found.model.priors
    np.testing.assert_allclose(prior.mean, reference["prior"]["mean"], rtol=1e-12)
    np.testing.assert_allclose(np.ravel(prior.scale), np.ravel(reference["prior"]["scale"]), rtol=1e-10)


@every_shape
def test_the_mode_is_a_mode(shape, rng):
    """The objective rises in each step, is that of the returned parameters, and no small change raises it."""
    X = np.concatenate([rng.normal(0, 1, (60, 2)), rng.normal(4, 2, (40, 2))]) + 50.0
    weights = rng.random(100) * 2
    prior = [fastem.NormalInverseWishart(mean=[51.0, 52.0], shrinkage=2.0, dof=6.0, scale=3.0), fastem.Dirichlet(3.0)]
    settings = {"prior": prior, "start": "kmeans", "seed": 0, "tol": 1e-13, "max_iter": 5000}
    found = fastem.fit(X, fastem.Gaussian(shape), 2, sample_weight=weights, **settings)
    assert (np.diff(found.history) >= -1e-9 * np.abs(found.history[1:])).all()
    assert found.objective == found.history[-1]

    def objective(w, parameters):
        mixture = fastem.from_parameters(fastem.Gaussian(shape), w, **parameters)
        own = fastem.evaluate(X, mixture, sample_weight=weights).log_likelihood
        return found.model.objective(own, w, parameters)

    assert objective(found.weights, found.parameters) == pytest.approx(found.objective, rel=1e-10)
    for _ in range(40):
        moved = {
            "means": found.parameters["means"] + 1e-3 * rng.standard_normal((2, 2)),
            "covariances": found.parameters["covariances"] * np.exp(1e-3 * rng.standard_normal()),
        }
        tilted = found.weights * np.exp(1e-3 * rng.standard_normal(2))
        assert objective(tilted / tilted.sum(), moved) <= found.objective + 1e-8
    fast = fastem.fit(X, fastem.Gaussian(shape), 2, sample_weight=weights, accelerate="anderson", **settings)
    assert fast.objective == pytest.approx(found.objective, abs=1e-6)
    pieces = fastem.fit([X[:30], X[30:]], fastem.Gaussian(shape), 2, sample_weight=weights, **settings)
    assert pieces.objective == pytest.approx(found.objective, rel=1e-9)


def test_poisson_rates_under_a_gamma_prior(rng):
    X, resp = rng.poisson(3.0, (50, 2)), rng.dirichlet([1.0, 1.0], 50)
    prior = [fastem.Gamma([2.0, 4.0], [1.5, 0.5]), fastem.Dirichlet([2.0, 5.0])]
    found = fastem.fit(X, fastem.Poisson(), 2, start=resp, prior=prior, max_iter=0)
    counts = resp.sum(axis=0)
    expected = (resp.T @ X + np.array([1.0, 3.0])) / (counts[:, None] + np.array([1.5, 0.5]))
    np.testing.assert_allclose(found.parameters["rates"], expected, rtol=1e-10)
    np.testing.assert_allclose(found.weights, (counts + np.array([1.0, 4.0])) / (counts.sum() + 5), rtol=1e-10)


def test_bernoulli_probabilities_under_a_beta_prior():
    """The reference table's fit of binarised digits from their classes, with Beta(2, 2)."""
    archive = np.load(DATA / "digits_binarised.npz")
    X, y = archive["X"], archive["y"]
    start = np.eye(10)[y]
    lls = {1: -35635.92875821505, 5: -35194.39677983093, 50: -34835.03346888516}
    for n, expected in lls.items():
        settings = {"start": start, "prior": fastem.Beta(2, 2), "tol": 0, "max_iter": n - 1, "accelerate": None}
        found = fastem.fit(X, fastem.Bernoulli(), 10, **settings)
        assert found.log_likelihood == pytest.approx(expected, abs=1e-6)
    found = fastem.fit(X, fastem.Bernoulli(), 10, start=start, prior=fastem.Beta(2, 2), tol=1e-12, max_iter=2000)
    assert found.log_likelihood == pytest.approx(-34834.52892540, abs=1e-3)
    p = found.parameters["probabilities"]
    assert found.objective - found.log_likelihood == pytest.approx((np.log(p) + np.log1p(-p)).sum(), rel=1e-9)


def test_a_prior_cures_the_collapse_on_repeated_points(rng):
    X = np.concatenate([rng.standard_normal((60, 2)), np.full((20, 2), 3.0)])
    plain = fastem.fit(X, fastem.Gaussian(), 3, start="kmeans", n_init=4, seed=1)
    cured = fastem.fit(X, fastem.Gaussian(), 3, start="kmeans", n_init=4, seed=1, prior="fraley-raftery")
    assert plain.status.name == "COLLAPSED"
    assert cured.status.name == "CONVERGED"
    assert np.linalg.eigvalsh(cured.parameters["covariances"]).min() > 1e-3


def test_priors_with_labels_fixed_values_files_and_estimators(rng, tmp_path):
    X, y = table("iris")
    labels = np.where(rng.random(150) < 0.2, y, -1)
    prior = fastem.NormalInverseWishart(shrinkage=0.1)
    found = fastem.fit(X, fastem.Gaussian(), 3, labels=labels, prior=prior, weights="equal", seed=0)
    assert (np.diff(found.history) >= -1e-9 * np.abs(found.history[1:])).all()
    assert found.model.priors[0].is_settled
    fastem.save(found, tmp_path / "m")
    again = fastem.load(tmp_path / "m")
    np.testing.assert_allclose(again.model.priors[0].scale, found.model.priors[0].scale)
    assert fastem.evaluate(X, again, labels=labels).objective == pytest.approx(found.objective, rel=1e-10)
    assert fastem.bootstrap(found, X, labels=labels, n_replicates=5, seed=0).n_failed == 0
    chosen = fastem.select(X, [fastem.Gaussian(), fastem.Gaussian("diag")], [2, 3], prior="fraley-raftery", seed=0)
    assert all(model.model.priors for model in chosen.models)
    mixture = fastem.GaussianMixture(3, prior="fraley-raftery", random_state=0).fit(X)
    assert mixture.result_.model.priors
    other = fastem.BernoulliMixture(2, prior=fastem.Beta(2, 2)).fit(X.mean(axis=0) < X)
    other.save(tmp_path / "b")
    assert fastem.BernoulliMixture.load(tmp_path / "b").prior.a == 2
    fixed = fastem.fit(X, fastem.Gaussian("diag"), 2, prior=prior, fixed={"means": X[[0, 100]]}, seed=0)
    np.testing.assert_array_equal(fixed.parameters["means"], X[[0, 100]])
    assert (np.diff(fixed.history) >= -1e-9 * np.abs(fixed.history[1:])).all()
    kept = {"checkpoint": tmp_path / "c", "checkpoint_interval": 0}
    assert fastem.fit(X, fastem.Gaussian(), 3, prior=prior, seed=0, **kept).status.name == "CONVERGED"


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        ("jeffreys", "prior is 'jeffreys'; the only name is 'fraley-raftery'"),
        (3, "prior is 3; expected one or several of fastem.Dirichlet"),
        (fastem.Gamma(2, 1), r"Gamma is for components with 'rates', and gaussian_full has"),
        (fastem.Dirichlet(0.5), "Dirichlet: alpha is 0.5; it must be finite and >= 1, or there is no mode"),
        (fastem.Dirichlet([1, 2, 3]), r"alpha has shape \(3,\); expected one number, or 2"),
        (fastem.NormalInverseWishart(shrinkage=-1), "shrinkage is -1; it must be finite and >= 0"),
        (fastem.NormalInverseWishart(dof=0.5), "dof is 0.5; it must be above n_features - 1, which is 1"),
        (fastem.NormalInverseWishart(scale=[[1.0, 2.0], [2.0, 1.0]]), "scale is not positive definite"),
        (fastem.NormalInverseWishart(mean=[0.0]), r"mean has shape \(1,\); expected \(2,\) finite numbers"),
        ([fastem.Dirichlet(2), fastem.Dirichlet(3)], "two priors of the same parameter"),
    ],
)
def test_errors_say_why_there_is_no_mode(prior, words, rng):
    with pytest.raises((ValueError, TypeError), match=words):
        fastem.fit(rng.standard_normal((50, 2)), fastem.Gaussian(), 2, prior=prior)


def test_known_weights_and_a_prior_of_them_contradict(rng):
    with pytest.raises(ValueError, match="they contradict each other"):
        fastem.fit(rng.standard_normal((50, 2)), fastem.Gaussian(), 2, weights="equal", prior=fastem.Dirichlet(2))
    assert len(GAUSSIANS) == len(SHAPES)
