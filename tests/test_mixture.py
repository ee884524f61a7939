"""The estimators: what they add to scikit-learn's, where they differ, and how they live in its ecosystem."""

import io
import pickle
import re

import numpy as np
import pytest
from families.gaussian import BY_SHAPE
from tables import FAMILIES, blobs, plain

import fastem
from fastem import GaussianMixture, PoissonMixture

sklearn = pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import ConvergenceWarning, NotFittedError  # noqa: E402

SHAPES = list(BY_SHAPE)
every_shape = pytest.mark.parametrize("shape", SHAPES)
# Families that have an estimator of their own.
ESTIMATED = [case for case in FAMILIES if case.estimator is not None]


@pytest.fixture(name="X")
def two_clusters(rng):
    return np.concatenate([rng.normal(-3, 1, (150, 2)), rng.normal(3, 1.5, (250, 2))])


def given_by(mixture):
    """The constructor's arguments that begin at a mixture."""
    names = {"weights": mixture.weights, **mixture.parameters}
    return {f"{name}_init": value for name, value in names.items()}


# ---- on the core ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ESTIMATED, ids=repr)
def test_the_estimator_is_the_functional_core(case, rng):
    mixture, data = blobs(case, rng, 700, 3, 2)
    result = fastem.fit(data, case.family, 3, start=mixture, tol=0, max_iter=4)
    with pytest.warns(ConvergenceWarning):
        estimator = case.made(3, tol=0, max_iter=4, **given_by(mixture)).fit(data)
    np.testing.assert_array_equal(estimator.weights_, result.weights)
    for name, value in result.parameters.items():
        np.testing.assert_array_equal(getattr(estimator, f"{name}_"), value)
    assert estimator.lower_bound_ == result.log_likelihood / 700
    assert estimator.fit_report_ == result.starts
    np.testing.assert_allclose(estimator.score_samples(data), fastem.log_density(data, result), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(estimator.predict(data), fastem.predict(data, result))
    np.testing.assert_allclose(estimator.bic(data), result.bic, rtol=1e-10)
    np.testing.assert_allclose(estimator.aic(data), result.aic, rtol=1e-10)


@every_shape
def test_the_attributes_have_their_shapes_and_fit_each_other(shape, X):
    estimator = GaussianMixture(3, covariance_type=shape, random_state=0).fit(X)
    expected = {
        "full": (3, 2, 2), "tied": (2, 2), "diag": (3, 2), "spherical": (3,), "tied_diag": (2,), "tied_spherical": (),
    }[shape]  # fmt: skip
    for name in ("covariances_", "precisions_", "precisions_cholesky_"):
        assert getattr(estimator, name).shape == expected
    assert estimator.means_.shape == (3, 2)
    factor = estimator.precisions_cholesky_
    if shape in ("full", "tied"):
        np.testing.assert_array_equal(factor, np.triu(factor))
        np.testing.assert_allclose(estimator.precisions_, factor @ np.swapaxes(factor, -1, -2), rtol=1e-12)
        np.testing.assert_allclose(np.linalg.inv(estimator.covariances_), estimator.precisions_, rtol=1e-9)
    else:
        np.testing.assert_allclose(estimator.precisions_, 1 / estimator.covariances_, rtol=1e-12)
    assert estimator._n_parameters() == 2 + fastem.Gaussian(shape).n_parameters(2, 3)
    assert len(estimator.lower_bounds_) == estimator.n_iter_
    assert estimator.lower_bounds_[-1] == estimator.lower_bound_
    np.testing.assert_allclose(estimator.lower_bound_, estimator.score(X), rtol=1e-12)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_the_bits_do_not_depend_on_the_number_of_threads(n_threads, rng):
    data = rng.standard_normal((30_000, 4))
    expected = GaussianMixture(4, random_state=0, tol=1e-4).fit(data)
    actual = GaussianMixture(4, random_state=0, tol=1e-4, n_threads=n_threads).fit(data)
    np.testing.assert_array_equal(actual.covariances_, expected.covariances_)
    np.testing.assert_array_equal(actual.predict_proba(data), expected.predict_proba(data))


# ---- starts -----------------------------------------------------------------------------------------------------


@every_shape
def test_covariances_init_is_the_inverse_of_precisions_init(shape, rng):
    mixture, data = blobs(BY_SHAPE[shape], rng, 400, 2, 3)
    given = given_by(mixture)
    covariances = given.pop("covariances_init")
    precisions = np.linalg.inv(covariances) if shape in ("full", "tied") else 1 / covariances
    one, other = (
        GaussianMixture(2, covariance_type=shape, max_iter=0, **given, **start).fit(data)
        for start in ({"covariances_init": covariances}, {"precisions_init": precisions})
    )
    np.testing.assert_allclose(one.covariances_, covariances, rtol=1e-12)
    np.testing.assert_allclose(other.covariances_, covariances, rtol=1e-9)


def test_both_covariances_and_precisions_are_one_too_many(X):
    with pytest.raises(ValueError, match="give one of them"):
        GaussianMixture(covariances_init=[np.eye(2)], precisions_init=[np.eye(2)]).fit(X)


BAD_STARTS = {
    "negative weight": ({"weights_init": [1.5, -0.5]}, r"range \[0, 1\].*weights_init\[0\] is 1.5"),
    "nan": ({"means_init": [[0, np.nan], [1, 1]]}, r"means_init\[0, 1\] is nan"),
    "text": ({"means_init": [["a", "b"], ["c", "d"]]}, "means_init has dtype"),
    "shape": ({"covariances_init": np.eye(2)}, re.escape("'full covariance' should have the shape of (2, 2, 2)")),
    "negative": ({"covariances_init": [-np.eye(2)] * 2}, "'full covariance' should be symmetric, positive-definite"),
}


@pytest.mark.parametrize("name", BAD_STARTS)
def test_bad_starts_are_refused_in_sklearns_phrases(name, X):
    settings, message = BAD_STARTS[name]
    with pytest.raises(ValueError, match=message):
        GaussianMixture(2, **settings).fit(X)


@pytest.mark.parametrize(
    ("rates", "message"), [([[1.0, 2.0]], "'rates' should have the shape of"), ([[1, 2], [3, -1]], ">= 0")]
)
def test_bad_rates_are_refused(rates, message):
    with pytest.raises(ValueError, match=message):
        PoissonMixture(2, rates_init=rates).fit(np.ones((5, 2)))


def test_resp_init_is_where_the_first_m_step_comes_from(X):
    labels = (np.arange(len(X)) >= 150).astype(int)
    resp = np.eye(2)[labels]
    for start in (labels, resp, labels.tolist(), labels.astype(float)):
        estimator = GaussianMixture(2, max_iter=0, reg_covar=0).fit(X, resp_init=start)
        np.testing.assert_allclose(estimator.means_, [X[:150].mean(axis=0), X[150:].mean(axis=0)], rtol=1e-12)
        np.testing.assert_allclose(estimator.weights_, [150 / 400, 250 / 400], rtol=1e-12)
    np.testing.assert_array_equal(GaussianMixture(2).fit_predict(X, resp_init=labels), labels)


@pytest.mark.parametrize(
    ("resp_init", "message"),
    [
        ([0, 1], r"resp_init has shape \(2,\); expected labels \(400,\)"),
        (np.full(400, 2), r"resp_init\[0\] is 2"),
        (np.full((400, 2), 0.7), r"resp_init\[0\] sums to 1.4"),
    ],
)
def test_bad_resp_init_is_named(resp_init, message, X):
    with pytest.raises(ValueError, match=message):
        GaussianMixture(2).fit(X, resp_init=resp_init)


def test_a_start_that_is_given_takes_nothing_from_a_shared_random_state(X):
    state = np.random.RandomState(0)
    given = {"weights_init": [0.5, 0.5], "means_init": [[-3, -3], [3, 3]], "covariances_init": [np.eye(2)] * 2}
    GaussianMixture(2, random_state=state, **given).fit(X)
    assert state.randint(1000) == np.random.RandomState(0).randint(1000)
    GaussianMixture(2, random_state=state).fit(X)
    assert state.randint(10**9) != np.random.RandomState(0).randint(10**9)


def test_random_state_none_follows_the_global_seed(X):
    found = []
    for _ in range(2):
        np.random.seed(7)  # noqa: NPY002
        found.append(GaussianMixture(5, init_params="random_from_data", max_iter=0).fit(X).means_)
    np.testing.assert_array_equal(*found)


def test_warm_start_continues_and_a_changed_size_is_refused(X):
    with pytest.warns(ConvergenceWarning):
        estimator = GaussianMixture(2, warm_start=True, max_iter=1, tol=1e-9, random_state=0).fit(X)
    first = estimator.lower_bound_
    with pytest.warns(ConvergenceWarning):
        estimator.fit(X)
    assert estimator.lower_bound_ > first
    with pytest.raises(ValueError, match="continues from 2 components, but n_components is 3"):
        estimator.set_params(n_components=3).fit(X)
    assert estimator.weights_.shape == (2,)


# ---- weights ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ESTIMATED, ids=repr)
def test_weight_two_is_the_sample_twice(case, rng):
    """Law 3, at K > 1 and through the estimator: from given parameters, where no order of rows and no draw matters."""
    mixture, data = blobs(case, rng, 300, 3, 2)
    counts = rng.integers(0, 4, 300)
    settings = {"tol": 0, "max_iter": 5, **given_by(mixture)}
    with pytest.warns(ConvergenceWarning):
        weighted = case.made(3, **settings).fit(data, sample_weight=counts)
        repeated = case.made(3, **settings).fit(np.repeat(data, counts, axis=0))
    again = np.repeat(data, counts, axis=0)
    for name in ("weights_", *(f"{name}_" for name in mixture.parameters)):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-9)
    np.testing.assert_allclose(weighted.score(data, sample_weight=counts), repeated.score(again), rtol=1e-10)
    np.testing.assert_allclose(weighted.bic(data, sample_weight=counts), repeated.bic(again), rtol=1e-10)
    np.testing.assert_allclose(weighted.aic(data, sample_weight=counts), repeated.aic(again), rtol=1e-10)


