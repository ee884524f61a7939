"""Bad input gets one sentence that names the argument and the place."""

import re

import numpy as np
import pytest

import fastem

G = fastem.Gaussian("full")
X = np.arange(20.0).reshape(10, 2) ** 1.5


def replaced(index, value):
    changed = X.copy()
    changed[index] = value
    return changed


class Sparse:
    """Stands in for scipy.sparse, which is recognised by the name of its module."""


Sparse.__module__ = "scipy.sparse._csr"


class OnDevice:
    """An array on a GPU, as DLPack tells it."""

    def __dlpack_device__(self):
        return (2, 0)

    def __array__(self, *_, **__):
        raise AssertionError("must not be copied silently")


class OnCuda:
    """An array on a GPU, as the CUDA array interface tells it."""

    __cuda_array_interface__ = {}


BAD_DATA = {
    "nan": (replaced((3, 1), np.nan), ValueError, r"X\[3, 1\] is nan"),
    "inf": (replaced((9, 0), -np.inf), ValueError, r"infinity: X\[9, 0\] is -inf"),
    "nan in float32": (replaced((3, 1), np.nan).astype("f4"), ValueError, r"X\[3, 1\] is nan"),
    "1-D": (X[:, 0], ValueError, "1 dimension.*reshape"),
    "3-D": (X[None], ValueError, "3 dimension"),
    "scalar": (3.0, ValueError, "0 dimension"),
    "no rows": (X[:0], ValueError, r"shape \(0, 2\)"),
    "no columns": (X[:, :0], ValueError, r"shape \(10, 0\)"),
    "strings": ([["a", "b"]], ValueError, "expected numbers"),
    "numbers as strings": (X.astype(str), ValueError, "expected numbers"),
    "an object": ([[1.0, "b"], [2.0, 3.0]], ValueError, "expected numbers|is 'b'"),
    "None": ([[1.0, None], [2.0, 3.0]], ValueError, r"X\[0, 1\] is None"),
    "ragged": ([[1.0, 2.0], [3.0]], ValueError, "not a rectangular array"),
    "complex": (X * 1j, ValueError, "complex"),
    "dates": (np.zeros((3, 2), dtype="M8[s]"), ValueError, "dtype datetime"),
    "sparse": (Sparse(), TypeError, "sparse.*toarray"),
    "a device": (OnDevice(), TypeError, "another device"),
    "a cuda device": (OnCuda(), TypeError, "another device"),
    "masked": (np.ma.masked_less(X, 3.0), ValueError, "masked"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_is_refused_everywhere(name):
    data, error, message = BAD_DATA[name]
    mixture = fastem.fit(X, G, 2, seed=0)
    for call in (
        lambda: fastem.fit(data, G, 1),
        lambda: fastem.fold(data, mixture),
        lambda: fastem.log_density(data, mixture),
        lambda: fastem.responsibilities(data, mixture),
        lambda: fastem.predict(data, mixture),
    ):
        with pytest.raises(error, match=message):
            call()


def test_a_place_is_named_beyond_the_first_rows():
    data = np.zeros((200_000, 1), dtype=np.float32)
    data[199_999] = np.nan
    with pytest.raises(ValueError, match=r"X\[199999, 0\] is nan"):
        fastem.fit(data, G, 1)


def test_a_masked_array_without_masked_entries_is_an_array():
    assert fastem.fit(np.ma.masked_array(X), G, 1).status is fastem.Status.CONVERGED


def test_objects_that_are_numbers_are_accepted():
    assert fastem.fit(X.astype(object), G, 1).log_likelihood == fastem.fit(X, G, 1).log_likelihood


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (replaced((4, 1), 2.5), r"Poisson needs non-negative integers; X\[0, 1\] is 1.0|X\[\d, \d\]"),
        (np.array([[1.0, 2.0], [3.0, 2.5]]), r"X\[1, 1\] is 2\.5"),
        (np.array([[1, 2], [-3, 4]]), r"X\[1, 0\] is -3"),
    ],
)
def test_poisson_refuses_what_is_not_a_count(data, message):
    mixture = fastem.from_parameters(fastem.Poisson(), [1.0], rates=[[1.0, 2.0]])
    for call in (
        lambda: fastem.fit(data, fastem.Poisson(), 1),
        lambda: fastem.fold(data, mixture),
        lambda: fastem.log_density(data, mixture),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_wrong_number_of_features():
    mixture = fastem.fit(X, G, 1)
    with pytest.raises(ValueError, match=re.escape("X has 3 feature(s), but the mixture has 2")):
        fastem.predict(np.zeros((4, 3)), mixture)


BAD_ARGUMENTS = {
    "family": ({"family": "full"}, TypeError, "fastem.Gaussian"),
    "n_components 0": ({"n_components": 0}, ValueError, "n_components is 0"),
    "n_components float": ({"n_components": 2.0}, TypeError, "integer"),
    "n_components bool": ({"n_components": True}, TypeError, "integer"),
    "n_components > n": ({"n_components": 11}, ValueError, "n_components is 11, but n_samples = 10"),
    "n_init": ({"n_init": 0}, ValueError, "n_init is 0"),
    "max_iter": ({"max_iter": -1}, ValueError, "max_iter is -1"),
    "tol": ({"tol": -1e-3}, ValueError, "tol is -0.001"),
    "tol nan": ({"tol": np.nan}, ValueError, "tol is nan"),
    "n_threads": ({"n_threads": 0}, ValueError, "n_threads is 0"),
    "start": ({"start": "k-medoids"}, ValueError, "start must be one of 'auto', 'kmeans'"),
    "negative weight": ({"sample_weight": [-0.2, *[1] * 9]}, ValueError, r"sample_weight\[0\] is -0.2"),
    "nan weight": ({"sample_weight": [1, np.nan, *[1] * 8]}, ValueError, r"sample_weight\[1\] is nan"),
    "zero weights": ({"sample_weight": np.zeros(10)}, ValueError, "all zero"),
    "short weights": ({"sample_weight": np.ones(9)}, ValueError, r"expected \(10,\)"),
    "text weights": ({"sample_weight": ["a"] * 10}, ValueError, "sample_weight has dtype"),
    "huge weights": ({"sample_weight": np.full(10, 1e308)}, ValueError, "overflows"),
    "few positive weights": ({"sample_weight": [1, *[0] * 9]}, ValueError, "positive weight = 1"),
    "labels too large": ({"start": [2] * 10}, ValueError, r"start\[0\] is 2; labels must be integers in 0 .. 1"),
    "labels negative": ({"start": [0] * 9 + [-1]}, ValueError, r"start\[9\] is -1"),
    "labels fractional": ({"start": [0.5] * 10}, ValueError, r"start\[0\] is 0.5"),
    "resp shape": ({"start": np.ones((10, 3)) / 3}, ValueError, r"responsibilities \(10, 2\)"),
    "resp negative": ({"start": np.tile([-0.5, 1.5], (10, 1))}, ValueError, r"start\[0, 0\] is -0.5"),
    "resp sum": ({"start": np.ones((10, 2))}, ValueError, r"start\[0\] sums to 2"),
}


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
def test_bad_arguments_are_refused(name):
    arguments, error, message = BAD_ARGUMENTS[name]
    arguments = {"family": G, "n_components": 2, **arguments}
    with pytest.raises(error, match=message):
        fastem.fit(X, arguments.pop("family"), arguments.pop("n_components"), **arguments)


EYE = np.eye(2)
BAD_PARAMETERS = {
    "name": ({"mean": [[0, 0]], "covariances": [EYE]}, "parameters of gaussian_full are"),
    "missing": ({"means": [[0, 0]]}, "parameters of gaussian_full are"),
    "shape": ({"means": [[0, 0]], "covariances": EYE}, r"covariances has shape \(2, 2\); expected \(1, 2, 2\)"),
    "no features": (
        {"means": np.zeros((1, 0)), "covariances": np.zeros((1, 0, 0))},
        "at least one feature|mapping|shape",
    ),
    "nan": ({"means": [[0, np.nan]], "covariances": [EYE]}, r"means\[0, 1\] is not finite"),
    "not positive": ({"means": [[0, 0]], "covariances": [-EYE]}, r"covariances\[0\] is not positive definite"),
    "indefinite": ({"means": [[0, 0]], "covariances": [[[1, 2], [2, 1]]]}, "eigenvalue -1"),
    "asymmetric": ({"means": [[0, 0]], "covariances": [[[1, 0.5], [0.1, 1]]]}, "not symmetric"),
}


@pytest.mark.parametrize("name", BAD_PARAMETERS)
def test_bad_parameters_are_refused(name):
    parameters, message = BAD_PARAMETERS[name]
    with pytest.raises(ValueError, match=message):
        fastem.from_parameters(G, [1.0], **parameters)
    if name == "missing":
        return  # in a start, a missing parameter is no error: the method finds it
    with pytest.raises(ValueError, match="start has .'mean'" if name == "name" else message):
        fastem.fit(X, G, 1, start={"weights": [1.0], **parameters})


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5, 0.4], "sum to 0.9"),
        ([1.5, -0.5], r"weights\[1\] is -0.5"),
        ([[1.0]], "weights has shape"),
        ([np.nan, 1.0], r"weights\[0\] is nan"),
    ],
)
def test_bad_mixing_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        fastem.from_parameters(fastem.Poisson(), weights, rates=[[1.0], [2.0]])


