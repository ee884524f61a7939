"""The core and the estimators are one world: data and a mixture in either order, a Result or a fitted estimator."""

import pickle

import numpy as np
import pytest
from tables import FAMILIES, blobs, plain

import fastem

sklearn = pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.mixture import GaussianMixture as Theirs  # noqa: E402

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# What takes data and a mixture; each gives something that can be compared.
ASKED = {
    "predict": fastem.predict,
    "responsibilities": fastem.responsibilities,
    "log_density": fastem.log_density,
    "fold": lambda one, other: fastem.fold(one, other).statistics,
    "diagnose": lambda one, other: fastem.diagnose(one, other).score,
    "bootstrap": lambda one, other: fastem.bootstrap(one, other, n_replicates=2, seed=0).weights,
}
every_question = pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)


@pytest.fixture(name="estimator", scope="module")
def of_faithful(faithful):
    return fastem.GaussianMixture(2, random_state=0, tol=1e-6).fit(faithful)


@every_question
def test_data_and_a_mixture_come_in_either_order_as_a_result_or_an_estimator(ask, faithful, estimator):
    expected = ask(faithful, estimator.result_)
    np.testing.assert_array_equal(ask(estimator.result_, faithful), expected)
    np.testing.assert_array_equal(ask(faithful, estimator), expected)
    np.testing.assert_array_equal(ask(estimator, faithful), expected)


@every_question
def test_what_is_no_mixture_is_named(ask, faithful, estimator):
    with pytest.raises(TypeError, match=r"in either order; got ndarray and list\. A mixture is a Result"):
        ask(faithful, [[1.0]])
    with pytest.raises(TypeError, match="got two mixtures"):
        ask(estimator, estimator.result_)
    with pytest.raises(TypeError, match="got ndarray and GaussianMixture of sklearn"):
        ask(faithful, Theirs(2, random_state=0).fit(faithful))
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ask(faithful, clone(estimator))


def test_the_names_of_arguments_are_what_they_were(faithful, estimator):
    result = estimator.result_
    assert fastem.predict(X=faithful, mixture=result).shape == (272,)
    assert fastem.fold(faithful, mixture=estimator).n_samples == 272
    assert fastem.diagnose(result=estimator, X=faithful).verdict
    assert fastem.bootstrap(X=faithful, result=result, n_replicates=2, seed=0).n_failed == 0


def test_a_frame_whose_columns_are_called_as_fields_of_a_result_is_data(faithful, estimator):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"weights": faithful[:, 0], "result_": faithful[:, 1]})
    expected = fastem.predict(faithful, estimator.result_)
    np.testing.assert_array_equal(fastem.predict(frame, estimator.result_), expected)


def test_functions_of_a_mixture_alone_take_an_estimator(faithful, estimator, tmp_path):
    result = estimator.result_
    np.testing.assert_array_equal(fastem.sample(estimator, 9, seed=1).X, fastem.sample(result, 9, seed=1).X)
    fastem.save(estimator, tmp_path / "result.npz")
    np.testing.assert_equal(plain(fastem.load(tmp_path / "result.npz")), plain(result))
    np.testing.assert_array_equal(fastem.jit.arguments(estimator).params, fastem.jit.arguments(result).params)
    begun = [fastem.fit(faithful, result.family, 2, start=start, max_iter=0) for start in (estimator, result)]
    assert begun[0].log_likelihood == begun[1].log_likelihood
    assert fastem.Mixture.from_result(estimator).result_ is result
    with pytest.raises(TypeError, match="must be a Result, as from fastem.fit, or a fitted estimator of fastem"):
        fastem.sample(faithful, 3)


def test_anything_that_holds_a_result_is_taken(faithful, estimator):
    class Wrapper:
        def __init__(self, result):
            self.result_ = result

    expected = fastem.predict(faithful, estimator.result_)
    np.testing.assert_array_equal(fastem.predict(Wrapper(estimator.result_), faithful), expected)
    with pytest.raises(TypeError, match="mixture must be a Result"):
        fastem.predict(faithful, Wrapper("nothing"))


