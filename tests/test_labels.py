"""What is known about components: labels and prior weights, in fits and in everything that comes after them."""

import json
from pathlib import Path

import naive
import numpy as np
import pytest
from scipy.special import logsumexp
from tables import FAMILIES, blobs

import fastem

DATA = Path(__file__).parent / "data"
every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
SHAPES_OF = {"VVV": "full", "EEE": "tied", "VVI": "diag", "EII": "tied_spherical"}
pytestmark = pytest.mark.filterwarnings("ignore::fastem.FitWarning")


def iris():
    rows = np.genfromtxt(DATA / "iris.csv", delimiter=",", skip_header=1, dtype=str)
    return rows[:, :4].astype(float), np.unique(rows[:, 4], return_inverse=True)[1]


def banknote():
    rows = np.genfromtxt(DATA / "banknote.csv", delimiter=",", skip_header=1, dtype=str)
    return rows[:, 1:].astype(float), np.unique(rows[:, 0], return_inverse=True)[1]


def some(labels, rng, share=0.2):
    return np.where(rng.random(len(labels)) < share, labels, -1)


def objective(case, result, X, prior, weights=None):
    joint = naive.joint_log_prob(case, result.weights, result.parameters, X)
    with np.errstate(divide="ignore"):
        norms = logsumexp(joint + np.log(prior), axis=1)
    return float(np.sum((1.0 if weights is None else weights) * norms))


def one_hot(labels, k):
    return np.where(labels[:, None] < 0, 1.0, np.eye(k)[np.maximum(labels, 0)])


@every_family
@pytest.mark.parametrize("how", ["labels", "prior_resp"])
def test_an_iteration_is_the_textbooks(case, how, rng):
    k, d = 3, 2
    _, X = blobs(case, rng, 300, k, d)
    weights = rng.random(300)
    labels = some(rng.integers(0, k, 300), rng, 0.1)
    prior = one_hot(labels, k) if how == "labels" else rng.random((300, k)) * (rng.random((300, k)) < 0.8) + 1e-3
    known = {"labels": labels} if how == "labels" else {"prior_resp": prior}
    start = fastem.fit(X, case.family, k, start="random_from_data", seed=1, max_iter=3, tol=0)
    begin = {"weights": start.weights, **start.parameters}
    found = fastem.fit(X, case.family, k, sample_weight=weights, start=begin, max_iter=1, tol=0, **known)
    joint = naive.joint_log_prob(case, start.weights, start.parameters, X) + np.log(np.maximum(prior, 1e-300))
    norms = logsumexp(joint, axis=1)
    resp = np.exp(joint - norms[:, None])
    expected, parameters = naive.m_step(case, resp, X, weights)
    np.testing.assert_allclose(found.history[0], np.sum(weights * norms), rtol=1e-10)
    np.testing.assert_allclose(found.weights, expected, rtol=1e-8)
    for name, value in parameters.items():
        np.testing.assert_allclose(found.parameters[name], value, rtol=1e-6, atol=1e-9)
    assert found.log_likelihood == pytest.approx(objective(case, found, X, prior, weights), rel=1e-10)


@every_family
def test_the_objective_rises_and_nothing_depends_on_threads_pieces_or_bursts(case, rng, tmp_path):
    k = 3
    _, X = blobs(case, rng, 3000, k, 2)
    labels = some(rng.integers(0, k, 3000), rng, 0.02)
    settings = {"labels": labels, "start": "kmeans", "seed": 2, "sample_weight": rng.random(3000), "tol": 1e-9}
    result = fastem.fit(X, case.family, k, **settings)
    assert result.n_labelled == (labels >= 0).sum()
    assert (np.diff(result.history) >= -1e-10 * np.abs(result.history[1:])).all()
    for other in (
        {"n_threads": 1},
        {"callback": lambda _: False},
        {"checkpoint": tmp_path / "c", "checkpoint_interval": 0},
    ):
        same = fastem.fit(X, case.family, k, **settings, **other)
        assert same.history.tobytes() == result.history.tobytes()
    pieces = fastem.fit([X[:700], X[700:]], case.family, k, **settings)
    assert pieces.log_likelihood == pytest.approx(result.log_likelihood, rel=1e-9)
    fast = fastem.fit(X, case.family, k, accelerate="anderson", **settings)
    assert fast.log_likelihood >= result.log_likelihood - 1e-5 * 3000
    parts = fastem.fit(X, case.family, k, progressive=True, **settings)
    assert parts.n_labelled == result.n_labelled


