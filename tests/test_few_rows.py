"""A fitted mixture keeps what predictions need, and notices every change of what it was made from."""

import copy
import pickle

import numpy as np
import pytest
from tables import FAMILIES, blobs

import fastem
from fastem.data import evaluate as evaluating
from fastem.data.threads import team
from fastem.model import evaluation

pytest.importorskip("sklearn")
from sklearn.base import clone

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
METHODS = ("predict", "predict_proba", "score_samples", "score", "bic")
CORE = (fastem.predict, fastem.responsibilities, fastem.log_density)
SIZES = (1, 2, 17, 300)


def answers(estimator, data):
    methods = [method for method in METHODS if hasattr(estimator, method)]
    return [getattr(estimator, method)(data[:n]) for n in SIZES for method in methods]


def core_answers(mixture, data):
    return [call(data[:n], mixture) for n in SIZES for call in CORE]


def assert_same_bits(one, other):
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)
        assert np.asarray(left).dtype == np.asarray(right).dtype


def forgetful(estimator):
    """The same estimator, without a memory: it makes everything anew at each call."""
    other = copy.deepcopy(estimator)
    del vars(other)["_memory"]
    return other


def fitted_estimators(case, data):
    estimators = [fastem.Mixture(case.family, 2, random_state=0, max_iter=3)]
    if case.estimator is not None:
        estimators.append(case.made(2, random_state=0, max_iter=3))
    return [estimator.fit(data) for estimator in estimators]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@every_family
def test_a_remembered_mixture_answers_with_the_same_bits(case, dtype, rng):
    data = blobs(case, rng, 300, 2, 3)[1].astype(dtype)
    for estimator in fitted_estimators(case, data):
        expected = answers(forgetful(estimator), data)
        for _ in range(2):
            assert_same_bits(answers(estimator, data), expected)
        both = [data, data.astype(np.float64), np.asfortranarray(data), data[::-1]]
        for other in both:  # one memory serves data of each dtype and layout
            assert_same_bits(answers(estimator, other), answers(forgetful(estimator), other))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("how", ["in place", "replaced", "transposed in memory"])
@every_family
def test_a_changed_attribute_is_noticed(case, how, dtype, rng):
    data = blobs(case, rng, 300, 2, 3)[1].astype(dtype)
    for estimator in fitted_estimators(case, data):
        before = answers(estimator, data)
        names = ["weights_", *(f"{parameter.name}_" for parameter in case.family.parameters)]
        if hasattr(estimator, "precisions_cholesky_"):
            names[-1] = "precisions_cholesky_"
        for name in names:
            value, kept = getattr(estimator, name), getattr(estimator, name).copy()
            if how == "in place":
                value[...] = value * np.asarray(0.75, value.dtype)
            elif how == "replaced":
                setattr(estimator, name, value * np.asarray(0.75, value.dtype))
            else:
                setattr(estimator, name, np.array(value * np.asarray(0.75, value.dtype), order="F"))
            after = answers(estimator, data)
            assert_same_bits(after, answers(forgetful(estimator), data))
            # Two weights that shrink together keep the posterior; densities change in any case.
            scores = METHODS.index("score_samples")
            assert (after[scores] != before[scores]).all(), name
            setattr(estimator, name, kept)
            assert_same_bits(answers(estimator, data), before)


@every_family
def test_a_result_that_is_changed_in_place_is_noticed(case, rng):
    mixture, data = blobs(case, rng, 300, 2, 3)
    result = fastem.from_parameters(case.family, mixture.weights, **mixture.parameters)
    before = core_answers(result, data)
    assert_same_bits(core_answers(result, data), before)
    for array in (result.weights, *result.parameters.values()):
        kept = array.copy()
        array[...] = 0.75 * array
        fresh = fastem.Result(result.model, result.weights, dict(result.parameters))
        assert_same_bits(core_answers(result, data), core_answers(fresh, data))
        assert (fastem.log_density(data, result) != before[2 + 3 * SIZES.index(300)]).any()
        array[...] = kept
    result.parameters[case.family.parameters[0].name] = 0.75 * result.parameters[case.family.parameters[0].name]
    fresh = fastem.Result(result.model, result.weights, dict(result.parameters))
    assert_same_bits(core_answers(result, data), core_answers(fresh, data))


@every_family
def test_few_samples_are_evaluated_in_the_calling_thread_with_the_same_bits(case, rng):
    mixture, data = blobs(case, rng, 700, 3, 2)
    own = evaluation.ready(mixture, np.dtype(np.float64))
    for want in ("log_density", "resp", "labels"):
        here = evaluating.evaluate_ready(data, own, None, want).values
        for n_threads in (1, 2, 5):
            with team(n_threads, small=0) as threads:
                np.testing.assert_array_equal(evaluating.evaluate_ready(data, own, threads, want).values, here)