@every_family
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_result_is_the_fit_of_the_core(case, dtype, rng):
    _, X = blobs(case, rng, 300, 2, max(2, case.min_features))
    X, w = X.astype(dtype), rng.uniform(0.5, 2.0, 300)
    expected = fastem.fit(X, case.family, 2, start="kmeans", seed=5, tol=1e-3, max_iter=100, progressive=False)
    found = fastem.Mixture(case.family, 2, random_state=5).fit(X).result_
    np.testing.assert_equal(plain(found), plain(expected))
    assert found.bic == expected.bic and found.starts == expected.starts
    if case.estimator is not None:
        named = case.made(2, random_state=5).fit(X, sample_weight=w)
        assert named.result_.total_weight == pytest.approx(w.sum()) and named.result_.status in fastem.Status
        np.testing.assert_allclose(named.result_.bic, named.bic(X, sample_weight=w), rtol=1e-4)


@every_family
def test_result_follows_attributes_that_were_changed(case, rng):
    _, X = blobs(case, rng, 200, 2, max(2, case.min_features))
    name = f"{case.family.parameters[0].name}_"
    kept = fastem.Mixture(case.family, 2, random_state=0).fit(X).result_
    before = pickle.dumps(plain(kept))
    for in_place in (False, True):
        estimator = fastem.Mixture.from_result(kept)
        assert estimator.result_ is kept
        changed = getattr(estimator, name) * 0.5
        if in_place:
            getattr(estimator, name)[...] = changed
        else:
            setattr(estimator, name, changed)
        found = estimator.result_
        assert found.status is fastem.Status.GIVEN and np.isnan(found.log_likelihood) and found.starts == ()
        np.testing.assert_array_equal(found.parameters[name[:-1]], changed)
        assert found.model == kept.model
        np.testing.assert_array_equal(fastem.predict(X, estimator), estimator.predict(X))
        assert pickle.dumps(plain(kept)) == before


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"])
def test_the_attributes_of_a_gaussian_mixture_are_compared_too(shape, rng):
    X = np.concatenate([rng.normal(-6, 1, (40, 2)), rng.normal(6, 2, (40, 2))])
    estimator = fastem.GaussianMixture(2, covariance_type=shape, random_state=0, tol=1e-6).fit(X)
    assert estimator.result_.status is fastem.Status.CONVERGED
    assert estimator.result_.family.reg_covar == 1e-6
    estimator.precisions_cholesky_ = estimator.precisions_cholesky_ * 2.0
    found = estimator.result_
    assert found.status is fastem.Status.GIVEN and set(found.parameters) == {"means", "covariances"}
    np.testing.assert_allclose(found.parameters["covariances"] * 4.0, estimator.covariances_, rtol=1e-12)
    fastem.diagnose(X, estimator)


def test_result_survives_pickles_and_files_and_no_clone(faithful, estimator, tmp_path):
    estimator.save(tmp_path / "estimator.npz")
    for again in (pickle.loads(pickle.dumps(estimator)), fastem.GaussianMixture.load(tmp_path / "estimator.npz")):
        np.testing.assert_equal(plain(again.result_), plain(estimator.result_))
    fresh = clone(estimator)
    assert not hasattr(fresh, "result_")
    with pytest.raises(NotFittedError):
        _ = fresh.result_


def test_a_file_of_an_older_version_has_a_result_of_its_parameters(estimator, tmp_path):
    estimator.save(tmp_path / "new.npz")
    with np.load(tmp_path / "new.npz") as archive:
        np.savez(tmp_path / "old.npz", **{n: archive[n] for n in archive.files if not n.startswith("result_")})
    old = fastem.GaussianMixture.load(tmp_path / "old.npz").result_
    assert old.status is fastem.Status.GIVEN
    np.testing.assert_allclose(old.parameters["covariances"], estimator.covariances_, rtol=1e-12)


def test_a_ridge_that_does_not_matter_hides_no_maximum(faithful, estimator):
    found = fastem.diagnose(faithful, estimator)
    assert estimator.result_.family.is_regularised and found.verdict is fastem.Verdict.MAXIMUM
    assert found.standard_errors["means"].shape == (2, 2)
    ridged = fastem.GaussianMixture(2, random_state=0, tol=1e-6, reg_covar=0.05).fit(faithful)
    assert fastem.diagnose(faithful, ridged).verdict is fastem.Verdict.BOUNDARY
