"""Leaps beyond the M-step take fewer passes, end at the same place, and never lower the likelihood."""

import numpy as np
import pytest
import troubles
from conftest import HERE
from tables import FAMILIES, FULL, blobs, problem_on

import fastem
from fastem.data.threads import team
from fastem.em.accelerate import FIRST, NAMES, Anderson, Squarem
from fastem.starts import given

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
every_method = pytest.mark.parametrize("method", NAMES)


def deaths():
    return np.loadtxt(HERE / "data" / "deaths_times.csv", delimiter=",", skiprows=1).T


@pytest.mark.parametrize(("method", "most"), [("anderson", 40), ("squarem", 80)])
def test_the_times_deaths_take_few_passes(method, most):
    """Plain EM needs 2,113 passes at tolerance 1e-7, SQUAREM in R 36 to 66 and DAAREM 39 to 45."""
    counts, days = deaths()
    start = {"weights": [0.5, 0.5], "rates": [[1.0], [3.0]]}
    result = fastem.fit(
        counts[:, None], fastem.Poisson(), 2, sample_weight=days, start=start,
        criterion="parameters", tol=1e-11, accelerate=method,
    )  # fmt: skip
    assert result.status is fastem.Status.CONVERGED
    assert result.n_passes <= most
    assert result.n_passes == result.n_iter + 1 + result.starts[0].n_refused
    assert result.parameters["rates"][:, 0].round(7).tolist() == [1.2560951, 2.6634044]
    assert result.weights[0].round(7) == 0.3598854
    assert round(result.log_likelihood, 8) == -1989.94585988


@every_family
def test_a_vector_and_back_is_the_same_mixture(case, rng):
    mixture, X = blobs(case, rng, 500, 3, 4)
    with team(1) as threads:
        problem = problem_on(X, None, case.family, 3, threads)
        step = given.from_parameters(problem, mixture.weights, mixture.parameters)
        again = problem.step_at(problem.vector(step), np.ones(3, dtype=bool))
    np.testing.assert_allclose(again.log_weights, step.log_weights, rtol=1e-13)
    np.testing.assert_allclose(again.params, step.params, rtol=1e-11, atol=1e-11 * np.abs(step.params).max())


@every_family
@every_method
def test_leaps_end_no_lower_and_never_fall(case, method, rng):
    """Law 7 over accepted steps, and law 9."""
    _, X = blobs(case, rng, 800, 3, max(3, case.min_features), spread=1.0)
    start = fastem.fit(X, case.family, 3, start="k-means++", seed=1, max_iter=2)
    plain = fastem.fit(X, case.family, 3, start=start, tol=1e-9, max_iter=20_000)
    fast = fastem.fit(X, case.family, 3, start=start, tol=1e-9, max_iter=20_000, accelerate=method)
    assert fast.status is fastem.Status.CONVERGED
    assert (np.diff(fast.history) >= -1e-12 * np.abs(fast.history[1:])).all()
    assert fast.history[-1] == fast.log_likelihood
    assert fast.log_likelihood >= plain.log_likelihood - 1e-5 * len(X)
    np.testing.assert_allclose(fastem.log_density(X, fast).sum(), fast.log_likelihood, rtol=1e-11)
    assert fast.n_passes < plain.n_passes or plain.n_passes < 20


@every_family
def test_an_accelerated_start_is_the_same_alone_and_beside_others_on_any_number_of_threads(case, rng):
    _, X = blobs(case, rng, 1200, 3, 3, spread=1.0)
    settings = {"start": "random_from_data", "seed": 3, "accelerate": "anderson", "max_iter": 40}
    together = fastem.fit(X, case.family, 3, n_init=4, n_threads=2, **settings)
    alone = fastem.fit(X, case.family, 3, n_init=1, n_threads=1, **settings)
    assert together.starts[0].log_likelihood == alone.log_likelihood
    assert together.starts[0].n_passes == alone.n_passes


def test_a_collapsing_component_is_left_to_plain_em(rng):
    X = np.concatenate([rng.standard_normal((100, 2)), np.zeros((40, 2))])
    plain = fastem.fit(X, fastem.Gaussian("full"), 2, start="kmeans", seed=0)
    for method in NAMES:
        fast = fastem.fit(X, fastem.Gaussian("full"), 2, start="kmeans", seed=0, accelerate=method)
        assert fast.status is plain.status
        assert (np.diff(fast.history) >= -1e-9).all()


