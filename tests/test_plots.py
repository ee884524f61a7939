"""Pictures: their geometry as numbers, and each drawn once on Agg."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import HERE

import fastem
from fastem import plots
from fastem.plots.style import COLOURS, MARKERS, look_of

mpl = pytest.importorskip("matplotlib")
pytestmark = pytest.mark.filterwarnings("ignore::fastem.FitWarning")


@pytest.fixture
def two(faithful):
    return fastem.fit(faithful, fastem.Gaussian("full"), 2, seed=0)


def drawn(display):
    """The display, after its figure has been rendered."""
    mpl.use("Agg")
    assert display._repr_png_()[:4] == b"\x89PNG"
    return display


def test_an_ellipse_holds_its_probability(rng):
    found = plots.covariance_ellipse([1.0, 2.0], [[4.0, 0.0], [0.0, 1.0]], 0.95)
    np.testing.assert_allclose(found.half_axes, [4.895494, 2.447747], atol=5e-7)
    assert found.angle == pytest.approx(0.0)
    np.testing.assert_array_equal(found.centre, [1.0, 2.0])
    covariance, mean = np.array([[2.0, 0.9], [0.9, 1.0]]), np.array([3.0, -1.0])
    for level in (0.5, 0.95):
        tilted = plots.covariance_ellipse(mean, covariance, level)
        border = tilted.points(50) - mean
        squares = np.einsum("ij,jk,ik->i", border, np.linalg.inv(covariance), border)
        np.testing.assert_allclose(squares, -2 * np.log(1 - level), rtol=1e-10)
        draws = rng.multivariate_normal(mean, covariance, 200_000) - mean
        inside = np.einsum("ij,jk,ik->i", draws, np.linalg.inv(covariance), draws) <= squares[0]
        assert inside.mean() == pytest.approx(level, abs=0.005)
    flat = plots.covariance_ellipse([0, 0], [[1.0, 1.0], [1.0, 1.0]])
    assert flat.half_axes[1] == pytest.approx(0.0, abs=1e-7)
    assert -np.pi / 2 < flat.angle <= np.pi / 2


def test_level_sets_hold_their_probability(two):
    unit = fastem.from_parameters(fastem.Gaussian("full"), [1.0], means=[[0, 0]], covariances=[np.eye(2)])
    assert plots.density_levels(unit, [0.5])[0] == pytest.approx(0.0795775, abs=5e-8)
    poisson = fastem.from_parameters(fastem.Poisson(), [0.4, 0.6], rates=[[3.0], [30.0]])
    for mixture in (two, poisson):
        shares = np.array([0.25, 0.5, 0.75, 0.95])
        levels = plots.density_levels(mixture, shares)
        assert (np.diff(levels) < 0).all()
        draws = fastem.sample(mixture, 200_000, seed=7).X
        density = np.exp(fastem.log_density(draws, mixture))
        held = np.array([(density >= level).mean() for level in levels])
        if mixture is two:
            np.testing.assert_allclose(held, shares, atol=0.005)
        else:  # counts have steps: a region of exactly this probability may not exist
            assert (held >= shares - 0.005).all()


def test_ellipses_are_of_marginal_covariances(rng):
    X = rng.multivariate_normal(np.zeros(3), [[2.0, 0.5, 0.3], [0.5, 1.0, -0.2], [0.3, -0.2, 3.0]], 500)
    for shape in ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"):
        result = fastem.fit(X, fastem.Gaussian(shape), 2, seed=0, max_iter=5)
        display = plots.MixtureDisplay.from_result(result, X, features=[2, 0], level=0.5)
        for k, patch in enumerate(display.ellipses_):
            block = result.covariance_matrices()[k][np.ix_([2, 0], [2, 0])]
            expected = plots.covariance_ellipse(result.parameters["means"][k][[2, 0]], block, 0.5)
            np.testing.assert_allclose([patch.width, patch.height], 2 * expected.half_axes)
            np.testing.assert_allclose(patch.get_center(), expected.centre)
            assert np.radians(patch.angle) == pytest.approx(expected.angle)


@pytest.mark.parametrize("what", ["classification", "uncertainty", "density", "components"])
def test_one_and_two_features(faithful, two, what):
    plane = drawn(plots.MixtureDisplay.from_result(two, faithful, what=what))
    assert plane.ax_.get_xlabel() == "feature 0"
    assert len(plane.ellipses_) == (0 if what == "density" else 2)
    if what in ("classification", "uncertainty"):
        labels = fastem.predict(faithful, two)
        for k, points in enumerate(plane.points_):
            np.testing.assert_array_equal(points.get_offsets(), faithful[labels == k])
    if what == "density":
        levels = plots.density_levels(two, [0.95, 0.75, 0.5, 0.25])
        np.testing.assert_allclose(plane.contours_.levels, levels)
    line = drawn(plots.MixtureDisplay.from_result(two, faithful, what=what, features=1))
    if what != "uncertainty":
        x, total = line.curves_[-1].get_data()
        assert np.trapezoid(total, x) == pytest.approx(1.0, abs=1e-3)
        counts, edges = line.histogram_.get_data()[:2]
        assert (counts * np.diff(edges)).sum() == pytest.approx(1.0)
    if what in ("classification", "components"):
        areas = [np.trapezoid(curve.get_ydata(), curve.get_xdata()) for curve in line.curves_[:-1]]
        np.testing.assert_allclose(areas, two.weights, atol=1e-3)


def test_counts_are_drawn_at_whole_numbers():
    counts, days = np.loadtxt(HERE / "data" / "deaths_times.csv", delimiter=",", skiprows=1).T
    X = np.repeat(counts, days.astype(int))[:, None]
    result = fastem.fit(X, fastem.Poisson(), 2, seed=0)
    display = drawn(plots.MixtureDisplay.from_result(result, X))
    x, total = display.curves_[-1].get_data()
    np.testing.assert_array_equal(x, np.round(x))
    np.testing.assert_allclose(total, np.exp(fastem.log_density(x[:, None], result)))
    assert total.sum() == pytest.approx(1.0, abs=1e-3)
    assert (np.diff(display.histogram_.get_data().edges) == 1).all()


def test_own_axes_names_and_nothing_global(faithful, two):
    from matplotlib.figure import Figure

    before, figure = dict(mpl.rcParams), Figure()
    ax = figure.subplots()
    frame = pytest.importorskip("pandas").DataFrame(faithful, columns=["eruptions", "waiting"])
    estimator = fastem.GaussianMixture(2, random_state=0).fit(frame)
    display = plots.MixtureDisplay.from_estimator(estimator, frame, features=["waiting", "eruptions"], ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert ax.get_xlabel() == "waiting"
    assert dict(mpl.rcParams) == before
    again = display.plot()
    assert again is display
    assert display.ax_ is not ax
    missing = np.vstack([faithful, [[np.nan, 50.0]]])
    assert len(plots.MixtureDisplay.from_result(two, missing).X) == len(faithful)


def test_importing_plots_imports_no_matplotlib():
    code = "import sys, fastem.plots; print('matplotlib' in sys.modules, 'sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical"])
def test_mixtures_of_scikit_learn_are_drawn(faithful, shape):
    from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

    for make in (GaussianMixture, BayesianGaussianMixture):
        theirs = make(n_components=2, covariance_type=shape, random_state=0).fit(faithful)
        display = drawn(plots.MixtureDisplay.from_estimator(theirs, faithful))
        assert (display.labels == theirs.predict(faithful)).mean() > 0.99
        np.testing.assert_allclose(display.ellipses_[0].get_center(), theirs.means_[0])
    drawn(plots.ResponsibilityDisplay.from_estimator(theirs, faithful))


def test_many_points_are_thinned_and_many_components_differ(rng):
    X = rng.standard_normal((100_000, 2))
    result = fastem.fit(X[:1000], fastem.Gaussian(), 2, seed=0)
    display = drawn(plots.MixtureDisplay.from_result(result, X, n_points=500))
    assert sum(len(points.get_offsets()) for points in display.points_) == 500
    line = plots.MixtureDisplay.from_result(result, X, features=0, n_points=500)
    counts, edges = line.histogram_.get_data()[:2]
    np.testing.assert_allclose((counts * np.diff(edges)).sum(), 1.0)
    looks = {(look_of(k)["color"], look_of(k)["marker"]) for k in range(len(COLOURS) * len(MARKERS))}
    assert len(looks) == len(COLOURS) * len(MARKERS)


def test_pairs(rng):
    X = rng.standard_normal((200, 4)) + rng.integers(0, 2, 200)[:, None] * 4
    result = fastem.fit(X, fastem.Gaussian("diag"), 2, seed=0)
    display = drawn(plots.PairsDisplay.from_result(result, X, features=[0, 3, 2]))
    assert set(display.displays_) == {(i, j) for i in range(3) for j in range(i + 1)}
    assert display.axes_[0][1] is None
    assert display.axes_[2][0].get_xlabel() == "feature 0"
    assert display.axes_[2][0].get_ylabel() == "feature 2"


def test_selections(faithful):
    families = [fastem.Gaussian("full"), fastem.Gaussian("diag")]
    selection = fastem.select(faithful, families, range(1, 5), seed=0)
    display = drawn(selection.plot())
    assert list(display.lines_) == ["gaussian_full", "gaussian_diag"]
    x, y = display.lines_["gaussian_full"].get_data()
    assert x.tolist() == [1, 2, 3, 4]
    assert y.tolist() == [row.bic for row in selection.table[:4]]
    best = selection.table[selection.best_index]
    assert [float(v[0]) for v in display.chosen_.get_data()] == [best.n_components, best.bic]
    assert "AIC" in selection.plot(criterion="aic").ax_.get_ylabel()
    drawn(fastem.select(faithful, families, [1, 2], seed=0, criterion="cv").plot())


def test_histories(rng, tmp_path):
    X = np.concatenate([rng.normal(m, 1, (150, 2)) for m in (0, 1.5, 3)])
    result = fastem.fit(X, fastem.Gaussian("full"), 3, seed=0, accelerate="squarem", tol=1e-9)
    for report, path in zip(result.starts, result.paths, strict=True):
        assert len(path) == report.n_passes
        assert np.isnan(path).sum() == report.n_refused
    best = result.paths[result.best_start]
    np.testing.assert_array_equal(best[~np.isnan(best)], result.history)
    display = drawn(plots.HistoryDisplay.from_result(result))
    assert len(display.lines_) == len(result.starts)
    refused = sum(report.n_refused for report in result.starts)
    assert (0 if display.refused_ is None else len(display.refused_.get_xdata())) == refused
    ended = sum(report.status.name in ("DROPPED", "MERGED") for report in result.starts)
    assert (0 if display.ended_ is None else len(display.ended_.get_xdata())) == ended
    fastem.save(result, tmp_path / "model.npz")
    for one, other in zip(fastem.load(tmp_path / "model.npz").paths, result.paths, strict=True):
        np.testing.assert_array_equal(one, other)
    given = fastem.from_parameters(result.family, result.weights, **result.parameters)
    with pytest.raises(ValueError, match="nothing is known of how this mixture was fitted"):
        plots.HistoryDisplay.from_result(given)


def test_responsibilities_and_profiles(faithful, two, rng):
    display = drawn(plots.ResponsibilityDisplay.from_result(two, faithful))
    resp = fastem.responsibilities(faithful, two)
    assert sum(len(values) for values in display.largest) == len(faithful)
    np.testing.assert_array_equal(np.sort(np.concatenate(display.largest)), np.sort(resp.max(axis=1)))
    Y = (rng.random((300, 40)) < 0.3).astype(float)
    zeros = fastem.fit(Y, fastem.Bernoulli(), 2, seed=0, max_iter=5)
    profile = drawn(plots.ProfileDisplay.from_result(zeros))
    np.testing.assert_array_equal(profile.lines_[1].get_ydata(), zeros.parameters["probabilities"][1])
    assert profile.ax_.get_ylabel() == "probabilities"


def test_images():
    image = np.zeros((20, 30, 3), dtype=np.uint8)
    image[:, :15], image[:, 15:] = (200, 10, 10), (10, 10, 200)
    image += np.random.default_rng(0).integers(0, 9, image.shape, dtype=np.uint8)
    result = fastem.fit(image.reshape(-1, 3).astype(float), fastem.Gaussian("diag"), 2, seed=0)
    means = drawn(plots.ImageDisplay.from_result(result, image))
    shown = means.image_.get_array()
    np.testing.assert_allclose(shown[3, 3], result.parameters["means"][means.labels[3, 3]] / 255)
    labels = drawn(plots.ImageDisplay.from_result(result, image, what="labels"))
    assert sorted(text.get_text() for text in labels.numbers_) == ["0", "1"]
    x, y = labels.numbers_[0].get_position()
    assert labels.labels[y, x] == int(labels.numbers_[0].get_text())
    grey = fastem.fit(image[:, :, :1].reshape(-1, 1).astype(float), fastem.Gaussian("diag"), 2, seed=0)
    drawn(plots.ImageDisplay.from_result(grey, image[:, :, 0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r, X: plots.covariance_ellipse([0, 0, 0], np.eye(2)), r"mean has shape \(3,\); expected \(2,\)"),
        (lambda r, X: plots.covariance_ellipse([0, 0], np.eye(3)), r"covariance has shape \(3, 3\)"),
        (lambda r, X: plots.covariance_ellipse([0, 0], [[1, 0], [0, -1]]), "none may be negative"),
        (lambda r, X: plots.covariance_ellipse([0, 0], [[1, 2], [0, 1]]), "not symmetric"),
        (lambda r, X: plots.covariance_ellipse([0, 0], np.eye(2), 95), "a level is 95; it must be a probability"),
        (lambda r, X: plots.MixtureDisplay.from_result(r, X, what="pie"), "'pie' is unknown; expected one of"),
        (lambda r, X: plots.MixtureDisplay.from_result(r, X, features=[0, 0]), "one or two different features"),
        (lambda r, X: plots.MixtureDisplay.from_result(r, X, features=5), "features has 5; there are 2"),
        (lambda r, X: plots.MixtureDisplay.from_result(r, X, features="a"), "features has 'a'; the features are"),
        (lambda r, X: plots.MixtureDisplay.from_result(r, X[:, :1]), r"X has shape \(272, 1\); expected"),
        (lambda r, X: plots.MixtureDisplay.from_result(X, r), "ndarray is no mixture"),
        (lambda r, X: plots.ImageDisplay.from_result(r, X, what="means"), r"image has shape \(272, 2\)"),
        (lambda r, X: plots.HistoryDisplay.from_result(X), "ndarray has no history"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(faithful, two, call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(two, faithful)


@pytest.mark.parametrize("what", ["classification", "uncertainty", "density", "components"])
def test_families_of_counts_and_of_zeros_and_ones(what, rng):
    X = rng.poisson(np.repeat([[2.0, 9.0], [12.0, 3.0]], 150, axis=0)).astype(float)
    zeros = (rng.random((300, 2)) < np.repeat([[0.2, 0.8], [0.9, 0.3]], 150, axis=0)).astype(float)
    for family, data in ((fastem.Poisson(), X), (fastem.Bernoulli(), zeros)):
        result = fastem.fit(data, family, 2, seed=0, max_iter=50)
        display = drawn(plots.MixtureDisplay.from_result(result, data, what=what))
        assert not display.ellipses_
        assert len(display.centres_) == (0 if what == "density" else 2)
        assert (display.contours_ is not None) == (what == "density")
        line = drawn(plots.MixtureDisplay.from_result(result, data, what=what, features=1))
        if what != "uncertainty":
            x, total = line.curves_[-1].get_data()
            assert total.sum() == pytest.approx(1.0, abs=1e-3)
            assert x.max() <= 1 or family.name == "poisson"
        drawn(plots.PairsDisplay.from_result(result, data, what=what))


def test_a_start_that_was_never_finite_is_no_refused_leap():
    from fastem.model.result import Status

    paths = [np.array([np.nan]), np.array([-2.0, -1.0, np.nan, -0.5])]
    display = drawn(plots.HistoryDisplay(paths, [Status.NOT_FINITE, Status.CONVERGED], 1).plot())
    assert display.refused_.get_xydata().tolist() == [[3.0, -1.0]]


def test_wrong_axes_unknown_criteria_and_missing_libraries_are_told(faithful, monkeypatch):
    selection = fastem.select(faithful, fastem.Gaussian("diag"), [1, 2], seed=0)
    with pytest.raises(TypeError, match="ax is 'aic'; expected axes"):
        selection.plot("aic")
    with pytest.raises(ValueError, match="chosen by bic, so none has a held-out likelihood"):
        selection.plot(criterion="cv")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'fastem\[plot\]'"):
        selection.plot()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        selection.to_frame()
