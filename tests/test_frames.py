"""Data frames: errors name the column and the row, and a mixture refuses columns that are not its own."""

import datetime
import json
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas
import polars
import pytest
from conftest import HERE

import fastem
from fastem.cli.main import main

G = fastem.Gaussian("diag")
NAMES = ["ash", "proline", "hue"]
rng = np.random.default_rng(20261121)
BASE = np.concatenate([rng.normal(-4, 1, (20, 3)), rng.normal(4, 2, (30, 3))])
FRAME = pandas.DataFrame(BASE, columns=NAMES)
RESULT = fastem.fit(FRAME, G, 2, seed=0)
FITTED = fastem.GaussianMixture(2, random_state=0).fit(FRAME)
CLUSTERS = fastem.KMeans(2, random_state=0).fit(FRAME)

# Whatever takes X.
FITS = {
    "fit": lambda X, **kwargs: fastem.fit(X, G, 2, seed=0, **kwargs),
    "select": lambda X, **kwargs: fastem.select(X, G, 2, seed=0, **kwargs),
    "select by cv": lambda X, **kwargs: fastem.select(X, G, 2, criterion="cv", seed=0, **kwargs),
    "GaussianMixture": lambda X, **kwargs: fastem.GaussianMixture(2).fit(X, **kwargs),
    "fit_predict": lambda X, **kwargs: fastem.GaussianMixture(2).fit_predict(X, **kwargs),
    "Mixture": lambda X, **kwargs: fastem.Mixture(G, 2).fit(X, **kwargs),
    "KMeans": lambda X, **kwargs: fastem.KMeans(2).fit(X, **kwargs),
}
# Whatever takes X and a mixture of the core.
ASKED = {
    "fold": lambda X, **kwargs: fastem.fold(X, RESULT, **kwargs),
    "diagnose": lambda X, **kwargs: fastem.diagnose(RESULT, X, **kwargs),
    "bootstrap": lambda X, **kwargs: fastem.bootstrap(RESULT, X, n_replicates=2, seed=0, **kwargs),
}
UNWEIGHTED = {
    "log_density": lambda X: fastem.log_density(X, RESULT),
    "responsibilities": lambda X: fastem.responsibilities(X, RESULT),
    "predict": lambda X: fastem.predict(X, RESULT),
    "a start": lambda X: fastem.fit(X, G, 2, start=RESULT),
}
ESTIMATORS = {
    "estimator.predict": FITTED.predict,
    "predict_proba": FITTED.predict_proba,
    "score_samples": FITTED.score_samples,
    "KMeans.predict": CLUSTERS.predict,
    "transform": CLUSTERS.transform,
}
SCORES = {"score": FITTED.score, "bic": FITTED.bic, "aic": FITTED.aic, "KMeans.score": CLUSTERS.score}
TEST = {"likelihood_ratio_test": lambda X: fastem.likelihood_ratio_test(X, G, 1, n_replicates=1)}
CALLS = {**FITS, **ASKED, **UNWEIGHTED, **ESTIMATORS, **SCORES, **TEST}
every_call = pytest.mark.parametrize("call", CALLS)


def with_value(value, dtype=object, index=None):
    """The frame with this value as the proline of row 17."""
    frame = FRAME.copy()
    column = frame["proline"].astype(dtype)
    column[17] = value
    frame["proline"] = column
    return frame if index is None else frame.set_axis(index)


def with_column(column):
    return FRAME.assign(proline=column)


