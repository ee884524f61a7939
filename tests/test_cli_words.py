"""What the command line says: of weights, of tables that it cannot read, and of fits, in the words of its options."""

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import HERE
from test_cli_models import told

import fastem
from fastem.cli.main import main
from fastem.cli.words import in_options

DEATHS = HERE / "data" / "deaths_times.csv"


def refused(capsys, *arguments):
    try:
        status = main([str(each) for each in arguments])
    except SystemExit as end:  # of argparse
        status = end.code
    assert status == 2
    said = capsys.readouterr().err
    assert said.startswith("fastem: error: ") and said.count("\n") == 1
    return said


def table(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "npz", "parquet"])
def test_a_column_of_weights(kind, tmp_path, capsys):
    """It is no feature, and a weight of 2 is the row twice."""
    counts, weights = np.loadtxt(DEATHS, delimiter=",", skiprows=1).T
    path = tmp_path / f"deaths.{kind}"
    if kind == "npz":
        np.savez(path, X=counts[:, None], freq=weights)
    elif kind == "parquet":
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.table({"count": counts, "freq": weights}), path)
    else:
        path.write_text(DEATHS.read_text().replace(",", "," if kind == "csv" else "\t"))
    arguments = ["--family", "poisson", "--components", "2", "--sample-weight", "freq", "--save", tmp_path / "m.npz"]
    out = told(capsys, "fit", path, *arguments)
    assert "weights of 10 rows: freq, which sum to 1096" in out and "10 samples x 1 features" in out
    saved = fastem.load(tmp_path / "m.npz")
    alone = fastem.select(np.repeat(counts, weights.astype(int))[:, None], fastem.Poisson(), 2, seed=0).best
    assert saved.total_weight == 1096 and saved.n_features == 1
    assert saved.log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-3)


@pytest.mark.parametrize(
    ("weight", "said"),
    [("-1", "near line 3, column 'w' is '-1'"), ("", "is empty"), ("inf", "is 'inf'"), ("heavy", "is 'heavy'")],
)
def test_what_is_no_weight_is_named(weight, said, tmp_path, capsys):
    path = table(tmp_path / "t.csv", f"a,w\n1,1\n2,{weight}\n4,1\n")
    assert said in refused(capsys, "fit", path, "--sample-weight", "w")
    assert "does not exist" in refused(capsys, "fit", tmp_path / "no.csv", "--sample-weight", "w")
    assert "there is no column 'v'" in refused(capsys, "fit", path, "--sample-weight", "v")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "a;b\n1;2\n", "seems to use ';' between cells"),
        ("t.csv", "a\tb\n1\t2\n", r"seems to use '\t' between cells"),
        ("t.csv", "a,a\n1,2\n3,4\n", "two columns of"),
        ("t.csv", "a,b\n1,2\n3,nan\n", "near line 3, column 'b' is 'nan'"),
        ("t.xlsx", "PK", "does not read .xlsx files"),
    ],
)
def test_tables_that_cannot_be_read(name, text, said, tmp_path, capsys):
    assert said in refused(capsys, "fit", table(tmp_path / name, text))


def test_a_table_without_pyarrow(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'fastem[parquet]'" in refused(capsys, "fit", table(tmp_path / "t.parquet", "PAR1"))


def test_a_first_column_that_numbers_the_rows_is_told_and_left_out(tmp_path, capsys):
    path = table(tmp_path / "t.csv", ",x\n0,2\n1,4\n2,7\n")
    assert "note: the first column has no name" in told(capsys, "fit", path, "--components", "1")
    assert "3 samples x 1 features (x)" in told(capsys, "fit", path, "--components", "1", "--drop", "0")
    assert "'' names nothing" in refused(capsys, "fit", path, "--drop", "")


def test_a_row_alone_is_fitted_by_one_component(tmp_path, capsys):
    assert "1 models in" in told(capsys, "fit", table(tmp_path / "t.csv", "a,b\n1,2\n"))


def test_errors_of_options_are_a_line(capsys):
    assert "expected numbers of at least 1" in refused(capsys, "fit", DEATHS, "--components", "0")
    assert "invalid choice" in refused(capsys, "fit", DEATHS, "--criterion", "dic")
    assert "there is no model" in refused(capsys, "show", "nowhere.npz")


def test_arguments_are_told_as_options():
    names = ["length", "width"]
    assert (
        in_options("lower n_components, or give Gaussian('full', ridge=1e-3), which adds; or min_variance=, the", names)
        == "lower --components, or give --ridge 1e-3, which adds; or --min-variance, the"
    )
    assert in_options('Raise max_iter or tol, or give accelerate="anderson".', names) == (
        "Raise --max-iter or --tol, or give --accelerate anderson."
    )
    assert in_options("max_iter=5 iterations; start elsewhere; the floor of features 0, 1.", names) == (
        "--max-iter 5 iterations; start elsewhere; the floor of features length, width."
    )


def test_python_m_fastem_is_the_command():
    done = subprocess.run([sys.executable, "-m", "fastem", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"fastem {fastem.__version__}"


def test_names_that_the_terminal_has_no_letters_for(tmp_path):
    path = table(tmp_path / "t.csv", "\N{GREEK SMALL LETTER ALPHA},b\n1,2\n3,1\n5,7\n")
    done = subprocess.run(
        [sys.executable, "-m", "fastem", "fit", str(path), "--components", "1"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert r"(\u03b1, b)" in done.stdout
