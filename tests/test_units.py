"""reg_covar is an absolute number: where it widens components, a warning says what to pass; elsewhere it is silent."""

import re
import warnings

import numpy as np
import pytest

import fastem

sklearn = pytest.importorskip("sklearn")
from sklearn.datasets import load_breast_cancer, load_digits, load_iris  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

SHAPES = ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical")
every_shape = pytest.mark.parametrize("shape", SHAPES)
every_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])
IRIS = load_iris().data


def micrometres_in_metres():
    """Three groups of iris-like size in units of 1e-6, as /work/shared/cases has them."""
    rng = np.random.default_rng(3)
    centres = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])
    return 1e-6 * (centres[rng.integers(0, 3, 900)] + rng.standard_normal((900, 2)))


def told(X, n_components=3, **settings):
    """What a fit tells about units."""
    sample_weight = settings.pop("sample_weight", None)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        mixture = fastem.GaussianMixture(n_components, random_state=0, **settings)
        mixture.fit(X, sample_weight=sample_weight)
    about = [warning for warning in given if warning.category is fastem.FitWarning]
    assert all(warning.filename == __file__ for warning in about)
    return [str(warning.message) for warning in about]


@every_dtype
@every_shape
def test_a_reg_covar_above_the_data_is_told_once_with_what_to_pass(shape, dtype):
    X = micrometres_in_metres().astype(dtype)
    (text,) = told(X, covariance_type=shape)
    assert text.startswith("reg_covar=1e-06 is ")
    assert "Pass reg_covar=1e-18, or reg_covar=0, whose floors guard against singular covariances" in text
    assert told(X, covariance_type=shape, reg_covar=1e-18) == []
    assert told(X, covariance_type=shape, reg_covar=0) == []


@pytest.mark.parametrize("unit", [1e-2, 1e-3, 1e-9, 1e-12, 1e-30])
@every_shape
def test_what_is_told_to_pass_helps_in_any_unit(shape, unit):
    X = 1e6 * unit * micrometres_in_metres()
    (text,) = told(X, covariance_type=shape)
    passed = float(re.search(r"Pass reg_covar=([0-9e.+-]+), or", text)[1])
    assert 0 < passed <= 1e-5 * unit**2
    assert told(X, covariance_type=shape, reg_covar=passed) == []


def test_more_than_a_hundredth_is_told_and_less_is_not():
    X = np.random.default_rng(0).standard_normal((500, 2))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    for share, expected in ((0.0102, "1.0% of"), (0.5, "50.0% of"), (20, "20 times"), (0.0098, None)):
        texts = told(X * np.sqrt(1e-6 / share), 1, covariance_type="diag")
        assert len(texts) == (expected is not None)
        assert all(expected in text for text in texts)


@every_shape
@pytest.mark.parametrize("unit", [0.3, 1.0, 1e6])
def test_ordinary_data_are_silent(shape, unit):
    assert told(IRIS * unit, covariance_type=shape) == []


DEGENERATE = {
    "a constant feature": np.c_[IRIS, np.full(150, 0.3)],
    "a duplicated feature": np.c_[IRIS, IRIS[:, 0]],
    "a feature in two units": np.c_[IRIS, 2.54 * IRIS[:, 0] + 7.0],
    "both": np.c_[IRIS, IRIS[:, 1:2] / 3.0, np.zeros(150), np.ones(150)],
    "nearly a duplicate": np.c_[IRIS, IRIS[:, 0] + 1e-4 * np.random.default_rng(0).standard_normal(150)],
    "a sum of features": np.c_[IRIS, IRIS.sum(axis=1)],
    "fewer samples than features": np.random.default_rng(0).standard_normal((9, 12)),
    "two points": np.repeat([[0.0, 0.0], [1.0, 1.0]], 5, axis=0),
    "one point": np.array([[3.0, 4.0]] * 4),
    "many zeros": np.r_[np.zeros(50), np.random.default_rng(0).normal(5, 1, 50)][:, None],
    "constant up to rounding": np.c_[IRIS, 0.1 + 0.2 * (1 + 1e-15 * np.arange(150))],
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@every_dtype
@every_shape
@pytest.mark.parametrize("name", DEGENERATE)
def test_what_reg_covar_is_there_for_is_silent(name, shape, dtype):
    assert told(DEGENERATE[name].astype(dtype), covariance_type=shape) == []


def test_a_feature_in_small_units_is_told_beside_a_degenerate_direction():
    for unit in (1e-6, 1e-12, 1e-100):
        X = np.c_[IRIS, IRIS[:, 0], unit * IRIS[:, 1]]
        for shape in ("full", "tied", "diag", "tied_diag"):
            (text,) = told(X, covariance_type=shape)
            assert "reg_covar=0, whose floors" in text
        # One variance for all features is that of the large ones.
        assert told(X, covariance_type="spherical") == []


def test_tight_clusters_far_apart_are_told():
    """Places in degrees: ten metres are 1e-4 of them."""
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 1, (3, 2))[rng.integers(0, 3, 300)] + 1e-4 * rng.standard_normal((300, 2))
    for shape in SHAPES:
        assert len(told(places, covariance_type=shape)) == 1


