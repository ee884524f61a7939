"""What several features need of each other: names, packed data, dropped components, weights of 0, other orders."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

import fastem
from fastem.compiled.factors import raise_to_floor
from fastem.em.crawling import crawls
from fastem.em.rivals import _hope
from fastem.em.track import Plain, Track


@pytest.fixture
def frame(rng):
    return pd.DataFrame(rng.normal([[-3.0, 0.0]] * 100 + [[3.0, 1.0]] * 100), columns=["a", "b"])


def test_an_estimator_fitted_to_a_frame_knows_its_columns(frame, tmp_path):
    estimator = fastem.GaussianMixture(2, random_state=0).fit(frame)
    assert estimator.result_.feature_names == ("a", "b")
    fastem.save(estimator, tmp_path / "model.npz")
    assert fastem.load(tmp_path / "model.npz").feature_names == ("a", "b")
    assert (np.diff(estimator.sorted_by("means", "b").means_[:, 1]) >= 0).all()
    for call in (fastem.predict, fastem.log_density):
        with pytest.raises(ValueError, match="order"):
            call(frame[["b", "a"]], estimator)
    with pytest.raises(ValueError, match="order"):
        fastem.fit(frame[["b", "a"]], fastem.Gaussian("full"), 2, start=estimator)


def test_packed_data_keep_names_and_checks(frame, rng):
    family = fastem.Gaussian("diag")
    packed = fastem.pack(frame, family)
    assert fastem.fit(packed, family, 2, seed=0).feature_names == ("a", "b")
    twice = np.repeat([[1.0], [2.0]], 20, axis=0)
    notes = [fastem.fit(X, family, 3, seed=0).notes for X in (twice, fastem.pack(twice, family))]
    assert notes[0] == notes[1]
    assert "distinct" in notes[0][0]
    with pytest.raises(ValueError, match="1e-307"):
        fastem.pack(rng.standard_normal((50, 2)) * 1e-309, family)


def test_a_row_at_its_floor_changes_no_other_row():
    values, squares, floor = np.array([[4e-16, 1.0]]), np.array([[1.0, 1.0]]), np.full(2, 1e-20)
    alone = raise_to_floor(values, floor, None, 1e-15, squares).values
    beside = raise_to_floor(np.concatenate([values, [[0.0, 0.0]]]), floor, None, 1e-15, np.ones((2, 2))).values
    np.testing.assert_array_equal(alone[0], beside[0])


def test_evaluated_results_forget_the_entropy_of_other_data(frame):
    chosen = fastem.select(frame, fastem.Gaussian("full"), 2, seed=0).best
    assert np.isfinite(chosen.icl)
    assert np.isnan(fastem.evaluate(frame[:50], chosen).icl)


def test_notes_call_components_by_their_numbers_in_the_result(rng):
    X = np.concatenate([rng.normal(-5, 1, (60, 1)), rng.normal(5, 1, (60, 1)), np.full((9, 1), 20.0)])
    labels = np.repeat([0, 2, 4], [60, 60, 9])
    result = fastem.fit(X, fastem.Gaussian("diag"), 5, start=labels, starving="drop")
    assert result.n_components == 3
    assert result.collapsed == (2,)
    assert "1 of 3 components collapsed: component 2, which holds 9 of 129 samples" in result.notes[0]


def test_notes_count_the_samples_that_count(rng):
    X = np.concatenate([rng.normal(0, 1, (50, 1)), np.full((5, 1), 9.0), rng.normal(0, 1, (50, 1))])
    weights = np.repeat([1.0, 1.0, 0.0], [50, 5, 50])
    start = np.repeat([0, 1, 0], [50, 5, 50])
    result = fastem.fit(X, fastem.Gaussian("diag"), 2, start=start, sample_weight=weights)
    assert "holds 5 of 55 samples" in result.notes[0]
    heavy = fastem.fit(X, fastem.Gaussian("diag"), 2, start=start, sample_weight=3.0 * weights)
    assert "holds 15 of the weight 165" in heavy.notes[0]


def test_a_shared_covariance_is_described_once(rng):
    X = rng.standard_normal((60, 3))
    X[:, 2] = X[:, 0]
    result = fastem.fit(X, fastem.Gaussian("tied"), 3, seed=0)
    assert result.notes[0].count("does not vary in 1 of 3 directions") == 1
    assert "the other components are sound" not in result.notes[0]


def test_the_estimator_tells_of_duplicates_without_a_tolerance():
    with pytest.warns(ConvergenceWarning, match="Number of distinct clusters"):
        fastem.GaussianMixture(4, tol=0, max_iter=3, random_state=0).fit(np.repeat([[1.0], [2.0]], 20, axis=0))


def test_reordered_estimators_keep_their_fit(frame):
    estimator = fastem.GaussianMixture(2, random_state=0).fit(frame)
    moved = estimator.reorder([1, 0])
    assert moved.result_.log_likelihood == estimator.result_.log_likelihood
    np.testing.assert_array_equal(moved.result_.weights, estimator.result_.weights[::-1])


def test_a_fall_is_neither_crawling_nor_leaving_a_plateau():
    track = Track(0, Plain(None))
    track.history = list(-(np.arange(100.0) ** 0.9))
    assert not crawls(track)
    assert _hope(track) == 0.0


def test_limits_of_passes_hold_where_em_crawls():
    import troubles

    result = fastem.fit(troubles.returns(), fastem.Gaussian("full"), 3, seed=0, max_passes=70)
    assert result.status is fastem.Status.MAX_PASSES
    assert len(result.starts) == 10


def test_the_command_line_can_leave_em_alone():
    from fastem.cli.parser import parse, search

    assert search(parse(["fit", "x.csv", "--accelerate", "none"], "0")) == {"accelerate": None}
    assert search(parse(["fit", "x.csv", "--accelerate", "squarem"], "0")) == {"accelerate": "squarem"}


def test_names_are_checked_on_every_way(frame):
    family, back = fastem.Gaussian("full"), frame[["b", "a"]]
    result, other = (fastem.fit(X, family, 2, seed=0) for X in (frame, back))
    packed = fastem.pack(back, family)
    for call in (
        lambda: fastem.predict(packed, result),
        lambda: fastem.evaluate(packed, result),
        lambda: fastem.fold(packed, result),
        lambda: fastem.fit(packed, family, 2, start=result),
        lambda: fastem.fold(frame, result) + fastem.fold(back, other),
        lambda: fastem.match(result, other),
        lambda: fastem.fit(fastem.stream([frame[:100], back[100:]]), family, 2, seed=0),
    ):
        with pytest.raises(ValueError, match="another order"):
            call()


def test_constant_features_leave_the_digits_of_the_others(rng):
    """With several of them the matrix is not rebuilt from its eigenvalues, and the likelihood does not fall."""
    labels, shown = rng.integers(0, 10, 600), rng.random((10, 30)) < 0.3
    X = np.where(shown[labels] & (rng.random((600, 30)) < 0.6), rng.integers(1, 255, (600, 30)), 0).astype(float)
    X = np.column_stack([X, np.zeros((600, 4))])
    result = fastem.fit(X, fastem.Gaussian("tied"), 4, start="kmeans", seed=0, accelerate=None)
    assert (np.diff(result.history) > -1e-9 * len(X)).all()


def test_a_gross_value_is_named_where_it_hides_a_variance(rng):
    X = np.concatenate([rng.normal(0, 1, (200, 2)), rng.normal(8, 1, (200, 2)), [[0.0, 1e9]]]).astype(np.float32)
    result = fastem.fit(X, fastem.Gaussian("diag"), 3, seed=0)
    assert "standard deviations from the mean there" in result.notes[0]


def test_select_tells_of_duplicates_and_names_its_model():
    chosen = fastem.select(np.repeat([[1.0], [2.0]], 20, axis=0), fastem.Gaussian("full"), range(1, 4), seed=0)
    assert any("distinct" in note for note in chosen.notes)


def test_results_that_are_not_finite_are_refused_by_match_and_compiled_code(rng):
    X = np.concatenate([rng.normal(-4, 1, (50, 1)), rng.normal(4, 1, (50, 1))])
    result = fastem.fit(X * 1e200, fastem.Gaussian("full"), 2, seed=0)
    for call in (lambda: fastem.match(result, result), lambda: fastem.jit.arguments(result)):
        with pytest.raises(ValueError, match="rescale"):
            call()
    with pytest.raises(ValueError, match="nearly 0"):
        fastem.GaussianMixture(2, reg_covar=0).fit(X * 1e-200)
    assert (fastem.fold(X, fastem.fit(X, fastem.Gaussian("full"), 2, seed=0)) / 2).total_weight == 50.0


def test_components_of_many_features_are_maximised_one_by_one(rng):
    X = rng.standard_normal((1500, 260)) + 3.0 * np.repeat([0, 1], 750)[:, None]
    labels = np.repeat([0, 1, 2], [750, 700, 50])  # the third has fewer samples than features
    result = fastem.fit(X, fastem.Gaussian("full"), 3, start=labels, max_iter=0)
    for k in range(2):
        own = X[labels == k]
        np.testing.assert_allclose(result.parameters["means"][k], own.mean(axis=0), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(result.parameters["covariances"][k], np.cov(own.T, bias=True), rtol=1e-8, atol=1e-11)
    assert result.collapsed == (2,)
