"""Mixtures of zeros and ones: against fits that others computed, and in every function that takes a fit."""

import json

import numpy as np
import pytest
from conftest import HERE

import fastem

REFERENCE = json.loads((HERE / "data" / "bernoulli.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def digits():
    with np.load(HERE / "data" / "digits_binarised.npz") as archive:
        return archive["X"], archive["y"]


@pytest.fixture(scope="module")
def whiskey():
    table = np.loadtxt(HERE / "data" / "whiskey.csv", delimiter=",", skiprows=1)
    return table[:, 1:], table[:, 0]


def test_digits_from_their_labels_go_the_way_of_the_reference(digits):
    """Probabilities of exactly 0 stay 0, because the likelihood has its maximum there in each iteration."""
    X, y = digits
    expected = REFERENCE["bernoulli_digits_binarised_K10_ML"]
    result = fastem.fit(X, fastem.Bernoulli(), 10, start=y, tol=1e-13, max_iter=1000)
    for iteration, log_likelihood in expected["loglik_at"].items():
        np.testing.assert_allclose(result.history[int(iteration) - 1], log_likelihood, rtol=1e-12)
    np.testing.assert_allclose(result.log_likelihood, expected["loglik"], rtol=1e-10)
    np.testing.assert_allclose(result.weights, expected["pro"], atol=1e-6)
    assert result.n_parameters == expected["n_params"]


def test_weighted_whiskey_brands(whiskey):
    X, counts = whiskey
    expected = REFERENCE["bernoulli_whiskey_K3"]
    ranks = np.argsort(np.argsort(X.sum(axis=1), kind="stable"), kind="stable")
    labels = ranks * 3 // len(X)
    result = fastem.fit(X, fastem.Bernoulli(), 3, start=labels, sample_weight=counts, tol=1e-13, max_iter=5000)
    np.testing.assert_allclose(result.log_likelihood, expected["loglik"], rtol=1e-9)


def test_it_goes_through_everything(digits, tmp_path):
    X, _ = digits
    family = fastem.Bernoulli()
    result = fastem.fit(X, family, 4, seed=0, accelerate="anderson")
    assert result.status is fastem.Status.CONVERGED
    chosen = fastem.select(X, family, [2, 4], start="kmeans", seed=0)
    assert chosen.best.n_components == 4
    few = fastem.fit(X[:, 20:24], family, 2, seed=0, tol=1e-10, max_iter=5000)
    found = fastem.diagnose(few, X[:, 20:24])
    assert found.verdict in fastem.Verdict
    again = fastem.bootstrap(result, X, n_replicates=3, seed=0)
    assert again.parameters["probabilities"].shape == (3, 4, 64)
    fastem.save(result, tmp_path / "model")
    np.testing.assert_array_equal(fastem.load(tmp_path / "model").parameters["probabilities"],
                                  result.parameters["probabilities"])  # fmt: skip
    parts = fastem.fit(np.resize(X, (20_000, 64)), family, 3, progressive=True, start="kmeans", seed=0)
    assert parts.starts[0].passes_on_parts > 0
    estimator = fastem.BernoulliMixture(4, random_state=0).fit(X == 1)
    assert estimator.probabilities_.shape == (4, 64)
    draws, _ = estimator.sample(50)
    assert set(np.unique(draws)) == {0.0, 1.0}


def test_standard_errors_of_one_component_are_the_known_ones(rng):
    X = (rng.random((4000, 3)) < [0.2, 0.5, 0.9]).astype(float)
    result = fastem.fit(X, fastem.Bernoulli(), 1)
    errors = fastem.diagnose(result, X).standard_errors["probabilities"]
    p = X.mean(axis=0)
    np.testing.assert_allclose(result.parameters["probabilities"][0], p)
    np.testing.assert_allclose(errors[0], np.sqrt(p * (1 - p) / 4000))


@pytest.mark.parametrize("start", ["kmeans", "hierarchical"])
def test_starts_from_hard_assignments_can_go_anywhere(start, digits):
    """A probability of exactly 0 would stay there, whatever the data say later."""
    begun = fastem.fit(digits[0], fastem.Bernoulli(), 10, start=start, seed=0, max_iter=0)
    p = begun.parameters["probabilities"]
    assert p.min() > 0.0 and p.max() < 1.0


def test_a_floor_keeps_probabilities_off_the_border(digits):
    X, y = digits
    result = fastem.fit(X, fastem.Bernoulli(floor=0.01), 10, start=y)
    p = result.parameters["probabilities"]
    assert p.min() == 0.01 and p.max() == 0.99
    assert fastem.diagnose(result, X).verdict is fastem.Verdict.BOUNDARY
    with pytest.raises(ValueError, match="floor is 0.5"):
        fastem.Bernoulli(floor=0.5)


def test_other_values_are_refused():
    with pytest.raises(ValueError, match=r"Bernoulli needs zeros and ones; X\[1, 0\] is 2"):
        fastem.fit([[1, 0], [2, 1]], fastem.Bernoulli(), 1)
    with pytest.raises(ValueError, match=r"probabilities must be in \[0, 1\]; one entry is 1.5"):
        fastem.from_parameters(fastem.Bernoulli(), [1.0], probabilities=[[1.5]])