def test_a_thin_component_is_told():
    """As thin as a twentieth of its length, aslant, in units in which it is 1e-2 long."""
    rng = np.random.default_rng(0)
    X = 1e-2 * (rng.standard_normal((400, 2)) * [1.0, 0.05]) @ np.array([[0.8, 0.6], [-0.6, 0.8]])
    (text,) = told(X, 1)
    assert "reg_covar=1e-06 is 4" in text  # 2.5e-7 is its variance across


def test_a_real_data_set_with_small_units_is_told():
    data = load_breast_cancer().data  # "fractal dimension error" has a variance of 7e-6
    assert len(told(data, 2)) == 1
    assert told(StandardScaler().fit_transform(data), 2) == []
    assert told(load_digits().data, 10, covariance_type="diag") == []


def test_a_reg_covar_that_was_chosen_to_widen_is_silent():
    assert told(IRIS, reg_covar=0.5) == []


def test_weights_and_few_samples_count_as_in_the_fit():
    X = micrometres_in_metres()
    weights = np.r_[np.zeros(450), np.ones(450)]
    far = np.r_[X[:450] + 1e3, X[450:]]  # of weight 0: they make no spread
    assert len(told(far, sample_weight=weights)) == 1
    assert told(np.array([[1e-9, 2e-9]]), 1) == []  # one sample has no spread


def test_given_parameters_that_no_m_step_has_touched_are_silent():
    X = micrometres_in_metres()
    covariances = np.full((1, 2), 1e-12)
    given = {"weights_init": [1.0], "means_init": [[0.0, 0.0]], "covariances_init": covariances}
    assert told(X, 1, covariance_type="diag", max_iter=0, **given) == []


def test_a_fit_that_warns_is_the_same_as_one_that_does_not():
    X = micrometres_in_metres()
    with pytest.warns(fastem.FitWarning, match="reg_covar"):
        mixture = fastem.GaussianMixture(3, random_state=0).fit(X)
    with pytest.warns(fastem.FitWarning, match="reg_covar"):
        labels = fastem.GaussianMixture(3, random_state=0).fit_predict(X)
    np.testing.assert_array_equal(labels, mixture.predict(X))


# ---- labels as y ------------------------------------------------------------------------------------------------


KNOWN = np.r_[np.full(100, -1), np.zeros(25, int), np.ones(25, int)]


@pytest.mark.parametrize("y", [KNOWN, KNOWN.tolist(), KNOWN.astype(float), KNOWN[:, None][:, 0]])
def test_labels_with_unknown_ones_are_told_to_be_ignored(y):
    for model, words in (
        (fastem.GaussianMixture(3, random_state=0), "labels=y"),
        (fastem.KMeans(3, random_state=0, n_init=1), r"init=\[X"),
    ):
        with pytest.warns(fastem.FitWarning, match=rf"y is ignored.*{words}") as given:
            model.fit(IRIS, y)
        assert [warning.filename for warning in given] == [__file__]
        means = getattr(model, "means_", getattr(model, "cluster_centers_", None))
        again = type(model)(3, random_state=0).fit(IRIS)
        np.testing.assert_array_equal(getattr(again, "means_", getattr(again, "cluster_centers_", None)), means)
    with pytest.warns(fastem.FitWarning, match="y is ignored"):
        fastem.GaussianMixture(3, random_state=0).fit_predict(IRIS, y)


@pytest.mark.parametrize(
    "y",
    [
        None,
        load_iris().target,
        np.where(load_iris().target, 1, -1),  # two classes
        load_iris().target - 2,
        IRIS[:, 0] - IRIS[:, 0].max(),
        np.array(["a", "b", "-1"] * 50),
        KNOWN[:, None],
        [[1], [2, 3]],
        np.arange(150) - 1,  # more labels than components
        np.full(150, -1),
        [],
    ],
    ids=str,
)
def test_any_other_y_is_ignored_silently(y):
    fastem.GaussianMixture(3, random_state=0).fit(IRIS, y)
    fastem.KMeans(3, random_state=0, n_init=1).fit(IRIS, y)


def test_pipelines_and_grid_searches_with_y_are_silent():
    y = load_iris().target
    pipeline = make_pipeline(StandardScaler(), fastem.GaussianMixture(3, random_state=0))
    assert pipeline.fit(IRIS, y).predict(IRIS).shape == (150,)
    GridSearchCV(fastem.GaussianMixture(random_state=0), {"n_components": [1, 2]}, cv=2).fit(IRIS, y)