def test_a_second_prediction_factorises_nothing(monkeypatch, rng):
    data = rng.standard_normal((50, 3))
    estimator = fastem.GaussianMixture(2, random_state=0).fit(data)
    kmeans = fastem.KMeans(2, random_state=0, n_init=1).fit(data)
    result = fastem.from_parameters(fastem.Gaussian("diag"), [1.0], means=[[0.0] * 3], covariances=[[1.0] * 3])
    expected = estimator.predict(data), kmeans.predict(data), fastem.log_density(data, result)
    made = []
    monkeypatch.setattr(evaluating, "ready", lambda *arguments: made.append(arguments))
    actual = estimator.predict(data), kmeans.predict(data), fastem.log_density(data, result)
    assert_same_bits(actual, expected)
    assert made == []


def test_what_large_mixtures_need_is_not_kept(rng):
    d = 400  # its covariance takes 1.28 MB
    result = fastem.from_parameters(fastem.Gaussian("full"), [1.0], means=np.zeros((1, d)), covariances=np.eye(d)[None])
    before = fastem.log_density(np.ones((1, d)), result)
    assert "_ready" not in vars(result)
    result.parameters["covariances"][0] *= 2.0
    assert fastem.log_density(np.ones((1, d)), result) != before


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_no_copy_has_what_a_prediction_left(copied, rng):
    data = rng.standard_normal((50, 3))
    estimator, kmeans = fastem.GaussianMixture(2, random_state=0), fastem.KMeans(2, random_state=0, n_init=1)
    result = fastem.fit(data, fastem.Gaussian("diag"), 2, seed=0)
    size = len(pickle.dumps(result))
    fastem.predict(data, result)
    assert len(pickle.dumps(result)) == size
    assert "_ready" in vars(result)
    assert "_ready" not in vars(copied(result))
    np.testing.assert_array_equal(fastem.predict(data, copied(result)), fastem.predict(data, result))
    for model in (estimator.fit(data), kmeans.fit(data)):
        before = model.predict(data)
        assert vars(model)["_memory"].last is not None
        assert vars(copied(model))["_memory"].last is None
        np.testing.assert_array_equal(copied(model).predict(data), before)
        assert "_memory" not in vars(clone(model))


def test_attributes_that_were_all_set_by_hand_predict(rng):
    data = rng.standard_normal((50, 3))
    fitted, by_hand = fastem.GaussianMixture(2, random_state=0).fit(data), fastem.GaussianMixture(2)
    for name in ("weights_", "means_", "precisions_cholesky_"):
        setattr(by_hand, name, getattr(fitted, name))
    np.testing.assert_array_equal(by_hand.predict_proba(data), fitted.predict_proba(data))
    by_hand.weights_ = by_hand.weights_.tolist()  # no array; nothing can be remembered, and it is used all the same
    np.testing.assert_array_equal(by_hand.predict_proba(data), fitted.predict_proba(data))


def test_a_changed_covariance_type_is_noticed(rng):
    data = rng.standard_normal((60, 2))
    estimator = fastem.GaussianMixture(2, covariance_type="diag", random_state=0).fit(data)
    before = estimator.predict_proba(data)
    estimator.covariance_type = "tied"  # two rows of two variances are a matrix, too
    assert (estimator.predict_proba(data) != before).any()
    estimator.covariance_type = "full"
    with pytest.raises(ValueError, match="covariance_type was changed after fit"):
        estimator.predict(data)


def test_plain_arrays_skip_no_check(rng):
    pandas = pytest.importorskip("pandas")
    data = rng.standard_normal((50, 3))
    estimator = fastem.GaussianMixture(2, random_state=0).fit(data)
    for dtype in (np.int64, np.uint8, np.bool_, np.float16, np.float32):
        chosen = np.abs(data).astype(dtype)
        np.testing.assert_array_equal(estimator.predict(chosen), estimator.predict(chosen.tolist()))
    for bad in (data[:, :2], data[0], data[:0], data[None], data.astype(complex), data.astype(str)):
        with pytest.raises(ValueError):
            estimator.predict(bad)
    bad = data.copy()
    bad[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"X\[7, 1\] is nan"):
        estimator.predict(bad)
    named = fastem.GaussianMixture(2, random_state=0).fit(pandas.DataFrame(data, columns=list("abc")))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        named.predict(data)