def test_float32_is_accelerated_too(rng):
    _, X = blobs(FULL, rng, 2000, 3, 3, spread=1.0)
    result = fastem.fit(X.astype(np.float32), FULL.family, 3, seed=0, accelerate="anderson")
    assert result.status is fastem.Status.CONVERGED


@pytest.mark.parametrize("accelerator", [Anderson, Squarem])
def test_a_linear_map_is_solved_in_few_steps(accelerator):
    matrix = np.diag([0.99, 0.5])
    target = np.array([3.0, -2.0])
    sequence, point = accelerator(), np.zeros(2)
    for _ in range(40):
        image = target + matrix @ (point - target)
        leap = sequence.tell(point, image)
        point = image if leap is None or np.abs(image - point).max() < 1e-12 else leap
    np.testing.assert_allclose(point, target, atol=1e-9)


def test_anderson_waits_longer_after_each_refusal():
    sequence, point, waited = Anderson(), 1.0, []
    for _ in range(4):
        steps = 0
        while sequence.tell(np.array([point]), np.array([0.9 * point])) is None:
            point, steps = 0.9 * point, steps + 1
        sequence.refuse()
        point *= 0.9
        waited.append(steps)
    assert waited[0] == FIRST
    assert waited[1:] == [3, 7, 15]


@pytest.mark.parametrize("accelerate", ["anderson", "squarem"])
def test_it_goes_on_after_a_component_was_dropped(accelerate, faithful):
    settings = {"start": "kmeans", "seed": 0, "starving": "drop", "min_samples": 12, "tol": 1e-10, "max_iter": 20_000}
    plain = fastem.fit(faithful, fastem.Gaussian("full"), 7, accelerate=None, **settings)
    fast = fastem.fit(faithful, fastem.Gaussian("full"), 7, accelerate=accelerate, **settings)
    assert plain.n_components < 7 and fast.n_components < 7
    again = {**settings, "start": fast}
    assert fast.n_passes < 0.7 * plain.n_passes
    rest = fastem.fit(faithful, fastem.Gaussian("full"), fast.n_components, **again)
    assert rest.log_likelihood - fast.log_likelihood < 1e-4


@pytest.mark.parametrize("seed", range(4))
def test_a_crawling_fit_is_hastened_and_leaves_its_saddle(seed):
    """Daily returns: plain EM stood at 2569.607 after 1,000 passes, and is at 2571.616 after 3,000."""
    result = fastem.fit(troubles.returns(), fastem.Gaussian("full"), 3, seed=seed)
    assert result.log_likelihood > 2571.61
    assert result.status is fastem.Status.CONVERGED
    assert result.n_passes < 300
    assert sum(report.n_passes for report in result.starts) < 1400


def test_acceleration_waits_until_a_fit_crawls(faithful):
    """Where it does not engage, the fit has the bits of one without."""
    for shape in ("full", "diag"):
        family = fastem.Gaussian(shape)
        auto = fastem.fit(faithful, family, 2, seed=0)
        never = fastem.fit(faithful, family, 2, seed=0, accelerate=None)
        assert auto.log_likelihood == never.log_likelihood
        assert auto.n_passes == never.n_passes
    exact = fastem.fit(troubles.returns(), fastem.Gaussian("full"), 3, seed=0, tol=0, max_iter=100)
    assert exact.n_iter == 100
    assert exact.starts[exact.best_start].n_refused == 0


def test_a_hastened_fit_that_is_interrupted_ends_with_the_same_bits(tmp_path):
    X, family, path = troubles.returns(), fastem.Gaussian("full"), tmp_path / "fit.npz"
    expected = fastem.fit(X, family, 3, seed=0)
    count = 0

    def interrupt(record):
        nonlocal count
        count += 1
        if count % 150 == 0:
            raise KeyboardInterrupt

    for _ in range(30):
        try:
            actual = fastem.fit(X, family, 3, seed=0, callback=interrupt, checkpoint=path, checkpoint_interval=0)
            break
        except KeyboardInterrupt:
            pass
    assert actual.log_likelihood == expected.log_likelihood
    assert [report.n_passes for report in actual.starts] == [report.n_passes for report in expected.starts]
    np.testing.assert_array_equal(actual.parameters["means"], expected.parameters["means"])
