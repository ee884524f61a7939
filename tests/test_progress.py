"""The progress bar."""

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