# ---- reports, warnings, interrupts ------------------------------------------------------------------------------


def test_every_start_has_its_report(X):
    estimator = GaussianMixture(3, n_init=4, random_state=0, init_params="random_from_data").fit(X)
    assert len(estimator.fit_report_) == 4
    best = max(report.log_likelihood for report in estimator.fit_report_)
    assert estimator.lower_bound_ == best / len(X)
    assert {report.status for report in estimator.fit_report_} == {fastem.Status.CONVERGED}


def test_an_ill_conditioned_covariance_is_guarded_and_said():
    X = np.vstack([np.ones((5, 5)), np.zeros((5, 5))])
    for shape in SHAPES:
        with pytest.warns(ConvergenceWarning, match="degenerate data. Number of distinct clusters"):
            estimator = GaussianMixture(4, covariance_type=shape, reg_covar=0, random_state=0).fit(X)
        assert not estimator.converged_
        assert np.isfinite(estimator.score_samples(X)).all()


def test_what_overflows_in_the_units_of_the_data_is_an_error_in_one_sentence():
    with pytest.raises(ValueError, match="not finite in the units of the data"):
        GaussianMixture().fit(np.array([[1e200, 1.0], [-1e200, 2.0], [3e199, 3.0]]))


def test_one_sample_is_enough():
    for shape in SHAPES:
        estimator = GaussianMixture(covariance_type=shape).fit([[3.0, 4.0]])
        np.testing.assert_allclose(estimator.means_, [[3, 4]], rtol=1e-12)
        assert estimator.predict([[3.0, 4.0]]).tolist() == [0]