DATES = pandas.date_range("2024-01-01", periods=50)
DAYS = [datetime.date(2024, 1, 1)] * 50
LABELS = [f"bottle {i}" for i in range(50)]
ENTRY = "'proline' of row 17 is "
BAD = {
    "NaN": (with_value(np.nan, float), f"X contains NaN: {ENTRY}NaN. Every value must be finite"),
    "infinity": (with_value(-np.inf, float), f"X contains infinity: {ENTRY}-inf"),
    "float32": (with_value(np.nan, float).astype("f4"), f"{ENTRY}NaN"),
    "None": (with_value(None), f"{ENTRY}None; expected a number"),
    "pandas.NA": (with_value(pandas.NA), f"{ENTRY}<NA>; expected a number"),
    "nullable": (with_value(pandas.NA, "Float64"), f"{ENTRY}NaN"),
    "nullable integers": (with_column(pandas.array([1] * 17 + [None] + [2] * 32, dtype="Int64")), f"{ENTRY}NaN"),
    "nullable bools": (with_column(pandas.array([True] * 17 + [None] + [False] * 32, dtype="boolean")), f"{ENTRY}NaN"),
    "text": (with_value("barolo"), f"{ENTRY}'barolo'; expected a number"),
    "text that spells a number": (with_value("2.5"), f"{ENTRY}'2.5'; expected a number"),
    "a column of text": (with_column(["barolo"] * 50), "'proline' of row 0 is 'barolo'"),
    "categories": (with_column(pandas.Categorical(["a", "b"] * 25)), "'proline' of row 0 is 'a'"),
    "complex": (with_value(1j), f"{ENTRY}complex"),
    "too large an integer": (with_value(10**400), f"{ENTRY}1000.*float64"),
    "dates": (with_column(DATES), "column 'proline' holds datetime64.*; expected numbers"),
    "dates with zones": (with_column(DATES.tz_localize("UTC")), r"column 'proline' holds datetime64\[.*UTC\]"),
    "durations": (with_column(DATES - DATES[0]), "column 'proline' holds timedelta64"),
    "dates as objects": (with_column(DAYS), r"'proline' of row 0 is datetime.date\(2024, 1, 1\)"),
    "periods": (with_column(pandas.period_range("2024", periods=50)), "'proline' of row 0 is Period"),
    "a label": (with_value(np.nan, float, LABELS), "'proline' of row 'bottle 17' is NaN"),
    "a number as label": (with_value(np.nan, float, range(100, 150)), "'proline' of row 117 is NaN"),
    "a date as label": (with_value("x", index=DATES), "'proline' of row 2024-01-18 00:00:00 is 'x'"),
    "two levels": (
        with_value("x", index=pandas.MultiIndex.from_product([["a", "b"], range(25)])),
        r"'proline' of row \('a', 17\) is 'x'",
    ),
}


def in_polars(column, **kwargs):
    return polars.DataFrame({"ash": BASE[:, 0], "proline": column, "hue": BASE[:, 2]}, **kwargs)


BAD |= {
    "polars, NaN": (in_polars([1.0] * 17 + [np.nan] + [1.0] * 32), f"{ENTRY}NaN"),
    "polars, null": (in_polars([1] * 17 + [None] + [2] * 32), f"{ENTRY}NaN"),
    "polars, infinity": (in_polars([1.0] * 17 + [np.inf] + [1.0] * 32), f"{ENTRY}inf"),
    "polars, text": (in_polars(["barolo"] * 50), "'proline' of row 0 is 'barolo'"),
    "polars, categories": (
        in_polars(["a"] * 50, schema_overrides={"proline": polars.Categorical}), "'proline' of row 0 is 'a'"
    ),
    "polars, dates": (in_polars(DAYS), "column 'proline' holds Date; expected numbers"),
    "polars, times": (in_polars([datetime.datetime(2024, 1, 1)] * 50), "column 'proline' holds Datetime"),
    "polars, durations": (in_polars([datetime.timedelta(1)] * 50), "column 'proline' holds Duration"),
    "polars, lists": (in_polars([[1.0]] * 50), "'proline' of row 0 is array"),
}  # fmt: skip


@every_call
@pytest.mark.parametrize("name", BAD)
def test_errors_about_frames_name_the_column_and_the_row(name, call):
    frame, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        CALLS[call](frame)


@every_call
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_errors_about_arrays_and_frames_without_names_are_those_of_arrays(call):
    bad = BASE.copy()
    bad[17, 1] = np.nan
    for X in (bad, pandas.DataFrame(bad)):
        with pytest.raises(ValueError, match=r"X contains NaN: X\[17, 1\] is nan\. Every value"):
            CALLS[call](X)


