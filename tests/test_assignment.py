"""Hard, stochastic and annealed assignment of samples to components."""

import driving
import naive
import numpy as np
import pytest
from tables import FAMILIES, blobs, problem_on

import fastem
from fastem.data.threads import team
from fastem.em.annealing import POWERS
from fastem.em.loop import loop
from fastem.em.stopping import Stopping
from fastem.em.track import Plain, Track
from fastem.starts import given

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
pytestmark = pytest.mark.filterwarnings("ignore::fastem.FitWarning")


@every_family
def test_classification_em_is_the_textbooks(case, rng):
    k = 3
    _, X = blobs(case, rng, 400, k, 2)
    weights = rng.random(400)
    start = fastem.fit(X, case.family, k, start="kmeans", seed=1, max_iter=2, tol=0)
    settings = {"start": start, "sample_weight": weights, "assignment": "hard", "tol": 0, "accelerate": None}
    found = fastem.fit(X, case.family, k, max_iter=1, **settings)
    joint = naive.joint_log_prob(case, start.weights, start.parameters, X)
    resp = np.eye(k)[joint.argmax(axis=1)]
    expected, parameters = naive.m_step(case, resp, X, weights)
    np.testing.assert_allclose(found.history[0], weights @ joint.max(axis=1), rtol=1e-10)
    np.testing.assert_allclose(found.weights, expected, rtol=1e-8)
    for name, value in parameters.items():
        np.testing.assert_allclose(found.parameters[name], value, rtol=1e-6, atol=1e-9)
    assert found.log_likelihood == pytest.approx(
        fastem.evaluate(X, found, sample_weight=weights).log_likelihood, rel=1e-9
    )
    after = naive.joint_log_prob(case, found.weights, found.parameters, X).max(axis=1)
    assert found.objective == pytest.approx(weights @ after, rel=1e-9)


@every_family
def test_the_classification_likelihood_rises_in_any_way_of_fitting(case, rng):
    _, X = blobs(case, rng, 1200, 3, 2)
    # A component that is seeded anew takes some likelihood with it; one that is left out does not.
    settings = {"assignment": "hard", "start": "kmeans", "seed": 0, "n_init": 2, "starving": "drop"}
    found = fastem.fit(X, case.family, 3, **settings)
    assert found.status.name == "CONVERGED"
    assert (np.diff(found.history) >= -1e-9 * np.abs(found.history[1:])).all()
    for other in ({"n_threads": 1}, {"callback": lambda _: False}):
        assert fastem.fit(X, case.family, 3, **settings, **other).history.tobytes() == found.history.tobytes()
    pieces = fastem.fit([X[:500], X[500:]], case.family, 3, **settings)
    assert pieces.objective == pytest.approx(found.objective, rel=1e-6)


def test_hard_assignment_to_equal_spheres_is_kmeans(rng):
    from sklearn.cluster import KMeans

    X = np.concatenate([rng.normal(m, 1, (150, 3)) for m in (-3, 0, 3)])
    begin = X[[0, 1, 200, 301]]
    theirs = KMeans(4, init=begin, n_init=1, tol=0).fit(X)
    known = {"fixed": {"covariances": 1.0}, "weights": "equal", "assignment": "hard"}
    start = {"weights": np.ones(4) / 4, "means": begin, "covariances": 1.0}
    ours = fastem.fit(X, fastem.Gaussian("tied_spherical"), 4, start=start, tol=1e-12, accelerate=None, **known)
    np.testing.assert_array_equal(fastem.predict(X, ours), theirs.labels_)
    np.testing.assert_allclose(ours.parameters["means"], theirs.cluster_centers_, rtol=1e-9)


@every_family
def test_stochastic_em_returns_the_best_that_it_visited(case, rng):
    _, X = blobs(case, rng, 3000, 3, 2)
    settings = {"assignment": "stochastic", "start": "kmeans", "n_init": 2, "seed": 4, "max_iter": 30}
    weights = rng.random(3000) * 2
    found = fastem.fit(X, case.family, 3, sample_weight=weights, **settings)
    assert found.objective == found.history.max()
    assert found.log_likelihood == pytest.approx(
        fastem.evaluate(X, found, sample_weight=weights).log_likelihood, rel=1e-9
    )
    for n_threads in (1, 2):
        same = fastem.fit(X, case.family, 3, sample_weight=weights, n_threads=n_threads, **settings)
        assert same.history.tobytes() == found.history.tobytes()
    other = fastem.fit(X, case.family, 3, sample_weight=weights, **{**settings, "seed": 5})
    assert other.history.tobytes() != found.history.tobytes()
    pieces = fastem.fit([X[:1111], X[1111:]], case.family, 3, sample_weight=weights, **settings)
    assert pieces.n_passes == found.n_passes == 31
    soft = fastem.fit(X, case.family, 3, sample_weight=weights, start="kmeans", seed=0)
    assert found.log_likelihood > soft.log_likelihood - 0.05 * 3000


def test_drawn_components_follow_the_posterior(rng):
    """The share of a component among the draws of many equal samples is its responsibility."""
    X = np.zeros((20_000, 1))
    mixture = {"weights": [0.3, 0.7], "means": [[0.0], [1.0]], "covariances": [[1.0], [1.0]]}
    X[0], X[1] = -1.0, 1.0  # so that the data are not constant
    fixed = {"means": mixture["means"], "covariances": 1.0}
    found = fastem.fit(
        X, fastem.Gaussian("diag"), 2, start=mixture, fixed=fixed, assignment="stochastic", max_iter=1, seed=0
    )
    expected = fastem.responsibilities(
        X[2:3],
        fastem.from_parameters(
            fastem.Gaussian("diag"), [0.3, 0.7], **{name: mixture[name] for name in ("means", "covariances")}
        ),
    )[0]
    assert found.history[0] < found.history[1] or found.weights == pytest.approx([0.3, 0.7])
    moved = found.weights if found.weights[0] != 0.3 else expected
    assert moved == pytest.approx(expected, abs=0.02)


