"""Many fits in one call: each is the fit that `fit` makes, and one that fails stops no other."""

import numpy as np
import pytest
from tables import FAMILIES, blobs

import fastem
from fastem.fitting import brief, many
from fastem.fitting.fit import fit_model

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
every_dtype = pytest.mark.parametrize("dtype", ["f8", "f4"])
pytestmark = pytest.mark.filterwarnings("ignore::fastem.FitWarning")


def same(fits, i, result):
    """Entry i of fits has the bits of a Result."""
    assert fits.status[i] is result.status
    assert fits.log_likelihood[i] == result.log_likelihood
    assert (fits.n_iter[i], fits.n_passes[i]) == (result.n_iter, result.n_passes)
    assert (fits.n_samples[i], fits.total_weight[i]) == (result.n_samples, result.total_weight)
    np.testing.assert_array_equal(fits.weights[i, : result.n_components], result.weights)
    if result.n_components == fits.weights.shape[1]:
        for name, value in result.parameters.items():
            np.testing.assert_array_equal(fits.parameters[name][i], value)


def datasets(case, rng, m=6, n=90, k=3, d=2):
    return [blobs(case, rng, n, k, d)[1] for _ in range(m)]


@every_dtype
@every_family
def test_each_fit_has_the_bits_of_fit(case, dtype, rng):
    data = [X.astype(dtype) for X in datasets(case, rng)]
    for n_threads in (1, 2):
        fits = fastem.fit_many(data, case.family, 3, seed=[4, 2], n_threads=n_threads)
        assert len(fits) == 6
        assert not fits.errors
        for i, X in enumerate(data):
            same(fits, i, fastem.fit(X, case.family, 3, start="kmeans", seed=[4, 2, i]))


@every_dtype
@every_family
def test_weighted_data_of_several_sizes(case, dtype, rng):
    data = [X[:n].astype(dtype) for X, n in zip(datasets(case, rng, n=700), (700, 700, 40, 300, 300, 300), strict=True)]
    weights = [None if i == 1 else rng.gamma(1.0, 3.0, len(X)) * (rng.random(len(X)) < 0.8) for i, X in enumerate(data)]
    fits = fastem.fit_many(data, case.family, 2, sample_weight=weights, seed=1, n_threads=2)
    for i, (X, w) in enumerate(zip(data, weights, strict=True)):
        same(fits, i, fastem.fit(X, case.family, 2, sample_weight=w, start="kmeans", seed=[1, i]))


def test_ordinary_fits_are_brief(monkeypatch, rng):
    """Separated groups need no fit that is made one by one, weighted or not."""
    monkeypatch.setattr(many, "fit_model", None)
    X = rng.standard_normal((30, 100, 2))
    X[:, 50:] += 6.0
    for case in FAMILIES:
        if type(case.family).inside is fastem.Family.inside:
            data = np.rint(np.exp(X)) if case.family.positive_only else X
            for weights in (None, np.ones((30, 100))):
                fits = fastem.fit_many(data, case.family, 2, sample_weight=weights, seed=0)
                assert fits.converged.all(), case


@pytest.mark.parametrize(
    "settings",
    [
        {"start": "auto"},
        {"start": "random", "n_init": 3},
        {"start": {"weights": [0.5, 0.5], "means": [[-1.0, 0.0], [1.0, 0.0]], "covariances": [np.eye(2)] * 2}},
        {"tol": 0, "max_iter": 5},
        {"max_iter": 0},
        {"max_passes": 4, "tol": 1e-12},
        {"accelerate": "squarem"},
        {"criterion": "aitken"},
        {"min_samples": 45.0, "starving": "drop"},
        {"accelerate": None, "tol": 1e-10},
    ],
)
def test_every_setting_of_fit(settings, rng):
    X = rng.standard_normal((3, 80, 2))
    fits = fastem.fit_many(X, fastem.Gaussian(), 2, seed=7, **settings)
    for i in range(3):
        same(fits, i, fastem.fit(X[i], fastem.Gaussian(), 2, seed=[7, i], **{"start": "kmeans", **settings}))


def test_awkward_data(rng):
    """Data that end in a collapse, at a floor, far away or without spread, in one call with others."""
    ordinary = rng.standard_normal((60, 2))
    repeated, constant, far = ordinary.copy(), ordinary.copy(), ordinary.copy()
    repeated[:30], constant[:, 1], far[0] = 5.0, 3.0, 1e9
    data = [ordinary, repeated, constant, far, np.ones((60, 2)), ordinary + 1e12, ordinary * 1e-200, ordinary * 1e150]
    for family in (fastem.Gaussian("full"), fastem.Gaussian("diag", ridge=1e-3), fastem.Gaussian("tied", floor=0.5)):
        fits = fastem.fit_many(data, family, 2, seed=3)
        for i, X in enumerate(data):
            same(fits, i, fastem.fit(X, family, 2, start="kmeans", seed=[3, i]))


