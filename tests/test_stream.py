"""Fits of data in chunks: the same history as in memory, in little memory, and errors that say what is wrong."""

import tracemalloc

import driving
import numpy as np
import pytest
from tables import DIAG, FAMILIES, FULL, blobs

import fastem
from fastem import Status
from fastem.data import stream as streams

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)


def forms(X, tmp_path):
    """The same data in each of the forms that a stream may have."""
    np.save(tmp_path / "x.npy", X)
    cuts = [1, 130, len(X) // 2]
    return {
        "array": fastem.stream(X),
        "memory map": fastem.stream(np.load(tmp_path / "x.npy", mmap_mode="r"), rows=100),
        "list": np.split(X, cuts),
        "function": lambda: iter(np.split(X, cuts)),
    }


@every_family
@pytest.mark.parametrize(
    ("dtype", "accelerate"), [(np.float64, None), (np.float32, None), (np.float64, "anderson")], ids=str
)
def test_the_history_is_that_of_a_fit_in_memory(case, dtype, accelerate, rng, tmp_path):
    mixture, X = blobs(case, rng, 1500, 3, 2)
    X, tolerance = X.astype(dtype), 1e-12 if dtype == np.float64 else 1e-6
    settings = {"start": mixture, "tol": 0, "max_iter": 12, "accelerate": accelerate}
    expected = fastem.fit(X, case.family, 3, **settings)
    for name, data in forms(X, tmp_path).items():
        actual = fastem.fit(data, case.family, 3, **settings)
        np.testing.assert_allclose(actual.history, expected.history, rtol=tolerance, err_msg=name)
        assert actual.n_samples == 1500


@every_family
@pytest.mark.parametrize("start", ["auto", "kmeans", "random", "random_from_data", "splitting"])
def test_starts_are_those_of_a_fit_in_memory(case, start, rng):
    _, X = blobs(case, rng, 900, 3, max(2, case.min_features), spread=4.0)
    weights = rng.uniform(0.5, 2.0, 900)
    settings = {"start": start, "seed": 3, "max_iter": 5, "tol": 0, "sample_weight": weights}
    expected = fastem.fit(X, case.family, 3, **settings)
    actual = fastem.fit([X[:300], X[300:310], X[310:]], case.family, 3, **settings)
    np.testing.assert_allclose(actual.history, expected.history, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=str)
def test_a_chunk_may_weigh_nothing(dtype, rng):
    _, X = blobs(DIAG, rng, 900, 2, 2)
    weights = np.r_[np.zeros(300), np.ones(600)]
    settings = {"seed": 3, "max_iter": 5, "tol": 0, "sample_weight": weights}
    expected = fastem.fit(X.astype(dtype), DIAG.family, 2, **settings)
    actual = fastem.fit(np.split(X.astype(dtype), 3), DIAG.family, 2, **settings)
    np.testing.assert_allclose(actual.history, expected.history, rtol=1e-9 if dtype == np.float64 else 1e-5)


def test_labels_and_responsibilities_are_dealt_out_to_the_chunks(rng):
    _, X = blobs(FULL, rng, 700, 2, 2)
    labels = rng.integers(2, size=700)
    for start in (labels, np.eye(2)[labels]):
        expected = fastem.fit(X, fastem.Gaussian("full"), 2, start=start, max_iter=4, tol=0)
        actual = fastem.fit(np.split(X, [10, 300]), fastem.Gaussian("full"), 2, start=start, max_iter=4, tol=0)
        np.testing.assert_allclose(actual.history, expected.history, rtol=1e-12)


def test_parts_and_reseeding_of_a_stream(rng):
    _, X = blobs(DIAG, rng, 6000, 3, 2, spread=4.0)
    chunks = np.array_split(X, 7)
    in_chunks = streams.Stream(lambda: iter(chunks), None, None, taken=20_000)  # larger parts stay in chunks
    settings = {"start": "kmeans", "seed": 0, "progressive": True, "tol": 1e-9, "smallest_part": 300}
    expected = driving.fit(X, fastem.Gaussian("diag"), 3, **settings)
    actual = driving.fit(in_chunks, fastem.Gaussian("diag"), 3, **settings)
    assert actual.starts[0].passes_on_parts > 0
    np.testing.assert_allclose(actual.log_likelihood, expected.log_likelihood, rtol=1e-10)
    start = {"weights": [0.5, 0.5], "means": [[0.0, 0.0], [500.0, 500.0]], "covariances": np.ones((2, 2))}
    for weights in (None, rng.uniform(0.5, 1.5, 6000)):
        settings = {"start": start, "tol": 0, "max_iter": 6, "sample_weight": weights}
        expected = fastem.fit(X, fastem.Gaussian("diag"), 2, **settings)
        actual = fastem.fit(np.array_split(X, 7), fastem.Gaussian("diag"), 2, **settings)
        assert actual.starts[0].reseeded == expected.starts[0].reseeded == 1
        np.testing.assert_allclose(actual.history, expected.history, rtol=1e-10)


def test_a_large_memory_map_is_read_in_little_memory(tmp_path, rng):
    n, d = 1_200_000, 16
    X = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float64, shape=(n, d))
    for first in range(0, n, 100_000):
        X[first : first + 100_000] = rng.standard_normal((100_000, d)) + 3.0 * rng.integers(0, 2, (100_000, 1))
    X.flush()
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    fastem.fit(mapped[:2000], fastem.Gaussian("diag"), 2, seed=0, max_iter=2)  # compile before memory is measured
    tracemalloc.start()
    result = fastem.fit(mapped, fastem.Gaussian("diag"), 2, seed=0, start="kmeans", max_iter=3, progressive=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.n_samples == n
    # 154 MB of data; a chunk takes 16 MB.
    assert peak < 16 * 2**20 + 100e6


def test_a_stream_is_checkpointed(tmp_path, rng):
    _, X = blobs(FULL, rng, 3000, 3, 2)
    settings = {"checkpoint": tmp_path / "fit", "checkpoint_interval": 0.0, "seed": 0, "tol": 1e-9}
    stopped = fastem.fit(
        [X[:999], X[999:]], fastem.Gaussian("full"), 3, callback=lambda r: r.iteration == 4, **settings
    )
    assert stopped.status is Status.STOPPED and (tmp_path / "fit").exists()
    with pytest.raises(ValueError, match="other arguments: X"):
        fastem.fit([X[:999], X[999:] + 1.0], fastem.Gaussian("full"), 3, **settings)
    resumed = fastem.fit([X[:999], X[999:]], fastem.Gaussian("full"), 3, **settings)
    whole = fastem.fit([X[:999], X[999:]], fastem.Gaussian("full"), 3, seed=0, tol=1e-9)
    assert resumed.history.tobytes() == whole.history.tobytes()


def test_unusable_streams_are_refused():
    good = np.random.default_rng(0).standard_normal((50, 2))
    family = fastem.Gaussian("diag")
    holed = good.copy()
    holed[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"X\[57, 1\] is nan"):
        fastem.fit([good, holed], family, 2)
    with pytest.raises(ValueError, match=r"chunk 1 of X has 1 feature"):
        fastem.fit([good, good[:, :1]], family, 2)
    with pytest.raises(ValueError, match="needs non-negative integers"):
        fastem.fit([good], fastem.Poisson(), 2)
    with pytest.raises(TypeError, match="read once only"):
        fastem.stream(iter([good]))
    with pytest.raises(TypeError, match="not of int"):
        fastem.stream(5)
    with pytest.raises(ValueError, match="no samples"):
        fastem.stream(lambda: iter([]))
    with pytest.raises(ValueError, match="fewer entries"):
        fastem.fit([good, good], family, 2, sample_weight=np.ones(60))
    with pytest.raises(ValueError, match=r"shape \(120,\); expected \(100,\)"):
        fastem.fit([good, good], family, 2, sample_weight=np.ones(120))
    with pytest.raises(ValueError, match="n_components is 101"):
        fastem.fit([good, good], family, 101)
    with pytest.raises(TypeError, match="rows"):
        fastem.stream(good, rows=2.5)
    calls = [0]

    def changing():
        calls[0] += 1
        return iter([good, good[: 50 - calls[0]]])

    with pytest.raises(ValueError, match="must not change"):
        fastem.fit(changing, family, 2, start="kmeans", seed=0)


def test_who_takes_no_chunks_says_so(rng):
    X = rng.standard_normal((60, 2))
    result = fastem.fit([X, X], fastem.Gaussian("diag"), 2, seed=0)
    for ask in (
        lambda data: fastem.predict(data, result),
        lambda data: fastem.select(data, fastem.Gaussian("diag"), [1]),
    ):
        with pytest.raises(TypeError, match=r"only fastem\.fit takes data in chunks"):
            ask(fastem.stream(X))
        with pytest.raises(ValueError, match=r"only fastem\.fit makes use"):
            ask([X, X])


def test_what_only_fit_reads_in_chunks_is_told():
    X = np.random.default_rng(0).standard_normal((60, 2))
    with pytest.raises(
        TypeError, match=r"X is an iterator .* can be read once only; give an array, or, to fastem\.fit"
    ):
        fastem.fit((X for _ in range(2)), fastem.Gaussian("diag"), 2)
    with pytest.raises(ValueError, match=r"X is a list of matrices; .* np\.concatenate"):
        fastem.select([X, X[:7]], fastem.Gaussian("diag"), [1, 2])
    with pytest.raises(TypeError, match="X is a function; of data in chunks, only"):
        fastem.select(lambda: iter([X]), fastem.Gaussian("diag"), 2)
