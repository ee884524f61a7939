"""The laws of the design, each over a table of all families; those that fastem.testing holds are the same functions."""

import naive
import numpy as np
import pytest
from tables import FAMILIES, blobs, draw

import fastem
from fastem.model.evaluation import mixture_moments
from fastem.testing import LAWS, Skipped, components, fits
from fastem.testing.subject import assert_close

# n, d, K: one sample, one component, one feature, a full tile and one more, a multiple of no block size.
SHAPES = [(1, 3, 1), (40, 1, 3), (257, 2, 4), (300, 3, 1), (700, 5, 3), (513, 8, 5), (1000, 9, 6), (400, 17, 2)]

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@every_family
@every_shape
def test_log_density_and_responsibilities_agree_with_scipy(case, shape, rng):
    components.log_density_agrees_with_an_independent_one(case.subject, rng, *shape)


def test_log_density_is_minus_infinity_outside_the_support():
    mixture = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[0.0, 1.0], [0.0, 2.0]])
    density = fastem.log_density([[0, 1], [1, 1]], mixture)
    assert np.isfinite(density[0])
    assert density[1] == -np.inf
    # An impossible sample says nothing about the components.
    np.testing.assert_array_equal(fastem.responsibilities([[1, 1]], mixture), [[0.5, 0.5]])


@every_family
@every_shape
@pytest.mark.parametrize("weighted", [False, True])
def test_fold_and_maximise_are_the_textbooks(case, shape, weighted, rng):
    n, d, k = shape
    mixture, X = blobs(case, rng, n, k, d)
    sample_weight = rng.uniform(0, 3, n) if weighted else None
    log_likelihood, resp = naive.e_step(case, mixture.weights, mixture.parameters, X, sample_weight)
    weights, parameters = naive.m_step(case, resp, X, sample_weight)
    evidence = fastem.fold(X, mixture, sample_weight=sample_weight)
    np.testing.assert_allclose(evidence.log_likelihood, log_likelihood, rtol=1e-12)
    actual = fastem.maximise(evidence)
    np.testing.assert_allclose(actual.weights, weights, rtol=1e-10)
    if n > d + 1 and k * (d + 1) < n:  # otherwise a floor acts, which the textbook has not
        assert_close(actual.parameters, parameters, rtol=1e-9)


# The laws that the tests below run with several arguments.
VARIED = (
    components.log_density_agrees_with_an_independent_one,
    components.unpack_inverts_pack,
    fits.a_fit_from_the_truth_stays_near_it,
    fits.an_iteration_never_lowers_the_likelihood,
    fits.the_bits_do_not_depend_on_threads,
    fits.the_reported_likelihood_is_that_of_the_returned_parameters,
    fits.a_start_is_the_same_alone_or_beside_others,
)


@every_family
@pytest.mark.parametrize("law", [law for law in LAWS if law not in VARIED], ids=lambda law: law.__name__)
def test_a_law_of_fastem_testing(law, case, rng):
    try:
        law(case.subject, rng)
    except Skipped as reason:
        pytest.fail(f"none of fastem's own families is beyond a law: {reason}")


@every_family
def test_weights_of_any_size_change_nothing_but_the_scale(case, rng):
    mixture, X = blobs(case, rng, 200, 2, 2)
    w = rng.uniform(0.5, 1.5, 200)
    start = {"weights": mixture.weights, **mixture.parameters}
    one = fastem.fit(X, case.family, 2, sample_weight=w, start=start, tol=0, max_iter=5)
    for factor in (2.0**-900, 1e-30, 1e30, 2.0**900):
        other = fastem.fit(X, case.family, 2, sample_weight=w * factor, start=start, tol=0, max_iter=5)
        np.testing.assert_allclose(other.log_likelihood / factor, one.log_likelihood, rtol=1e-12)
        assert_close(other.parameters, one.parameters, rtol=1e-9)


