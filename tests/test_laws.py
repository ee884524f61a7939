"""The laws of the design, each over a table of all families. The textbook comes first, the package second."""

import driving
import naive
import numpy as np
import pytest
from tables import FAMILIES, blobs, draw

import fastem
from fastem.data import threads
from fastem.model.evidence import mixture_moments

EPS = np.finfo(np.float64).eps
# n, d, K: one sample, one component, one feature, a full tile and one more, a multiple of no block size.
SHAPES = [(1, 3, 1), (40, 1, 3), (257, 2, 4), (300, 3, 1), (700, 5, 3), (513, 8, 5), (1000, 9, 6), (400, 17, 2)]

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def assert_same_parameters(actual, expected, rtol, atol=0.0):
    assert set(actual) == set(expected)
    for name in expected:
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(actual[name], expected[name], rtol=rtol, atol=rtol * scale + atol, err_msg=name)


@every_family
@every_shape
def test_log_density_and_responsibilities_agree_with_scipy(case, shape, rng):
    n, d, k = shape
    mixture, X = blobs(case, rng, n, k, d)
    log_prob = naive.log_prob(case.family.name, mixture.parameters, X)
    joint = log_prob + np.log(mixture.weights)
    expected = np.log(np.exp(joint - joint.max(axis=1, keepdims=True)).sum(axis=1)) + joint.max(axis=1)
    _, resp = naive.e_step(case.family.name, mixture.weights, mixture.parameters, X)
    # eps n with n the terms of a quadratic form, times its size.
    np.testing.assert_allclose(fastem.log_density(X, mixture), expected, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(fastem.responsibilities(X, mixture), resp, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(fastem.predict(X, mixture), resp.argmax(axis=1))


def test_log_density_is_minus_infinity_outside_the_support():
    mixture = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[0.0, 1.0], [0.0, 2.0]])
    density = fastem.log_density([[0, 1], [1, 1]], mixture)
    assert np.isfinite(density[0])
    assert density[1] == -np.inf
    # An impossible sample favours no component.
    np.testing.assert_array_equal(fastem.responsibilities([[1, 1]], mixture), [[0.5, 0.5]])


@every_family
@every_shape
@pytest.mark.parametrize("weighted", [False, True])
def test_fold_and_maximise_are_the_textbooks(case, shape, weighted, rng):
    n, d, k = shape
    mixture, X = blobs(case, rng, n, k, d)
    sample_weight = rng.uniform(0, 3, n) if weighted else None
    log_likelihood, resp = naive.e_step(case.family.name, mixture.weights, mixture.parameters, X, sample_weight)
    weights, parameters = naive.m_step(case.family.name, resp, X, sample_weight)
    evidence = fastem.fold(X, mixture, sample_weight=sample_weight)
    np.testing.assert_allclose(evidence.log_likelihood, log_likelihood, rtol=1e-12)
    actual = fastem.maximise(evidence)
    np.testing.assert_allclose(actual.weights, weights, rtol=1e-10)
    if n > d + 1 and k * (d + 1) < n:  # otherwise a floor acts, and the textbook has none
        assert_same_parameters(actual.parameters, parameters, rtol=1e-9)


@every_family
def test_statistics_are_additive_over_any_split_of_the_samples(case, rng):
    mixture, X = blobs(case, rng, 1000, 3, 4)
    sample_weight = rng.uniform(0.1, 2, 1000)
    whole = fastem.fold(X, mixture, sample_weight=sample_weight)
    for cuts in ([500], [1, 2, 3], [256, 512], [999], [333, 334, 800]):
        parts = zip(np.split(X, cuts), np.split(sample_weight, cuts), strict=True)
        total = None
        for piece, weight in parts:
            evidence = fastem.fold(piece, mixture, sample_weight=weight)
            total = evidence if total is None else total + evidence
        assert total.n_samples == 1000
        np.testing.assert_allclose(total.total_weight, whole.total_weight, rtol=1e-14)
        np.testing.assert_allclose(total.log_likelihood, whole.log_likelihood, rtol=1e-13)
        scale = np.abs(whole.statistics).max()
        np.testing.assert_allclose(total.statistics, whole.statistics, rtol=1e-11, atol=1e-13 * scale)


