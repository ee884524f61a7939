"""What records print, their components in another order, and two mixtures side by side."""

import copy
import pickle

import numpy as np
import pytest
from tables import FAMILIES, blobs, plain

import fastem

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)


@pytest.fixture(name="result", scope="module")
def of_faithful(faithful):
    return fastem.fit(faithful, fastem.Gaussian("full"), 3, seed=0)


# ---- lines and tables -------------------------------------------------------------------------------------------


def test_a_result_is_a_line(result):
    line = repr(result)
    assert line.startswith(
        "Result(gaussian_full, 3 components, 2 features, log-likelihood -1114.4, BIC 2324.2, CONVERGED,"
    )
    assert line.endswith(f"{result.n_reached} of {len(result.starts)} starts agree)")
    given = fastem.from_parameters(fastem.Poisson(), [1.0], rates=[[2.0]])
    assert repr(given) == "Result(poisson, 1 component, 1 feature, GIVEN)"
    assert all(len(repr(report)) < 120 for report in result.starts)


def test_the_summary_of_a_result_says_what_it_is_and_how_it_ended(result):
    text = result.sorted_by("means").summary()
    assert "3 components, 2 features, 17 parameters" in text
    assert "272 samples, log-likelihood -1114.440, BIC 2324.18" in text
    rows = [line.split() for line in text.splitlines() if line[:1] == " " and "(" in line]
    deviations = np.sqrt(np.diagonal(result.sorted_by("means").parameters["covariances"], axis1=1, axis2=2))
    assert [row[0] for row in rows] == ["0", "1", "2"]
    for row, weight, mean, sd in zip(
        rows, result.sorted_by().weights, result.sorted_by().parameters["means"], deviations, strict=True
    ):
        numbers = [float(word.strip("()")) for word in row[1:]]
        np.testing.assert_allclose(numbers, [weight, mean[0], sd[0], mean[1], sd[1]], rtol=0, atol=5e-3)
    assert f"{result.n_reached} of {len(result.starts)} starts reached this likelihood" in text
    assert text.endswith(result.starts[result.best_start].sentence)


@every_family
@pytest.mark.parametrize(("k", "d"), [(1, 1), (11, 9)])
def test_every_family_has_a_summary_that_fits_on_a_page(case, k, d, rng):
    d = max(d, case.min_features)
    mixture, X = blobs(case, rng, 200, k, d)
    fitted = fastem.fit(X, case.family, k, start=mixture, max_iter=2)
    for shown in (mixture, fitted, fastem.maximise(fastem.fold(X, mixture))):
        text = shown.summary()
        assert max(map(len, text.splitlines())) <= 160
        assert len(text.splitlines()) <= 20
        assert ("... and 3 more components" in text) == (k == 11)
        assert (f"... and {d - 6} more feature" in text) == (d > 6)
        assert len(repr(shown).splitlines()) == 1
        assert text.endswith(".")


def test_weights_are_told_in_the_summary(faithful):
    weighted = fastem.fit(faithful, fastem.Gaussian("diag"), 1, sample_weight=np.full(272, 2.0))
    assert "272 samples of total weight 544" in weighted.summary()


def test_extreme_numbers_are_written_with_exponents():
    mixture = fastem.from_parameters(fastem.Gaussian("diag"), [1.0], means=[[1e300]], covariances=[[1e-300]])
    assert "1.000e+300 (1.000e-150)" in mixture.summary()


def test_records_are_copied_and_pickled_as_before(result):
    for again in (copy.copy(result), copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        np.testing.assert_equal(plain(again), plain(result))


def test_evidence_and_a_diagnosis_are_a_line(faithful, result):
    evidence = fastem.fold(faithful, result)
    assert repr(evidence) == "Evidence(gaussian_full, 3 components, 272 samples, log-likelihood -1114.4)"
    found = fastem.diagnose(faithful, result)
    assert repr(found).startswith("Diagnosis(MAXIMUM, gain ") and len(repr(found)) < 80
    text = found.summary()
    assert text.startswith(found.verdict.value) and "Standard errors\nweights:\n" in text and "covariances:\n" in text
    early = fastem.diagnose(faithful, fastem.fit(faithful, fastem.Gaussian("full"), 3, seed=0, max_iter=1))
    assert early.standard_errors is None and "Standard errors" not in early.summary()


# ---- another order ----------------------------------------------------------------------------------------------


@every_family
def test_reordering_changes_the_order_and_nothing_else(case, rng):
    _, X = blobs(case, rng, 300, 3, max(2, case.min_features))
    result = fastem.fit(X, case.family, 3, n_init=2, start="kmeans", seed=0)
    order = [2, 0, 1]
    found = result.reorder(order)
    np.testing.assert_array_equal(found.weights, result.weights[order])
    np.testing.assert_allclose(fastem.log_density(X, found), fastem.log_density(X, result), rtol=1e-12)
    expected = fastem.responsibilities(X, result)[:, order]
    np.testing.assert_allclose(fastem.responsibilities(X, found), expected, rtol=1e-9, atol=1e-12)
    same = {"log_likelihood", "history", "starts", "start_statuses", "counts", "status", "criterion_value", "entropy"}
    for name in same:
        np.testing.assert_equal(plain(found)[name], plain(result)[name])
    np.testing.assert_equal(plain(found.reorder([1, 2, 0])), plain(result))


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 1], [0, 1, 3], [0.0, 1.0, 2.0], [[0, 1, 2]], [-1, 0, 1]])
def test_an_order_must_be_one(order, result):
    with pytest.raises(ValueError, match=r"it must name each of the 3 component\(s\) once, from 0 to 2"):
        result.reorder(order)


