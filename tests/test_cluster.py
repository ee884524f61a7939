"""KMeans has scikit-learn's results from scikit-learn's start, and behaves like it."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastem
from fastem import KMeans

cluster = pytest.importorskip("sklearn.cluster")
from sklearn.exceptions import ConvergenceWarning, NotFittedError  # noqa: E402

HERE = Path(__file__).parent


def digits():
    return np.load(HERE / "data" / "digits2000.npz")["X"].astype(np.float64)


def table(name, columns):
    return np.loadtxt(HERE / "data" / f"{name}.csv", delimiter=",", skiprows=1, usecols=range(columns))


DATA = {
    "faithful": (lambda: table("faithful", 2), 3),
    "iris": (lambda: table("iris", 4), 3),
    "wine13": (lambda: table("wine13", 13), 5),
    "digits": (digits, 10),
    "one feature": (lambda: np.random.default_rng(0).normal(size=(500, 1)), 7),
    "one cluster": (lambda: np.random.default_rng(0).normal(size=(500, 3)), 1),
    "many clusters": (lambda: np.random.default_rng(0).normal(size=(300, 2)), 60),
    "far from the origin": (lambda: np.random.default_rng(0).normal(size=(400, 3)) + 1e6, 4),
    "a common factor": (lambda: np.random.default_rng(0).normal(size=(400, 3)) * 1e-12, 4),
    "large": (lambda: np.random.default_rng(0).normal(size=(50_000, 6)), 9),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", DATA)
def test_labels_centres_and_inertia_are_those_of_sklearn(name, weighted):
    load, k = DATA[name]
    X = load()
    start = X[:: len(X) // k][:k]
    weights = np.random.default_rng(1).uniform(0.5, 2.0, len(X)) if weighted else None
    expected = cluster.KMeans(k, init=start, n_init=1).fit(X, sample_weight=weights)
    actual = KMeans(k, init=start).fit(X, sample_weight=weights)
    np.testing.assert_array_equal(actual.labels_, expected.labels_)
    scale = np.abs(X - X.mean(axis=0)).max()
    np.testing.assert_allclose(actual.cluster_centers_, expected.cluster_centers_, rtol=1e-12, atol=1e-9 * scale)
    np.testing.assert_allclose(actual.inertia_, expected.inertia_, rtol=1e-9)
    assert actual.n_iter_ == expected.n_iter_
    assert actual.labels_.dtype == expected.labels_.dtype
    np.testing.assert_array_equal(actual.predict(X), actual.labels_)
    np.testing.assert_allclose(actual.score(X, sample_weight=weights), -actual.inertia_, rtol=1e-9)
    np.testing.assert_allclose(actual.transform(X[:50]), expected.transform(X[:50]), rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("max_iter", [1, 2, 5])
def test_it_stops_where_sklearn_does(max_iter, rng):
    X = rng.standard_normal((2000, 4))
    settings = {"init": X[:6], "n_init": 1, "max_iter": max_iter, "tol": 0}
    expected, actual = cluster.KMeans(6, **settings), KMeans(6, **settings)
    np.testing.assert_allclose(actual.fit(X).cluster_centers_, expected.fit(X).cluster_centers_, rtol=1e-12)
    np.testing.assert_array_equal(actual.labels_, expected.labels_)
    assert actual.n_iter_ == max_iter


def test_an_empty_cluster_is_put_at_the_farthest_sample(rng):
    X = rng.standard_normal((500, 2))
    start = np.vstack([X[:3], [[100.0, 100.0], [200.0, 200.0]]])
    expected, actual = cluster.KMeans(5, init=start, n_init=1).fit(X), KMeans(5, init=start).fit(X)
    np.testing.assert_array_equal(actual.labels_, expected.labels_)
    np.testing.assert_allclose(actual.cluster_centers_, expected.cluster_centers_, rtol=1e-10)
    distinct = np.repeat([[0.0, 0.0], [1.0, 1.0]], 10, axis=0)
    with pytest.warns(ConvergenceWarning, match=r"distinct clusters \(2\) found smaller than n_clusters \(4\)"):
        model = KMeans(4, random_state=0).fit(distinct)
    assert model.inertia_ == 0.0
    assert len(np.unique(model.labels_)) == 2


@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_random_starts_are_reproducible_on_any_number_of_threads(init, rng):
    X = rng.standard_normal((20_000, 3))
    expected = KMeans(5, init=init, n_init=3, random_state=0).fit(X)
    for n_threads in (1, 2, 5):
        actual = KMeans(5, init=init, n_init=3, random_state=0, n_threads=n_threads).fit(X)
        np.testing.assert_array_equal(actual.cluster_centers_, expected.cluster_centers_)
        assert actual.inertia_ == expected.inertia_
    assert KMeans(5, init=init, n_init=10, random_state=0).fit(X).inertia_ <= expected.inertia_ * (1 + 1e-12)


def test_weight_two_is_the_sample_twice_and_weight_zero_is_none(rng):
    X = rng.standard_normal((300, 3))
    counts = rng.integers(0, 3, 300)
    counts[:4] = 1
    weighted = KMeans(4, init=X[:4]).fit(X, sample_weight=counts)
    repeated = KMeans(4, init=X[:4]).fit(np.repeat(X, counts, axis=0))
    np.testing.assert_allclose(weighted.cluster_centers_, repeated.cluster_centers_, rtol=1e-10)
    np.testing.assert_allclose(weighted.inertia_, repeated.inertia_, rtol=1e-10)


def test_float32_stays_float32(rng):
    X = rng.standard_normal((1000, 5)).astype(np.float32)
    expected, actual = cluster.KMeans(4, init=X[:4], n_init=1).fit(X), KMeans(4, init=X[:4]).fit(X)
    assert actual.cluster_centers_.dtype == actual.transform(X).dtype == np.float32
    np.testing.assert_allclose(actual.cluster_centers_, expected.cluster_centers_, atol=1e-4)


def test_initial_centres_may_come_from_a_function(rng):
    X = rng.standard_normal((200, 2))
    model = KMeans(3, init=lambda X, k, random_state: X[:k], n_init=1).fit(X)
    np.testing.assert_array_equal(model.labels_, KMeans(3, init=X[:3]).fit(X).labels_)


def test_bad_input_is_one_clear_sentence(rng):
    X = rng.standard_normal((20, 2))
    with pytest.raises(ValueError, match="n_samples=20 should be >= n_clusters=21"):
        KMeans(21).fit(X)
    with pytest.raises(ValueError, match="does not match the number of clusters 3"):
        KMeans(3, init=X[:2]).fit(X)
    with pytest.raises(ValueError, match="number of features of the data 2"):
        KMeans(3, init=np.zeros((3, 4))).fit(X)
    with pytest.raises(ValueError, match=r"init\[0, 1\] is nan"):
        KMeans(1, init=[[0, np.nan]]).fit(X)
    X[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"X\[3, 1\] is nan"):
        KMeans(2).fit(X)
    with pytest.raises(NotFittedError):
        KMeans(2).predict(X)
    for method in ("predict", "transform", "score"):
        with pytest.raises(ValueError, match=r"X\[3, 1\] is nan"):
            getattr(KMeans(2).fit(X[:3]), method)(X)


def test_it_lives_among_sklearns_tools(rng, capsys):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X = rng.standard_normal((200, 3))
    model = KMeans(4, random_state=0, verbose=1).fit(X)
    assert "Iteration 0, inertia" in capsys.readouterr().out
    assert model.get_feature_names_out().tolist() == ["kmeans0", "kmeans1", "kmeans2", "kmeans3"]
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.labels_)
    np.testing.assert_array_equal(model.fit_predict(X), model.labels_)
    assert make_pipeline(StandardScaler(), KMeans(2, random_state=0)).fit_transform(X).shape == (200, 2)


RUN = """
import warnings
from sklearn.utils.estimator_checks import check_estimator
import fastem
warnings.simplefilter("ignore")
for settings in ({}, {"n_clusters": 1}):
    for result in check_estimator(fastem.KMeans(**settings), on_skip=None, on_fail=None):
        if result["status"] != "passed":
            print(settings, result["check_name"], result["status"], result["exception"])
print("done")
"""


def test_estimator_checks():
    pytest.importorskip("pandas")
    env = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *failures, last = done.stdout.strip().splitlines()
    assert last == "done"
    # As in scikit-learn, rows are shuffled and the start is random, so another optimum is found.
    marked = "check_sample_weight_equivalence_on_dense_data"
    assert all(marked in line for line in failures if line.startswith("{")), failures


def test_the_parameters_are_those_of_sklearn():
    import inspect

    theirs, ours = (inspect.signature(c.__init__).parameters for c in (cluster.KMeans, KMeans))
    assert [(p.name, p.default) for p in theirs.values()] == [(p.name, p.default) for p in list(ours.values())[:-1]]
    assert {name for name in dir(cluster.KMeans) if not name.startswith("_")} <= set(dir(fastem.KMeans))
