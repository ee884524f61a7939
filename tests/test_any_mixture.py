"""`fastem.Mixture`, the estimator for all families, and what the named estimators share with it."""

import inspect
import pickle
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from tables import FAMILIES, GAUSSIANS, blobs, plain

import fastem
from fastem import GaussianMixture, Mixture, PoissonMixture
from fastem.families import FAMILIES as REGISTRY
from fastem.families import MAKERS

sklearn = pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(name="counts")
def two_kinds_of_counts(rng):
    return rng.poisson(np.repeat([[1.0, 3.0], [20.0, 4.0]], 200, axis=0))


@dataclass(frozen=True)
class Levelled(fastem.Poisson):
    """A user's family. It needs one argument, and the data decide another."""

    name: ClassVar[str] = "levelled"
    least: int
    levels: int = 0

    def settled(self, facts):
        return replace(self, levels=7)


@pytest.fixture(name="levelled")
def registered():
    fastem.register(Levelled)
    yield Levelled(least=2)
    del REGISTRY[Levelled.name]


# ---- the core behind it -----------------------------------------------------------------------------------------


@every_family
def test_it_is_the_functional_core(case, rng):
    mixture, data = blobs(case, rng, 700, 3, 2)
    expected = fastem.fit(data, case.family, 3, start=mixture, tol=0, max_iter=4)
    settings = {"weights_init": mixture.weights, "parameters_init": mixture.parameters}
    actual = Mixture(case.family, 3, tol=0, max_iter=4, **settings).fit(data)
    np.testing.assert_array_equal(actual.weights_, expected.weights)
    assert actual.parameters_.keys() == expected.parameters.keys()
    for name, value in expected.parameters.items():
        np.testing.assert_array_equal(actual.parameters_[name], value)
        assert actual.parameters_[name] is getattr(actual, f"{name}_")
    assert actual.family_ == case.family
    assert actual.lower_bound_ == expected.log_likelihood / 700
    assert (actual.n_iter_, actual.n_passes_, actual.n_components_) == (expected.n_iter, expected.n_passes, 3)
    assert actual.fit_report_ == expected.starts
    np.testing.assert_array_equal(actual.score_samples(data), fastem.log_density(data, expected))
    np.testing.assert_array_equal(actual.predict_proba(data), fastem.responsibilities(data, expected))
    np.testing.assert_array_equal(actual.predict(data), fastem.predict(data, expected))
    np.testing.assert_allclose(actual.bic(data), expected.bic, rtol=1e-10)
    np.testing.assert_allclose(actual.aic(data), expected.aic, rtol=1e-10)


@every_family
def test_the_named_estimator_finds_the_same(case, rng):
    _, data = blobs(case, rng, 500, 3, 2)
    settings = {"random_state": 0, "n_init": 2, "init_params": "k-means++"}
    expected = case.made(3, **settings).fit(data)
    actual = Mixture(case.family, 3, **settings).fit(data)
    assert actual.lower_bounds_ == expected.lower_bounds_
    for name, value in actual.parameters_.items():
        np.testing.assert_allclose(getattr(expected, f"{name}_"), value, rtol=1e-12)


@every_family
def test_draws_follow_the_mixture_and_the_seed(case, rng):
    mixture = case.mixture(rng, 2, 3)
    estimator = Mixture.from_result(mixture, random_state=0)
    X, labels = estimator.sample(20_000)
    assert X.shape == (20_000, 3) and X.dtype == np.float64 and (np.diff(labels) >= 0).all()
    np.testing.assert_allclose(np.bincount(labels) / 20_000, mixture.weights, atol=0.02)
    means, variances = case.family.moments(mixture.parameters)
    for k in range(2):
        of_k = X[labels == k]
        np.testing.assert_array_less(np.abs(of_k.mean(axis=0) - means[k]), 5 * np.sqrt(variances[k] / len(of_k)))
    np.testing.assert_array_equal(estimator.sample(20_000)[0], X)
    assert not np.array_equal(estimator.set_params(random_state=1).sample(20_000)[0], X)
    one, other = (Mixture.from_result(mixture, random_state=np.random.RandomState(3)) for _ in range(2))
    np.testing.assert_array_equal(one.sample(50)[0], other.sample(50)[0])
    assert not np.array_equal(one.sample(50)[0], other.set_params(random_state=0).sample(50)[0])


