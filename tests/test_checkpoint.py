"""A fit that was interrupted goes on from its last checkpoint to the same bits."""

import signal
import subprocess
import sys
from types import SimpleNamespace

import driving
import numpy as np
import pytest
from conftest import HERE

import fastem
from fastem.fitting import checkpoint
from fastem.model.result import Status

FIT = """
import signal, sys
import numpy as np, fastem
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background of a script ignores
path = sys.argv[1]
sys.path.insert(0, sys.argv[2])
import driving
rng = np.random.default_rng(0)
X = rng.standard_normal((6000, 3)) + rng.integers(0, 3, 6000)[:, None]
calls = [0]
def callback(record):
    calls[0] += 1
    if calls[0] == 40:  # waits here until it is killed
        print("ready", flush=True)
        sys.stdin.readline()
result = driving.fit(X, fastem.Gaussian("full"), 4, accelerate="anderson", progressive=True, seed=1, tol=1e-8,
                     checkpoint=path, checkpoint_interval=0.0, callback=callback, smallest_part=300)
"""


class Killed(BaseException):
    """As an interrupt: no `except Exception` sees it."""


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((6000, 3)) + rng.integers(0, 3, 6000)[:, None]


def fit(X, family, n_components, **settings):
    """A fit whose parts have hundreds of samples, so that these data have several."""
    return driving.fit(X, family, n_components, smallest_part=300, **settings)


def same(one, other):
    assert np.array_equal(one.history, other.history) and one.starts[one.best_start] == other.starts[other.best_start]
    assert np.array_equal(one.weights, other.weights)
    for name in one.parameters:
        assert np.array_equal(one.parameters[name], other.parameters[name])
    for a, b in zip(one.starts, other.starts, strict=True):
        np.testing.assert_equal(tuple(a), tuple(b))


def killer(after):
    """A callback that ends the process, so to speak, after so many calls."""
    calls = [0]

    def callback(record):
        calls[0] += 1
        if calls[0] > after:
            raise Killed

    return callback


@pytest.mark.parametrize("family", [fastem.Gaussian("full"), fastem.Gaussian("tied")], ids=lambda f: f.name)
@pytest.mark.parametrize("accelerate", [None, "anderson", "squarem"])
@pytest.mark.parametrize("in_parts", [True, False])
def test_any_interruption_ends_in_the_same_bits(data, family, accelerate, in_parts, tmp_path):
    settings = {"accelerate": accelerate, "progressive": in_parts, "seed": 1, "max_iter": 40}
    whole = fit(data, family, 3, **settings)
    path = tmp_path / "fit.npz"
    settings |= {"checkpoint": path, "checkpoint_interval": 0.0}
    interruptions = 0
    for after in (3, 60, 25, 9, 15):  # each goes on where the one before was interrupted
        try:
            fit(data, family, 3, callback=killer(after), **settings)
        except Killed:
            interruptions += 1
            assert path.exists() or after == 3
    assert interruptions >= 2
    resumed = fit(data, family, 3, **settings)
    same(whole, resumed)
    assert not path.exists() and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("assignment", "in_parts"),
    [("hard", True), ("hard", False), ("stochastic", False), ("annealed", True), ("annealed", False)],
)
def test_any_interruption_of_another_assignment(data, assignment, in_parts, tmp_path):
    settings = {"assignment": assignment, "progressive": in_parts, "seed": 1, "max_iter": 30, "n_init": 2}
    settings |= {"start": "k-means++", "accelerate": None}
    whole = fit(data, fastem.Gaussian("full"), 3, **settings)
    path, interruptions = tmp_path / "fit.npz", 0
    settings |= {"checkpoint": path, "checkpoint_interval": 0.0}
    for after in (2, 7, 9, 11, 8, 10, 13):
        try:
            fit(data, fastem.Gaussian("full"), 3, callback=killer(after), **settings)
        except Killed:
            interruptions += 1
    assert interruptions >= 3
    late = fit(data, fastem.Gaussian("full"), 3, time_limit=1e-9, **settings)
    assert late.status is Status.TIME_LIMIT
    assert path.exists()
    resumed = fit(data, fastem.Gaussian("full"), 3, **settings)
    same(whole, resumed)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_a_killed_process_goes_on(data, how, tmp_path):
    if how == "interrupted" and sys.platform == "win32":
        pytest.skip("a process gets no interrupt there from another")
    path = tmp_path / "fit.npz"
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", FIT, str(path), str(HERE)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        assert path.exists()
        if how == "killed":
            process.kill()
        else:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=600) != 0
    assert path.exists()
    settings = {"accelerate": "anderson", "progressive": True, "seed": 1, "tol": 1e-8}
    calls = []
    resumed = fit(data, fastem.Gaussian("full"), 4, checkpoint=path, checkpoint_interval=0.0, **settings)
    whole = fit(data, fastem.Gaussian("full"), 4, callback=calls.append, **settings)
    same(whole, resumed)
    assert not path.exists()


