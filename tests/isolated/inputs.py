"""What may come as X: some layouts, dtypes and containers are accepted, all else is refused in one clear sentence."""

import re

import numpy as np
import pandas
import polars
import pytest
import scipy.sparse
from sklearn.exceptions import NotFittedError

import fastem

rng = np.random.default_rng(20261121)
BASE = np.concatenate([rng.normal(-4, 1, (60, 3)), rng.normal(4, 2, (80, 3))])
COUNTS = rng.integers(0, 100, (140, 3))


def fit_core(X):
    result = fastem.fit(X, fastem.Gaussian("full", reg_covar=1e-6), 2, seed=0)
    resp = fastem.responsibilities(X, result)
    return result.parameters["means"], result.parameters["covariances"], resp, fastem.predict(X, result)


def fit_estimator(X):
    mixture = fastem.GaussianMixture(2, random_state=0, tol=1e-6, max_iter=1000).fit(X)
    return mixture.means_, mixture.covariances_, mixture.predict_proba(X), mixture.predict(X)


KINDS = pytest.mark.parametrize("fit", [fit_core, fit_estimator])


def memory_map(X, folder):
    np.save(folder / "x.npy", X)
    return np.load(folder / "x.npy", mmap_mode="r")


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def unaligned(X):
    raw = np.zeros(X.nbytes + 1, dtype=np.uint8)
    view = raw[1:].view(X.dtype).reshape(X.shape)
    view[...] = X
    return view


# How the same numbers may be laid out: (values, folder) -> X.
LAYOUTS = {
    "C order": lambda X, _: X.copy(),
    "Fortran order": lambda X, _: np.asfortranarray(X),
    "read-only": lambda X, _: read_only(X),
    "read-only Fortran order": lambda X, _: read_only(np.asfortranarray(X)),
    "a memory map": memory_map,
    "negative strides": lambda X, _: X[::-1, ::-1].copy()[::-1, ::-1],
    "every second row and column": lambda X, _: np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2],
    "columns of a wider array": lambda X, _: np.hstack([X, X])[:, :3],
    "a transposed view": lambda X, _: X.T.copy().T,
    "unaligned": lambda X, _: unaligned(X),
    "big-endian": lambda X, _: X.astype(">f8"),
    "lists": lambda X, _: X.tolist(),
    "tuples of lists": lambda X, _: tuple(X.tolist()),
    "objects": lambda X, _: X.astype(object),
    "np.matrix's replacement, a subclass": lambda X, _: X.copy().view(type("Sub", (np.ndarray,), {})),
    "a masked array without masked entries": lambda X, _: np.ma.masked_array(X),
    "pandas": lambda X, _: pandas.DataFrame(X),
    "pandas, named and indexed": lambda X, _: pandas.DataFrame(X, columns=list("abc"), index=range(9, 149)),
    "pandas, nullable": lambda X, _: pandas.DataFrame(X).astype("Float64"),
    "polars": lambda X, _: polars.DataFrame(X),
    "long double": lambda X, _: X.astype(np.longdouble),
}