def test_a_data_set_that_cannot_be_fitted_says_so_and_stops_no_other(rng):
    X = rng.standard_normal((5, 40, 2))
    X[1, 3, 1], X[2, 5, 0] = np.nan, np.inf
    data = [*X, X[0][:1], [["a", "b"]], X[0].reshape(-1)]
    fits = fastem.fit_many(data, fastem.Gaussian("diag"), 2, seed=0)
    assert sorted(fits.errors) == [1, 2, 5, 6, 7]
    assert "X[3, 1] is nan" in fits.errors[1]
    assert "n_components is 2" in fits.errors[5]
    assert list(fits.converged[[0, 3, 4]]) == [True] * 3
    assert np.isnan(fits.weights[1]).all()
    assert np.isnan(fits.parameters["means"][2]).all()
    assert fits.status[1] is None
    assert np.isnan(fits.bic[1])
    assert "5 not fitted" in repr(fits)
    with pytest.raises(ValueError, match=r"data set 1 was not fitted: X contains NaN"):
        fits[1]
    counts = [np.ones((9, 1)), -np.ones((9, 1)), np.arange(9.0)[:, None]]
    found = fastem.fit_many(counts, fastem.Poisson(), 2, seed=0)
    assert sorted(found.errors) == [1]
    weights = [np.ones(40), None, None, -np.ones(40), np.zeros(40)]
    assert sorted(fastem.fit_many(X, fastem.Gaussian(), 2, sample_weight=weights, seed=0).errors) == [1, 2, 3, 4]


def test_an_entry_is_a_mixture(rng):
    X = rng.standard_normal((3, 50, 2))
    fits = fastem.fit_many(X, fastem.Gaussian(), 2, seed=0)
    for i, result in enumerate(fits):
        np.testing.assert_allclose(fastem.log_density(X[i], result).sum(), result.log_likelihood)
        assert result.bic == pytest.approx(fits.bic[i])
        assert result.aic == pytest.approx(fits.aic[i])
    assert fits[-1].log_likelihood == fits.log_likelihood[2]
    with pytest.raises(IndexError, match="3 data sets"):
        fits[3]
    dropped = fastem.fit_many(X, fastem.Gaussian(), 4, min_samples=20.0, starving="drop", seed=0)
    assert all(result.n_components < 4 for result in dropped)
    assert np.isnan(dropped.weights[0, 3])


@pytest.mark.parametrize(("n", "d", "k"), [(1, 1, 1), (3, 1, 3), (16, 2, 1), (17, 5, 4), (300, 1, 2)])
def test_small_and_narrow_data(n, d, k, rng):
    X = rng.standard_normal((4, n, d))
    for family in (fastem.Gaussian("diag"), fastem.Gaussian("full", ridge=1e-3), fastem.Gaussian("tied_spherical")):
        fits = fastem.fit_many(X, family, k, seed=np.array([2, 9]))
        for i in range(4):
            same(fits, i, fastem.fit(X[i], family, k, start="kmeans", seed=[2, 9, i]))


def test_frames_and_one_seed_for_all_calls(rng):
    pandas = pytest.importorskip("pandas")
    X = rng.standard_normal((3, 50, 2))
    one = fastem.fit_many(X, fastem.Gaussian(), 2, seed=5)
    two = fastem.fit_many([pandas.DataFrame(part) for part in X], fastem.Gaussian(), 2, seed=5)
    np.testing.assert_array_equal(one.parameters["means"], two.parameters["means"])
    assert len(fastem.fit_many(X, fastem.Gaussian(), 2)) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"datasets": np.zeros((3, 4))}, "datasets has 2 dimension"),
        ({"datasets": []}, "empty"),
        ({"datasets": "iris"}, "of type str"),
        ({"datasets": 3}, "of type int"),
        ({"datasets": [np.zeros((4, 2)), np.zeros((4, 3))]}, "data set 1 has 3 feature"),
        ({"datasets": [np.zeros(3)]}, "no data set is a matrix"),
        ({"sample_weight": np.ones(3)}, "an entry for each of the 2"),
        ({"start": np.zeros(4, dtype=int)}, "labels differ"),
        ({"start": "k-mean"}, "start"),
        ({"n_components": 0}, "n_components"),
        ({"family": "full"}, "family"),
        ({"tol": -1.0}, "tol"),
        ({"n_threads": 0}, "n_threads"),
        ({"seed": -1}, "seed"),
    ],
)
def test_arguments_that_no_fit_can_use(change, message, rng):
    arguments = {"datasets": rng.standard_normal((2, 20, 2)), "family": fastem.Gaussian(), "n_components": 2, **change}
    with pytest.raises((ValueError, TypeError), match=message):
        fastem.fit_many(**arguments)


def test_there_is_no_brief_fit_of_large_data_or_of_a_family_without_an_m_step(rng):
    model = many.model_of(fastem.Gaussian(), 2, 0.0, "reseed")
    stopping = many.Search("kmeans").stopping("kmeans")
    assert brief.room(model, (100, 2), stopping) > 0
    assert brief.room(model, (400_000, 2), stopping) == 0
    assert fit_model(rng.standard_normal((5000, 3)), None, model, many.Search("kmeans"), 0).n_components == 2
