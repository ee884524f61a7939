"""The loop: callbacks, statuses, stopping, and guards."""

from itertools import pairwise

import numpy as np
import pytest
from tables import FAMILIES, FULL, GAUSSIANS, blobs

import fastem
from fastem import Status
from fastem.compiled.factors import factorise
from fastem.starts import given


@pytest.fixture
def data(rng):
    return blobs(FULL, rng, 600, 3, 2)[1]


def test_the_callback_gets_one_record_per_iteration_and_start(data):
    records = []
    result = fastem.fit(data, fastem.Gaussian("full"), 3, n_init=3, seed=0, callback=records.append)
    for index, report in enumerate(result.starts):
        mine = [record for record in records if record.start == index]
        assert [record.iteration for record in mine] == list(range(1, report.n_iter + 1))
        assert mine[-1].log_likelihood == report.log_likelihood
        for before, after in pairwise(mine):
            gain = (after.log_likelihood - before.log_likelihood) / len(data)
            np.testing.assert_allclose(after.gain, gain, atol=1e-15)


def test_the_callback_may_stop_the_fit(data):
    result = fastem.fit(data, fastem.Gaussian("full"), 3, seed=0, tol=0, callback=lambda record: record.iteration == 4)
    assert result.status is Status.STOPPED
    assert result.n_iter == 4
    assert result.log_likelihood == fastem.fold(data, result).log_likelihood or np.isclose(
        result.log_likelihood, fastem.fold(data, result).log_likelihood, rtol=1e-12
    )


def test_an_exception_in_the_callback_reaches_the_caller(data):
    def fail(record):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fastem.fit(data, fastem.Gaussian("full"), 2, callback=fail)


def test_tol_zero_runs_exactly_max_iter_iterations(data):
    for n in (0, 1, 500):
        result = fastem.fit(data, fastem.Gaussian("diag"), 2, seed=0, tol=0, max_iter=n)
        assert (result.n_iter, result.n_passes, len(result.history)) == (n, n + 1, n + 1)
        assert result.status is Status.MAX_ITER


def test_tol_is_a_gain_per_sample(data):
    result = fastem.fit(data, fastem.Gaussian("full"), 3, start="kmeans", seed=0, tol=1e-4)
    gains = np.diff(result.history) / len(data)
    assert result.status is Status.CONVERGED
    assert gains[-1] < 1e-4
    assert (gains[:-1] >= 1e-4).all()


def test_a_single_sample_cluster_is_reported_as_collapsed(rng):
    X = np.concatenate([rng.standard_normal((200, 2)), [[50.0, 50.0]]])
    labels = np.append(np.zeros(200, dtype=int), 1)
    result = fastem.fit(X, fastem.Gaussian("full"), 2, start=labels)
    assert result.status is Status.COLLAPSED
    assert result.starts[0].floored == 1
    assert "ridge" in result.status.value
    ridged = fastem.fit(X, fastem.Gaussian("full", ridge=1e-3), 2, start=labels)
    assert ridged.status is Status.CONVERGED


def test_a_collapsed_start_ranks_below_one_that_converged(rng, monkeypatch):
    X = np.concatenate([rng.standard_normal((100, 1)), np.full((10, 1), 1.5)])
    original = given.from_method

    def one_on_the_duplicates(problem, *arguments):
        labels = np.repeat([0, 1], [100, 10])
        return [given.from_labels(problem, labels), *original(problem, *arguments)]

    monkeypatch.setattr(given, "from_method", one_on_the_duplicates)
    result = fastem.fit(X, fastem.Gaussian("diag"), 2, start="random", seed=0)
    assert [report.status for report in result.starts] == [Status.COLLAPSED, Status.CONVERGED]
    assert result.starts[0].log_likelihood > result.log_likelihood
    assert result.status is Status.CONVERGED


def test_a_constant_feature_is_nobodys_collapse(rng):
    X = np.column_stack([rng.standard_normal((300, 2)), np.full(300, 3.0)])
    for shape in ("full", "tied", "diag", "tied_diag"):
        result = fastem.fit(X, fastem.Gaussian(shape), 2, seed=0)
        assert result.status is Status.CONVERGED, shape