def test_columns_that_are_numbered_are_named_by_their_number():
    frame = pandas.DataFrame(BASE.copy(), index=LABELS)
    frame.iloc[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN: column 2 of row 'bottle 3' is NaN"):
        fastem.fit(frame, G, 2)


@pytest.mark.parametrize("call", [*FITS, *ASKED, *SCORES])
def test_errors_about_weights_in_a_series_name_the_row(call):
    weights = pandas.Series(1.0, index=LABELS)
    for value, message in ((np.nan, "NaN; weights must be"), (-1.0, r"-1\.0; weights must be"), (None, "NaN; ")):
        bad = weights.copy()
        bad["bottle 4"] = value
        for X in (FRAME, FRAME.set_axis(LABELS)):
            with pytest.raises(ValueError, match=f"sample_weight of row 'bottle 4' is {message}"):
                CALLS[call](X, sample_weight=bad)
    with pytest.raises(ValueError, match="sample_weight of row 'bottle 4' is <NA>; expected a number"):
        CALLS[call](FRAME, sample_weight=bad.astype("object").where(bad.notna(), pandas.NA))
    with pytest.raises(ValueError, match="sample_weight of row 2 is NaN"):
        CALLS[call](FRAME, sample_weight=polars.Series([1.0, 1.0, None, *[1.0] * 47]))
    with pytest.raises(ValueError, match=r"sample_weight\[2\] is nan"):
        CALLS[call](FRAME, sample_weight=[1.0, 1.0, np.nan, *[1.0] * 47])


@pytest.mark.parametrize(
    ("family", "estimator", "value", "message"),
    [
        (fastem.Poisson(), fastem.PoissonMixture, 2.5, "non-negative integers; 'visits' of row 'c' is 2.5"),
        (fastem.Poisson(), fastem.PoissonMixture, -1.0, "Negative values in data: .*'visits' of row 'c' is -1.0"),
        (fastem.Bernoulli(), fastem.BernoulliMixture, 2.0, "zeros and ones; 'visits' of row 'c' is 2.0"),
    ],
)
def test_what_a_family_finds_impossible_is_named(family, estimator, value, message):
    good = pandas.DataFrame({"age": [1, 0, 1, 0], "visits": [1.0, 0.0, 0.0, 1.0]}, index=list("abcd"))
    bad = good.copy()
    bad.loc["c", "visits"] = value
    result, fitted = fastem.fit(good, family, 1), estimator(1).fit(good)
    for call in (
        lambda: fastem.fit(bad, family, 1),
        lambda: fastem.select(bad, family, 1),
        lambda: fastem.fold(bad, result),
        lambda: fastem.log_density(bad, result),
        lambda: fastem.diagnose(result, bad),
        lambda: estimator(1).fit(bad),
        lambda: fitted.predict(bad),
        lambda: fitted.score(bad),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_chunks_that_are_frames_name_the_chunk():
    with pytest.raises(ValueError, match=r"chunk 1 of X\[17, 1\] is 'barolo'"):
        fastem.fit([FRAME, with_value("barolo")], G, 2)


NUMBERS = {
    "decimals": lambda x: Decimal(repr(float(x))),
    "fractions": lambda x: Fraction(float(x)),
    "a mixture of both": lambda x: Fraction(float(x)) if x > 0 else Decimal(float(x)),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("library", ["pandas", "polars", "NumPy", "lists"])
def test_decimals_and_fractions_are_numbers(name, library):
    numbers = np.array([[NUMBERS[name](x) for x in row] for row in BASE], dtype=object)
    dtype = polars.Decimal(38, 20) if name == "decimals" else polars.Object
    X = {
        "pandas": lambda: pandas.DataFrame(numbers, columns=NAMES),
        "polars": lambda: polars.DataFrame([polars.Series(n, list(numbers[:, NAMES.index(n)]), dtype) for n in NAMES]),
        "NumPy": lambda: numbers,
        "lists": numbers.tolist,
    }[library]()
    np.testing.assert_allclose(fastem.fit(X, G, 2, seed=0).log_likelihood, RESULT.log_likelihood, rtol=1e-12)
    mixture = fastem.GaussianMixture(2, random_state=0).fit(X)
    np.testing.assert_allclose(mixture.means_, FITTED.means_, rtol=1e-9)
    np.testing.assert_array_equal(fastem.KMeans(2, random_state=0).fit(X).labels_, CLUSTERS.labels_)


def test_a_decimal_that_is_no_number_is_named():
    with pytest.raises(ValueError, match="NaN: 'proline' of row 17 is NaN"):
        fastem.fit(with_value(Decimal("nan")), G, 2)
    with pytest.raises(ValueError, match=r"'proline' of row 17 is Decimal\('sNaN'\); expected a number that float64"):
        fastem.fit(with_value(Decimal("sNaN")), G, 2)


@pytest.mark.parametrize(
    "column",
    [
        np.tile([True, False], 25),
        pandas.array([True, False] * 25, dtype="boolean"),
        pandas.array([1, 0] * 25, dtype="Int64"),
        pandas.array([1, 0] * 25, dtype="Float32"),
        pandas.arrays.SparseArray([1.0, 0.0] * 25),
        pandas.Categorical([1, 0] * 25),
        np.tile([1, 0], 25).astype(np.uint8),
    ],
    ids=lambda column: str(column.dtype),
)
def test_columns_of_any_kind_of_number_give_the_bits_of_floats(column):
    expected = fastem.fit(np.column_stack([BASE[:, 0], np.tile([1.0, 0.0], 25), BASE[:, 2]]), G, 2, seed=0)
    frame = with_column(column)
    before = frame.copy()
    assert fastem.fit(frame, G, 2, seed=0).history.tobytes() == expected.history.tobytes()
    mixture = fastem.GaussianMixture(2, covariance_type="diag", random_state=0).fit(frame)
    np.testing.assert_array_equal(mixture.feature_names_in_, NAMES)
    np.testing.assert_array_equal(mixture.predict(frame), mixture.predict(frame.astype(float)))
    pandas.testing.assert_frame_equal(frame, before)


# Names.


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame])
def test_a_result_keeps_the_names_of_the_features(make):
    X = make(dict(zip(NAMES, BASE.T, strict=True)))
    expected = tuple(NAMES)
    assert fastem.fit(X, G, 2, seed=0).feature_names == expected
    assert all(model.feature_names == expected for model in fastem.select(X, G, [1, 2], seed=0).models)
    test = fastem.likelihood_ratio_test(X, G, 1, n_replicates=1, seed=0)
    assert test.null.feature_names == test.alternative.feature_names == expected
    assert fastem.maximise(fastem.fold(X, RESULT)).feature_names == expected
    assert all(type(name) is str for name in fastem.fit(X, G, 1).feature_names)
    assert fastem.fit([X, X], G, 2, seed=0).feature_names == expected
    assert fastem.fit(fastem.stream(lambda: iter([X, X])), G, 2, seed=0).feature_names == expected


@pytest.mark.parametrize(
    "X",
    [BASE, BASE.tolist(), pandas.DataFrame(BASE), pandas.DataFrame(BASE, columns=["a", "b", 3]), [BASE, BASE]],
    ids=["array", "list", "numbered", "some numbered", "stream"],
)
def test_there_are_no_names_without_a_frame_whose_names_are_all_strings(X):
    result = fastem.fit(X, G, 2, seed=0)
    assert result.feature_names is None
    fastem.predict(FRAME, result)
    fastem.predict(FRAME[NAMES[::-1]], result)
    assert fastem.from_parameters(fastem.Poisson(), [1.0], rates=[[1.0]]).feature_names is None


@pytest.mark.parametrize("call", [*ASKED, *UNWEIGHTED])
def test_columns_in_another_order_or_others_are_refused(call):
    reordered, others = FRAME[["hue", "ash", "proline"]], FRAME.rename(columns={"ash": "alcohol"})
    for X in (reordered, polars.DataFrame(dict(reordered))):
        with pytest.raises(ValueError, match=r"another order; reorder them with X\[list\(result\.feature_names\)\]"):
            CALLS[call](X)
    with pytest.raises(ValueError, match="'ash' missing and 'alcohol' unexpected"):
        CALLS[call](others)
    with pytest.raises(ValueError, match="columns of the mixture: 'ash' missing"):
        CALLS[call](FRAME[["proline", "hue"]])
    with pytest.raises(ValueError, match="columns of the mixture: 'id' unexpected"):
        CALLS[call](FRAME.assign(id=1.0))
    CALLS[call](reordered[list(RESULT.feature_names)])


@pytest.mark.parametrize("call", [*ASKED, *UNWEIGHTED])
def test_without_names_on_one_side_columns_are_taken_as_they_come(call):
    for X in (BASE, pandas.DataFrame(BASE)):
        CALLS[call](X)


def test_predictions_of_a_reordered_frame_are_never_silently_wrong():
    iris = np.loadtxt(HERE / "data" / "iris.csv", delimiter=",", skiprows=1, usecols=range(4))
    frame = pandas.DataFrame(iris, columns=["a", "b", "c", "d"])
    result = fastem.fit(frame, fastem.Gaussian("full"), 3, seed=0)
    labels = fastem.predict(frame, result)
    turned = frame[["c", "d", "a", "b"]]
    with pytest.raises(ValueError, match="another order"):
        fastem.predict(turned, result)
    np.testing.assert_array_equal(fastem.predict(turned[list(result.feature_names)], result), labels)


def test_files_keep_the_names(tmp_path):
    for result in (RESULT, fastem.fit(BASE, G, 2, seed=0), fastem.fit(FRAME.set_axis(["é", "", "x y"], axis=1), G, 1)):
        fastem.save(result, tmp_path / "model.npz")
        assert fastem.load(tmp_path / "model.npz").feature_names == result.feature_names
    # A file of before names.
    with np.load(tmp_path / "model.npz") as archive:
        np.savez(tmp_path / "old.npz", **{name: archive[name] for name in archive.files if name != "feature_names"})
    assert fastem.load(tmp_path / "old.npz").feature_names is None
    fastem.predict(FRAME, fastem.load(tmp_path / "old.npz"))


def test_estimators_keep_scikit_learns_rules_and_take_a_results_names(tmp_path):
    mixture = fastem.GaussianMixture(2, covariance_type="diag")
    ours = type(mixture).from_result(RESULT)
    assert ours.feature_names_in_.dtype == object
    np.testing.assert_array_equal(ours.feature_names_in_, NAMES)
    np.testing.assert_array_equal(ours.predict(FRAME), fastem.predict(FRAME, RESULT))
    ours.save(tmp_path / "mixture.npz")
    for estimator in (ours, type(ours).load(tmp_path / "mixture.npz"), FITTED, CLUSTERS):
        with pytest.warns(UserWarning, match="X does not have valid feature names"):
            estimator.predict(BASE)
        with pytest.raises(ValueError, match="must be in the same order"):
            estimator.predict(FRAME[NAMES[::-1]])
        with pytest.raises(ValueError, match="Feature names unseen at fit time:\n- alcohol"):
            estimator.predict(FRAME.rename(columns={"ash": "alcohol"}))
    nameless = type(mixture).from_result(fastem.fit(BASE, G, 2, seed=0))
    assert not hasattr(nameless, "feature_names_in_")
    with pytest.raises(TypeError, match="only supported if all input features have string names"):
        mixture.fit(pandas.DataFrame(BASE, columns=["a", "b", 3]))


def test_the_command_line_writes_the_names_of_the_header(tmp_path, capsys):
    FRAME.to_csv(tmp_path / "data.csv", index=False)
    np.save(tmp_path / "data.npy", BASE)
    settings = ["--components", "2", "--covariance", "diag", "--start", "kmeans", "--save", str(tmp_path / "m.npz")]
    assert main(["fit", str(tmp_path / "data.csv"), "--columns", "hue,ash", *settings]) == 0
    result = fastem.load(tmp_path / "m.npz")
    assert result.feature_names == ("hue", "ash")
    with pytest.raises(ValueError, match="another order"):
        fastem.predict(FRAME[["ash", "hue"]], result)
    assert len(fastem.predict(FRAME[list(result.feature_names)], result)) == len(FRAME)
    assert main(["fit", str(tmp_path / "data.npy"), *settings]) == 0
    assert fastem.load(tmp_path / "m.npz").feature_names is None
    capsys.readouterr()
    with np.load(tmp_path / "m.npz") as archive:
        assert json.loads(str(archive["feature_names"])) is None
