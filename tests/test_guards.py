"""Every guard, on data built to trigger it, for every family: no exception, and a sentence that says what happened."""

import numpy as np
import pytest
from tables import FAMILIES, blobs

import fastem
from fastem.model.starving import POLICIES

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)


def trouble(case, rng):
    """Data that break EM elsewhere, by name: (X, n_components)."""
    X = case.draw_data(rng, 120, 3)
    outlier = X.copy()
    outlier[7] = 1e12
    constant = X.copy()
    constant[:, 1] = 4.0
    collinear = X.copy()
    collinear[:, 2] = 2.0 * collinear[:, 0]
    lone = X + np.where(np.arange(120) == 5, 1000.0, 0.0)[:, None]
    found = {
        "duplicated points": (np.concatenate([X[:40], np.repeat(X[:2], 40, axis=0)]), 3),
        "more components than distinct points": (np.repeat(X[:2], 20, axis=0), 5),
        "one outlier at 1e12": (outlier, 3),
        "a constant feature": (constant, 3),
        "collinear features": (collinear, 3),
        "all samples equal": (np.full((30, 3), 2.0), 3),
        "a one-sample cluster": (lone, 2),
        "as many components as samples": (X[:6], 6),
        "one sample": (X[:1], 1),
        "all zero": (np.zeros((20, 2)), 2),
    }
    return {name: (case.valid(X), n_components) for name, (X, n_components) in found.items()}


@every_family
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.filterwarnings("ignore::fastem.FitWarning")  # some have fewer distinct points than components
def test_no_data_raise_and_each_start_says_a_sentence(case, policy, rng):
    for name, (X, k) in trouble(case, rng).items():
        for start in ("auto", "kmeans", "random_from_data"):
            result = fastem.fit(
                X, case.family, k, start=start, n_init=2, seed=0, starving=policy, min_samples=1.5, max_iter=300
            )
            assert 1 <= result.n_components <= k, name
            np.testing.assert_allclose(result.weights.sum(), 1.0, rtol=1e-12)
            for value in result.parameters.values():
                assert np.isfinite(value).all(), (name, start)
            for report in result.starts:
                assert report.sentence.endswith("."), name
                assert report.sentence.startswith(report.status.value)
            assert np.isfinite(fastem.responsibilities(X, result)).all(), name


@every_family
def test_a_component_without_samples_is_dropped_and_bic_counts_the_rest(case, rng):
    _, X = blobs(case, rng, 300, 2, 2)
    labels = np.arange(300) % 2  # nobody belongs to the third
    result = fastem.fit(X, case.family, 3, start=labels, starving="drop", accelerate=None)
    assert result.n_components == 2
    assert result.n_parameters == case.family.n_parameters(2, 2) + 1
    assert result.starts[0].dropped == 1
    assert "lower n_components" in result.starts[0].sentence
    two = fastem.fit(X, case.family, 2, start=labels, accelerate=None)
    np.testing.assert_allclose(result.log_likelihood, two.log_likelihood, rtol=1e-12)
    np.testing.assert_allclose(result.bic, two.bic, rtol=1e-12)
    np.testing.assert_allclose(fastem.log_density(X, result).sum(), result.log_likelihood, rtol=1e-10)


@every_family
def test_a_component_without_samples_ends_its_start_where_that_was_asked_for(case, rng):
    _, X = blobs(case, rng, 300, 2, 2)
    result = fastem.fit(X, case.family, 3, start=np.arange(300) % 2, starving="stop")
    assert result.status is fastem.Status.STARVED
    assert "min_samples" in result.status.value


@every_family
def test_a_component_without_samples_is_seeded_anew_by_default(case, rng):
    _, X = blobs(case, rng, 300, 2, 2)
    result = fastem.fit(X, case.family, 3, start=np.arange(300) % 2)
    assert result.starts[0].reseeded >= 1
    assert "worst-explained" in result.starts[0].sentence
    assert (result.weights > 0).all()