def test_max_iter_zero_keeps_the_start_and_warns_of_nothing(X):
    estimator = GaussianMixture(2, max_iter=0, random_state=0).fit(X)
    assert (estimator.n_iter_, estimator.lower_bounds_, estimator.converged_) == (0, [], False)
    np.testing.assert_allclose(estimator.lower_bound_, estimator.score(X), rtol=1e-12)


def test_a_callback_sees_each_iteration_and_can_stop(X):
    records = []
    estimator = GaussianMixture(2, random_state=0, tol=0, init_params="random")
    estimator.fit(X, callback=lambda record: records.append(record) or len(records) == 3)
    assert [record.iteration for record in records] == [1, 2, 3]
    assert estimator.n_iter_ == 3
    assert estimator.lower_bounds_[-1] == records[-1].log_likelihood / len(X)
    with pytest.raises(TypeError, match="callback"):
        estimator.fit(X, callback=3)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("fitted", [False, True])
def test_after_an_interrupt_the_estimator_is_as_before(error, fitted, X):
    def interrupt(record):
        raise error

    estimator = GaussianMixture(2, random_state=0)
    if fitted:
        estimator.fit(X)
    before = dict(vars(estimator))
    with pytest.raises(error):
        estimator.fit(X[:, [0, 1, 1]], callback=interrupt)
    assert vars(estimator).keys() == before.keys()
    assert all(vars(estimator)[name] is before[name] for name in before)