@KINDS
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layout_changes_no_bit_and_x_is_not_changed(name, fit, tmp_path):
    X = LAYOUTS[name](BASE, tmp_path)
    before = np.array(X, dtype=np.float64)
    expected = fit(BASE)
    for theirs, ours in zip(expected, fit(X), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(np.array(X, dtype=np.float64), before)


@KINDS
@pytest.mark.parametrize(
    "dtype",
    ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4", "f2", "f4", ">f4", "f8", "g", "Int64", "polars", "object"],
)
def test_every_dtype_of_numbers_is_accepted(dtype, fit):
    if dtype == "Int64":
        X = pandas.DataFrame(COUNTS).astype("Int64")
    elif dtype == "polars":
        X = polars.DataFrame(COUNTS.astype(np.int32))
    else:
        X = COUNTS.astype(dtype)
    before = X.copy() if not hasattr(X, "clone") else X.clone()
    means, covariances, resp, _ = fit(X)
    expected = fit(COUNTS.astype(np.float64))
    narrow = dtype in ("f2", "f4", ">f4")
    np.testing.assert_allclose(means, expected[0], rtol=2e-3 if narrow else 1e-12)
    np.testing.assert_allclose(resp.sum(axis=1), 1, rtol=1e-5)
    assert (np.linalg.eigvalsh(covariances) > 0).all()
    np.testing.assert_array_equal(np.asarray(X), np.asarray(before))


@KINDS
def test_booleans_are_numbers(fit):
    X = rng.random((100, 3)) < [0.2, 0.5, 0.8]
    for theirs, ours in zip(fit(X.astype(float)), fit(X), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def with_value(value, dtype=np.float64):
    X = BASE.astype(dtype)
    X[7, 1] = value
    return X


BAD = {
    "NaN": (with_value(np.nan), ValueError, r"X\[7, 1\] is nan"),
    "NaN in float32": (with_value(np.nan, np.float32), ValueError, r"X\[7, 1\] is nan"),
    "infinity": (with_value(-np.inf), ValueError, r"infinity: X\[7, 1\] is -inf"),
    "None": (with_value(None, object), ValueError, r"X\[7, 1\] is (None|nan)"),
    "a missing value of pandas": (pandas.DataFrame(BASE).where(BASE < 8), ValueError, r"X\[\d+, \d\] is nan"),
    "a nullable missing value": (
        pandas.DataFrame(with_value(np.nan)).astype("Float64"), ValueError, r"X\[7, 1\] is (nan|<NA>)"
    ),
    "missing in polars": (
        polars.DataFrame({"a": [1, None], "b": [1, 2], "c": [0, 1]}), ValueError, "'a' of row 1 is NaN"
    ),
    "strings": (BASE.astype(str), ValueError, "numbers|numeric"),
    "a string among objects": (with_value("seven", object), ValueError, "seven"),
    "text columns": (pandas.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [3, 4]}), ValueError, "'x'"),
    "dates": (np.zeros((9, 3), dtype="M8[s]"), (ValueError, TypeError), "datetime|DateTime|date"),
    "an object": (with_value(object(), object), (ValueError, TypeError), "object"),
    "sparse": (scipy.sparse.csr_array(BASE), TypeError, "[Ss]parse"),
    "sparse matrix": (scipy.sparse.coo_matrix(BASE), TypeError, "[Ss]parse"),
    "complex": (BASE + 1j, ValueError, "Complex data not supported"),
    "masked": (np.ma.masked_greater(BASE, 3.0), ValueError, "masked entries"),
    "0 rows": (BASE[:0], ValueError, r"\(0, 3\)|0 sample"),
    "0 columns": (BASE[:, :0], ValueError, r"\(140, 0\)|0 feature"),
    "1-D": (BASE[:, 0], ValueError, "[Rr]eshape"),
    "3-D": (BASE[None], ValueError, "dim(ension)? ?3|3 dimension"),
    "a number": (3.0, ValueError, "0 dimension|scalar"),
    "a word": ("abc", ValueError, "scalar|0 dimension|numbers"),
    "ragged": ([[1.0, 2.0], [3.0]], ValueError, "inhomogeneous|rectangular"),
    "a generator": ((row for row in BASE), (ValueError, TypeError), "."),
    "a dictionary": ({"a": [1, 2]}, (ValueError, TypeError), "."),
    "None itself": (None, ValueError, "."),
}  # fmt: skip
RESULT = fastem.fit(BASE, fastem.Gaussian("full"), 2, seed=0)
FITTED = fastem.GaussianMixture(2, random_state=0).fit(BASE)
CALLS = {
    "fit": lambda X: fastem.fit(X, fastem.Gaussian("full"), 2, seed=0),
    "fold": lambda X: fastem.fold(X, RESULT),
    "log_density": lambda X: fastem.log_density(X, RESULT),
    "responsibilities": lambda X: fastem.responsibilities(X, RESULT),
    "core predict": lambda X: fastem.predict(X, RESULT),
    "estimator fit": lambda X: fastem.GaussianMixture(2).fit(X),
    "fit_predict": lambda X: fastem.GaussianMixture(2).fit_predict(X),
    "predict": FITTED.predict,
    "predict_proba": FITTED.predict_proba,
    "score_samples": FITTED.score_samples,
    "score": FITTED.score,
    "bic": FITTED.bic,
    "aic": FITTED.aic,
}


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", BAD)
def test_bad_data_is_one_clear_sentence(name, call):
    X, error, message = BAD[name]
    with pytest.raises(error, match=message) as caught:
        CALLS[call](X)
    assert not isinstance(caught.value, SystemError)


@pytest.mark.parametrize("call", [name for name in CALLS if "fit" not in name])
@pytest.mark.parametrize("n_features", [2, 4])
def test_another_number_of_features(call, n_features):
    with pytest.raises(ValueError, match=f"{n_features} feature.*(3|expect)"):
        CALLS[call](np.zeros((5, n_features)))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score_samples", "score", "bic", "aic"])
@pytest.mark.parametrize("estimator", [fastem.GaussianMixture, fastem.PoissonMixture])
def test_before_fit(method, estimator):
    with pytest.raises(NotFittedError, match=re.escape(f"This {estimator.__name__} instance is not fitted yet")):
        getattr(estimator(), method)(BASE)
    with pytest.raises(NotFittedError):
        estimator().sample()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.r_[np.nan, np.ones(139)], r"sample_weight\[0\] is nan"),
        (np.r_[np.ones(139), -1], r"sample_weight\[139\] is -1"),
        (np.ones(3), r"sample_weight has shape \(3,\)"),
        (np.ones((140, 1)), r"sample_weight has shape \(140, 1\)"),
        (np.zeros(140), "all zero"),
        (["a"] * 140, "sample_weight"),
    ],
)
def test_bad_weights_are_named(weights, message):
    with pytest.raises(ValueError, match=message):
        fastem.fit(BASE, fastem.Gaussian("full"), 2, sample_weight=weights)
    for call in (fastem.GaussianMixture(2).fit, FITTED.score, FITTED.bic, FITTED.aic):
        with pytest.raises(ValueError, match=message):
            call(BASE, sample_weight=weights)


def test_a_failed_fit_leaves_the_last_one():
    mixture = fastem.GaussianMixture(2, random_state=0).fit(BASE)
    before = mixture.predict(BASE)
    for bad in (with_value(np.nan), BASE[:1], BASE[:, 0]):
        with pytest.raises(ValueError):
            mixture.fit(bad)
    np.testing.assert_array_equal(mixture.predict(BASE), before)
    assert mixture.n_features_in_ == 3