@every_family
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("n_empty", [0, 1, 2])
def test_a_start_with_an_empty_component_is_returned_with_it_seeded(case, soft, n_empty, rng):
    """With max_iter=0, where no iteration can do it."""
    _, X = blobs(case, rng, 300, 2, 2)
    labels, k = np.arange(300) % 2, 2 + n_empty
    start = np.eye(k)[labels] if soft else labels
    result = fastem.fit(X, case.family, k, start=start, max_iter=0)
    assert (result.starts[0].reseeded, result.starts[0].dropped) == (n_empty, 0)
    assert (result.weights > 0).all()
    np.testing.assert_allclose(result.log_likelihood, fastem.log_density(X, result).sum(), rtol=1e-10)
    if n_empty == 1:
        without = fastem.fit(X, case.family, 2, start=labels, max_iter=0)
        worst = X[fastem.log_density(X, without).argsort()[:10]]  # 300 / (10 * 3)
        centre = case.family.moments(result.parameters)[0][2]
        np.testing.assert_allclose(centre, worst.mean(axis=0), rtol=1e-6, atol=1e-6)
    left = fastem.fit(X, case.family, k, start=start, max_iter=0, starving="drop")
    assert left.n_components == 2


@every_family
def test_min_samples_keeps_small_components_out(case, rng):
    X, _ = case.clusters(rng, 120, 4)
    w = rng.uniform(0.5, 1.5, len(X))
    small = fastem.fit(X, case.family, 2, seed=0, sample_weight=w)
    kept = fastem.fit(X, case.family, 2, seed=0, sample_weight=w, min_samples=20, starving="drop")
    assert small.weights.min() * len(X) < 20
    assert (kept.weights * len(X) >= 20 * (1 - 1e-9)).all()


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"])
def test_an_absolute_floor_is_in_the_units_of_the_data(shape, rng):
    X = np.concatenate([rng.standard_normal((100, 2)), np.full((50, 2), 3.0)]) * 10.0
    result = fastem.fit(X, fastem.Gaussian(shape, min_variance=4.0), 2, seed=0)
    covariances = np.asarray(result.parameters["covariances"])
    smallest = np.linalg.eigvalsh(covariances).min() if shape in ("full", "tied") else covariances.min()
    assert smallest >= 4.0 * (1 - 1e-9)
    assert fastem.Gaussian(shape, min_variance=4.0).to_json()["min_variance"] == 4.0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"min_samples": -1}, "min_samples is -1"),
        ({"starving": "feed"}, "starving is 'feed'; it must be one of 'reseed'"),
    ],
)
def test_bad_settings_are_named(settings, words, rng):
    with pytest.raises(ValueError, match=words):
        fastem.fit(rng.standard_normal((20, 2)), fastem.Gaussian("diag"), 2, **settings)


def test_a_fit_goes_on_after_a_component_was_dropped(rng):
    X = np.concatenate([rng.normal(-5, 1, (200, 1)), rng.normal(5, 1, (200, 1)), rng.normal(0, 0.1, (15, 1))])
    start = fastem.from_parameters(
        fastem.Gaussian("diag"), [0.49, 0.49, 0.02], means=[[-3.0], [3.0], [0.0]], covariances=[[1.0], [1.0], [0.1]]
    )
    result = fastem.fit(X, fastem.Gaussian("diag"), 3, start=start, min_samples=40, starving="drop")
    assert result.n_components == 2
    again = fastem.fit(X, fastem.Gaussian("diag"), 2, start=result)
    assert again.log_likelihood - result.log_likelihood < 1e-3 * len(X)


def test_small_components_are_dropped_one_at_a_time():
    """With twelve components for six clusters, each holds too little; with six components, none does."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (500, 2)) + centre for centre in 12 * rng.standard_normal((6, 2))])
    result = fastem.fit(X, fastem.Gaussian("full"), 12, seed=0, start="kmeans", starving="drop", min_samples=300)
    assert result.n_components >= 5 and (result.weights * len(X) >= 300).all()
    assert "held too few samples" in result.starts[0].sentence