def test_verbose_prints_in_sklearns_words(X, capsys):
    GaussianMixture(2, verbose=1, verbose_interval=1, random_state=0).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Initialization 0"
    assert lines[1] == "  Iteration 1"
    assert lines[-1] == "Initialization converged."
    with pytest.warns(ConvergenceWarning):
        GaussianMixture(2, verbose=2, n_init=2, max_iter=10, tol=0, random_state=0).fit(X)
    out = capsys.readouterr().out
    assert "  Initialization 1, iteration 10\t time lapse" in out
    assert "Initialization 1 did not converge. time lapse" in out


# ---- persistence ------------------------------------------------------------------------------------------------


def assert_same(one, other):
    assert type(one) is type(other)
    assert vars(one).keys() == vars(other).keys()
    for name, value in vars(one).items():
        np.testing.assert_equal(plain(vars(other)[name]), plain(value), err_msg=name)
        assert type(vars(other)[name]) is type(value) or name.endswith("_init"), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", ESTIMATED, ids=repr)
def test_saved_and_pickled_estimators_are_the_same(case, dtype, rng, tmp_path):
    pandas = pytest.importorskip("pandas")
    mixture, data = blobs(case, rng, 300, 2, 3)
    data = pandas.DataFrame(data.astype(dtype), columns=["a", "b", "c"])
    estimator = case.made(2, random_state=0, weights_init=mixture.weights.tolist(), n_init=2).fit(data)
    estimator.save(tmp_path / "model")
    for again in (type(estimator).load(tmp_path / "model"), pickle.loads(pickle.dumps(estimator))):
        assert_same(estimator, again)
        np.testing.assert_array_equal(again.score_samples(data), estimator.score_samples(data))
    with np.load(tmp_path / "model", allow_pickle=False) as archive:
        assert int(archive["format"]) == 1


def test_an_unfitted_estimator_can_be_saved(tmp_path):
    GaussianMixture(3, covariance_type="tied", means_init=[[1], [2], [3]]).save(tmp_path / "m")
    again = GaussianMixture.load(tmp_path / "m")
    assert (again.n_components, again.covariance_type, again.means_init.tolist()) == (3, "tied", [[1], [2], [3]])
    with pytest.raises(NotFittedError):
        again.predict([[1.0]])


