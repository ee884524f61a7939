"""MixtureClassifier: a mixture for each class, known or not, and Bayes' rule."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.naive_bayes import GaussianNB

import fastem
from fastem import MixtureClassifier

DATA = Path(__file__).parent / "data"


def iris():
    rows = np.genfromtxt(DATA / "iris.csv", delimiter=",", skip_header=1, dtype=str)
    return rows[:, :4].astype(float), np.char.strip(rows[:, 4], '"')


@pytest.mark.parametrize(
    ("shape", "theirs"),
    [
        ("diag", GaussianNB(var_smoothing=0)),
        ("tied", LinearDiscriminantAnalysis(solver="lsqr")),
    ],
    ids=["diag", "tied"],
)
def test_one_component_is_a_known_classifier(shape, theirs):
    X, y = iris()
    ours = MixtureClassifier(covariance_type=shape, reg_covar=0.0).fit(X, y)
    theirs.fit(X, y)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_full_covariances_are_quadratic_discriminants():
    X, y = iris()
    ours = MixtureClassifier(reg_covar=0.0).fit(X, y)
    theirs = QuadraticDiscriminantAnalysis().fit(X, y)
    assert (ours.predict(X) == theirs.predict(X)).mean() > 0.99
    assert ours.score(X, y) > 0.97


def test_several_components_a_class(rng):
    centres = np.array([[-3.0, -3.0], [3.0, 3.0], [-3.0, 3.0], [3.0, -3.0]])
    X = np.concatenate([rng.normal(c, 1, (150, 2)) for c in centres])
    y = np.repeat(["wide", "tall"], 300)
    one = MixtureClassifier(covariance_type="diag", random_state=0).fit(X, y)
    two = MixtureClassifier({"wide": 2, "tall": 2}, covariance_type="diag", random_state=0).fit(X, y)
    assert two.score(X, y) > 0.99
    assert one.score(X, y) < 0.7
    assert two.n_components_.tolist() == [2, 2]
    assert set(two.class_results_) == {"tall", "wide"}
    assert two.result_.n_components == 4
    # The mixture of all components has the classes' likelihood.
    joint = two._joint(X)[np.arange(600), (y == "wide").astype(int)]
    assert two.result_.log_likelihood == pytest.approx(joint.sum(), rel=1e-9)


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("n_components", [1, 2])
def test_unknown_classes_are_found(shape, n_components, rng):
    X = np.concatenate([rng.normal(m, 1, (300, 2)) for m in (-4, 0, 4)])
    truth = np.repeat([0, 1, 2], 300)
    y = np.full(900, -1)
    named = np.concatenate([rng.choice(np.flatnonzero(truth == k), 10, replace=False) for k in range(3)])
    y[named] = truth[named]
    found = MixtureClassifier(n_components, covariance_type=shape, random_state=0).fit(X, y)
    assert found.score(X, truth) > 0.95
    assert found.result_.n_labelled == 30
    assert found.class_prior_ == pytest.approx([1 / 3] * 3, abs=0.05)
    assert found.class_results_ == {}


def test_components_of_other_families(rng):
    X = rng.poisson(np.repeat([[2.0, 9.0], [9.0, 2.0]], 200, axis=0))
    y = np.repeat([0, 1], 200)
    found = MixtureClassifier(family=fastem.Poisson()).fit(X, y)
    assert found.score(X, y) > 0.95
    np.testing.assert_allclose(found.result_.parameters["rates"][0], X[:200].mean(axis=0))


def test_labels_of_minus_one_and_one_are_classes(rng):
    X = np.concatenate([rng.normal(-3, 1, (50, 1)), rng.normal(3, 1, (50, 1))])
    found = MixtureClassifier().fit(X, np.repeat([-1, 1], 50))
    assert found.classes_.tolist() == [-1, 1]
    three = MixtureClassifier(unlabeled=None).fit(np.tile(X, (2, 1)), np.repeat([-1, 0, 1, 2], 50))
    assert three.classes_.tolist() == [-1, 0, 1, 2]


def test_priors_weights_and_scores_agree(rng):
    X, y = iris()
    weights = rng.random(150)
    found = MixtureClassifier(covariance_type="tied").fit(X, y, sample_weight=weights)
    shares = [weights[y == label].sum() / weights.sum() for label in found.classes_]
    np.testing.assert_allclose(found.class_prior_, shares)
    given = MixtureClassifier(covariance_type="tied", class_prior=[0.1, 0.2, 0.7]).fit(X, y)
    assert given.class_prior_.tolist() == [0.1, 0.2, 0.7]
    assert given.result_.weights == pytest.approx([0.1, 0.2, 0.7])
    np.testing.assert_allclose(np.exp(given.predict_log_proba(X)), given.predict_proba(X))
    np.testing.assert_allclose(given.predict_proba(X).sum(axis=1), 1.0)
    np.testing.assert_array_equal(given.classes_[given.decision_function(X).argmax(axis=1)], given.predict(X))


def test_two_classes_have_one_decision_function():
    X, y = iris()
    two = MixtureClassifier().fit(X[50:], y[50:])
    decided = two.decision_function(X[50:])
    assert decided.shape == (100,)
    np.testing.assert_array_equal(two.classes_[(decided > 0).astype(int)], two.predict(X[50:]))
    assert two.predict([[1e200] * 4]).shape == (1,)


@pytest.mark.parametrize(
    ("settings", "y", "words"),
    [
        ({}, None, "requires y to be passed"),
        ({"n_components": 200}, "iris", r"the class 'setosa' has 50 labelled sample\(s\), fewer than its 200"),
        ({"n_components": [1, 2]}, "iris", "n_components has 2 entries for 3 classes"),
        ({"n_components": {"setosa": 1}}, "iris", "n_components says nothing about the class 'versicolor'"),
        ({"class_prior": [0.5, 0.5]}, "iris", r"class_prior has shape \(2,\); expected \(3,\)"),
        ({"class_prior": [0.5, 0.5, 0.5]}, "iris", "must be >= 0 and sum to 1"),
    ],
)
def test_errors_say_what_is_wrong(settings, y, words):
    X, species = iris()
    with pytest.raises(ValueError, match=words):
        MixtureClassifier(**settings).fit(X, species if y == "iris" else y)


def test_a_class_that_collapses_is_named():
    X, y = (part[47:] for part in iris())  # three flowers of the first species
    with pytest.warns(ConvergenceWarning, match="class 'setosa': .*collapsed"):
        MixtureClassifier(reg_covar=0.0).fit(X, y)
    with pytest.raises(NotFittedError):
        MixtureClassifier().predict(X)