def test_components_are_sorted_by_weights_means_and_variances(result):
    assert (np.diff(result.sorted_by("weights").weights) > 0).all()
    assert (np.diff(result.sorted_by("weights", descending=True).weights) < 0).all()
    for feature in (0, 1):
        assert (np.diff(result.sorted_by("means", feature).parameters["means"][:, feature]) > 0).all()
        variances = result.sorted_by("covariances", feature, descending=True).parameters["covariances"]
        assert (np.diff(variances[:, feature, feature]) < 0).all()


def test_where_components_agree_in_one_feature_the_next_decides():
    rates = [[3.0, 2.0], [1.0, 9.0], [3.0, 1.0]]
    mixture = fastem.from_parameters(fastem.Poisson(), [0.2, 0.3, 0.5], rates=rates)
    assert mixture.sorted_by("rates").parameters["rates"].tolist() == sorted(rates)
    assert mixture.sorted_by("rates", descending=True).parameters["rates"].tolist() == sorted(rates)[::-1]
    assert mixture.sorted_by("rates", 0).weights.tolist() == [0.3, 0.2, 0.5]  # ties keep their order


def test_what_cannot_be_sorted_by_is_named(faithful, result):
    tied = fastem.fit(faithful, fastem.Gaussian("tied"), 2, seed=0)
    spherical = fastem.fit(faithful, fastem.Gaussian("spherical"), 2, seed=0)
    assert (np.diff(spherical.sorted_by("covariances").parameters["covariances"]) > 0).all()
    for mixture, arguments, words in (
        (tied, ("covariances",), "'covariances'; each has its own 'weights', 'means', and shares the rest"),
        (result, ("rates",), "cannot be sorted by 'rates'"),
        (result, ("means", 2), "feature is 2, but there are 2, counted from 0"),
        (result, ("means", "waiting"), "feature is 'waiting', but the features have no names"),
        (result, ("weights", 0), "weights has no features"),
        (spherical, ("covariances", 0), "covariances has no features"),
    ):
        with pytest.raises(ValueError, match=words):
            mixture.sorted_by(*arguments)


# ---- side by side -----------------------------------------------------------------------------------------------


@every_family
def test_a_mixture_matches_itself_in_any_order(case, rng):
    mixture = case.mixture(rng, 3, max(2, case.min_features))
    for order in ([2, 0, 1], [1, 0, 2]):
        found = fastem.match(mixture, mixture.reorder(order))
        np.testing.assert_array_equal(np.asarray(order)[found.order], [0, 1, 2])
        np.testing.assert_array_equal(found.distances, np.zeros(3))
        np.testing.assert_equal(plain(found.result), plain(mixture))


def test_distances_are_in_standard_deviations_of_the_first():
    one = fastem.from_parameters(
        fastem.Gaussian("diag"), [0.5, 0.5], means=[[-3.0, 0.0], [3.0, 0.0]], covariances=np.ones((2, 2))
    )
    other = fastem.from_parameters(
        fastem.Gaussian("diag"), [0.9, 0.1], means=[[3.0, 0.5], [-2.0, 0.1]], covariances=[[1.0, 1.0], [1.0, 4.0]]
    )
    found = fastem.match(one, other)
    assert found.order.tolist() == [1, 0]
    # The features' standard deviations are sqrt(1 + 9) and 1; a standard deviation of 2 instead of 1 is 1 away.
    np.testing.assert_allclose(found.distances, [1.0, 0.5])
    found = fastem.match(other, one)
    assert (found.distances < 1.0).all() and found.order.tolist() == [1, 0]


def test_components_of_one_mean_are_told_apart_by_their_spread():
    wide_first, narrow_first = (
        fastem.from_parameters(fastem.Gaussian("diag"), [0.5, 0.5], means=[[0.0], [0.0]], covariances=covariances)
        for covariances in ([[64.0], [1.0]], [[1.0], [60.0]])
    )
    assert fastem.match(wide_first, narrow_first).order.tolist() == [1, 0]


def test_two_fits_of_the_same_data_are_matched_by_results_or_estimators(faithful):
    pytest.importorskip("sklearn")
    one = fastem.GaussianMixture(2, tol=1e-9, random_state=0, max_iter=500).fit(faithful)
    start = 1 - one.predict(faithful)
    other = fastem.fit(faithful, fastem.Gaussian("full"), 2, start=start, tol=1e-9)
    found = fastem.match(one, other)
    assert found.order.tolist() == [1, 0] and found.distances.max() < 1e-3
    np.testing.assert_allclose(found.result.parameters["means"], one.means_, rtol=1e-3)
    # Of another family too, as long as both have means and standard deviations to be compared by.
    diagonal = fastem.fit(faithful, fastem.Gaussian("diag"), 2, start=start)
    assert fastem.match(one, diagonal).order.tolist() == [1, 0]


def test_what_cannot_be_matched_is_named(faithful, result):
    two = fastem.fit(faithful, fastem.Gaussian("full"), 2, seed=0)
    with pytest.raises(ValueError, match="the mixtures have 3 and 2 components"):
        fastem.match(result, two)
    with pytest.raises(ValueError, match="the mixtures have 2 and 1 features"):
        fastem.match(two, fastem.fit(faithful[:, :1], fastem.Gaussian("full"), 2, seed=0))
    with pytest.raises(TypeError, match="must be a Result"):
        fastem.match(two, faithful)

    class Other(fastem.Poisson):
        name = "of its own"

        def comparable(self, parameters):
            return np.sqrt(parameters["rates"])

    own = fastem.from_parameters(Other(), [0.5, 0.5], rates=[[1.0], [4.0]])
    assert fastem.match(own, own).order.tolist() == [0, 1]
    with pytest.raises(ValueError, match="components of of its own and poisson cannot be compared"):
        fastem.match(own, fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0], [4.0]]))
