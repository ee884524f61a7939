"""The command line, as a user would call it."""

import argparse
import gzip
import inspect
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import HERE

import fastem
from fastem.cli import makers, parser
from fastem.cli.main import main
from fastem.em.accelerate import CHOICES as ACCELERATORS
from fastem.families import FAMILIES, MAKERS, SHAPES
from fastem.judging.criteria import CRITERIA
from fastem.model.starving import POLICIES
from fastem.starts.auto import NAMES as STARTS

FAITHFUL = str(HERE / "data" / "faithful.csv")
IRIS = str(HERE / "data" / "iris.csv")


def test_the_main_job(capsys):
    status = main(["fit", FAITHFUL, "--components", "1:9", "--covariance", "full,tied,diag,spherical", "--seed", "0"])
    out = capsys.readouterr().out
    assert status == 0
    assert "272 samples x 2 features (eruptions, waiting)" in out
    assert "chosen (lowest BIC, smaller is better): tied, 3 component(s)" in out
    rows = [line.split() for line in out.splitlines() if line.strip().startswith(("full", "tied", "diag", "spher"))]
    assert len(rows) == 36
    by_model = {(row[0], int(row[1])): float(row[2]) for row in rows}
    assert by_model["full", 2] == pytest.approx(-1130.2640, abs=2e-4)
    assert by_model["diag", 2] == pytest.approx(-1147.8064, abs=2e-4)
    assert by_model["full", 1] == pytest.approx(-1289.7967, abs=2e-4)
    for word in ("weights", "means", "covariances", "36 models in", "BIC", "AIC", "status"):
        assert word in out


def test_save_and_labels(tmp_path, capsys):
    model, labels = tmp_path / "m.npz", tmp_path / "l.csv"
    arguments = ["fit", IRIS, "--drop", "Species", "--components", "3", "--seed", "1"]
    assert main([*arguments, "--save", str(model), "--labels-out", str(labels)]) == 0
    result = fastem.load(model)
    X = np.loadtxt(IRIS, delimiter=",", skiprows=1, usecols=range(4))
    assert labels.read_text(encoding="utf-8").splitlines()[0] == "label"
    np.testing.assert_array_equal(np.loadtxt(labels, skiprows=1), fastem.predict(X, result))


def test_columns_by_name_and_by_index(capsys):
    assert main(["fit", IRIS, "--columns", "Petal.Length,1", "--components", "2"]) == 0
    assert "2 features (Petal.Length, Sepal.Width)" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["npy", "npz", "npz with a key", "npz with one array", "1-D npy", "uint8 npy"])
def test_numpy_files(kind, tmp_path, capsys):
    X = np.random.default_rng(0).standard_normal((50, 2))
    arguments = []
    path = tmp_path / ("x.npz" if "npz" in kind else "x.npy")
    if kind == "npy":
        np.save(path, X)
    elif kind == "1-D npy":
        np.save(path, X[:, 0])
    elif kind == "uint8 npy":
        np.save(path, (X * 10).astype(np.uint8))
    elif kind == "npz":
        np.savez(path, X=X, y=X)
    elif kind == "npz with one array":
        np.savez(path, data=X)
    else:
        np.savez(path, a=X, b=X)
        arguments = ["--key", "b"]
    assert main(["fit", str(path), "--components", "1,2", *arguments]) == 0
    assert "50 samples" in capsys.readouterr().out


def test_poisson(tmp_path, capsys):
    path = tmp_path / "counts.csv"
    counts = np.random.default_rng(0).poisson([[2.0, 9.0]] * 100)
    np.savetxt(path, counts, fmt="%d", delimiter=",", header="a,b", comments="")
    assert main(["fit", str(path), "--family", "poisson", "--components", "1:2", "--threads", "1"]) == 0
    assert "rates" in capsys.readouterr().out


