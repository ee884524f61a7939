"""To scikit-learn's own estimators and back; and what a fitted mixture can be turned into besides."""

import pickle

import numpy as np
import pytest
from tables import FAMILIES, blobs

import fastem
from fastem import GaussianMixture, KMeans, Mixture

theirs = pytest.importorskip("sklearn.mixture")
cluster = pytest.importorskip("sklearn.cluster")
from sklearn.datasets import load_iris  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.utils.validation import check_is_fitted  # noqa: E402

SHAPES = ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical")
every_shape = pytest.mark.parametrize("shape", SHAPES)
every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
every_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
IRIS = load_iris().data
METHODS = ("predict", "predict_proba", "score_samples", "score")


def assert_agree(one, other, X, methods=METHODS):
    """To the rounding of scikit-learn, which expands squared distances."""
    rtol, atol = (1e-12, 1e-12) if X.dtype == np.float64 else (1e-3, 1e-3)
    for method in methods:
        np.testing.assert_allclose(getattr(one, method)(X), getattr(other, method)(X), rtol=rtol, atol=atol)


# ---- GaussianMixture --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_components", [1, 3])
@every_dtype
@every_shape
def test_a_gaussian_mixture_becomes_scikit_learns(shape, dtype, n_components):
    X = IRIS.astype(dtype)
    ours = GaussianMixture(n_components, covariance_type=shape, random_state=0).fit(X)
    made = ours.to_sklearn()
    assert type(made) is theirs.GaussianMixture
    check_is_fitted(made)
    assert_agree(ours, made, X)
    fitted = theirs.GaussianMixture(n_components, random_state=0).fit(X)
    assert vars(made).keys() == vars(fitted).keys()
    expected = {"tied_diag": "diag", "tied_spherical": "spherical"}.get(shape, shape)
    assert made.covariance_type == expected
    like = theirs.GaussianMixture(n_components, covariance_type=expected, random_state=0).fit(X)
    for name in ("covariances_", "precisions_", "precisions_cholesky_", "means_", "weights_"):
        assert getattr(made, name).shape == getattr(like, name).shape
        assert getattr(made, name).dtype == dtype
    for name in ("converged_", "n_iter_", "lower_bound_", "lower_bounds_", "n_features_in_"):
        assert getattr(made, name) == getattr(ours, name)
    np.testing.assert_allclose(made.sample(5)[0], ours.sample(5)[0], rtol=1e-6)
    if expected == shape:
        np.testing.assert_allclose(made.bic(X), ours.bic(X), rtol=1e-5)
    made.fit(X)  # its arguments are valid there
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(made)).predict(X), made.predict(X))


@every_dtype
@pytest.mark.parametrize("shape", SHAPES[:4])
def test_scikit_learns_gaussian_mixture_becomes_ours(shape, dtype):
    X = IRIS.astype(dtype)
    fitted = theirs.GaussianMixture(3, covariance_type=shape, tol=1e-4, random_state=0).fit(X)
    ours = GaussianMixture.from_sklearn(fitted, n_threads=1)
    assert type(ours) is GaussianMixture
    assert_agree(ours, fitted, X)
    assert {name: value for name, value in ours.get_params().items() if name in fitted.get_params()} == (
        fitted.get_params()
    )
    assert (ours.n_threads, ours.n_components_, ours.fit_report_) == (1, 3, ())
    again = ours.to_sklearn()
    for name, value in vars(fitted).items():
        np.testing.assert_array_equal(getattr(again, name), value)
        assert not isinstance(value, np.ndarray) or not np.shares_memory(getattr(again, name), value)
    assert ours.set_params(warm_start=True).fit(X).n_iter_ >= 1


def test_arguments_that_scikit_learn_does_not_know_find_a_place():
    settings = {"covariances_init": np.full(4, 2.0), "init_params": "auto", "starving": "drop", "ridge": 1e-3}
    ours = GaussianMixture(2, covariance_type="tied_diag", random_state=0, **settings).fit(IRIS)
    made = ours.to_sklearn()
    assert made.init_params == "kmeans"
    np.testing.assert_array_equal(made.precisions_init, np.full((2, 4), 0.5))
    ours = GaussianMixture(2, covariances_init=4 * np.eye(4)[None].repeat(2, 0), max_iter=0).fit(IRIS)
    made = ours.to_sklearn()
    np.testing.assert_allclose(made.precisions_init, np.eye(4)[None].repeat(2, 0) / 4)
    assert made.max_iter == 1