@pytest.mark.parametrize("name", SHAPES_OF)
@pytest.mark.parametrize("data", ["iris", "banknote"])
def test_mclusts_semi_supervised_fits(name, data):
    reference = json.loads((DATA / "mclust_semi_supervised.json").read_text(encoding="utf-8"))["datasets"][data]
    shape = SHAPES_OF[name]
    X, y = iris() if data == "iris" else banknote()
    labels = np.where((np.arange(len(X)) + 1) % 3 == 0, y, -1)
    found = fastem.fit(X, fastem.Gaussian(shape), y.max() + 1, labels=labels, tol=1e-12, seed=0)
    assert found.log_likelihood >= reference[name]["loglik"] - 1e-4
    assert found.log_likelihood == pytest.approx(reference[name]["loglik"], abs=1e-3)
    np.testing.assert_allclose(found.weights, reference[name]["parameters"]["pro"], atol=1e-4)


def test_all_labels_are_scikit_learns_supervised_fits():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
    from sklearn.naive_bayes import GaussianNB

    X, y = iris()
    one, two, three = (fastem.fit(X, fastem.Gaussian(shape), 3, labels=y) for shape in ("diag", "tied", "full"))
    bayes = GaussianNB(var_smoothing=0).fit(X, y)
    linear = LinearDiscriminantAnalysis(solver="lsqr").fit(X, y)
    quadratic = QuadraticDiscriminantAnalysis(store_covariance=True).fit(X, y)
    for found, means, covariances in (
        (one, bayes.theta_, bayes.var_),
        (two, linear.means_, linear.covariance_),
        (three, quadratic.means_, np.array(quadratic.covariance_)),
    ):
        np.testing.assert_allclose(found.parameters["means"], means, rtol=1e-10)
        np.testing.assert_allclose(found.weights, 1 / 3, rtol=1e-10)
        if found is not three:
            np.testing.assert_allclose(found.parameters["covariances"], covariances, rtol=1e-10)
        assert (found.n_passes, found.status.name, found.n_labelled) == (1, "CONVERGED", 150)
    expected = [np.cov(X[y == k].T, bias=True) for k in range(3)]
    np.testing.assert_allclose(three.parameters["covariances"], expected, rtol=1e-10)


def test_all_labels_far_from_zero_keep_their_digits(rng):
    X = np.concatenate([rng.standard_normal((200, 3)) + 1e6, rng.standard_normal((200, 3)) - 1e6])
    found = fastem.fit(X, fastem.Gaussian(), 2, labels=np.repeat([0, 1], 200))
    centred = [X[:200] - X[:200].mean(axis=0), X[200:] - X[200:].mean(axis=0)]
    np.testing.assert_allclose(found.parameters["covariances"], [c.T @ c / 200 for c in centred], rtol=1e-9)


def test_more_components_than_labels(rng):
    X = np.concatenate([rng.normal(m, 0.5, (200, 2)) for m in (-6, 0, 6)])
    labels = np.full(600, -1)
    labels[:5], labels[400:405] = 2, 0
    found = fastem.fit(X, fastem.Gaussian("diag"), 3, labels=labels, seed=0)
    np.testing.assert_allclose(found.parameters["means"][:, 0], [6, 0, -6], atol=0.2)
    four = fastem.fit(X, fastem.Gaussian("diag"), 4, labels=labels, start="kmeans", seed=0)
    np.testing.assert_allclose(four.parameters["means"][[0, 2], 0], [6, -6], atol=1.0)


def test_knowing_nothing_changes_no_bit(rng):
    X = rng.standard_normal((500, 2))
    plain = fastem.fit(X, fastem.Gaussian(), 3, seed=0)
    none = fastem.fit(X, fastem.Gaussian(), 3, seed=0, labels=np.full(500, -1))
    assert none.history.tobytes() == plain.history.tobytes()
    assert none.n_labelled == 0


def test_certain_prior_weights_are_labels(rng):
    X, y = iris()
    labels = some(y, rng)
    one = fastem.fit(X, fastem.Gaussian(), 3, labels=labels, seed=0)
    two = fastem.fit(X, fastem.Gaussian(), 3, prior_resp=one_hot(labels, 3), seed=0)
    assert one.log_likelihood == pytest.approx(two.log_likelihood, rel=1e-10)
    assert one.n_labelled == two.n_labelled
    both = fastem.fit(X, fastem.Gaussian(), 3, labels=labels, prior_resp=np.ones((150, 3)), seed=0)
    assert both.log_likelihood == pytest.approx(two.log_likelihood, rel=1e-10)


def test_evaluate_scores_samples_with_their_labels(rng):
    X, y = iris()
    labels, weights = some(y, rng), rng.random(150)
    result = fastem.fit(X, fastem.Gaussian(), 3, labels=labels, sample_weight=weights, seed=0)
    again = fastem.evaluate(X, result, labels=labels, sample_weight=weights)
    assert again.log_likelihood == pytest.approx(result.log_likelihood, rel=1e-12)
    assert again.bic == pytest.approx(result.bic, rel=1e-12)
    alone = fastem.evaluate(X, result, sample_weight=weights)
    assert alone.log_likelihood > result.log_likelihood  # a sample is likelier than it and its label
    assert alone.n_labelled == 0
    assert f"{result.n_labelled} of them labelled" in result.summary()