@every_family
def test_a_sample_of_weight_two_is_the_sample_twice(case, rng):
    mixture, X = blobs(case, rng, 300, 3, 3)
    repeats = rng.integers(0, 4, 300)
    start = {"weights": mixture.weights, **mixture.parameters}
    settings = {"start": start, "tol": 0, "max_iter": 10}
    twice = fastem.fit(np.repeat(X, repeats, axis=0), case.family, 3, **settings)
    weighted = fastem.fit(X, case.family, 3, sample_weight=repeats, **settings)
    np.testing.assert_allclose(weighted.log_likelihood, twice.log_likelihood, rtol=1e-12)
    np.testing.assert_allclose(weighted.history, twice.history, rtol=1e-12)
    assert_same_parameters(weighted.parameters, twice.parameters, rtol=1e-9)
    assert weighted.total_weight == twice.total_weight == repeats.sum()
    np.testing.assert_allclose(weighted.bic, twice.bic, rtol=1e-12)


@every_family
def test_weights_of_any_size_change_nothing_but_the_scale(case, rng):
    mixture, X = blobs(case, rng, 200, 2, 2)
    w = rng.uniform(0.5, 1.5, 200)
    start = {"weights": mixture.weights, **mixture.parameters}
    one = fastem.fit(X, case.family, 2, sample_weight=w, start=start, tol=0, max_iter=5)
    for factor in (2.0**-900, 1e-30, 1e30, 2.0**900):
        other = fastem.fit(X, case.family, 2, sample_weight=w * factor, start=start, tol=0, max_iter=5)
        np.testing.assert_allclose(other.log_likelihood / factor, one.log_likelihood, rtol=1e-12)
        assert_same_parameters(other.parameters, one.parameters, rtol=1e-9)


@every_family
def test_maximise_beats_perturbations_of_its_own_answer(case, rng):
    mixture, X = blobs(case, rng, 400, 3, 3)
    name = case.family.name
    _, resp = naive.e_step(name, mixture.weights, mixture.parameters, X)
    best = fastem.maximise(fastem.fold(X, mixture))
    value = naive.expected_complete_log_likelihood(name, resp, best.weights, best.parameters, X)
    for _ in range(20):
        parameters = dict(best.parameters)
        for key, array in parameters.items():
            if key == "covariances":  # a positive factor keeps every shape valid
                parameters[key] = array * np.exp(0.02 * rng.standard_normal())
                if case.shape in ("full", "tied"):
                    tilt = np.eye(3) + 0.02 * rng.standard_normal((3, 3))
                    parameters[key] = tilt @ array @ tilt.T
            else:
                parameters[key] = array * np.exp(0.02 * rng.standard_normal(array.shape))
        weights = best.weights * np.exp(0.02 * rng.standard_normal(3))
        other = naive.expected_complete_log_likelihood(name, resp, weights / weights.sum(), parameters, X)
        assert other <= value + 1e-9 * abs(value)


@every_family
@pytest.mark.parametrize(("n_features", "n_components"), [(1, 1), (2, 5), (3, 2), (4, 4), (7, 3), (13, 9)])
def test_unpack_inverts_pack(case, n_features, n_components, rng):
    mixture = case.mixture(rng, n_components, n_features)
    identity = case.family.frame(np.zeros(n_features), np.ones(n_features))
    location, spread = mixture_moments(mixture)
    for frame, rtol in ((identity, 0.0), (case.family.frame(location, spread), 8 * EPS)):
        packed = case.family.pack(mixture.parameters, frame)
        assert packed.shape == case.family.params_shape(n_features, n_components)
        assert_same_parameters(case.family.unpack(packed, frame, n_components), mixture.parameters, rtol=rtol)


@every_family
def test_data_sampled_from_a_mixture_and_fitted_from_it_stay_near_it(case, rng):
    mixture, X = blobs(case, rng, 40_000, 3, 2, spread=4.0)
    fitted = fastem.fit(X, case.family, 3, start=mixture)
    assert fitted.status is fastem.Status.CONVERGED
    np.testing.assert_allclose(fitted.weights, mixture.weights, atol=0.03)
    for name, value in mixture.parameters.items():
        np.testing.assert_allclose(fitted.parameters[name], value, atol=0.25, err_msg=name)


@every_family
@pytest.mark.parametrize("start", ["kmeans", "random", "random_from_data"])
def test_an_iteration_never_lowers_the_likelihood(case, start, rng):
    _, X = blobs(case, rng, 600, 4, 3)
    result = fastem.fit(X, case.family, 5, start=start, seed=3, n_init=3, tol=0, max_iter=60)
    assert all(report.reseeded == 0 for report in result.starts)
    gains = np.diff(result.history)
    assert gains.min() >= -64 * EPS * np.abs(result.history).max()