def test_dropped_components_are_left_out(faithful):
    family = fastem.Gaussian("full")
    fitted = Mixture(family, 8, min_samples=30, starving="drop", random_state=0, max_iter=300).fit(faithful)
    assert fitted.n_components_ == len(fitted.means_) < 8
    assert fitted.predict_proba(faithful).shape == (len(faithful), fitted.n_components_)


# ---- the family -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted({*REGISTRY, *MAKERS}))
def test_a_family_may_be_named(name, counts):
    family = {**REGISTRY, **MAKERS}[name]()
    data = counts if family.why_impossible(counts) is None else np.minimum(counts, 1)
    expected, actual = (Mixture(given, 2, random_state=0).fit(data) for given in (family, name))
    assert actual.family == name and actual.family_ == family
    assert actual.lower_bound_ == expected.lower_bound_
    assert actual.score(data) == expected.score(data)


def test_what_the_data_decide_about_a_family_stays_with_the_fit(levelled, counts, tmp_path):
    estimator = Mixture(levelled, 2, random_state=0).fit(counts)
    assert (estimator.family, estimator.family_) == (Levelled(2), Levelled(2, 7))
    estimator.save(tmp_path / "m")
    again = Mixture.load(tmp_path / "m")
    assert (again.family, again.family_) == (Levelled(2), Levelled(2, 7))
    np.testing.assert_array_equal(again.predict_proba(counts), estimator.predict_proba(counts))


def test_a_family_that_needs_arguments_is_given_as_an_object(levelled, counts):
    with pytest.raises(ValueError, match=r"'levelled', which needs least: give the object, Levelled\(least=\.\.\.\)"):
        Mixture("levelled").fit(counts)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (3, "'family' parameter of Mixture must be"),
        (None, "'family' parameter of Mixture must be"),
        (fastem.Poisson, "'family' parameter of Mixture must be"),
        ("poison", "family is 'poison'; expected an object .* or one of .*'gaussian', .*'poisson'"),
    ],
)
def test_what_is_no_family_is_refused(family, message, counts):
    estimator = Mixture(family)
    assert estimator.__sklearn_tags__().input_tags.positive_only in (False, True)  # scikit-learn's tools ask first
    with pytest.raises(ValueError, match=message):
        estimator.fit(counts)
    with pytest.raises(NotFittedError):
        estimator.predict(counts)


def test_a_fit_keeps_its_family_until_the_next(counts):
    estimator = Mixture(fastem.Poisson(), 2, random_state=0).fit(counts)
    expected = estimator.score_samples(counts)
    estimator.set_params(family=fastem.Gaussian("diag", ridge=1e-3))
    np.testing.assert_array_equal(estimator.score_samples(counts), expected)
    estimator.fit(counts)
    assert list(estimator.parameters_) == ["means", "covariances"] and not hasattr(estimator, "rates_")
    assert estimator.family_ == fastem.Gaussian("diag", ridge=1e-3)


def test_only_data_of_some_families_must_be_positive():
    def positive_only(estimator):
        return estimator.__sklearn_tags__().input_tags.positive_only

    assert positive_only(Mixture("poisson")) and positive_only(Mixture(fastem.Poisson()))
    assert positive_only(PoissonMixture())
    assert not any(map(positive_only, (Mixture("gaussian"), Mixture(fastem.Gaussian()), GaussianMixture())))


# ---- starts -----------------------------------------------------------------------------------------------------