def test_floors_are_relative_to_each_feature(rng):
    """A component of identical samples ends at the floor times the variance of each feature."""
    X = rng.standard_normal((400, 2)) * [1e-8, 1e5]
    X[:50] = X[0]
    labels = np.repeat([1, 0], [50, 350])
    for floor in (1e-12, 1e-6):
        result = fastem.fit(X, fastem.Gaussian("diag", floor=floor), 2, start=labels, max_iter=0)
        np.testing.assert_allclose(result.parameters["covariances"][1], floor * X.var(axis=0), rtol=1e-6)
        full = fastem.fit(X, fastem.Gaussian("full", floor=floor), 2, start=labels, max_iter=0)
        np.testing.assert_allclose(np.diag(full.parameters["covariances"][1]), floor * X.var(axis=0), rtol=1e-6)


def test_a_fall_towards_a_ridges_own_fixed_point_does_not_end_the_fit(faithful):
    start = fastem.fit(faithful, fastem.Gaussian("full"), 2, seed=0, tol=1e-10)
    result = fastem.fit(faithful, fastem.Gaussian("full", reg_covar=0.5), 2, start=start, tol=1e-8)
    gains = np.diff(result.history) / len(faithful)
    assert gains[0] < -1e-3
    assert result.status is fastem.Status.CONVERGED
    assert abs(gains[-1]) < 1e-8 < abs(gains[-2])
    assert result.n_iter > 2


def test_reg_covar_is_added_to_every_variance(faithful):
    labels = (faithful[:, 0] < 3).astype(int)
    for shape in ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"):
        settings = {"start": labels, "max_iter": 0}
        plain = fastem.fit(faithful, fastem.Gaussian(shape), 2, **settings).parameters["covariances"]
        added = fastem.fit(faithful, fastem.Gaussian(shape, reg_covar=0.5), 2, **settings).parameters["covariances"]
        expected = np.broadcast_to(0.5 * (np.eye(2) if shape in ("full", "tied") else 1.0), added.shape)
        np.testing.assert_allclose(added - plain, expected, atol=1e-10)


def test_clipping_eigenvalues_is_the_constrained_maximum(rng):
    """tr(S^-1 C) + log |S| over S >= floor is smallest at C with its eigenvalues raised to the floor."""
    a = rng.standard_normal((4, 2))
    covariance, floor = a @ a.T, np.full(4, 0.3)
    raised = factorise(covariance[None], floor)
    assert raised.floored[0]
    best = raised.covariances[0]
    assert np.linalg.eigvalsh(best)[0] >= 0.3 - 1e-12
    np.testing.assert_allclose(raised.inverse_factors[0].T @ raised.inverse_factors[0], np.linalg.inv(best), rtol=1e-9)
    np.testing.assert_allclose(raised.log_determinants[0], np.linalg.slogdet(best)[1], rtol=1e-12)

    def objective(s):
        return np.trace(np.linalg.solve(s, covariance)) + np.linalg.slogdet(s)[1]

    for _ in range(200):
        b = 0.1 * rng.standard_normal((4, 4))
        values, vectors = np.linalg.eigh(best + b + b.T)
        other = (vectors * np.maximum(values, 0.3)) @ vectors.T
        assert objective(other) >= objective(best) - 1e-12


def test_a_starving_component_is_seeded_anew_and_the_report_says_so(rng):
    X = np.concatenate([rng.standard_normal((300, 2)), rng.standard_normal((300, 2)) + 12])
    start = {
        "weights": [0.5, 0.5],
        "means": [[6.0, 6.0], [1e4, 1e4]],
        "covariances": [40 * np.eye(2), np.eye(2)],
    }
    result = fastem.fit(X, fastem.Gaussian("full"), 2, start=start)
    assert result.starts[0].reseeded >= 1
    np.testing.assert_allclose(result.weights, [0.5, 0.5], atol=0.01)


def test_an_impossible_sample_ends_a_start_as_not_finite():
    X = np.array([[0.0], [1.0], [2.0]])
    result = fastem.fit(X, fastem.Poisson(), 1, start={"weights": [1.0], "rates": [[0.0]]})
    assert result.status is Status.NOT_FINITE
    assert "impossible" in result.status.value