def test_names_of_features_go_along():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(IRIS, columns=list("abcd"))
    for ours in (GaussianMixture(2, random_state=0), KMeans(2, random_state=0, n_init=1)):
        made = ours.fit(frame).to_sklearn()
        assert made.feature_names_in_.tolist() == list("abcd")
        assert type(ours).from_sklearn(made).feature_names_in_.tolist() == list("abcd")
        np.testing.assert_array_equal(made.predict(frame), ours.predict(frame))


def test_what_cannot_become_a_twin_is_refused():
    for ours in (GaussianMixture(), KMeans()):
        with pytest.raises(NotFittedError):
            ours.to_sklearn()
        with pytest.raises(TypeError, match="a fitted (GaussianMixture|KMeans) of scikit-learn, not builtins.int"):
            type(ours).from_sklearn(3)
        with pytest.raises(TypeError, match=r"not sklearn\..*BayesianGaussianMixture"):
            type(ours).from_sklearn(theirs.BayesianGaussianMixture())
    with pytest.raises(NotFittedError):
        GaussianMixture.from_sklearn(theirs.GaussianMixture())
    with pytest.raises(NotFittedError):
        KMeans.from_sklearn(cluster.KMeans())
    broken = theirs.GaussianMixture(2, random_state=0).fit(IRIS)
    broken.means_ = broken.means_[:, :2]
    with pytest.raises(ValueError, match="has shape"):
        GaussianMixture.from_sklearn(broken)


# ---- KMeans -----------------------------------------------------------------------------------------------------


@every_dtype
def test_kmeans_becomes_scikit_learns_and_back(dtype):
    X = IRIS.astype(dtype)
    ours = KMeans(3, random_state=0, n_init=1).fit(X)
    made = ours.to_sklearn()
    fitted = cluster.KMeans(3, random_state=0, n_init=1).fit(X)
    assert type(made) is cluster.KMeans
    assert vars(made).keys() == vars(fitted).keys()
    for name in ("cluster_centers_", "labels_", "inertia_", "n_iter_", "n_features_in_"):
        np.testing.assert_array_equal(getattr(made, name), getattr(ours, name))
        assert np.asarray(getattr(made, name)).dtype == np.asarray(getattr(fitted, name)).dtype
    assert_agree(ours, made, X, ("predict", "transform", "score"))
    assert made.get_feature_names_out().tolist() == ours.get_feature_names_out().tolist()
    assert {name: value for name, value in ours.get_params().items() if name != "n_threads"} == made.get_params()
    made.fit(X)
    back = KMeans.from_sklearn(fitted)
    assert_agree(back, fitted, X, ("predict", "transform", "score"))
    assert back.get_feature_names_out().tolist() == fitted.get_feature_names_out().tolist()