def bad(tmp_path):
    """Calls that must end with one sentence: (arguments, what it says)."""
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("a,b\n")
    (tmp_path / "headless.csv").write_text("1,2\n3,4\n")
    (tmp_path / "hole.csv").write_text("a,b\n1,2\n3,\n")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3\n")
    (tmp_path / "hash.csv").write_text("a,b\n1,2\n#2,3\n4,5\n")
    (tmp_path / "semicolons.csv").write_text("a;b\n1,5;2,5\n3,5;1,5\n")
    (tmp_path / "long.csv").write_text("a,b\n1,2\n3,4,5\n")
    (tmp_path / "latin.csv").write_bytes("a,b\n1,2\n\u00e9,3\n".encode("latin-1"))
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 broken")
    (tmp_path / "plain.csv.gz").write_text("a,b\n1,2\n")
    (tmp_path / "nan.csv").write_text("a,b\n1,2\n3,nan\n")
    np.savez(tmp_path / "two.npz", a=np.zeros((3, 2)), b=np.zeros((3, 2)))
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2)))
    np.save(tmp_path / "object.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "text.npy").write_text("hello")
    return {
        "absent": ([str(tmp_path / "absent.csv")], "does not exist"),
        "empty": ([str(tmp_path / "empty.csv")], "is empty"),
        "header only": ([str(tmp_path / "header.csv")], "no rows"),
        "no header": ([str(tmp_path / "headless.csv")], "no header"),
        "hole": ([str(tmp_path / "hole.csv")], "column 'b' is empty"),
        "ragged": ([str(tmp_path / "ragged.csv")], "1 cell(s), but the header has 2"),
        "a hash": ([str(tmp_path / "hash.csv")], "column 'a' is '#2'"),
        "semicolons": ([str(tmp_path / "semicolons.csv")], "use ';'"),
        "too many cells": ([str(tmp_path / "long.csv")], "near line 3: 3 cell(s)"),
        "not UTF-8": ([str(tmp_path / "latin.csv")], "not UTF-8"),
        "damaged": ([str(tmp_path / "broken.npz")], "cannot be read"),
        "not gzipped": ([str(tmp_path / "plain.csv.gz")], "cannot be read"),
        "a folder": ([str(tmp_path)], "not a file"),
        "twice": ([FAITHFUL, "--columns", "0,0"], "chosen twice"),
        "covariance of counts": (
            [FAITHFUL, "--family", "poisson", "--covariance", "tied", "--reg-covar", "1"],
            "--covariance, --reg-covar have no meaning with --family poisson, which takes no options.",
        ),
        "unknown family": (
            [FAITHFUL, "--family", "poison"],
            "must be one of gaussian, poisson, bernoulli, or module:name",
        ),
        "no module": ([FAITHFUL, "--family", "no_such_module:F"], "no_such_module cannot be imported"),
        "no class": ([FAITHFUL, "--family", "fastem:Nothing"], "fastem has no class or function of the name 'Nothing'"),
        "no family": ([FAITHFUL, "--family", "argparse:Namespace"], "family object"),
        "ridge": ([FAITHFUL, "--ridge", "much"], "--ridge is 'much'; it must be a finite number"),
        "floor": ([FAITHFUL, "--floor", "0"], "floor is 0; it must be a finite number > 0"),
        "min_samples": ([FAITHFUL, "--min-samples", "-1"], "--min-samples is -1"),
        "nan": (
            [str(tmp_path / "nan.csv"), "--components", "1"],
            "is 'nan'; every chosen cell must be a finite number",
        ),
        "text column": ([IRIS], "Species"),
        "unknown column": ([IRIS, "--columns", "nothing"], "no column 'nothing'"),
        "all dropped": ([FAITHFUL, "--drop", "eruptions,waiting"], "no column is left"),
        "which array": ([str(tmp_path / "two.npz")], "choose one with --key"),
        "3-D": ([str(tmp_path / "cube.npy")], "shape (2, 2, 2)"),
        "pickled": ([str(tmp_path / "object.npy")], "cannot be read"),
        "not numpy": ([str(tmp_path / "text.npy")], "cannot be read"),
        "shape": ([FAITHFUL, "--covariance", "banded"], "'banded'"),
        "too many": ([FAITHFUL, "--components", "273"], "273 is more than the 272 rows"),
        "folder": ([FAITHFUL, "--save", str(tmp_path / "no" / "m.npz")], "folder does not exist"),
        "fractional": ([FAITHFUL, "--family", "poisson"], "non-negative integers"),
        "threads": ([FAITHFUL, "--threads", "0"], "--threads is 0"),
    }


def test_bad_calls_end_with_one_sentence(tmp_path, capsys):
    for name, (arguments, message) in bad(tmp_path).items():
        assert main(["fit", *arguments]) == 2, name
        captured = capsys.readouterr()
        assert captured.err.startswith("fastem: error: "), name
        assert message in captured.err, name
        assert len(captured.err.strip().splitlines()) == 1, name


@pytest.mark.parametrize("value", ["0", "3:1", "a", "", "1:b", "-2"])
def test_bad_ranges_of_components(value, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["fit", FAITHFUL, f"--components={value}"])
    assert stop.value.code == 2
    assert "components" in capsys.readouterr().err


def test_help_and_version(capsys):
    for arguments in (["--help"], ["fit", "--help"], ["--version"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
    out = capsys.readouterr().out
    for word in ("--components", "--covariance", "--seed", "--threads", "--save", "--labels-out", "examples:"):
        assert word in out
    assert fastem.__version__ in out


def test_it_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "fastem.cli", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("fastem ")


def test_the_same_seed_prints_the_same_table(capsys):
    def table():
        main(["fit", FAITHFUL, "--components", "2:4", "--seed", "5", "--n-init", "3"])
        return capsys.readouterr().out.split("models in")[0]

    assert table() == table()


def test_gzipped_csv(tmp_path, capsys):
    path = tmp_path / "faithful.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write((HERE / "data" / "faithful.csv").read_text(encoding="utf-8"))
    assert main(["fit", str(path), "--components", "2"]) == 0
    assert "272 samples" in capsys.readouterr().out


@pytest.mark.parametrize(("criterion", "words"), [("icl", "lowest ICL"), ("cv", "held out"), ("aic", "lowest AIC")])
def test_other_criteria(criterion, words, capsys):
    assert main(["fit", FAITHFUL, "--components", "1:3", "--criterion", criterion, "--covariance", "tied,diag"]) == 0
    out = capsys.readouterr().out
    assert words in out
    assert "start(s) reached this likelihood" in out


def test_starts_and_acceleration(capsys):
    arguments = ["fit", FAITHFUL, "--components", "2", "--start", "hierarchical", "--accelerate", "anderson"]
    assert main(arguments) == 0
    assert "1 of 1 start(s)" in capsys.readouterr().out
    assert main(["fit", FAITHFUL, "--start", "best"]) == 2
    assert "start is 'best'" in capsys.readouterr().err


# ---- families and lists -----------------------------------------------------------------------------------------


def test_every_family_has_its_name_and_its_options(tmp_path, capsys):
    path = tmp_path / "items.csv"  # zeros and ones suit every family
    np.savetxt(path, np.random.default_rng(0).integers(0, 2, (60, 2)), "%d", ",", header="a,b", comments="")
    assert main(["families"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [re.split("[ :]", line)[0] for line in lines] == list(MAKERS)
    for line, (name, maker) in zip(lines, MAKERS.items(), strict=True):
        assert re.findall("--[a-z-]+", line) == [
            makers.flag(keyword) for keyword in inspect.signature(maker).parameters
        ]
        assert main(["fit", str(path), "--family", name, "--components", "1"]) == 0
        assert "1 models in" in capsys.readouterr().out


def test_the_options_of_a_family_reach_it(tmp_path):
    model = tmp_path / "m.npz"
    options = ["--covariance=diag", "--ridge=1e-3", "--reg-covar=0.5", "--floor=1e-9", "--min-variance=2"]
    assert main(["fit", FAITHFUL, "--components", "1", *options, "--save", str(model)]) == 0
    expected = fastem.Gaussian("diag", ridge=1e-3, reg_covar=0.5, floor=1e-9, min_variance=2.0)
    assert fastem.load(model).family == expected


OWN = """
from dataclasses import dataclass
from typing import ClassVar
import fastem

@fastem.register
@dataclass(frozen=True)
class {name}(fastem.Poisson):
    name: ClassVar[str] = "{name}"
    least: int
    shade: str = "dark"

def clashing(start):
    return {name}(start)
"""


def test_a_family_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_families.py").write_text(OWN.format(name="Shaded"))
    np.savetxt("counts.csv", np.random.default_rng(0).poisson([[2.0, 9.0]] * 60), "%d", ",", header="a,b", comments="")
    before = list(sys.path)
    fit = ["fit", "counts.csv", "--components", "1", "--family", "own_families:Shaded"]
    assert main([*fit, "--least=3", "--shade", "light", "--save", "m.npz"]) == 0
    family = fastem.load("m.npz").family
    assert (family.name, family.least, family.shade) == ("Shaded", 3, "light")
    assert sys.path == before
    capsys.readouterr()
    for arguments, message in (
        (fit, "--family own_families:Shaded needs --least."),
        ([*fit, "--least", "3", "--ridge", "1"], "--ridge has no meaning .*, which takes --least, --shade."),
        ([*fit[:-1], "own_families:clashing"], "takes --start, which fastem fit means otherwise"),
    ):
        assert main(arguments) == 2
        assert re.search(message, capsys.readouterr().err)
    with pytest.raises(SystemExit):
        main([*fit, "--help"])
    assert "(default: dark)" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["fit", "counts.csv", "--least", "3"])
    assert "unrecognized arguments: --least" in capsys.readouterr().err
    del FAMILIES["Shaded"], sys.modules["own_families"]


def test_starving_components(capsys):
    arguments = ["fit", FAITHFUL, "--components", "8", "--min-samples", "40", "--seed", "0", "--start", "kmeans"]
    assert main([*arguments, "--starving", "drop"]) == 0
    kept = int(re.search(r"full, (\d+) component", capsys.readouterr().out).group(1))
    assert kept < 8
    assert main([*arguments, "--starving", "stop"]) == 0
    assert "starved: Stopped: a component was left with fewer than --min-samples" in capsys.readouterr().out


def actions():
    """The options of `fastem fit`, by name."""
    (commands,) = (a for a in parser._parser(None, "0")._actions if isinstance(a, argparse._SubParsersAction))
    return {string: action for action in commands.choices["fit"]._actions for string in action.option_strings}


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("--start", STARTS),
        ("--accelerate", (*ACCELERATORS, "none")),
        ("--criterion", tuple(CRITERIA)),
        ("--starving", POLICIES),
        ("--covariance", tuple(SHAPES)),
    ],
)
def test_lists_are_those_of_the_package(option, names):
    action = actions()[option]
    assert action.choices in (None, names)
    positions = [re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", action.help).start() for name in names]
    assert len(set(positions)) == len(names)


def test_what_is_not_said_is_left_to_the_package_whose_defaults_are_told():
    assert parser.search(parser.parse(["fit", "x.csv"], "0")) == {}
    signature = inspect.signature(fastem.select).parameters
    for name in parser.SEARCH:
        action, default = actions()[makers.flag(name)], signature[name].default
        told = re.search(r"\(default: (\S+)\)", action.help)
        if isinstance(default, str):
            assert told.group(1) == default, name
        elif default is not None:
            assert float(told.group(1)) == default, name


def test_what_shared_options_say_of_defaults_is_true():
    signature = inspect.signature(fastem.Gaussian).parameters
    assert makers.SHARED.keys() == signature.keys()
    for name, words in makers.SHARED.items():
        default = signature[name].default
        if default is not None:
            told = re.search(r"\(default: (\S+)\)", words).group(1)
            assert told == default if isinstance(default, str) else float(told) == default