def test_some_parameters_may_be_given(rng):
    case = GAUSSIANS[0]
    mixture, data = blobs(case, rng, 400, 2, 3)
    given = {"means": mixture.parameters["means"].tolist()}
    actual = Mixture(case.family, 2, parameters_init=given, random_state=0).fit(data)
    expected = GaussianMixture(2, means_init=given["means"], reg_covar=0, random_state=0).fit(data)
    assert actual.lower_bounds_ == expected.lower_bounds_


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"means": [[1.0, 2.0]]}, r"parameters_init has \['means'\]; the parameters of poisson are \['rates'\]"),
        ({"rates": [[1.0, 2.0]]}, r"'rates' should have the shape of \(2, 2\), but got \(1, 2\)"),
        ({"rates": [[1.0, 2.0], [3.0, -1.0]]}, "'rates' should be >= 0"),
        ({"rates": [[1.0, 2.0], [3.0, np.nan]]}, r"parameters_init\['rates'\]\[1, 1\] is nan"),
        ([[1.0, 2.0]], "'parameters_init' parameter of Mixture must be"),
    ],
)
def test_bad_initial_parameters_are_named(given, message, counts):
    with pytest.raises(ValueError, match=message):
        Mixture(fastem.Poisson(), 2, parameters_init=given).fit(counts)


def test_warm_start_continues_with_the_same_family(counts):
    estimator = Mixture(fastem.Poisson(), 2, warm_start=True, max_iter=1, tol=1e-12, random_state=0)
    first = estimator.set_params(init_params="random").fit(counts).lower_bound_
    assert estimator.fit(counts).lower_bound_ > first
    with pytest.raises(ValueError, match="from components of poisson, but family is gaussian_diag; set warm_start"):
        estimator.set_params(family=fastem.Gaussian("diag")).fit(counts)
    assert estimator.family_ == fastem.Poisson()


def test_an_interrupted_fit_leaves_the_estimator_as_it_was(counts):
    def interrupt(record):
        raise KeyboardInterrupt

    estimator = Mixture(fastem.Poisson(), 2, random_state=0).fit(counts)
    before = dict(vars(estimator.set_params(family=fastem.Gaussian("diag"))))
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(counts, callback=interrupt)
    assert vars(estimator) == before


# ---- results and attributes -------------------------------------------------------------------------------------


@every_family
def test_a_result_makes_a_fitted_estimator(case, rng):
    _, data = blobs(case, rng, 300, 2, 3)
    result = fastem.fit(data, case.family, 2, seed=0, min_samples=2.0, starving="stop")
    for estimator in (Mixture, case.estimator):
        fitted = estimator.from_result(result, tol=1e-5)
        assert (fitted.n_components, fitted.tol, fitted.min_samples, fitted.starving) == (2, 1e-5, 2.0, "stop")
        assert fitted.lower_bound_ == result.log_likelihood / 300 and fitted.n_features_in_ == 3
        assert fitted.converged_ == (result.status is fastem.Status.CONVERGED)
        np.testing.assert_allclose(fitted.score_samples(data), fastem.log_density(data, result), rtol=1e-9)
        more = fitted.set_params(warm_start=True).fit(data)
        assert more.lower_bound_ >= result.log_likelihood / 300 - 1e-12


def test_a_result_must_be_of_the_estimators_family(counts):
    result = fastem.fit(counts, fastem.Poisson(), 2, seed=0)
    with pytest.raises(ValueError, match="components are gaussian_full, those of the result poisson; use"):
        GaussianMixture.from_result(result)
    with pytest.raises(TypeError, match="mixture must be a Result"):
        Mixture.from_result(counts)
    with pytest.raises(TypeError, match="n_components"):
        Mixture.from_result(result, n_components=3)


def test_a_user_may_set_the_attributes(counts):
    fitted = PoissonMixture(2, random_state=0).fit(counts)
    bare = Mixture("poisson", 2)
    bare.weights_, bare.rates_ = fitted.weights_, fitted.rates_
    np.testing.assert_array_equal(bare.score_samples(counts), fitted.score_samples(counts))
    for rates, found in ((np.ones((3, 2)), r"\(3, 2\), expected \(2, 2\)"), (np.ones(2), r"\(2,\), expected \(2, n_f")):
        bare.rates_ = rates
        with pytest.raises(ValueError, match=rf"rates_ has shape {found}.*: it was set by hand\.$"):
            bare.predict(counts)


# ---- persistence ------------------------------------------------------------------------------------------------


