"""What the command line does with a model that was saved, and the tables that it reads and writes."""

import io
import json
import sys

import numpy as np
import pytest
from conftest import HERE

import fastem
from fastem.cli import compare
from fastem.cli.main import main

FAITHFUL = HERE / "data" / "faithful.csv"


@pytest.fixture
def model(tmp_path, capsys):
    path = tmp_path / "model.npz"
    assert main(["fit", str(FAITHFUL), "--components", "2", "--save", str(path)]) == 0
    capsys.readouterr()
    return path


def told(capsys, *arguments):
    assert main([str(each) for each in arguments]) == 0
    return capsys.readouterr().out


def refused(capsys, *arguments):
    assert main([str(each) for each in arguments]) == 2
    return capsys.readouterr().err


def columns(text, delimiter=","):
    head, *rows = text.strip().splitlines()
    return dict(
        zip(head.split(delimiter), np.array([row.split(delimiter) for row in rows], dtype=float).T, strict=True)
    )


def test_predict_labels_probabilities_and_densities(model, capsys, faithful, tmp_path):
    mixture = fastem.load(model)
    found = columns(told(capsys, "predict", model, FAITHFUL, "--what", "labels,probabilities,density"))
    np.testing.assert_array_equal(found["label"], fastem.predict(faithful, mixture))
    np.testing.assert_array_equal(found["probability_1"], fastem.responsibilities(faithful, mixture)[:, 1])
    np.testing.assert_array_equal(found["log_density"], fastem.log_density(faithful, mixture))
    told(capsys, "predict", model, FAITHFUL, "--out", tmp_path / "labels.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), found["label"])
    told(capsys, "predict", model, FAITHFUL, "--what", "probabilities,density", "--out", tmp_path / "all.tsv")
    again = columns((tmp_path / "all.tsv").read_text(encoding="utf-8"), "\t")
    np.testing.assert_array_equal(again["log_density"], found["log_density"])


def test_names_of_features_are_kept_and_checked(model, capsys, faithful, tmp_path):
    assert fastem.load(model).feature_names == ("eruptions", "waiting")
    other = tmp_path / "other.csv"
    rows = "\n".join(f"{b},x,{a}" for a, b in faithful)
    other.write_text(f"waiting,place,eruptions\n{rows}\n")
    assert told(capsys, "predict", model, other) == told(capsys, "predict", model, FAITHFUL)
    other.write_text("waiting,length\n1,2\n")
    message = refused(capsys, "predict", model, other)
    assert "there is no column 'eruptions'; the columns are waiting, length" in message
    np.save(tmp_path / "wide.npy", np.ones((3, 5)))
    message = refused(capsys, "predict", model, tmp_path / "wide.npy")
    assert "has 5 feature(s), and the model was fitted to 2: eruptions, waiting" in message


def test_tables_of_every_kind(model, capsys, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    for suffix in ("csv", "tsv", "parquet"):
        path = tmp_path / f"new.{suffix}"
        told(capsys, "sample", model, 200, "--seed", 3, "--out", path, "--labels")
        fitted = json.loads(told(capsys, "fit", path, "--drop", "component", "--components", "2", "--json"))
        assert fitted["best"]["feature_names"] == ["eruptions", "waiting"]
        assert fitted["best"]["n_samples"] == 200
        labelled = told(capsys, "fit", path, "--labels", "component", "--components", "2")
        assert "labels of 200 of 200 rows" in labelled
    expected = told(capsys, "predict", model, FAITHFUL)
    for _ in range(2):
        monkeypatch.setattr(sys, "stdin", io.StringIO(FAITHFUL.read_text(encoding="utf-8")))
        assert told(capsys, "predict", model, "-") == expected
    monkeypatch.setattr(sys, "stdin", io.StringIO(FAITHFUL.read_text(encoding="utf-8")))
    assert "272 samples x 2 features" in told(capsys, "fit", "-", "--components", "1")
    (tmp_path / "no.parquet").write_text("a,b\n1,2\n")
    assert "is damaged, or no .parquet file" in refused(capsys, "predict", model, tmp_path / "no.parquet")
    import pyarrow
    from pyarrow import parquet

    table = {"eruptions": [1.0, None], "waiting": [2.0, 3.0], "name": ["a", "b"]}
    parquet.write_table(pyarrow.table(table), tmp_path / "holes.parquet")
    assert "have empty cells" in refused(capsys, "predict", model, tmp_path / "holes.parquet")
    assert "column(s) name of" in refused(capsys, "fit", tmp_path / "holes.parquet")


def test_sample_is_that_of_the_package(model, capsys):
    drawn = columns(told(capsys, "sample", model, 5, "--seed", 7, "--labels"))
    expected = fastem.sample(fastem.load(model), 5, seed=7)
    np.testing.assert_array_equal(drawn["waiting"], expected.X[:, 1])
    np.testing.assert_array_equal(drawn["component"], expected.labels)


def test_show(model, capsys):
    text = told(capsys, "show", model)
    assert "Mixture of gaussian_full: 2 components" in text
    assert "eruptions" in text
    facts = json.loads(told(capsys, "show", model, "--json"))
    mixture = fastem.load(model)
    assert facts["bic"] == mixture.bic
    assert facts["parameters"]["means"] == mixture.parameters["means"].tolist()


def test_plot(model, capsys, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    assert "picture written" in told(capsys, "plot", model, FAITHFUL, "--out", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    told(capsys, "plot", model, "--out", tmp_path / "b.svg", "--features", "waiting", "--what", "components")
    assert "waiting" in (tmp_path / "b.svg").read_text(encoding="utf-8")
    assert "has an unknown ending" in refused(capsys, "plot", model, "--out", tmp_path / "c.gif")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "matplotlib.figure", None)
        assert "pip install 'fastem[plot]'" in refused(capsys, "plot", model, "--out", tmp_path / "c.png")
    assert "features has 'x'" in refused(capsys, "plot", model, "--out", tmp_path / "c.png", "--features", "x")


def test_compare_measures_the_same_fit(monkeypatch, capsys):
    rows = list(compare.measured(sizes=((300, 2, 2),), shapes=("full", "spherical")))
    assert [row.shape for row in rows] == ["full", "spherical"]
    assert all(row.fastem > 0 and row.sklearn > 0 for row in rows)
    monkeypatch.setattr(compare, "measured", lambda: iter(rows))
    assert "scikit-learn" in told(capsys, "compare")
    assert len(json.loads(told(capsys, "compare", "--json"))) == 2


def test_what_a_report_should_contain(capsys):
    text = told(capsys, "--version", "--verbose")
    for name in ("fastem ", "numba: ", "processor: ", "threading layer: ", "cache of machine code: "):
        assert f"\n{name}" in f"\n{text}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "none.npz", FAITHFUL), "none.npz"),
        (("show", FAITHFUL), "is not a model saved by fastem"),
        (("sample", "MODEL", "0"), "n_samples"),
        (("predict", "MODEL", FAITHFUL, "--out", "rows.xls"), "has an unknown ending; expected one of .csv"),
        (("predict", "MODEL", FAITHFUL, "--out", "nowhere/rows.csv"), "its folder does not exist"),
    ],
)
def test_bad_input_is_answered_with_2_and_a_sentence(model, capsys, arguments, message):
    assert message in refused(capsys, *(model if each == "MODEL" else each for each in arguments))


def test_notebooks_get_tables(faithful):
    selection = fastem.select(faithful, [fastem.Gaussian("full")], [1, 2], seed=0)
    html = selection._repr_html_()
    assert html.startswith("<table><caption>Selection(")
    assert html.count("<tr>") == 3
    assert "gaussian_full" in html
    best = selection.best._repr_html_()
    assert best.count("<tr>") == 3
    assert "component" in best
    estimator = fastem.GaussianMixture(2, random_state=0).fit(faithful)
    assert estimator.summary() == estimator.result_.summary()