def test_files_of_another_kind_are_refused_in_one_sentence(X, tmp_path):
    estimator = GaussianMixture(2, random_state=0).fit(X)
    estimator.save(tmp_path / "estimator")
    fastem.save(fastem.fit(X, fastem.Gaussian("full"), 2), tmp_path / "result")
    np.save(tmp_path / "array.npy", X)
    (tmp_path / "text").write_text("no model")
    with pytest.raises(ValueError, match=r"fastem.load reads a Result"):
        GaussianMixture.load(tmp_path / "result")
    with pytest.raises(ValueError, match="holds a GaussianMixture, not a PoissonMixture"):
        PoissonMixture.load(tmp_path / "estimator")
    with pytest.raises(ValueError, match=r"fastem.GaussianMixture.load"):
        fastem.load(tmp_path / "estimator")
    for name in ("array.npy", "text"):
        with pytest.raises(ValueError, match="does not hold an estimator"):
            GaussianMixture.load(tmp_path / name)
    with pytest.raises(TypeError, match="random_state"):
        GaussianMixture(random_state=np.random.RandomState(0)).save(tmp_path / "m")


def test_a_later_format_is_refused(X, tmp_path):
    estimator = GaussianMixture(2, random_state=0).fit(X)
    state = estimator.__getstate__()
    assert state["_fastem_format"] == 1
    with pytest.raises(ValueError, match="this pickle has format 99, this fastem reads up to 1; upgrade"):
        GaussianMixture().__setstate__({**state, "_fastem_format": 99})
    estimator.save(tmp_path / "m")
    with np.load(tmp_path / "m") as archive:
        arrays = {**archive, "format": np.array(99)}
    np.savez(tmp_path / "later.npz", **arrays)
    with pytest.raises(ValueError, match="has format 99"):
        GaussianMixture.load(tmp_path / "later.npz")


@pytest.mark.parametrize("case", ESTIMATED, ids=repr)
def test_from_parameters_predicts_and_draws(case, rng):
    mixture, data = blobs(case, rng, 200, 2, 3)
    settings = {**case.settings, "random_state": 0}
    estimator = case.estimator.from_parameters(mixture.weights, **mixture.parameters, **settings)
    np.testing.assert_allclose(estimator.score_samples(data), fastem.log_density(data, mixture), rtol=1e-9)
    drawn, labels = estimator.sample(20_000)
    np.testing.assert_allclose(np.bincount(labels) / 20_000, mixture.weights, atol=0.02)
    for k in range(2):
        location = next(iter(mixture.parameters.values()))[k]
        np.testing.assert_allclose(drawn[labels == k].mean(axis=0), location, atol=0.15)
    assert np.isnan(estimator.lower_bound_)
    assert not estimator.converged_
    with pytest.raises(ValueError, match="feature"):
        estimator.predict(data[:, :2])


def test_a_user_may_set_the_attributes(X):
    """As scikit-learn's users do, to predict without a fit."""
    fitted = GaussianMixture(2, random_state=0).fit(X)
    bare = GaussianMixture(2)
    bare.weights_, bare.means_, bare.covariances_ = fitted.weights_, fitted.means_, fitted.covariances_
    np.testing.assert_allclose(bare.score_samples(X), fitted.score_samples(X), rtol=1e-9)
    bare.precisions_cholesky_ = fitted.precisions_cholesky_ / 2
    assert bare.score(X) < fitted.score(X)