@every_family
@pytest.mark.parametrize(("n_features", "n_components"), [(1, 1), (2, 5), (3, 2), (4, 4), (7, 3), (13, 9)])
def test_unpack_inverts_pack(case, n_features, n_components, rng):
    components.unpack_inverts_pack(case.subject, rng, n_features, n_components)


@every_family
def test_data_sampled_from_a_mixture_and_fitted_from_it_stay_near_it(case, rng):
    mixture, fitted = fits.a_fit_from_the_truth_stays_near_it(case.subject, rng)
    assert fitted.status is fastem.Status.CONVERGED
    np.testing.assert_allclose(fitted.weights, mixture.weights, atol=0.03)
    for name, value in mixture.parameters.items():
        np.testing.assert_allclose(fitted.parameters[name], value, atol=0.25, err_msg=name)


@every_family
@pytest.mark.parametrize("start", ["kmeans", "random", "random_from_data"])
def test_an_iteration_never_lowers_the_likelihood(case, start, rng):
    fits.an_iteration_never_lowers_the_likelihood(case.subject, rng, start)


@every_family
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_same_bits_for_every_number_of_threads_and_both_engines(case, dtype, rng):
    fits.the_bits_do_not_depend_on_threads(case.subject, rng, dtype)


@every_family
@pytest.mark.parametrize("max_iter", [0, 1, 7])
def test_reported_likelihood_is_that_of_the_returned_parameters(case, max_iter, rng):
    fits.the_reported_likelihood_is_that_of_the_returned_parameters(case.subject, rng, max_iter)


@every_family
@pytest.mark.parametrize("start", ["kmeans", "k-means++", "random", "random_from_data"])
def test_a_start_gives_the_same_bits_alone_or_beside_others(case, start, rng):
    fits.a_start_is_the_same_alone_or_beside_others(case.subject, rng, start)


@every_family
def test_a_component_with_next_to_nothing_has_no_weight_after_an_m_step_by_hand(case, rng):
    """Its parameters are those of before the M-step: with a weight, they would enter the next likelihood."""
    mixture, X = blobs(case, rng, 500, 3, 2)
    weights = np.array([0.6, 0.4, 1e-40])
    before = fastem.from_parameters(case.family, weights, **mixture.parameters)
    after = fastem.maximise(fastem.fold(X, before))
    assert after.weights[2] == 0
    np.testing.assert_allclose(after.weights.sum(), 1.0, rtol=1e-15)
    _, resp = naive.e_step(case, weights, mixture.parameters, X)
    np.testing.assert_allclose(after.weights[:2], resp[:, :2].sum(axis=0) / resp[:, :2].sum(), rtol=1e-9)


@pytest.mark.parametrize("case", [case for case in FAMILIES if case.has_offset], ids=repr)
@pytest.mark.parametrize("offset", [1e6, 1e8])
def test_an_offset_moves_the_location_and_nothing_else(case, offset, rng):
    mixture, X = blobs(case, rng, 2000, 3, 3)
    moved = X + offset
    X = moved - offset  # the same rounding on both sides
    location, *others = mixture.parameters
    start = {"weights": mixture.weights, **mixture.parameters}
    shifted = {**start, location: mixture.parameters[location] + offset}
    here = fastem.fit(X, case.family, 3, start=start, tol=0, max_iter=10)
    there = fastem.fit(moved, case.family, 3, start=shifted, tol=0, max_iter=10)
    # Means near 1e8 are only known to 1e-8, which moves the start by that much.
    np.testing.assert_allclose(there.log_likelihood, here.log_likelihood, rtol=1e-9 * offset / 1e6)
    for name in others:
        np.testing.assert_allclose(
            there.parameters[name], here.parameters[name], rtol=1e-7 * offset / 1e6, atol=1e-8, err_msg=name
        )
    np.testing.assert_allclose(
        there.parameters[location] - offset, here.parameters[location], atol=1e-14 * offset + 1e-7
    )


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
    permuted = case.family.take(mixture.parameters, order)
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
