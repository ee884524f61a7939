"""Bootstrap standard errors, and the bootstrap test of the number of components."""

import numpy as np
import pytest
import tables

import fastem


def test_standard_errors_of_one_gaussian_are_the_known_ones():
    X = np.random.default_rng(0).normal(2.0, 3.0, (400, 1))
    result = fastem.fit(X, fastem.Gaussian("diag"), 1, seed=0)
    expected = {"means": X.std() / 20, "covariances": X.var() * np.sqrt(2 / 400)}
    for kind in ("nonparametric", "weighted", "parametric"):
        found = fastem.bootstrap(result, X, kind=kind, n_replicates=800, seed=1)
        assert found.n_failed == 0 and found.weights.shape == (800, 1)
        for name, value in expected.items():
            assert found.standard_errors[name].item() == pytest.approx(value, rel=0.12)
        assert found.standard_errors["weights"].item() == 0.0
        low, high = found.interval(0.95)["means"]
        assert high.item() - low.item() == pytest.approx(2 * 1.96 * expected["means"], rel=0.12)


@pytest.mark.parametrize("case", tables.FAMILIES, ids=repr)
def test_they_agree_with_the_information_where_components_are_apart(case):
    # Two features of zeros and ones cannot tell two components apart, and probabilities of 0 or 1 have no standard
    # errors: with the seed 2 one ends within rounding of 1.
    rng = np.random.default_rng(5 if case.has_border else 2)
    spread = 1.5 if case.has_border else 6.0
    _, X = tables.blobs(case, rng, 600, 2, max(2, case.min_features), spread=spread)
    result = fastem.fit(X, case.family, 2, seed=0, tol=1e-9)
    louis = fastem.diagnose(result, X)
    assert louis.verdict is fastem.Verdict.MAXIMUM
    found = fastem.bootstrap(result, X, n_replicates=300, seed=0)
    assert found.n_failed == 0
    for name, value in louis.standard_errors.items():
        assert found.standard_errors[name].shape == np.shape(value)
        assert np.median(found.standard_errors[name] / value) == pytest.approx(1.0, abs=0.25), name


def test_components_are_matched_even_where_means_are_equal():
    """A narrow and a wide component have the same mean, and their covariances tell them apart in every replicate."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (500, 1)), rng.normal(0, 8, (500, 1))])
    result = fastem.fit(X, fastem.Gaussian("diag"), 2, seed=0, tol=1e-9)
    narrow = int(np.argmin(result.parameters["covariances"][:, 0]))
    found = fastem.bootstrap(result, X, n_replicates=100, seed=0)
    assert (found.parameters["covariances"][:, narrow] < found.parameters["covariances"][:, 1 - narrow]).all()


def test_one_seed_gives_the_same_bits_on_any_number_of_threads(faithful):
    result = fastem.fit(faithful, fastem.Gaussian("full"), 2, seed=0)
    found = [fastem.bootstrap(result, faithful, n_replicates=20, seed=3, n_threads=n) for n in (1, 3)]
    assert np.array_equal(found[0].weights, found[1].weights)
    assert np.array_equal(found[0].parameters["covariances"], found[1].parameters["covariances"])
    other = fastem.bootstrap(result, faithful, n_replicates=20, seed=4)
    assert not np.array_equal(found[0].weights, other.weights)
    few = fastem.bootstrap(result, faithful, n_replicates=5, seed=3)
    assert np.array_equal(found[0].weights[:5], few.weights)


@pytest.mark.parametrize("kind", ["nonparametric", "weighted", "parametric"])
def test_a_weight_is_a_number_of_samples(kind):
    """Weight 4 is the same as the sample four times, and weight 0 the same as no sample, even if it lies far away."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-3, 1, (150, 1)), rng.normal(3, 1, (150, 1))])
    repeated = np.repeat(X, 4, axis=0)
    padded = np.concatenate([X, np.full((900, 1), 50.0), np.full((900, 1), -80.0)])
    weights = np.repeat([4.0, 0.0], [300, 1800])
    result = fastem.fit(repeated, fastem.Gaussian("diag"), 2, seed=0, tol=1e-9)
    one = fastem.bootstrap(result, repeated, kind=kind, n_replicates=300, seed=0)
    other = fastem.bootstrap(result, padded, kind=kind, sample_weight=weights, n_replicates=300, seed=1)
    for name, value in one.standard_errors.items():
        np.testing.assert_allclose(other.standard_errors[name], value, rtol=0.25)


def test_failed_fits_are_counted_and_left_out():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (60, 1)), [[30.0], [30.1]]])
    result = fastem.fit(X, fastem.Gaussian("diag"), 2, seed=0)
    found = fastem.bootstrap(result, X, n_replicates=100, seed=0)
    assert 0 < found.n_failed < 100 and len(found.weights) == 100 - found.n_failed
    assert all(np.isfinite(value).all() for value in found.standard_errors.values())