def test_files_keep_how_many_were_labelled(tmp_path, rng):
    X, y = iris()
    result = fastem.fit(X, fastem.Gaussian(), 3, labels=some(y, rng), seed=0)
    fastem.save(result, tmp_path / "m")
    assert fastem.load(tmp_path / "m").n_labelled == result.n_labelled > 0


def test_a_grid_of_labelled_models(rng):
    X, y = iris()
    labels = some(y, rng)
    chosen = fastem.select(X, fastem.Gaussian("tied"), range(3, 6), labels=labels, seed=0, criterion="icl")
    assert all(model.n_labelled == (labels >= 0).sum() for model in chosen.models)
    alone = fastem.fit(X, fastem.Gaussian("tied"), 3, labels=labels, seed=0)
    assert chosen.models[0].log_likelihood == alone.log_likelihood
    assert fastem.select(X, fastem.Gaussian("tied"), [3], labels=labels, seed=0, criterion="cv", n_folds=3).best
    with pytest.raises(ValueError, match=r"labels\[\d+\] is 2, but the components are 0 to 1; n_components must be"):
        fastem.select(X, fastem.Gaussian("tied"), range(2, 4), labels=labels)


@pytest.mark.parametrize("kind", ["nonparametric", "weighted", "parametric"])
def test_the_bootstrap_keeps_labels(kind, rng):
    y = np.repeat([0, 1], 100)
    X = rng.standard_normal((200, 2)) + 3.0 * y[:, None]
    labels = some(y, rng, 0.5)
    result = fastem.fit(X, fastem.Gaussian("tied"), 2, labels=labels, seed=0, tol=1e-9)
    found = fastem.bootstrap(result, X, labels=labels, kind=kind, n_replicates=60, seed=0)
    assert found.n_failed == 0
    errors = found.standard_errors["means"]  # a tenth of a standard deviation, had all labels been known
    assert ((errors > 0.07) & (errors < 0.16)).all()
    with pytest.raises(ValueError, match="give the labels= and prior_resp= of the fit"):
        fastem.bootstrap(result, X, kind=kind)


@every_family
def test_diagnose_finds_the_gradient_of_the_labelled_likelihood(case, rng):
    _, X = blobs(case, rng, 400, 2, 2)
    labels = some(rng.integers(0, 2, 400), rng, 0.1)
    result = fastem.fit(X, case.family, 2, labels=labels, seed=0, tol=1e-10, max_iter=3000)
    found = fastem.diagnose(X, result, labels=labels)
    assert abs(found.gain) < 1e-5 or found.verdict.name == "BOUNDARY"
    with pytest.raises(ValueError, match="was fitted with"):
        fastem.diagnose(X, result)


def test_a_labelled_component_never_starves(rng):
    X = np.concatenate([rng.normal(-5, 1, (300, 1)), rng.normal(5, 1, (3, 1))])
    labels = np.full(303, -1)
    labels[300:] = 1
    found = fastem.fit(X, fastem.Gaussian("tied"), 2, labels=labels, min_samples=20, starving="drop", seed=0)
    assert found.n_components == 2
    assert found.weights[1] == pytest.approx(3 / 303, rel=0.01)


def test_a_class_of_few_samples_is_guarded(rng):
    X = rng.standard_normal((100, 5))
    labels = np.zeros(100, dtype=int)
    labels[:2] = 1
    found = fastem.fit(X, fastem.Gaussian("full"), 2, labels=labels)
    assert found.status.name == "COLLAPSED"
    assert np.isfinite(found.log_likelihood)


