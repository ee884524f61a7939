"""Fewer distinct points than components, and data whose squares leave the range of floating point."""

import re
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import fastem
from fastem import validation

SHAPES = ["full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"]
rng = np.random.default_rng(20261121)
BLOBS = np.concatenate([rng.normal(centre, 1, (60, 2)) for centre in (-4, 4, 12)])
LABELS = np.repeat([0, 1, 2], 60)
SENTENCE = "Number of distinct clusters ({}) found smaller than n_clusters ({}). Possibly due to duplicate points in X."


def duplicates(dtype=np.float64):
    """Two distinct points, 25 rows."""
    return np.array([[1, 1]] * 20 + [[2, 2]] * 5, dtype=dtype)


def said(found, n_clusters):
    return re.escape(SENTENCE.format(found, n_clusters))


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "u1"])
@pytest.mark.parametrize(
    "estimator",
    [
        *(fastem.GaussianMixture(8, covariance_type=shape, random_state=0) for shape in SHAPES),
        fastem.PoissonMixture(8, random_state=0),
        fastem.Mixture(fastem.Gaussian("diag"), 8, random_state=0),
        fastem.KMeans(8, random_state=0),
        fastem.KMeans(8, init="random", random_state=0),
    ],
    ids=repr,
)
def test_fewer_distinct_points_than_components_give_scikit_learns_warning(estimator, dtype):
    for fit in (estimator.fit, estimator.fit_predict):
        with pytest.warns(ConvergenceWarning, match=said(2, 8)) as caught:
            fit(duplicates(dtype))
        assert len(caught) == 1
        assert fit.__name__ == "fit_predict" or caught[0].filename == __file__


def test_zeros_and_ones_have_few_distinct_points():
    X = np.random.default_rng(0).integers(0, 2, (200, 2))
    with pytest.warns(ConvergenceWarning, match=said(4, 5)):
        fastem.BernoulliMixture(5, random_state=0).fit(X)
    with pytest.warns(fastem.FitWarning, match=said(4, 5)):
        fastem.fit(X, fastem.Bernoulli(), 5, seed=0)


def test_the_core_says_so_too():
    with pytest.warns(fastem.FitWarning, match=said(2, 8)) as caught:
        fastem.fit(duplicates(), fastem.Gaussian("full"), 8, seed=0)
    assert caught[0].filename == __file__
    with pytest.warns(fastem.FitWarning, match=said(1, 2)):
        fastem.fit(duplicates()[:2], fastem.Poisson(), 2, seed=0)


@pytest.mark.filterwarnings("error")
def test_as_many_distinct_points_as_components_are_enough():
    fastem.fit(duplicates(), fastem.Poisson(), 2, seed=0)
    fastem.fit([[3.0]], fastem.Gaussian("full"), 1)
    fastem.KMeans(2, random_state=0).fit(duplicates())
    fastem.PoissonMixture(2, random_state=0).fit(duplicates())


def few(X, n_components, sample_weight=None):
    sentence = validation.too_few_points(np.asarray(X), sample_weight, n_components)
    return None if sentence is None else int(re.search(r"\((\d+)\) found", sentence)[1])


def test_distinct_points_are_counted_as_the_fit_sees_them():
    X = rng.integers(0, 3, (5000, 2)).astype(float)
    assert [few(X, k) for k in (1, 8, 9, 10, 50)] == [None, None, None, 9, 9]
    assert few(np.sort(X, axis=0), 50) == len(np.unique(np.sort(X, axis=0), axis=0))
    assert few(np.repeat([[0.0], [1.0]], 3000, axis=0), 3) == 2
    assert few([[0.0], [-0.0]], 2) == 1  # the same number
    assert few(np.array([[1.0, 2**53], [1.0, 2**53 + 1]], dtype=np.longdouble), 2) == 1  # the same float64
    assert few([[1], [2], [3]], 3, np.array([1.0, 0.0, 1.0])) == 2  # a row of weight 0 is none
    assert few(np.asfortranarray(X), 10) == 9


class Watched:
    """An array that says how many of its rows were looked at."""

    def __init__(self, X):
        self.X, self.shape, self.dtype, self.seen = X, X.shape, X.dtype, 0

    def __len__(self):
        return len(self.X)

    def __getitem__(self, rows):
        self.seen += len(self.X[rows])
        return self.X[rows]