def test_faithful_has_more_than_one_component(faithful):
    found = fastem.likelihood_ratio_test(faithful, fastem.Gaussian("full"), 1, n_replicates=49, seed=0)
    assert found.statistic == pytest.approx(319.0654, abs=1e-3)  # as in the vignette of R's mclust
    assert found.p_value == pytest.approx(0.02)
    assert found.null.n_components == 1 and found.alternative.n_components == 2
    assert len(found.replicates) + found.n_failed == 49 and (found.replicates >= 0).all()


def test_two_components_are_enough_for_two():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-3, 1, (100, 1)), rng.normal(3, 1, (100, 1))])
    assert fastem.likelihood_ratio_test(X, fastem.Gaussian("tied_diag"), 2, n_replicates=49, seed=0).p_value > 0.1


def test_one_component_more_of_a_model_with_what_is_known(rng):
    """What holds for any number of components is taken, and both fits obey it; what names components is refused."""
    X = np.concatenate([rng.normal(0.0, 1.0, (150, 1)), rng.normal(0.0, 5.0, (100, 1))])
    one = fastem.fit(X, fastem.Gaussian("diag"), 1, shared=["means"], seed=0)
    test = fastem.likelihood_ratio_test(X, one, n_replicates=19, seed=0)
    assert test.p_value == 0.05
    assert np.ptp(test.alternative.parameters["means"]) == 0
    assert test.alternative.n_parameters == one.n_parameters + 2
    equal = fastem.fit(X, fastem.Gaussian("diag"), 2, weights=[0.5, 0.5], fixed={"means": [[0.0], [0.0]]}, seed=0)
    again = fastem.likelihood_ratio_test(X, equal, n_replicates=5, seed=0).alternative
    assert again.n_components == 3
    np.testing.assert_allclose(again.weights, 1.0 / 3.0, rtol=1e-15)
    assert not again.parameters["means"].any()
    for known in (
        {"weights": [0.4, 0.6]},
        {"fixed": {"means": [[0.0], [1.0]]}},
        {"prior": fastem.Dirichlet([2.0, 1.0])},
    ):
        with pytest.raises(ValueError, match="differs from component to component, and says nothing of one component"):
            fastem.likelihood_ratio_test(X, fastem.fit(X, fastem.Gaussian("diag"), 2, seed=0, **known))