def test_bad_diagonal_covariances_and_rates_are_refused():
    with pytest.raises(ValueError, match="covariances must be > 0; its smallest entry is 0"):
        fastem.from_parameters(fastem.Gaussian("diag"), [1.0], means=[[0.0]], covariances=[[0.0]])
    with pytest.raises(ValueError, match="rates must be >= 0"):
        fastem.from_parameters(fastem.Poisson(), [1.0], rates=[[-1.0]])


def test_bad_family_settings_are_refused():
    with pytest.raises(ValueError, match="covariance must be one of 'full'.*it is 'banded'"):
        fastem.Gaussian("banded")
    for settings in ({"reg_covar": -1}, {"ridge": np.nan}, {"floor": 0}, {"reg_covar": "a"}):
        with pytest.raises(ValueError, match="must be a finite number"):
            fastem.Gaussian("full", **settings)


def test_start_mappings():
    with pytest.raises(ValueError, match=r"start has \['rates'\]; expected any of 'weights' and \['means', 'covarian"):
        fastem.fit(X, G, 1, start={"rates": [[0, 0]]})
    with pytest.raises(ValueError, match=r"means has shape \(1, 3\); expected \(1, 2\)"):
        fastem.fit(X, G, 1, start={"means": [[0, 0, 0]]})
    with pytest.raises(ValueError, match="start must be one of"):
        fastem.fit(X, G, 1, start={"means": [[0, 0]], "method": "guess"})


def test_draws():
    mixture = fastem.fit(X, G, 1)
    with pytest.raises(ValueError, match="n_samples is 0"):
        fastem.sample(mixture, 0)


def test_a_refused_call_changes_nothing():
    data = replaced((3, 1), np.nan)
    before = data.tobytes()
    with pytest.raises(ValueError, match="NaN"):
        fastem.fit(data, G, 2)
    assert data.tobytes() == before