@pytest.mark.parametrize("shape", ["full", "tied"])
def test_any_factor_of_the_precisions_may_be_set(shape, X):
    """scikit-learn uses the whole matrix; a lower triangle, as NumPy makes it, is the best-known recipe."""
    from sklearn.mixture import GaussianMixture as Theirs

    fitted = GaussianMixture(2, covariance_type=shape, random_state=0).fit(X)
    expected = fitted.score_samples(X)
    theirs = Theirs(2, covariance_type=shape, random_state=0).fit(X)
    theirs.weights_, theirs.means_ = fitted.weights_, fitted.means_
    upper = fitted.precisions_cholesky_
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((2, 2)))[0]
    for factor in (np.linalg.cholesky(fitted.precisions_), upper @ rotation, -upper):
        fitted.precisions_cholesky_ = factor
        np.testing.assert_allclose(fitted.score_samples(X), expected, rtol=1e-10)
    theirs.precisions_cholesky_ = np.linalg.cholesky(fitted.precisions_)
    np.testing.assert_allclose(theirs.score_samples(X), expected, rtol=1e-10)
    fitted.set_params(warm_start=True, max_iter=0).fit(X)
    np.testing.assert_allclose(fitted.precisions_cholesky_, upper, rtol=1e-9)


def test_prediction_loses_no_digits_to_an_inverse():
    """The density is computed from the factors of the precisions, not from covariances made of them."""
    mixture = GaussianMixture(1)
    scale = np.diag([1.0, 1.0, 2.0**33])  # products of powers of 2 are exact, with fused operations or without
    shear = np.triu(np.ones((3, 3)))
    mixture.weights_, mixture.means_, mixture.precisions_cholesky_ = np.ones(1), np.zeros((1, 3)), (shear @ scale)[None]
    x = np.array([[0.25, -0.75, 0.5 + 2.0**-33]])
    y = x @ shear @ scale
    expected = np.log(np.diag(scale)).sum() - 1.5 * np.log(2 * np.pi) - 0.5 * (y**2).sum()
    np.testing.assert_allclose(mixture.score_samples(x), [expected], rtol=1e-12)


def test_attributes_that_do_not_fit_are_named(X):
    def fitted():
        return GaussianMixture(2, random_state=0).fit(X)

    for name, value, message in (
        ("weights_", [-0.3, 1.3], "weights_ is"),
        ("weights_", [np.nan, 1.0], "weights_ is"),
        ("weights_", [0.2, 0.3, 0.5], r"means_ has shape \(2, 2\), expected \(3, 2\)"),
        ("means_", [[np.inf, 0], [0, 0]], "means_ is not finite"),
        ("precisions_cholesky_", np.ones((2, 2)), "precisions_cholesky_ has shape"),
        ("precisions_cholesky_", np.zeros((2, 2, 2)), "singular"),
    ):
        mixture = fitted()
        setattr(mixture, name, np.array(value))
        with pytest.raises(ValueError, match=message):
            mixture.predict_proba(X)
    for shape in ("tied", "diag", "spherical"):
        with pytest.raises(ValueError, match="covariance_type was changed"):
            fitted().set_params(covariance_type=shape).predict(X)
    assert np.isfinite(fitted().set_params(reg_covar=-1).score(X))


def test_weights_need_not_sum_to_one_to_predict(X):
    mixture = GaussianMixture(2, random_state=0).fit(X)
    expected = mixture.score(X) + np.log(5)
    mixture.weights_ = mixture.weights_ * 5
    np.testing.assert_allclose(mixture.score(X), expected, rtol=1e-12)
    mixture.set_params(warm_start=True).fit(X)
    np.testing.assert_allclose(mixture.weights_.sum(), 1)


@pytest.mark.parametrize("unit", [1e-160, 1e-300, 1e160])
@pytest.mark.parametrize("shape", ["full", "diag", "tied_spherical"])
def test_units_beyond_all_squares_are_refused(unit, shape, X):
    with pytest.raises(ValueError, match="not finite in the units of the data|rescale"):
        GaussianMixture(2, covariance_type=shape, reg_covar=0, random_state=0).fit(X * unit)