@pytest.mark.parametrize("start", ["auto", "random_from_data"])
def test_the_test_keeps_its_level_whatever_the_start(start):
    """Under the null hypothesis p-values are uniform. This looks at 30 of them, from data of two components."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(30):
        X = np.concatenate([rng.normal(-3, 1, (40, 1)), rng.normal(3, 1, (40, 1))])
        test = fastem.likelihood_ratio_test(X, fastem.Gaussian("tied_diag"), 2, start=start, n_replicates=9, seed=i)
        assert (test.replicates >= 0).all() and test.statistic >= 0
        found.append(test.p_value)
    assert 0.33 < np.mean(found) < 0.7
    assert sum(p <= 0.1 for p in found) <= 8


def test_the_test_is_reproducible_on_any_number_of_threads(faithful):
    X = faithful[:100]
    found = [
        fastem.likelihood_ratio_test(X, fastem.Gaussian("tied"), 1, n_replicates=9, seed=1, n_threads=n) for n in (1, 2)
    ]
    assert np.array_equal(found[0].replicates, found[1].replicates) and found[0].p_value == found[1].p_value


def test_unusable_arguments_are_refused(faithful):
    result = fastem.fit(faithful, fastem.Gaussian("full"), 2, seed=0)
    for settings, message in (
        ({"kind": "jackknife"}, "kind is 'jackknife'"),
        ({"n_replicates": 1}, "n_replicates"),
        ({"n_threads": 0}, "n_threads"),
        ({"tol": -1}, "tol"),
    ):
        with pytest.raises(ValueError, match=message):
            fastem.bootstrap(result, faithful, **settings)
    with pytest.raises(ValueError, match="2"):
        fastem.bootstrap(result, faithful[:, :1])
    holed = faithful.copy()
    holed[7, 1] = np.nan
    for kind in ("nonparametric", "weighted", "parametric"):
        with pytest.raises(ValueError, match=r"NaN: X\[7, 1\]"):
            fastem.bootstrap(result, holed, kind=kind)
    with pytest.raises(ValueError, match="sum to 100, but in the fit to 272"):
        fastem.bootstrap(result, faithful[:100])
    with pytest.raises(ValueError, match="sum to 544, but in the fit to 272"):
        fastem.bootstrap(result, faithful, sample_weight=np.full(272, 2.0))
    normalised = np.full(272, 1 / 272)
    weighted = fastem.fit(faithful, fastem.Gaussian("full"), 2, seed=0, sample_weight=normalised)
    with pytest.raises(ValueError, match="a weight is a number of samples"):
        fastem.bootstrap(weighted, faithful, sample_weight=normalised)
    collapsed = fastem.fit(np.repeat([[1.0], [2.0]], 20, axis=0), fastem.Gaussian("diag"), 2, seed=0)
    with pytest.raises(ValueError, match="did not end well"):
        fastem.bootstrap(collapsed, np.repeat([[1.0], [2.0]], 20, axis=0))
    with pytest.raises(TypeError):
        fastem.bootstrap("model", faithful)
    found = fastem.bootstrap(result, faithful, n_replicates=2, seed=0)
    with pytest.raises(ValueError, match="level is 95"):
        found.interval(95)
    with pytest.raises(ValueError, match="n_components"):
        fastem.likelihood_ratio_test(faithful[:2], fastem.Gaussian("diag"), 2)
    with pytest.raises(ValueError, match="did not end well"):
        fastem.likelihood_ratio_test(np.repeat([[1.0], [2.0]], 20, axis=0), fastem.Gaussian("diag"), 1, seed=0)


def test_the_policy_of_the_fit_is_that_of_every_replicate(faithful):
    """A replicate that drops a component cannot be compared, and counts as failed."""
    settings = {"min_samples": 30.0, "starving": "drop", "seed": 0}
    result = fastem.fit(faithful, fastem.Gaussian("full"), 7, **settings)
    assert result.model.policy == (30.0, "drop") and result.n_components < 7
    found = fastem.bootstrap(result, faithful, n_replicates=20, seed=0)
    assert 0 < found.n_failed < 20
    assert found.weights.shape == (20 - found.n_failed, result.n_components)
    assert found.weights.min() * len(faithful) >= 30 - 1e-6


def test_a_callback_hears_of_every_replicate(faithful):
    result = fastem.fit(faithful, fastem.Gaussian("tied"), 2, seed=0)
    for n_threads in (1, 3):
        heard = []
        settings = {"n_replicates": 6, "seed": 0, "n_threads": n_threads}
        silent = fastem.bootstrap(faithful, result, **settings)
        found = fastem.bootstrap(faithful, result, callback=heard.append, **settings)
        assert heard == [(i, 6, True) for i in range(1, 7)] and isinstance(heard[0], fastem.Replicate)
        assert np.array_equal(found.weights, silent.weights)
        assert repr(found) == "Bootstrap(6 of 6 fits ended well, 2 components, means, covariances)"


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_callback_ends_a_bootstrap_and_a_test_with_what_is_done(n_threads, faithful):
    result = fastem.fit(faithful, fastem.Gaussian("tied"), 2, seed=0)
    settings = {"seed": 0, "n_threads": n_threads, "callback": lambda replicate: replicate.n_done == 3}
    found = fastem.bootstrap(faithful, result, n_replicates=500, **settings)
    assert len(found.weights) == 3 and found.n_failed == 0
    whole = fastem.bootstrap(faithful, result, n_replicates=500 if n_threads > 1 else 3, seed=0)
    assert {weights[0] for weights in found.weights} <= {weights[0] for weights in whole.weights}
    test = fastem.likelihood_ratio_test(faithful, result.family, 1, n_replicates=500, start="kmeans", **settings)
    assert len(test.replicates) + test.n_failed == 3 and test.p_value == 0.25
    with pytest.raises(TypeError, match="callback is 3"):
        fastem.bootstrap(faithful, result, callback=3)
    with pytest.raises(ZeroDivisionError):
        fastem.bootstrap(faithful, result, n_threads=n_threads, callback=lambda replicate: 1 / 0)


def test_the_test_takes_a_model_from_a_result_or_an_estimator_in_either_order(faithful):
    pytest.importorskip("sklearn")
    settings = {"n_replicates": 5, "seed": 0, "start": "kmeans"}
    family = fastem.Gaussian("tied")
    result = fastem.fit(faithful, family, 2, seed=0, min_samples=2.0)
    expected = fastem.likelihood_ratio_test(faithful, family, 2, min_samples=2.0, **settings)
    estimator = fastem.Mixture.from_result(result)
    for data_and_mixture in ((faithful, result), (result, faithful), (faithful, estimator), (estimator, faithful)):
        found = fastem.likelihood_ratio_test(*data_and_mixture, **settings)
        assert found.p_value == expected.p_value and found.statistic == expected.statistic
        assert found.null.model.policy.min_samples == 2.0
        assert repr(found).startswith("LikelihoodRatioTest(2 components against 3, statistic ")
    fewer = fastem.likelihood_ratio_test(faithful, result, 1, min_samples=0.0, **settings)
    assert fewer.null.n_components == 1 and fewer.null.model.policy.min_samples == 0.0
    with pytest.raises(TypeError, match="n_components is None"):
        fastem.likelihood_ratio_test(faithful, family)
    with pytest.raises(TypeError, match="got two mixtures"):
        fastem.likelihood_ratio_test(result, estimator)
    with pytest.raises(TypeError, match="family must be a family object"):
        fastem.likelihood_ratio_test(faithful, "full", 2)