@every_family
def test_saved_pickled_and_cloned_estimators_are_the_same(case, rng, tmp_path):
    pandas = pytest.importorskip("pandas")
    mixture, data = blobs(case, rng, 300, 2, 3)
    frame = pandas.DataFrame(data, columns=["a", "b", "c"])
    given = {"weights_init": mixture.weights, "parameters_init": dict(mixture.parameters)}
    estimator = Mixture(case.family, 2, random_state=0, **given).fit(frame)
    estimator.save(tmp_path / "model")
    for again in (Mixture.load(tmp_path / "model"), pickle.loads(pickle.dumps(estimator))):
        assert vars(again).keys() == vars(estimator).keys()
        for name, value in vars(estimator).items():
            np.testing.assert_equal(plain(vars(again)[name]), plain(value), err_msg=name)
            assert type(vars(again)[name]) is type(value), name
        np.testing.assert_array_equal(again.score_samples(frame), estimator.score_samples(frame))
    fresh = clone(estimator)
    assert not hasattr(fresh, "family_")
    assert fresh.fit(frame).lower_bounds_ == estimator.lower_bounds_


def test_unfitted_estimators_can_be_saved(tmp_path):
    for given in (None, {}, {"rates": [[1.0], [2.0]]}):
        Mixture("poisson", 2, parameters_init=given).save(tmp_path / "m")
        again = Mixture.load(tmp_path / "m")
        assert again.family == "poisson"
        np.testing.assert_equal(again.parameters_init, given and {"rates": np.array(given["rates"])})


def test_a_family_that_nobody_knows_is_named(levelled, counts, tmp_path):
    Mixture(levelled, 2, random_state=0).fit(counts).save(tmp_path / "m")
    del REGISTRY["levelled"]
    with pytest.raises(ValueError, match="unknown family 'levelled'; import the module that defines it"):
        Mixture.load(tmp_path / "m")
    fastem.register(Levelled)


# ---- scikit-learn's tools ---------------------------------------------------------------------------------------


def test_grid_search_chooses_the_family(counts):
    from sklearn.model_selection import GridSearchCV

    grid = {"family": [fastem.Gaussian("diag", ridge=1e-3), fastem.Poisson()], "n_components": [1, 2]}
    order = np.random.default_rng(0).permutation(len(counts))
    search = GridSearchCV(Mixture("poisson", random_state=0), grid, scoring=lambda m, X, y=None: -m.bic(X), cv=3)
    assert search.fit(counts[order]).best_params_ == {"family": fastem.Poisson(), "n_components": 2}


def test_sample_weight_is_routed(counts):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    weights = np.linspace(0.5, 2.0, len(counts))
    labels = (np.arange(len(counts)) >= 200).astype(int)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = Mixture("poisson", 2).set_fit_request(sample_weight=True, resp_init=True)
        pipeline = make_pipeline(FunctionTransformer(), estimator.set_score_request(sample_weight=True))
        pipeline.fit(counts, sample_weight=weights, resp_init=labels)
        expected = Mixture("poisson", 2).fit(counts, sample_weight=weights, resp_init=labels)
        np.testing.assert_array_equal(pipeline[-1].rates_, expected.rates_)
        assert pipeline.score(counts, sample_weight=weights) == expected.score(counts, sample_weight=weights)


def test_the_representation_names_the_family():
    assert repr(Mixture(fastem.Poisson(), 2)) == "Mixture(family=Poisson(), n_components=2)"
    assert "Mixture" in Mixture("poisson")._repr_html_()


# ---- what is declared once --------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [GaussianMixture, PoissonMixture])
def test_arguments_that_estimators_share_are_the_same(estimator):
    shared = inspect.signature(Mixture).parameters
    for name, parameter in inspect.signature(estimator).parameters.items():
        if name in shared:
            assert (parameter.default, parameter.kind) == (shared[name].default, shared[name].kind), name
    missing = shared.keys() - inspect.signature(estimator).parameters.keys()
    assert missing == {"family", "parameters_init"}


@pytest.mark.parametrize("estimator", [GaussianMixture, PoissonMixture, Mixture])
def test_every_argument_has_its_constraint_and_its_words(estimator):
    names = set(inspect.signature(estimator).parameters)
    assert names == set(estimator._parameter_constraints)
    for name in names:
        assert name in estimator.__doc__, name