def test_from_parameters_checks_what_it_is_given():
    with pytest.raises(ValueError, match="reg_covar"):
        GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]], reg_covar=-1)
    with pytest.raises(ValueError, match="not finite in the units"):
        GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [1]], [1e-320, 1e300], covariance_type="spherical")
    mixture = GaussianMixture.from_parameters([1.0], [[0.0, 0]], [[[1.0, 1], [1, 1]]])
    # Singular to the last bit: what predicts and what is drawn from are the same guarded matrix.
    np.testing.assert_allclose(mixture.covariances_ @ mixture.precisions_, [np.eye(2)], atol=0.5)


def test_a_warning_made_an_error_keeps_the_fit(X):
    import warnings

    mixture = GaussianMixture(2, max_iter=1, tol=0, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning):
            mixture.fit(X)
    assert mixture.n_iter_ == 1


def test_warnings_point_at_the_users_line(X):
    mixture = GaussianMixture(2, max_iter=1, tol=0, random_state=0)
    for method in (mixture.fit, mixture.fit_predict):
        with pytest.warns(ConvergenceWarning) as caught:
            method(X)
        assert caught[0].filename == __file__


def test_a_float64_model_does_not_round_float32_data(X):
    mixture = GaussianMixture(2, random_state=0).fit(X + 1e4)
    narrow = (X + 1e4).astype(np.float32)
    assert mixture.score_samples(narrow).dtype == np.float64
    np.testing.assert_array_equal(mixture.predict_proba(narrow), mixture.predict_proba(narrow.astype(np.float64)))


def test_what_a_file_can_and_cannot_hold(X, tmp_path):
    pandas = pytest.importorskip("pandas")
    means = pandas.DataFrame([[-3, -3], [3, 3]], dtype=object)
    mixture = GaussianMixture(2, means_init=means, tol=np.float64(1e-3), n_init=np.int64(1)).fit(X)
    mixture.save(tmp_path / "m")
    again = GaussianMixture.load(str(tmp_path / "m"))
    assert again.means_init.tolist() == [[-3, -3], [3, 3]]
    assert (again.tol, again.n_init) == (1e-3, 1)
    mixture.extra_ = {"a": X}
    with pytest.raises(TypeError, match=r"(?s)extra_ is .* which a .npz cannot hold"):
        mixture.save(tmp_path / "m")
    whole = (tmp_path / "m").read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"PK\x03\x04"):
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(ValueError, match="does not hold an estimator"):
            GaussianMixture.load(tmp_path / "damaged")


# ---- scikit-learn's tools ---------------------------------------------------------------------------------------


def test_pipeline_clone_and_params(X):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), GaussianMixture(2, random_state=0))
    labels = pipeline.fit_predict(X)
    np.testing.assert_array_equal(pipeline.predict(X), labels)
    again = clone(pipeline).set_params(gaussianmixture__n_components=3).fit(X)
    assert again[-1].means_.shape == (3, 2)
    assert again.predict_proba(X).shape == (400, 3)


def test_grid_search_chooses_the_number_of_components(X):
    from sklearn.model_selection import GridSearchCV

    order = np.random.default_rng(0).permutation(len(X))
    grid = {"n_components": [1, 2], "covariance_type": ["full", "spherical"]}
    search = GridSearchCV(GaussianMixture(random_state=0), grid, cv=3).fit(X[order])
    assert search.best_params_["n_components"] == 2
    by_bic = GridSearchCV(GaussianMixture(random_state=0), grid, scoring=lambda est, X, y=None: -est.bic(X), cv=3)
    assert by_bic.fit(X[order]).best_params_["n_components"] == 2


def test_sample_weight_is_routed(X):
    from sklearn.model_selection import cross_validate
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weights = np.linspace(0.5, 2.0, len(X))
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = GaussianMixture(2, random_state=0).set_fit_request(sample_weight=True, resp_init=True)
        estimator.set_score_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=True), estimator)
        labels = (np.arange(len(X)) >= 150).astype(int)
        pipeline.fit(X, sample_weight=weights, resp_init=labels)
        Z = StandardScaler().fit(X, sample_weight=weights).transform(X)
        expected = GaussianMixture(2, random_state=0).fit(Z, sample_weight=weights, resp_init=labels)
        np.testing.assert_allclose(pipeline[-1].means_, expected.means_, rtol=1e-12)
        np.testing.assert_allclose(
            pipeline.score(X, sample_weight=weights), expected.score(Z, sample_weight=weights), rtol=1e-12
        )
        scores = cross_validate(estimator, X, params={"sample_weight": weights, "resp_init": labels}, cv=3)
    assert np.isfinite(scores["test_score"]).all()


