"""The progress bar."""

import gc
import io
import sys

import numpy as np
import pytest
import tables

import fastem
from fastem.cli.main import main


def test_a_fit_and_a_grid_move_the_bar(faithful):
    out = io.StringIO()
    with fastem.progress_bar(file=out, mininterval=0) as bar:
        result = fastem.fit(faithful, fastem.Gaussian("full"), 2, start="kmeans", seed=0, callback=bar)
    assert f"{result.n_iter}it" in out.getvalue() and "272 samples, -4.15" in out.getvalue()
    out = io.StringIO()
    with fastem.progress_bar(file=out, mininterval=0, total=3) as bar:
        fastem.select(faithful, fastem.Gaussian("diag"), [1, 2, 3], seed=0, callback=bar)
    assert "3/3" in out.getvalue() and "gaussian_diag, 3 component(s), BIC" in out.getvalue()


def shown(run, **settings):
    """What the bar wrote while something ran with it as a callback."""
    out = io.StringIO()
    with fastem.progress_bar(file=out, mininterval=0, ncols=200, **settings) as bar:
        run(bar)
    return out.getvalue()


def test_it_knows_how_many_models_and_replicates_there_are(faithful):
    result = fastem.fit(faithful, fastem.Gaussian("diag"), 2, seed=0)
    family = result.family
    for run, total in (
        (lambda bar: fastem.select(faithful, family, [1, 2, 3], start="kmeans", seed=0, callback=bar), 3),
        (lambda bar: fastem.bootstrap(faithful, result, n_replicates=7, seed=0, callback=bar), 7),
        (lambda bar: fastem.likelihood_ratio_test(faithful, family, 1, n_replicates=5, seed=0, callback=bar), 5),
    ):
        text = shown(run)
        assert f"0/{total}" in text and f"{total}/{total}" in text
        assert f"{total}/50" in shown(run, total=50)  # a user's own total stays


def test_one_bar_can_follow_several_calls(faithful):
    out = io.StringIO()
    with fastem.progress_bar(file=out, mininterval=0) as bar:
        for _ in range(2):
            fastem.select(faithful, fastem.Gaussian("diag"), [1, 2], start="kmeans", seed=0, callback=bar)
    assert "2/2" in out.getvalue() and "4/4" in out.getvalue()


def test_it_counts_the_replicates_that_failed():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (60, 1)), [[30.0], [30.1]]])
    result = fastem.fit(X, fastem.Gaussian("diag"), 2, seed=0)
    found = []
    text = shown(lambda bar: found.append(fastem.bootstrap(X, result, n_replicates=100, seed=0, callback=bar)))
    assert found[0].n_failed > 0 and f", {found[0].n_failed} failed]" in text


def test_of_a_fit_it_says_how_many_starts_have_ended_and_what_the_gain_must_fall_below(faithful):
    text = shown(lambda bar: fastem.fit(faithful, fastem.Gaussian("full"), 3, seed=0, callback=bar))
    assert "0 of 10 starts ended" in text and "10 of 10 starts ended" in text and "(tol 1e-06)" in text
    text = shown(lambda bar: fastem.fit(faithful, fastem.Gaussian("full"), 2, tol=0, max_iter=3, callback=bar))
    assert "tol" not in text
    settings = {"start": "kmeans", "criterion": "aitken", "seed": 0}
    text = shown(lambda bar: fastem.fit(faithful, fastem.Gaussian("full"), 3, callback=bar, **settings))
    assert "criterion" in text and "starts ended" not in text


def test_a_resumed_fit_says_from_where_and_counts_on(faithful, tmp_path):
    def fit(callback):
        settings = {"start": "kmeans", "seed": 0, "checkpoint": tmp_path / "fit.npz"}
        return fastem.fit(faithful, fastem.Gaussian("full"), 3, callback=callback, **settings)

    records = []
    fit(lambda record: record.iteration == 20)
    fit(lambda record: records.append(record) or record.iteration == 40)
    assert {record.resumed for record in records} == {19} and records[0].iteration == 20
    last = []
    text = shown(lambda bar: last.append(fit(bar)))
    assert "resumed after 39 iterations" in text and f"{last[0].n_iter}it" in text
    assert "resumed" not in shown(fit)


def test_it_says_what_is_being_compiled():
    numba = pytest.importorskip("numba")

    @numba.njit
    def twice(x):
        return 2 * x

    assert "compiling twice for its first use" in shown(lambda bar: twice(1))
    assert "compiling" not in shown(lambda bar: twice(1))
    out = io.StringIO()
    bar = fastem.progress_bar(file=out)
    bar.close()
    twice(1.0)
    assert "compiling" not in out.getvalue()


def test_a_bar_that_is_gone_hears_nothing():
    from numba.core import event

    before = len(event._registered["numba:compile"])
    bar = fastem.progress_bar(disable=True)
    assert len(event._registered["numba:compile"]) == before + 1
    del bar
    gc.collect()
    assert len(event._registered["numba:compile"]) == before


def test_verbose_says_where_an_estimator_was_resumed(faithful, tmp_path, capsys):
    pytest.importorskip("sklearn")
    estimator = fastem.GaussianMixture(3, random_state=0, tol=1e-9, verbose=1, max_iter=1000)
    estimator.fit(faithful, checkpoint=tmp_path / "c", callback=lambda record: record.iteration == 20)
    assert "Resumed" not in capsys.readouterr().out
    estimator.fit(faithful, checkpoint=tmp_path / "c")
    assert capsys.readouterr().out.count(" Resumed from a checkpoint, after 19 iterations\n") == 1


def test_the_estimators_take_it():
    _, X = tables.blobs(tables.FULL, np.random.default_rng(0), 500, 2, 2)
    out = io.StringIO()
    with fastem.progress_bar(file=out, mininterval=0) as bar:
        fastem.GaussianMixture(2, random_state=0).fit(X, callback=bar)
    assert "500 samples" in out.getvalue()


def test_likelihoods_are_per_unit_of_weight(faithful):
    out = io.StringIO()
    with fastem.progress_bar(file=out, mininterval=0) as bar:
        weights = np.full(len(faithful), 10.0)
        fastem.fit(faithful, fastem.Gaussian("full"), 2, seed=0, sample_weight=weights, callback=bar)
    assert "-4.15" in out.getvalue() and "-41.5" not in out.getvalue()


def test_the_command_line_shows_it_where_asked(tmp_path, capsys, monkeypatch):
    path = tmp_path / "x.npy"
    np.save(path, np.random.default_rng(0).standard_normal((60, 2)))
    assert main(["fit", str(path), "--components", "1:3", "--progress"]) == 0
    captured = capsys.readouterr()
    assert "3/3" in captured.err and "3/3" not in captured.out
    assert sum(line.split()[:1] == ["full"] for line in captured.out.splitlines()) == 3
    assert main(["fit", str(path), "--components", "1:3"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    assert main(["fit", str(path), "--components", "1:3"]) == 0
    assert main(["fit", str(path), "--components", "1:3", "--progress"]) == 2
    assert "needs tqdm" in capsys.readouterr().err
    with pytest.raises(ImportError, match="pip install"):
        fastem.progress_bar()