@every_family
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_same_bits_for_every_number_of_threads_and_both_engines(case, dtype, rng, monkeypatch):
    _, X = blobs(case, rng, 20_000, 3, 5)
    X = X.astype(dtype)
    sample_weight = rng.uniform(0, 2, len(X))
    monkeypatch.setattr(threads, "SMALL", 0)  # otherwise the work would be too small to be shared out
    results = []
    for engine in ("serial", "parallel", "pool"):
        for n in (1, 2, 3, 8):
            settings = {"seed": 1, "n_init": 2, "tol": 0, "max_iter": 5, "sample_weight": sample_weight}
            fitted = driving.fit(X, case.family, 3, n_threads=n, engine=engine, **settings)
            results.append((fitted, engine, n))
    first = results[0][0]
    for fitted, engine, n in results[1:]:
        assert fitted.history.tobytes() == first.history.tobytes(), (engine, n)
        assert fitted.weights.tobytes() == first.weights.tobytes(), (engine, n)
        for name in first.parameters:
            assert fitted.parameters[name].tobytes() == first.parameters[name].tobytes(), (engine, n, name)


@every_family
@pytest.mark.parametrize("max_iter", [0, 1, 7])
def test_reported_likelihood_is_that_of_the_returned_parameters(case, max_iter, rng):
    _, X = blobs(case, rng, 500, 3, 4)
    w = rng.uniform(0, 2, 500)
    result = fastem.fit(X, case.family, 3, sample_weight=w, seed=5, tol=0, max_iter=max_iter)
    expected, _ = naive.e_step(case.family.name, result.weights, result.parameters, X, w)
    np.testing.assert_allclose(result.log_likelihood, expected, rtol=1e-12)
    assert result.n_iter == max_iter
    assert result.n_passes == max_iter + 1 == len(result.history)
    converged = fastem.fit(X, case.family, 3, sample_weight=w, seed=5, tol=1e-5)
    expected, _ = naive.e_step(case.family.name, converged.weights, converged.parameters, X, w)
    np.testing.assert_allclose(converged.log_likelihood, expected, rtol=1e-12)


@every_family
def test_float32_agrees_with_float64(case, rng):
    """Within 2e-5 per sample in log density, and 1e-4 of their scale in the parameters of one iteration.

    A log density is a sum of d squares of order 1, each rounded to 6e-8 of itself, plus the rounding of the total.
    """
    mixture, X = blobs(case, rng, 3000, 4, 6)
    X = X.astype(np.float32)
    wide = fastem.fold(X.astype(np.float64), mixture)
    narrow = fastem.fold(X, mixture)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(
        fastem.log_density(X, mixture), fastem.log_density(X.astype(np.float64), mixture), rtol=2e-6, atol=2e-5
    )
    np.testing.assert_allclose(narrow.log_likelihood, wide.log_likelihood, rtol=2e-6)
    assert_same_parameters(fastem.maximise(narrow).parameters, fastem.maximise(wide).parameters, rtol=1e-4)


@every_family
@pytest.mark.parametrize("start", ["kmeans", "k-means++", "random", "random_from_data"])
def test_a_start_gives_the_same_bits_alone_or_beside_others(case, start, rng):
    _, X = blobs(case, rng, 3000, 3, 2)
    settings = {"start": start, "seed": 7, "tol": 1e-6, "max_iter": 40}
    alone = fastem.fit(X, case.family, 4, n_init=1, **settings)
    together = fastem.fit(X, case.family, 4, n_init=4, **settings)
    assert len(together.starts) == 4
    assert together.starts[0]._replace(distance=0.0) == alone.starts[0]
    best = together.starts[together.best_start]
    assert best.log_likelihood == max(report.log_likelihood for report in together.starts)


@every_family
def test_a_component_without_samples_keeps_its_parameters_and_the_fit_goes_on(case, rng):
    mixture, X = blobs(case, rng, 500, 3, 2)
    weights = np.array([0.6, 0.4, 0.0])
    given = {"weights": weights, **mixture.parameters}
    evidence = fastem.fold(X, fastem.from_parameters(case.family, weights, **mixture.parameters))
    after = fastem.maximise(evidence)
    assert after.weights[2] == 0
    for name, value in after.parameters.items():
        assert np.isfinite(value).all(), name
    result = fastem.fit(X, case.family, 3, start=given, tol=0, max_iter=5)
    assert result.starts[0].reseeded == 1
    assert result.weights.min() > 0