def test_joblib_fits_in_parallel(X):
    from joblib import Parallel, delayed

    expected = GaussianMixture(3, random_state=0).fit(X).means_
    for backend in ("threading", "loky"):
        found = Parallel(n_jobs=2, backend=backend)(
            delayed(GaussianMixture(3, random_state=0).fit)(X) for _ in range(3)
        )
        for estimator in found:
            np.testing.assert_array_equal(estimator.means_, expected)


def test_frames_give_feature_names(X):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    expected = GaussianMixture(2, random_state=0).fit(X)
    for frame in (pandas.DataFrame(X, columns=["u", "v"]), polars.DataFrame(X, schema=["u", "v"])):
        estimator = GaussianMixture(2, random_state=0).fit(frame)
        assert estimator.feature_names_in_.tolist() == ["u", "v"]
        np.testing.assert_array_equal(estimator.means_, expected.means_)
        np.testing.assert_array_equal(estimator.predict(frame), expected.predict(X))
        with pytest.raises(ValueError, match="feature names"):
            estimator.predict(frame[["v", "u"]])
    frame = pandas.DataFrame(X, columns=["u", "v"])
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), GaussianMixture(2)).fit(frame)
    assert pipeline[-1].feature_names_in_.tolist() == ["u", "v"]
    weights = pandas.Series(np.ones(len(X)))
    np.testing.assert_allclose(
        GaussianMixture(2, random_state=0).fit(frame, sample_weight=weights).means_, expected.means_
    )
    for frame in (
        pandas.DataFrame({"u": [1, None, 3], "v": [1, 2, 3]}),
        polars.DataFrame({"u": [1, None], "v": [2, 3]}),
    ):
        with pytest.raises(ValueError, match="'u' of row 1 is NaN"):
            GaussianMixture().fit(frame)


def test_the_table_of_parameters_is_that_of_sklearn():
    import inspect

    from sklearn.mixture import GaussianMixture as Theirs

    theirs, ours = (inspect.signature(cls.__init__).parameters for cls in (Theirs, GaussianMixture))
    assert [(p.name, p.default, p.kind) for p in theirs.values()] == [
        (p.name, p.default, p.kind) for p in list(ours.values())[: len(theirs)]
    ]
    public = {name for name in dir(Theirs) if not name.startswith("_")}
    assert public <= set(dir(GaussianMixture))


def test_the_repr_shows_in_a_notebook(X):
    assert "GaussianMixture" in GaussianMixture(2)._repr_html_()
    assert pickle.load(io.BytesIO(pickle.dumps(GaussianMixture(2)))).n_components == 2


def test_auto_is_that_of_the_core_and_takes_any_random_state(faithful):
    for random_state in (None, 3, np.random.RandomState(0)):
        model = fastem.GaussianMixture(4, init_params="auto", random_state=random_state, tol=1e-7, max_iter=2000).fit(
            faithful
        )
        assert model.converged_
        assert len(model.fit_report_) == 10
    assert any(report.status.name in ("DROPPED", "MERGED") for report in model.fit_report_)


def test_acceleration_is_a_parameter_and_passes_are_counted(faithful):
    for method in ("anderson", "squarem", None):
        model = fastem.GaussianMixture(3, accelerate=method, random_state=0, tol=1e-8, max_iter=2000).fit(faithful)
        assert model.n_passes_ >= model.n_iter_ + 1
        assert model.converged_