def test_no_more_rows_are_looked_at_than_it_takes():
    spread = Watched(rng.standard_normal((100_000, 3)))
    assert validation.too_few_points(spread, None, 7) is None
    assert spread.seen == 7
    late = Watched(np.r_[np.zeros((50_000, 1)), np.arange(500_000.0)[:, None]])
    assert validation.too_few_points(late, None, 7) is None
    assert late.seen < 200_000
    huge = Watched(np.broadcast_to(np.zeros((1, 1)), (10**10, 1)))  # to look at all of it would take minutes
    assert validation.too_few_points(huge, None, 7) is None
    assert huge.seen < 10**9


# Sizes.

LARGE, SMALL = (1e100, 1e150, 1e154, 1e160, 1e200, 1e300), (1e-100, 1e-150, 1e-154, 1e-160, 1e-200, 1e-300)
every_size = pytest.mark.parametrize("size", [*LARGE, *SMALL])
REACHABLE = {1e100, 1e150, 1e154, 1e-100, 1e-150, 1e-154}


@every_size
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("init", ["k-means++", "random", "given"])
def test_kmeans_works_at_any_size(size, init, weighted):
    weights = rng.uniform(0.5, 2, len(BLOBS)) if weighted else None
    init, plain = (BLOBS[::60] * size, BLOBS[::60]) if init == "given" else (init, init)
    expected = fastem.KMeans(3, init=plain, random_state=0).fit(BLOBS, sample_weight=weights)
    actual = fastem.KMeans(3, init=init, random_state=0).fit(BLOBS * size, sample_weight=weights)
    order, other = (np.argsort(model.cluster_centers_[:, 0]) for model in (expected, actual))
    centres = expected.cluster_centers_[order]
    np.testing.assert_allclose(actual.cluster_centers_[other] / size, centres, rtol=1e-9)
    np.testing.assert_array_equal(np.argsort(other)[actual.labels_], np.argsort(order)[expected.labels_])
    np.testing.assert_array_equal(actual.predict(BLOBS * size), actual.labels_)
    distances = expected.transform(BLOBS)[:, order]
    np.testing.assert_allclose(actual.transform(BLOBS * size)[:, other] / size, distances, rtol=1e-6)
    if size in (1e100, 1e150, 1e-100, 1e-150):
        np.testing.assert_allclose(actual.inertia_ / size / size, expected.inertia_, rtol=1e-9)
    else:
        assert actual.inertia_ in (0.0, np.inf) or size in (1e-154, 1e-160)
    assert actual.score(BLOBS * size, sample_weight=weights) == pytest.approx(-actual.inertia_, rel=1e-9)


@pytest.mark.parametrize("size", [1e-42, 1e-30, 1e-20, 1e18, 1e25, 1e37])
def test_kmeans_works_at_any_size_of_float32(size):
    X = (BLOBS * size).astype(np.float32)
    model = fastem.KMeans(3, random_state=0).fit(X)
    assert np.bincount(model.labels_).tolist() == [60, 60, 60]
    assert model.cluster_centers_.dtype == np.float32
    distances = model.transform(X)
    assert distances.dtype == np.float32
    np.testing.assert_array_equal(distances.argmin(axis=1), model.labels_)
    np.testing.assert_allclose(distances.min(axis=1).max() / size, 3.0, atol=1.5)


def test_kmeans_reaches_the_ends_of_floating_point():
    X = np.array([[-1.7e308], [-1.6e308], [1.6e308], [1.7e308]])
    for data, centres in ((X, [-1.65e308, 1.65e308]), (X * 1e-308 * 1e-310, [-1.65e-310, 1.65e-310])):
        model = fastem.KMeans(2, random_state=0).fit(data)
        np.testing.assert_allclose(np.sort(model.cluster_centers_.ravel()), centres, rtol=1e-9)
        assert len(set(model.labels_[:2])) == len(set(model.labels_[2:])) == 1
        np.testing.assert_array_equal(model.predict(data), model.labels_)
    fastem.KMeans(2, verbose=1, random_state=0).fit(X)