def test_fresh_entropy_is_kept(data, tmp_path):
    path = tmp_path / "fit.npz"
    settings = {"checkpoint": path, "checkpoint_interval": 0.0, "progressive": True}
    for after in (5, 5):
        with pytest.raises(Killed):
            fit(data, fastem.Gaussian("diag"), 3, callback=killer(after), **settings)
    with np.load(path) as archive:
        assert "entropy" in str(archive["state"])
    assert fit(data, fastem.Gaussian("diag"), 3, **settings).status is Status.CONVERGED


def test_a_callback_that_stops_leaves_the_file(data, tmp_path):
    path = tmp_path / "fit.npz"
    settings = {"checkpoint": path, "checkpoint_interval": 0.0, "seed": 0, "tol": 1e-9, "start": "kmeans"}
    whole = fit(data, fastem.Gaussian("full"), 3, seed=0, tol=1e-9, start="kmeans")
    stopped = fit(data, fastem.Gaussian("full"), 3, callback=lambda record: record.iteration == 5, **settings)
    assert stopped.status is Status.STOPPED and path.exists()
    same(whole, fit(data, fastem.Gaussian("full"), 3, **settings))
    assert not path.exists()


def test_other_data_or_arguments_are_refused(data, tmp_path):
    path = tmp_path / "fit.npz"
    settings = {"checkpoint": path, "checkpoint_interval": 0.0, "seed": 0}
    with pytest.raises(Killed):
        fit(data, fastem.Gaussian("full"), 3, callback=killer(40), **settings)
    kept = path.read_bytes()
    changed = data.copy()
    changed[5999, 2] += 1e-9
    for X, family, k, more, named in (
        (changed, fastem.Gaussian("full"), 3, {}, "X"),
        (data, fastem.Gaussian("diag"), 3, {}, "family"),
        (data, fastem.Gaussian("full", floor=1e-9), 3, {}, "family"),
        (data, fastem.Gaussian("full"), 4, {}, "n_components"),
        (data, fastem.Gaussian("full"), 3, {"seed": 1}, "seed"),
        (data, fastem.Gaussian("full"), 3, {"tol": 1e-5}, "tol"),
        (data, fastem.Gaussian("full"), 3, {"accelerate": "squarem"}, "accelerate"),
        (data, fastem.Gaussian("full"), 3, {"sample_weight": np.ones(6000)}, "sample_weight"),
        (data, fastem.Gaussian("full"), 3, {"start": "kmeans"}, "start, drop_losers, thorough"),
    ):
        with pytest.raises(ValueError, match=rf"other arguments: {named}\. Fit"):
            fit(X, family, k, **{**settings, **more})
    assert path.read_bytes() == kept


