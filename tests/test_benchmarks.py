"""The comparison with other libraries and the search for regressions report what they measured. No time is judged."""

import csv
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastem
from benchmarks.peers import measure, problems, report
from benchmarks.peers.environments import TITLES
from benchmarks.regress.__main__ import compare

ROOT = Path(__file__).parents[1]


def test_the_comparison_runs_and_names_what_is_not_installed(tmp_path):
    options = "--cases=600x3x2 --data=overlapping --covariance=diag --dtype=float64 --rounds=1"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers", "run", f"--out={tmp_path}", "--peers=fastem,sklearn,onedal",
         *options.split()],
        cwd=ROOT, env={**os.environ, "FASTEM_PEERS": str(tmp_path / "none")}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    with (tmp_path / "iterations.csv").open() as file:
        rows = {row["peer"]: row for row in csv.DictReader(file)}
    assert rows["onedal"]["note"] == "not installed"
    ours, theirs = (float(rows[peer]["log_likelihood"]) for peer in ("fastem", "sklearn"))
    assert np.isclose(ours, theirs, rtol=1e-9)
    assert int(rows["fastem"]["threads"]) >= 1
    assert "overlapping 600 x 3, 2, float64" in (tmp_path / "iterations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", problems.GRID)
def test_overlapping_cases_overlap_as_they_say(shape):
    case = problems.Case("overlapping", *shape)
    X, truth = problems._draw(case, problems._overlapping_distance(case), 20_000)
    low, high = problems.OVERLAP
    assert low <= fastem.responsibilities(X, truth).max(axis=1).mean() <= high


def row(peer, median, note=""):
    return measure.Row("overlapping", 1000, 4, 2, "full", "float64", peer, median=median, note=note)


def test_tables_show_ratios_shares_and_notes():
    rows = [row("fastem", 2.0), row("sklearn", 20.0), row("onedal", float("nan"), "not installed")]
    table = report.iterations_table(rows, {"float64": 1000 * 2 * 2 * 4 * 5 / 2e-3})
    assert "| 2 (100%) | 20 (10.0x) | not installed |" in table
    assert report.ratios(rows, "sklearn") == "* scikit-learn, full, float64: at least 10.0x, on average 10.0x"
    assert report.ratios(rows, "onedal") == ""
    assert set(TITLES) >= {"fastem", "sklearn", "onedal", "armadillo", "mlpack", "opencv", "pomegranate", "gmmx"}


def test_the_plot_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [
        measure.Row("overlapping", n, d, k, "diag", "float64", peer, median=1.0)
        for (n, d, k), peer in itertools.product(problems.SWEEP, ("fastem", "sklearn"))
    ]
    report.plot(tmp_path / "plot.png", rows)
    assert (tmp_path / "plot.png").stat().st_size > 10_000


class Side:
    """Answers for one commit from a table of seconds."""

    def __init__(self, times):
        self.times = times

    def seconds(self, case):
        return self.times[case]


def test_a_slower_commit_is_named_and_a_new_case_is_not(capsys):
    base, head = Side({"a": 1.0, "b": 1.0, "c": None}), Side({"a": 1.2, "b": 1.05, "c": 1.0})
    assert compare(base, head, ["a", "b", "c"], 3, 0.1) == ["a"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("SLOWER")
    assert lines[2].endswith("not in both")