def test_missing_labels_of_every_kind():
    pandas = pytest.importorskip("pandas")
    X, y = iris()
    labels = np.where(np.arange(150) % 3 == 0, y, -1)
    expected = fastem.fit(X, fastem.Gaussian(), 3, labels=labels, seed=0).log_likelihood
    names = np.array(["a", "b", "c"], dtype=object)[y]
    names[labels < 0] = None
    gaps = np.where(labels < 0, np.nan, labels)
    for given in (
        gaps,
        labels.tolist(),
        [None if label < 0 else int(label) for label in labels],
        np.ma.masked_less(labels, 0),
        pandas.Categorical(names),
        pandas.Series(pandas.Categorical(names)),
        pandas.Series(gaps).astype("Int64"),
        pandas.Series(labels),
    ):
        assert fastem.fit(X, fastem.Gaussian(), 3, labels=given, seed=0).log_likelihood == expected
    polars = pytest.importorskip("polars")
    for given in (
        polars.Series(names).cast(polars.Categorical),
        polars.Series([None if label < 0 else int(label) for label in labels]),
    ):
        assert fastem.fit(X, fastem.Gaussian(), 3, labels=given, seed=0).log_likelihood == expected


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"labels": [0, 1]}, r"labels has shape \(2,\); expected \(150,\)"),
        ({"labels": [3] * 150}, r"labels\[0\] is 3, but the components are 0 to 2; n_components must be at least 4"),
        ({"labels": [-2] * 150}, r"labels\[0\] is -2; expected the number of a component from 0, or -1"),
        ({"labels": [0.5] * 150}, r"labels\[0\] is 0.5; expected"),
        ({"labels": ["a"] * 150}, "labels holds text"),
        ({"labels": [0] * 75 + [2] * 75}, "none has the label 1, so this component has no sample"),
        ({"prior_resp": np.ones((150, 2))}, r"prior_resp has shape \(150, 2\); expected \(150, 3\)"),
        ({"prior_resp": -np.ones((150, 3))}, r"prior_resp\[0, 0\] is -1.0; it must be finite and >= 0"),
        ({"prior_resp": np.zeros((150, 3))}, r"prior_resp\[0\] is all zeros"),
        ({"labels": [1] * 150, "prior_resp": np.eye(3)[[0] * 150]}, r"labels\[0\] is 1, but prior_resp\[0, 1\] is 0"),
    ],
)
def test_errors_name_the_place(settings, words):
    X, _ = iris()
    with pytest.raises((ValueError, TypeError), match=words):
        fastem.fit(X, fastem.Gaussian(), 3, **settings)


def test_the_estimators_take_labels(rng):
    X, y = iris()
    labels = some(y, rng)
    core = fastem.fit(
        X, fastem.Gaussian(reg_covar=1e-6), 3, labels=labels, start="kmeans", accelerate=None, tol=1e-3, seed=0
    )
    mixture = fastem.GaussianMixture(3, random_state=0).fit(X, labels=labels)
    np.testing.assert_array_equal(mixture.means_, core.parameters["means"])
    assert (mixture.predict(X) == y).mean() > 0.9
    assert mixture.result_.n_labelled == core.n_labelled
    assert fastem.Mixture(fastem.Gaussian("tied"), 3).fit(X, prior_resp=one_hot(labels, 3)).converged_
    import sklearn
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with sklearn.config_context(enable_metadata_routing=True):
        routed = make_pipeline(StandardScaler(), fastem.GaussianMixture(3, random_state=0).set_fit_request(labels=True))
        assert (routed.fit(X, labels=labels).predict(X) == y).mean() > 0.9


def test_packed_data_take_labels(rng):
    X, y = iris()
    labels = some(y, rng)
    packed = fastem.fit(fastem.pack(X, fastem.Gaussian()), fastem.Gaussian(), 3, labels=labels, seed=0)
    assert packed.log_likelihood == fastem.fit(X, fastem.Gaussian(), 3, labels=labels, seed=0).log_likelihood


def test_the_command_line_takes_labels(tmp_path, capsys, rng):
    from fastem.cli.main import main

    X, y = iris()
    names = np.where(rng.random(150) < 0.3, np.array(["setosa", "versicolor", "virginica"])[y], "")
    lines = ["a,b,c,d,kind", *(",".join([*map(str, row), name]) for row, name in zip(X, names, strict=True))]
    (tmp_path / "iris.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "labels"
    assert (
        main(["fit", str(tmp_path / "iris.csv"), "--labels", "kind", "--components", "3", "--labels-out", str(out)])
        == 0
    )
    shown = capsys.readouterr().out
    assert "component 0 is setosa, component 1 is versicolor, component 2 is virginica" in shown
    assert "150 samples x 4 features" in shown
    assert (np.loadtxt(out, skiprows=1) == y).mean() > 0.9
    assert main(["fit", str(tmp_path / "iris.csv"), "--labels", "kind", "--components", "2:4"]) == 2
    assert "--components 2 is too few for the labels, which need 3" in capsys.readouterr().err
    np.savez(tmp_path / "iris.npz", X=X, kind=np.where(names == "", -1, y))
    assert main(["fit", str(tmp_path / "iris.npz"), "--labels", "kind"]) == 0


def test_prior_weights_in_a_selection_of_shapes(rng):
    X = np.concatenate([rng.normal(m, 1, (60, 2)) for m in (-2, 2)])
    prior = np.ones((120, 2))
    prior[:20, 1] = 0.2
    families = [fastem.Gaussian("full"), fastem.Gaussian("diag")]
    found = fastem.select(X, families, 2, prior_resp=prior, seed=0)
    alone = fastem.fit(X, families[1], 2, prior_resp=prior, seed=0)
    assert found.models[1].log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-4)
    with pytest.raises(ValueError, match=r"n_components must be one number, not \[2, 3\]"):
        fastem.select(X, families, [2, 3], prior_resp=prior)