@every_size
@pytest.mark.parametrize("shape", SHAPES)
def test_a_gaussian_fit_works_where_variances_can_be_stored_and_elsewhere_says_to_rescale(shape, size):
    family = fastem.Gaussian(shape)
    expected = fastem.fit(BLOBS, family, 3, seed=0)
    result = fastem.fit(BLOBS * size, family, 3, seed=0)
    order, other = (np.argsort(r.parameters["means"][:, 0]) for r in (expected, result))
    means = expected.parameters["means"][order]
    np.testing.assert_allclose(result.parameters["means"][other] / size, means, rtol=1e-6)
    asked = (
        lambda: fastem.predict(BLOBS * size, result),
        lambda: fastem.responsibilities(BLOBS * size, result),
        lambda: fastem.log_density(BLOBS * size, result),
        lambda: fastem.fold(BLOBS * size, result),
        lambda: fastem.sample(result, 3, seed=0),
        lambda: fastem.diagnose(result, BLOBS * size),
    )
    if size in REACHABLE:
        assert result.status is fastem.Status.CONVERGED
        np.testing.assert_array_equal(np.argsort(other)[asked[0]()], LABELS)
        np.testing.assert_allclose(asked[2]().sum(), result.log_likelihood, rtol=1e-9)
        np.testing.assert_allclose(asked[3]().log_likelihood, result.log_likelihood, rtol=1e-9)
        assert np.isfinite(asked[4]().X).all()
        return
    assert result.status is fastem.Status.NOT_FINITE
    assert "rescale the data" in result.status.value
    for call in asked:
        with pytest.raises(ValueError, match="covariances are .*not finite in the units of the data.*rescale"):
            call()
    with pytest.raises(ValueError, match="rescale"):
        fastem.bootstrap(result, BLOBS * size, n_replicates=2)
    with pytest.raises(ValueError, match="rescale"):
        fastem.GaussianMixture.from_result(result)


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_grids_and_tests_of_data_out_of_reach_give_no_raw_warning(size):
    for criterion in ("bic", "icl", "cv"):
        with pytest.warns(fastem.FitWarning, match="rescale the data"):
            chosen = fastem.select(BLOBS * size, fastem.Gaussian("full"), [1, 2], criterion=criterion, seed=0)
        assert {row.status for row in chosen.table} == {fastem.Status.NOT_FINITE}
        assert all(np.isnan(row.icl) for row in chosen.table if row.n_components > 1)
    with pytest.raises(ValueError, match="rescale"):
        fastem.likelihood_ratio_test(BLOBS * size, fastem.Gaussian("diag"), 1, n_replicates=2, seed=0)


@every_size
@pytest.mark.parametrize("shape", SHAPES)
def test_an_estimator_works_or_says_to_rescale(shape, size):
    mixture = fastem.GaussianMixture(3, covariance_type=shape, reg_covar=0, random_state=0)
    if size in REACHABLE:
        mixture.fit(BLOBS * size)
        assert np.bincount(mixture.predict(BLOBS * size)).tolist() == [60, 60, 60]
        return
    for estimator in (mixture, fastem.Mixture(fastem.Gaussian(shape), 3, random_state=0)):
        with pytest.raises(ValueError, match="in the units of the data, which are too large or too small; rescale"):
            estimator.fit(BLOBS * size)


def test_covariances_that_lose_their_digits_are_no_answer():
    """A variance of 1e-323 may be off by half of itself."""
    result = fastem.fit(BLOBS * 1e-162, fastem.Gaussian("diag"), 3, seed=0)
    assert result.status is fastem.Status.NOT_FINITE


def test_data_too_close_to_each_other_for_any_scale_are_refused():
    for call in (
        lambda X: fastem.fit(X, fastem.Gaussian("full"), 2, seed=0),
        lambda X: fastem.select(X, fastem.Gaussian("full"), 2, seed=0),
        lambda X: fastem.fit([X, X], fastem.Gaussian("full"), 2, seed=0),
        lambda X: fastem.GaussianMixture(2).fit(X),
    ):
        with pytest.raises(ValueError, match="within 1e-307 of each other"):
            call(BLOBS * 1e-309)


@pytest.mark.parametrize("size", [1e8, 1e100, 1e200, 1e300])
def test_counts_of_any_size_end_with_a_status(size):
    X = np.floor(rng.poisson([[2.0]] * 100 + [[12.0]] * 100) * size)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", fastem.FitWarning)
        result = fastem.fit(X, fastem.Poisson(), 2, seed=0)
    assert result.status is (fastem.Status.CONVERGED if size == 1e8 else fastem.Status.NOT_FINITE)


def test_parameters_that_are_not_finite_are_refused_wherever_they_come_from():
    given = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0], [2.0]])
    for value in (np.nan, np.inf):
        broken = fastem.Result(given.model, given.weights, {"rates": np.array([[1.0], [value]])})
        for call in (fastem.predict, fastem.responsibilities, fastem.log_density, fastem.fold):
            with pytest.raises(ValueError, match="rates are not finite"):
                call([[1.0]], broken)