@pytest.mark.parametrize("init", ["k-means++", IRIS[[0, 60, 120]], IRIS[[0, 60, 120]].tolist()], ids=type)
def test_saved_kmeans_is_the_same(init, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(IRIS.astype(np.float32), columns=list("abcd"))
    fitted = KMeans(3, init=init, random_state=0, n_init=1).fit(frame)
    fitted.save(tmp_path / "model")
    again = KMeans.load(tmp_path / "model")
    assert vars(again).keys() == vars(fitted).keys()
    for name, value in vars(fitted).items():
        np.testing.assert_equal(getattr(again, name), value)
        assert type(getattr(again, name)) is type(value) or name == "init"
    np.testing.assert_array_equal(again.predict(frame), fitted.predict(frame))
    assert again.get_feature_names_out().tolist() == ["kmeans0", "kmeans1", "kmeans2"]
    assert again.fit(frame).inertia_ == fitted.inertia_


def test_files_of_kmeans_are_told_from_others(tmp_path):
    KMeans(2).save(tmp_path / "unfitted")
    with pytest.raises(NotFittedError):
        KMeans.load(tmp_path / "unfitted").predict(IRIS)
    with pytest.raises(ValueError, match="holds a KMeans, not a GaussianMixture"):
        GaussianMixture.load(tmp_path / "unfitted")
    with pytest.raises(ValueError, match=r"fastem.KMeans.load"):
        fastem.load(tmp_path / "unfitted")
    with pytest.raises(TypeError, match="init is <function"):
        KMeans(2, init=lambda X, k, random_state: X[:k]).save(tmp_path / "m")


# ---- order ------------------------------------------------------------------------------------------------------


def fitted(case, rng):
    data = blobs(case, rng, 300, 3, 2)[1]
    estimators = [Mixture(case.family, 3, random_state=0, max_iter=3)]
    if case.estimator is not None:
        estimators.append(case.made(3, random_state=0, max_iter=3))
    return data, [estimator.fit(data) for estimator in estimators]


@every_family
def test_reordered_components_are_the_same_mixture(case, rng):
    data, estimators = fitted(case, rng)
    for estimator in estimators:
        before = pickle.dumps(estimator)
        moved = estimator.reorder([2, 0, 1])
        assert type(moved) is type(estimator)
        assert moved.get_params() == estimator.get_params()
        np.testing.assert_allclose(moved.predict_proba(data), estimator.predict_proba(data)[:, [2, 0, 1]], rtol=1e-9)
        np.testing.assert_allclose(moved.score(data), estimator.score(data), rtol=1e-12)
        np.testing.assert_array_equal(moved.weights_, estimator.weights_[[2, 0, 1]])
        for name in ("precisions_", "covariances_", "precisions_cholesky_"):
            shared = estimator.get_params().get("covariance_type", "tied").startswith("tied")
            if hasattr(estimator, name) and isinstance(estimator, GaussianMixture):
                value = getattr(estimator, name)
                np.testing.assert_array_equal(getattr(moved, name), value if shared else value[[2, 0, 1]])
        back = moved.reorder(np.array([1, 2, 0]))
        np.testing.assert_array_equal(back.predict_proba(data), estimator.predict_proba(data))
        moved.weights_[...] = 1.0 / 3.0
        assert pickle.dumps(estimator) == before  # nothing is shared


@every_family
def test_components_are_sorted_by_any_parameter_of_their_own(case, rng):
    for estimator in fitted(case, rng)[1]:
        name = case.family.parameters[0].name
        for feature in (0, 1):
            ordered = getattr(estimator.sorted_by(name, feature), f"{name}_")[:, feature]
            assert (np.diff(ordered) >= 0).all()
        assert (np.diff(estimator.sorted_by("weights").weights_) >= 0).all()
        with pytest.raises(ValueError, match="components cannot be sorted by 'colour'; each has its own 'weights'"):
            estimator.sorted_by("colour")
        for feature in (2, "a"):
            with pytest.raises((ValueError, TypeError), match=f"feature is {feature!r}"):
                estimator.sorted_by(name, feature)
        for order in ([0, 1], [0, 1, 1], [0, 1, 3], [[0, 1, 2]], [0.5, 1, 2]):
            with pytest.raises(ValueError, match="must name each of the 3"):
                estimator.reorder(order)
    with pytest.raises(NotFittedError):
        GaussianMixture(2).sorted_by("means")
    with pytest.raises(NotFittedError):
        GaussianMixture(2).reorder([1, 0])


def test_covariances_are_sorted_by_the_variance_of_a_feature():
    mixture = GaussianMixture(3, random_state=0).fit(IRIS)
    variances = mixture.sorted_by("covariances", 2).covariances_[:, 2, 2]
    assert variances.tolist() == sorted(mixture.covariances_[:, 2, 2])
    spherical = GaussianMixture(3, covariance_type="spherical", random_state=0).fit(IRIS)
    assert (np.diff(spherical.sorted_by("covariances").covariances_) >= 0).all()
    tied = GaussianMixture(3, covariance_type="tied", random_state=0).fit(IRIS)
    with pytest.raises(ValueError, match="by 'covariances'; each has its own 'weights', 'means', and shares"):
        tied.sorted_by("covariances")


# ---- draws, covariance matrices, floors -------------------------------------------------------------------------


@every_family
def test_a_sample_takes_a_random_state_of_its_own(case, rng):
    for estimator in fitted(case, rng)[1]:
        own, labels = estimator.sample(20)
        np.testing.assert_array_equal(estimator.sample(20, random_state=0)[0], own)
        other, _ = estimator.sample(20, random_state=1)
        assert (other != own).any()
        np.testing.assert_array_equal(estimator.sample(20, np.random.RandomState(1))[0], other)
        np.testing.assert_array_equal(estimator.sample(20)[1], labels)
        assert estimator.random_state == 0
        with pytest.raises(ValueError, match="cannot be used to seed"):
            estimator.sample(2, random_state="seed")


@every_shape
def test_covariance_matrices_have_one_form_for_every_shape(shape):
    mixture = GaussianMixture(3, covariance_type=shape, random_state=0).fit(IRIS)
    matrices = mixture.covariance_matrices()
    assert (matrices.shape, matrices.dtype) == ((3, 4, 4), np.float64)
    full = GaussianMixture.from_parameters(mixture.weights_, mixture.means_, matrices)
    np.testing.assert_allclose(full.score_samples(IRIS), mixture.score_samples(IRIS), rtol=1e-9)
    matrices[...] = 0.0
    assert (mixture.covariances_ != 0).any()
    result = fastem.fit(IRIS, fastem.Gaussian(shape), 3, start="kmeans", seed=0)
    of_result = result.covariance_matrices()
    full = fastem.from_parameters(
        fastem.Gaussian("full"), result.weights, means=result.parameters["means"], covariances=of_result
    )
    np.testing.assert_allclose(fastem.log_density(IRIS, full), fastem.log_density(IRIS, result), rtol=1e-9)
    of_result[...] = 0.0
    assert (result.parameters["covariances"] != 0).any()
    mixture.covariances_ = np.eye(3)
    with pytest.raises(ValueError, match="covariances_ has shape"):
        mixture.covariance_matrices()
    with pytest.raises(NotFittedError):
        GaussianMixture().covariance_matrices()


def test_families_without_covariances_say_so():
    for family, named in ((fastem.Poisson(), {"rates": [[1.0]]}), (fastem.Bernoulli(), {"probabilities": [[0.5]]})):
        with pytest.raises(TypeError, match=f"{family.name} has no covariances"):
            fastem.from_parameters(family, [1.0], **named).covariance_matrices()


@every_shape
def test_the_estimator_takes_the_floors_of_the_family(shape):
    limits = {"floor": 1e-2, "min_variance": 0.05, "ridge": 1e-3}
    covariances = GaussianMixture(2, covariance_type=shape, max_iter=0, random_state=0).fit(IRIS).covariances_
    start = {"weights": [0.5, 0.5], "means": IRIS[[0, 149]], "covariances": covariances}
    expected = fastem.fit(IRIS, fastem.Gaussian(shape, **limits), 2, start=start, tol=0, max_iter=5)
    initial = {f"{name}_init": value for name, value in start.items()}
    ours = GaussianMixture(2, covariance_type=shape, reg_covar=0, tol=0, max_iter=5, **initial, **limits).fit(IRIS)
    np.testing.assert_allclose(ours.covariances_, expected.parameters["covariances"], rtol=1e-12)
    unlimited = GaussianMixture(2, covariance_type=shape, reg_covar=0, tol=0, max_iter=5, **initial).fit(IRIS)
    assert (unlimited.covariances_ != ours.covariances_).any()
    again = GaussianMixture.from_result(expected)
    assert {name: getattr(again, name) for name in limits} == limits
    assert again.reg_covar == 0
    assert again._family() == expected.family


def test_a_floor_holds_a_collapsing_component():
    X = np.r_[np.random.default_rng(0).standard_normal(60), np.full(20, 3.0)][:, None]
    held = GaussianMixture(2, reg_covar=0, floor=1e-2, random_state=0)
    held.fit(X, resp_init=(X[:, 0] == 3.0).astype(int))
    np.testing.assert_allclose(held.covariances_.min(), 1e-2 * X.var(), rtol=1e-9)
    least = GaussianMixture(2, reg_covar=0, min_variance=0.5, random_state=0)
    least.fit(X, resp_init=(X[:, 0] == 3.0).astype(int))
    np.testing.assert_allclose(least.covariances_.min(), 0.5, rtol=1e-9)


@pytest.mark.parametrize(("name", "value"), [("floor", 0.0), ("floor", -1.0), ("min_variance", -1), ("ridge", "a")])
def test_bad_floors_are_refused(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        GaussianMixture(**{name: value}).fit(IRIS)