@every_family
def test_the_tempered_likelihood_rises_at_each_temperature(case, rng):
    _, X = blobs(case, rng, 500, 3, 2)
    with team(1) as threads:
        problem = problem_on(X, None, case.family, 3, threads)
        step = given.from_method(problem, "random_from_data", 1, np.random.SeedSequence(0))[0]
        for power in POWERS:
            at = type(problem)(problem.model, problem.source, problem.limits, power)
            track = Track(0, Plain(step))
            loop(at, [track], Stopping("gain", 0.0, 15, None))
            assert (np.diff(track.history) >= -1e-9 * np.abs(track.history[1:])).all()
            joint = at.family.name and track.solution
            step = joint


@every_family
def test_annealing_ends_as_em(case, rng):
    _, X = blobs(case, rng, 600, 3, 2)
    found = fastem.fit(X, case.family, 3, assignment="annealed", start="kmeans", seed=0, tol=1e-9, max_iter=9000)
    assert found.status.name in ("CONVERGED", "COLLAPSED")
    assert (np.diff(found.history) >= -1e-9 * np.abs(found.history[1:])).all()
    again = fastem.fit(X, case.family, 3, start=found, tol=1e-9)
    assert again.log_likelihood == pytest.approx(found.log_likelihood, abs=1e-3)


def test_assignments_with_labels_selection_files_and_estimators(rng, tmp_path):
    X = np.concatenate([rng.normal(m, 1, (100, 2)) for m in (-3, 3)])
    labels = np.full(200, -1)
    labels[:5], labels[195:] = 1, 0
    for assignment in ("hard", "stochastic", "annealed"):
        settings = {"assignment": assignment, "labels": labels, "max_iter": 40, "seed": 0}
        found = fastem.fit(X, fastem.Gaussian(), 2, start="kmeans", **settings)
        assert found.parameters["means"][0, 0] > 0 > found.parameters["means"][1, 0]
        fastem.save(found, tmp_path / "m")
        assert fastem.load(tmp_path / "m").model.assignment == assignment
        mixture = fastem.GaussianMixture(2, assignment=assignment, random_state=0).fit(X)
        assert mixture.score(X) > -4.2
        assert fastem.bootstrap(found, X, labels=labels, n_replicates=4, seed=0).n_failed == 0
        chosen = fastem.select(X, fastem.Gaussian("diag"), [1, 2], start="kmeans", **settings | {"labels": None})
        assert chosen.best.n_components == 2
    with pytest.raises(ValueError, match="progressive is True, but each iteration of assignment='stochastic' draws"):
        fastem.fit(X, fastem.Gaussian(), 2, assignment="stochastic", progressive=True)
    with pytest.raises(ValueError, match="assignment is 'firm'; "):
        fastem.fit(X, fastem.Gaussian(), 2, assignment="firm")


def test_stochastic_em_passes_over_a_spike_of_equal_values(rng):
    """Sixteen iris have one petal width: a component of them has no variance, which rounding hides for a step."""
    from sklearn.datasets import load_iris

    X = load_iris().data
    settings = {"assignment": "stochastic", "start": "random_from_data", "max_iter": 300}
    for seed in (0, 11):
        found = fastem.fit(X, fastem.Gaussian("full"), 3, seed=seed, **settings)
        assert found.status.name == "MAX_ITER"
        assert found.log_likelihood / 150 < -1.1
        assert np.linalg.eigvalsh(found.parameters["covariances"]).min() > 1e-4


def test_stochastic_and_annealed_fits_know_why_they_ended(rng):
    X = np.concatenate([rng.normal(m, 1, (100, 2)) for m in (-3, 3)])
    for assignment in ("stochastic", "annealed"):
        settings = {"assignment": assignment, "seed": 0, "start": "kmeans"}
        late = fastem.fit(X, fastem.Gaussian(), 2, time_limit=1e-9, **settings)
        assert late.status.name == "TIME_LIMIT"
        stopped = fastem.fit(X, fastem.Gaussian(), 2, callback=lambda record: record.iteration >= 3, **settings)
        assert stopped.status.name == "STOPPED"
        assert np.isfinite(stopped.log_likelihood)
    lone = np.concatenate([X, [[50.0, 50.0]]])
    begin = {"weights": [0.5, 0.49, 0.01], "means": [[-3, -3], [3, 3], [-90, 0]], "covariances": [np.eye(2)] * 3}
    starved = fastem.fit(
        lone, fastem.Gaussian(), 3, start=begin, starving="stop", assignment="stochastic", seed=0, max_iter=20
    )
    assert starved.status.name == "STARVED"


def test_annealing_begins_on_a_part_of_large_data(rng):
    X = np.concatenate([rng.normal(m, 1, (3000, 2)) for m in (-3, 0, 3)])
    settings = {"assignment": "annealed", "start": "kmeans", "seed": 0, "smallest_part": 500}
    whole = driving.fit(X, fastem.Gaussian("full"), 3, progressive=False, **settings)
    parts = driving.fit(X, fastem.Gaussian("full"), 3, progressive=True, **settings)
    assert parts.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-4)
    report = parts.starts[0]
    assert 0 < report.passes_on_parts < 15
    assert whole.starts[0].passes_on_parts == 24