def test_a_failed_start_never_kills_a_fit_with_others(rng, monkeypatch):
    X = rng.standard_normal((300, 2))
    original = given.from_method

    def spoiled(*arguments):
        steps = original(*arguments)
        return [steps[0]._replace(params=np.full_like(steps[0].params, np.nan)), *steps[1:]]

    monkeypatch.setattr(given, "from_method", spoiled)
    result = fastem.fit(X, fastem.Gaussian("full"), 2, start="kmeans", n_init=3, seed=0)
    assert result.starts[0].status is Status.NOT_FINITE
    assert result.best_start != 0
    assert np.isfinite(result.log_likelihood)


def test_bic_and_aic_count_weights(rng):
    X = rng.standard_normal((100, 2))
    result = fastem.fit(X, fastem.Gaussian("full"), 2, sample_weight=np.full(100, 3.0), seed=0)
    assert result.total_weight == 300
    assert result.n_parameters == 2 * (2 + 3) + 1
    np.testing.assert_allclose(result.bic, -2 * result.log_likelihood + 11 * np.log(300))
    np.testing.assert_allclose(result.aic, -2 * result.log_likelihood + 22)


@pytest.mark.parametrize("case", FAMILIES, ids=repr)
def test_the_number_of_parameters(case):
    assert case.family.n_parameters(4, 3) == case.n_parameters(4, 3)


@pytest.mark.parametrize("case", GAUSSIANS, ids=repr)
@pytest.mark.parametrize(("dtype", "far"), [(np.float32, 3e38), (np.float64, 1.7e308)])
def test_a_sample_of_weight_zero_may_lie_anywhere(case, dtype, far, rng):
    X = (4e-3 * rng.standard_normal((301, 4))).astype(dtype)
    X[7] = [far, -far, far, far]
    w = np.ones(301)
    w[7] = 0
    result = fastem.fit(X, case.family, 2, sample_weight=w, seed=0)
    expected = fastem.fit(np.delete(X, 7, axis=0), case.family, 2, seed=0)
    assert result.status.rank == expected.status.rank
    assert result.log_likelihood / 300 > expected.log_likelihood / 300 - 0.2


@pytest.mark.parametrize("case", FAMILIES, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("start", ["kmeans", "random_from_data", "random"])
@pytest.mark.filterwarnings("ignore::fastem.FitWarning")  # some have fewer distinct points than components
def test_weights_that_nearly_vanish(case, dtype, start, rng):
    X = case.draw_data(rng, 100, 2).astype(dtype)
    w = np.full(100, 1e-60)
    w[:2] = 1
    result = fastem.fit(X, case.family, 5, sample_weight=w, start=start, seed=0)
    assert np.isfinite(result.log_likelihood) or case.has_border
    np.testing.assert_allclose(result.weights.sum(), 1.0)


@pytest.mark.parametrize("case", FAMILIES, ids=repr)
def test_a_component_that_nobody_is_given_to_stays_out_of_the_likelihood(case, rng):
    X = case.draw_data(rng, 500, 2)
    resp = np.tile([1 - 1e-9, 1e-9], (500, 1))
    result = fastem.fit(X, case.family, 2, start=resp, max_iter=0, starving="stop")  # by default it is seeded
    np.testing.assert_allclose(result.log_likelihood, fastem.log_density(X, result).sum(), rtol=1e-12)
    assert result.weights[1] == 0


@pytest.mark.parametrize("case", GAUSSIANS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_log_density_far_away_is_minus_infinity_never_nan(case, dtype, rng):
    mixture = case.mixture(rng, 3, 5)
    far = np.finfo(dtype).max * np.array([[1, 0, 0, 0, 0], [1, -1, 1, -1, 1], [0, 0, 0, 0, 1]], dtype=dtype)
    density = fastem.log_density(far, mixture)
    assert (density < -1e30).all()
    resp = fastem.responsibilities(far, mixture)
    np.testing.assert_allclose(resp.sum(axis=1), 1.0, rtol=1e-6)


def test_evidence_of_nothing_is_refused():
    mixture = fastem.from_parameters(fastem.Poisson(), [1.0], rates=[[0.0]])
    with pytest.raises(ValueError, match="impossible"):
        fastem.maximise(fastem.fold([[1.0], [2.0]], mixture))