def test_other_files_are_refused_and_left_alone(data, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a checkpoint")
    model = tmp_path / "model.npz"
    fastem.save(fastem.from_parameters(fastem.Poisson(), [1.0], rates=[[2.0]]), model)
    for path in (text, model):
        before = path.read_bytes()
        with pytest.raises(ValueError, match="no checkpoint"):
            fastem.fit(data, fastem.Gaussian("full"), 3, checkpoint=path)
        assert path.read_bytes() == before
    with pytest.raises(ValueError, match="checkpoint_interval is -1"):
        fastem.fit(data, fastem.Gaussian("full"), 3, checkpoint=tmp_path / "new", checkpoint_interval=-1)


def test_the_file_needs_no_pickle(data, tmp_path):
    path = tmp_path / "fit.npz"
    with pytest.raises(Killed):
        fit(data, fastem.Gaussian("full"), 3, seed=0, callback=killer(30), checkpoint=path, checkpoint_interval=0.0)
    with np.load(path, allow_pickle=False) as archive:
        assert int(archive["format"]) == 4
        assert all(archive[name].dtype != object for name in archive.files)


@pytest.mark.parametrize("in_parts", [True, False])
@pytest.mark.parametrize("seconds", [1, 2, 5, 40])
def test_a_limit_of_time_leaves_the_file_to_go_on_from(data, in_parts, seconds, tmp_path):
    """A limit that is over before the first pass does, too."""
    path = tmp_path / "fit.npz"
    settings = {"seed": 1, "tol": 1e-7, "progressive": in_parts, "accelerate": "anderson"}
    whole = fit(data, fastem.Gaussian("full"), 4, **settings)
    settings |= {"checkpoint": path, "checkpoint_interval": 0.0}
    for _ in range(2):
        limited = fit(data, fastem.Gaussian("full"), 4, time_limit=seconds, clock=driving.Clock(), **settings)
        assert limited.status is Status.TIME_LIMIT and path.exists()
    same(whole, fit(data, fastem.Gaussian("full"), 4, **settings))
    assert not path.exists()


def test_a_stop_with_some_starts_on_their_way_leaves_the_file(data, tmp_path):
    path = tmp_path / "fit.npz"
    settings = {"start": "kmeans", "n_init": 6, "seed": 0, "tol": 1e-5}
    whole = fit(data, fastem.Gaussian("full"), 3, **settings)
    settings |= {"checkpoint": path, "checkpoint_interval": 0.0}
    first = min(report.n_iter for report in whole.starts)
    assert first < max(report.n_iter for report in whole.starts)
    fit(data, fastem.Gaussian("full"), 3, callback=lambda record: record.iteration > first, **settings)
    assert path.exists()
    same(whole, fit(data, fastem.Gaussian("full"), 3, **settings))


@pytest.mark.parametrize("how", ["interrupt", "callback", "time"])
def test_what_ends_a_fit_early_is_written_whatever_the_interval(data, how, tmp_path):
    path = tmp_path / "fit.npz"
    settings = {"start": "kmeans", "seed": 0, "tol": 1e-8, "progressive": False}
    whole = fit(data, fastem.Gaussian("full"), 3, **settings)
    settings["checkpoint"] = path
    if how == "interrupt":
        with pytest.raises(Killed):
            fit(data, fastem.Gaussian("full"), 3, callback=killer(20), **settings)
    elif how == "callback":
        fit(data, fastem.Gaussian("full"), 3, callback=lambda record: record.iteration == 20, **settings)
    else:
        late = fit(data, fastem.Gaussian("full"), 3, time_limit=30, clock=driving.Clock(), **settings)
        assert late.status is Status.TIME_LIMIT
    assert path.exists()
    seen = []
    same(whole, fit(data, fastem.Gaussian("full"), 3, callback=seen.append, **settings))
    assert seen[0].iteration > 1 and not path.exists()
    with pytest.raises(Killed):
        fit(data, fastem.Gaussian("full"), 3, callback=killer(20), **settings)
    with pytest.raises(ValueError, match="checkpoint of a fit"):
        fastem.load(path)


def test_a_given_start_is_told_from_another_to_the_last_digit(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    means = rng.normal(size=(600, 3))
    start = {"weights": np.full(600, 1 / 600), "means": means, "covariances": np.ones((600, 3))}
    settings = {"checkpoint": tmp_path / "fit.npz", "checkpoint_interval": 0.0, "max_iter": 20}
    with pytest.raises(Killed):
        fit(X, fastem.Gaussian("diag"), 600, start=start, callback=killer(3), **settings)
    other = means.copy()
    other[300, 1] += 1e-13
    with pytest.raises(ValueError, match="other arguments"):
        fit(X, fastem.Gaussian("diag"), 600, start={**start, "means": other}, **settings)
    with np.printoptions(precision=2, threshold=3):
        fit(X, fastem.Gaussian("diag"), 600, start=start, **settings)


@pytest.mark.parametrize("seed", [np.int64(5), np.uint8(3), [np.int64(1), 2], (1, 2), 2**100])
def test_any_seed_is_kept(data, seed, tmp_path):
    settings = {"checkpoint": tmp_path / "fit.npz", "checkpoint_interval": 0.0, "seed": seed}
    settings |= {"progressive": True, "start": "kmeans", "n_init": 3}
    with pytest.raises(Killed):
        fit(data, fastem.Gaussian("diag"), 3, callback=killer(30), **settings)
    resumed = fit(data, fastem.Gaussian("diag"), 3, **settings)
    whole = {"seed": seed, "progressive": True, "start": "kmeans", "n_init": 3}
    same(fit(data, fastem.Gaussian("diag"), 3, **whole), resumed)


def test_a_damaged_file_and_an_unusable_path_are_named_at_once(data, tmp_path):
    damaged = tmp_path / "fit.npz"
    with pytest.raises(Killed):
        fit(data, fastem.Gaussian("full"), 3, seed=0, callback=killer(30), checkpoint=damaged, checkpoint_interval=0.0)
    damaged.write_bytes(damaged.read_bytes()[:500])
    with pytest.raises(ValueError, match="no checkpoint"):
        fit(data, fastem.Gaussian("full"), 3, seed=0, checkpoint=damaged)
    for path in (tmp_path / "nowhere" / "fit.npz", tmp_path):
        with pytest.raises(ValueError, match="checkpoint is"):
            fastem.fit(data, fastem.Gaussian("full"), 3, checkpoint=path)
    with pytest.raises(TypeError, match="checkpoint is int"):
        fastem.fit(data, fastem.Gaussian("full"), 3, checkpoint=5)


def test_a_file_that_somebody_reads_is_replaced_a_moment_later(monkeypatch):
    """Windows refuses to replace or remove a file that is open, such as by a virus scanner."""
    waits, refusals = [], []

    def act():
        if refusals:
            raise refusals.pop()

    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(sleep=waits.append))
    monkeypatch.setattr(checkpoint, "sys", SimpleNamespace(platform="win32"))
    refusals += [PermissionError("in use")] * 3
    checkpoint.patiently(act)
    assert len(waits) == 3 and not refusals
    monkeypatch.setattr(checkpoint, "sys", SimpleNamespace(platform="linux"))
    refusals += [PermissionError("in use")] * 3
    with pytest.raises(PermissionError):
        checkpoint.patiently(act)
    assert len(waits) == 3 and len(refusals) == 2