@every_family
def test_a_component_with_next_to_nothing_has_no_weight_after_an_m_step_by_hand(case, rng):
    """It keeps the parameters that it had before the M-step. With a weight, they would enter the next likelihood."""
    mixture, X = blobs(case, rng, 500, 3, 2)
    weights = np.array([0.6, 0.4, 1e-40])
    before = fastem.from_parameters(case.family, weights, **mixture.parameters)
    after = fastem.maximise(fastem.fold(X, before))
    assert after.weights[2] == 0
    np.testing.assert_allclose(after.weights.sum(), 1.0, rtol=1e-15)
    _, resp = naive.e_step(case.family.name, weights, mixture.parameters, X)
    np.testing.assert_allclose(after.weights[:2], resp[:, :2].sum(axis=0) / resp[:, :2].sum(), rtol=1e-9)


@every_family
def test_a_sample_of_weight_zero_changes_nothing(case, rng):
    mixture, X = blobs(case, rng, 300, 2, 3)
    outlier = X.max(axis=0, keepdims=True) + 40
    sample_weight = np.append(np.ones(300), 0.0)
    start = {"weights": mixture.weights, **mixture.parameters}
    with_it = fastem.fit(
        np.concatenate([X, outlier]), case.family, 2, sample_weight=sample_weight, start=start, tol=0, max_iter=10
    )
    without = fastem.fit(X, case.family, 2, start=start, tol=0, max_iter=10)
    np.testing.assert_allclose(with_it.log_likelihood, without.log_likelihood, rtol=1e-12)
    assert_same_parameters(with_it.parameters, without.parameters, rtol=1e-9)


@pytest.mark.parametrize("case", FAMILIES[:6], ids=repr)
@pytest.mark.parametrize("offset", [1e6, 1e8])
def test_an_offset_moves_the_means_and_nothing_else(case, offset, rng):
    mixture, X = blobs(case, rng, 2000, 3, 3)
    moved = X + offset
    X = moved - offset  # the same rounding on both sides
    start = {"weights": mixture.weights, **mixture.parameters}
    shifted = {**start, "means": mixture.parameters["means"] + offset}
    here = fastem.fit(X, case.family, 3, start=start, tol=0, max_iter=10)
    there = fastem.fit(moved, case.family, 3, start=shifted, tol=0, max_iter=10)
    # Means near 1e8 are only known to 1e-8, which moves the start by that much.
    np.testing.assert_allclose(there.log_likelihood, here.log_likelihood, rtol=1e-9 * offset / 1e6)
    np.testing.assert_allclose(
        there.parameters["covariances"], here.parameters["covariances"], rtol=1e-7 * offset / 1e6, atol=1e-8
    )
    np.testing.assert_allclose(there.parameters["means"] - offset, here.parameters["means"], atol=1e-14 * offset + 1e-7)


@every_family
def test_two_fits_from_one_seed_are_the_same_and_the_data_are_never_changed(case, rng):
    _, X = blobs(case, rng, 500, 3, 2)
    X.flags.writeable = False
    before = X.tobytes()
    one, two = (fastem.fit(X, case.family, 3, seed=11, n_init=2) for _ in range(2))
    assert one.history.tobytes() == two.history.tobytes()
    assert X.tobytes() == before


@every_family
def test_the_iteration_is_equivariant_to_the_order_of_components(case, rng):
    mixture, X = blobs(case, rng, 500, 3, 2)
    order = np.array([2, 0, 1])
    permuted = {
        name: value[order] if value.ndim > 0 and len(value) == 3 and case.shape not in ("tied", "tied_diag") else value
        for name, value in mixture.parameters.items()
    }
    permuted |= {name: mixture.parameters[name][order] for name in ("means", "rates") if name in mixture.parameters}
    one = fastem.fit(X, case.family, 3, start=mixture, tol=0, max_iter=5)
    two = fastem.fit(X, case.family, 3, start={"weights": mixture.weights[order], **permuted}, tol=0, max_iter=5)
    np.testing.assert_allclose(two.log_likelihood, one.log_likelihood, rtol=1e-13)
    np.testing.assert_allclose(two.weights, one.weights[order], rtol=1e-11)


@every_family
def test_drawing_follows_the_mixture(case, rng):
    mixture = case.mixture(rng, 2, 2)
    X, labels = fastem.sample(mixture, 50_000, seed=4)
    np.testing.assert_allclose(np.bincount(labels) / len(labels), mixture.weights, atol=0.01)
    location, spread = mixture_moments(mixture)
    np.testing.assert_allclose(X.mean(axis=0), location, atol=5 * spread.max() / np.sqrt(len(X)))
    assert draw(mixture, 10, seed=3).shape == (10, 2)
