"""Floors: what floating point cannot tell from 0 has collapsed, what a user bounds has not; nothing real is lost."""

import numpy as np
import pytest
import troubles

import fastem
from fastem.model.result import Status

SHAPES = ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical")
OWN = ("full", "diag", "spherical")


def deviations(result):
    """The standard deviations of a mixture of one feature, sorted."""
    return np.sort(np.sqrt(np.asarray(result.parameters["covariances"], dtype=float)).ravel())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "distance"), [(np.float32, 30000.0), (np.float32, 1e3), (np.float64, 1e9)])
def test_groups_far_apart_keep_their_own_width(shape, dtype, distance, rng):
    X = troubles.far_apart(rng, dtype, distance)
    result = fastem.fit(X, fastem.Gaussian(shape), 2, seed=0)
    expected = np.sort([X[:500].std(dtype=np.float64), X[500:].std(dtype=np.float64)])
    if shape.startswith("tied"):
        expected = [np.sqrt((expected**2).mean())]
    np.testing.assert_allclose(deviations(result), expected, rtol=2e-3)
    assert result.status is Status.CONVERGED


def test_the_case_that_was_reported_comes_out_to_the_digit():
    result = fastem.fit(troubles.far_apart(np.random.default_rng(0)), fastem.Gaussian("full"), 2, seed=0)
    np.testing.assert_allclose(deviations(result), [0.938, 1.014], atol=5e-4)
    assert result.log_likelihood / 1000 == pytest.approx(-2.0869, abs=1e-4)


@pytest.mark.parametrize("shape", OWN)
@pytest.mark.parametrize("gross", [1e4, 1e6, 1e9, 1e12])
def test_one_gross_value_does_not_widen_the_others(shape, gross, rng):
    X = troubles.one_gross_value(rng, gross)
    result = fastem.fit(X, fastem.Gaussian(shape), 3, seed=0)
    expected = [X[:20].mean(), X[20:40].mean(), gross]
    np.testing.assert_allclose(np.sort(result.parameters["means"].ravel()), expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(fastem.log_density(X, result).sum(), result.log_likelihood, rtol=0, atol=0.1)


@pytest.mark.parametrize("shape", OWN)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fill_value_does_not_widen_the_others(shape, dtype, rng):
    result = fastem.fit(troubles.fill_value(rng, dtype), fastem.Gaussian(shape), 3, seed=0)
    spread = result.parameters["covariances"].ravel()[np.argsort(result.parameters["means"].ravel())]
    np.testing.assert_allclose(np.sqrt(spread[1:]), 0.01, rtol=0.1)
    assert result.status is Status.COLLAPSED
    assert len(result.collapsed) == 1


def test_a_spike_that_the_data_show_wins_and_is_told(rng):
    X = troubles.a_third_zeros(rng)
    with pytest.warns(fastem.FitWarning, match="holds 3000 of 10000 samples, does not vary in 1 of 1 directions"):
        result = fastem.fit(X, fastem.Gaussian("full"), 3, seed=0)
    np.testing.assert_allclose(np.sort(result.parameters["means"].ravel()), [0.0, 2.0, 6.0], atol=0.1)
    assert result.collapsed == (int(np.argmin(result.parameters["means"])),)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("limit", [{"min_variance": 0.01}, {"floor": 1e-3}, {"ridge": 1e-3}, {"reg_covar": 0.01}])
def test_a_component_at_a_bound_that_the_user_chose_has_not_collapsed(shape, limit, rng):
    X = troubles.repeated_value(rng)
    family = fastem.Gaussian(shape, **limit)
    result = fastem.fit(X, family, 2, start=np.repeat([0, 1], [100, 10]))
    assert result.status is Status.CONVERGED
    assert result.notes == ()
    if "ridge" not in limit and "reg_covar" not in limit and not shape.startswith("tied"):
        assert result.starts[0].floored == 1
        assert "smallest variance allowed" in result.starts[0].sentence


def test_select_takes_a_bounded_model_at_its_likelihood():
    X = troubles.repeated_value(np.random.default_rng(0))
    families = [fastem.Gaussian(shape, min_variance=0.01) for shape in ("full", "tied")]
    chosen = fastem.select(X, families, range(1, 5), seed=0)
    assert (chosen.best.family.name, chosen.best.n_components) == ("gaussian_full", 2)
    assert chosen.best.bic == pytest.approx(338.9, abs=0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_collinear_features_have_collapsed_whatever_the_offset(dtype, offset, rng):
    """Rounding leaves their covariance a little above or below 0, and neither is a variance."""
    X = rng.standard_normal((400, 3)) + offset
    X[:, 2] = X[:, 0] + X[:, 1]
    with pytest.warns(fastem.FitWarning, match=r"does not vary in 1 of 3 directions, which involve features 0, 1, 2"):
        result = fastem.fit(X.astype(dtype), fastem.Gaussian("full"), 2, start=np.arange(400) % 2)
    assert result.collapsed == (0, 1)


def test_a_variance_that_rounding_hides_in_one_step_is_not_lost(rng):
    """The mean of a component moves by 1e5 of its standard deviations in one step, in float32."""
    X = np.concatenate([rng.normal(0, 1, (300, 1)), 3e4 + rng.normal(0, 0.3, (300, 1))]).astype(np.float32)
    start = fastem.from_parameters(
        fastem.Gaussian("diag"), [0.5, 0.5], means=[[0.0], [6e4]], covariances=[[1e6], [1e8]]
    )
    result = fastem.fit(X, fastem.Gaussian("diag"), 2, start=start)
    np.testing.assert_allclose(deviations(result), np.sort([X[:300].std(), X[300:].std()]), rtol=0.02)


def test_the_remedy_is_spelled_where_it_is_given(rng):
    X = np.concatenate([rng.standard_normal((200, 2)), [[50.0, 50.0]]])
    labels = np.append(np.zeros(200, dtype=int), 1)
    with pytest.warns(fastem.FitWarning, match=r"Gaussian\('full', ridge=1e-3\)") as caught:
        result = fastem.fit(X, fastem.Gaussian("full"), 2, start=labels)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert str(caught[0].message) == " ".join(result.notes)
    X = rng.standard_normal((200, 2))
    with pytest.warns(fastem.FitWarning, match=r"made max_iter=2 iterations.*accelerate=\"anderson\""):
        fastem.fit(X, fastem.Gaussian("full"), 2, start="kmeans", seed=0, max_iter=2, tol=1e-12)


def test_what_was_asked_for_gives_no_warning(rng, recwarn):
    X = rng.standard_normal((200, 2))
    fastem.fit(X, fastem.Gaussian("full"), 2, seed=0, max_iter=3, tol=0)
    fastem.fit(X, fastem.Gaussian("full"), 2, seed=0, max_iter=0)
    fastem.fit(X, fastem.Gaussian("full"), 1)
    fastem.fit(X, fastem.Gaussian("full"), 2, seed=0, callback=lambda record: True)
    assert not [w for w in recwarn if issubclass(w.category, fastem.FitWarning)]


def test_notes_survive_a_file(rng, tmp_path):
    result = fastem.fit(np.repeat([[1.0], [2.0]], 20, axis=0), fastem.Gaussian("diag"), 2, seed=0)
    fastem.save(result, tmp_path / "model.npz")
    loaded = fastem.load(tmp_path / "model.npz")
    assert result.notes
    assert (loaded.notes, loaded.collapsed) == (result.notes, result.collapsed)


def test_weights_that_sum_to_one_are_told(rng):
    X = np.concatenate([rng.normal(-4, 1, (200, 1)), rng.normal(4, 1, (200, 1))])
    weights = rng.uniform(0.5, 1.5, 400)
    with pytest.warns(fastem.FitWarning, match=r"sums to 1, .*worth 3\d\d.* samples \(Kish.*sample_weight.mean\(\)"):
        fastem.select(X, fastem.Gaussian("diag"), range(1, 3), sample_weight=weights / weights.sum(), seed=0)


def test_a_model_below_a_smaller_one_is_told(rng):
    X = np.concatenate([rng.normal(c, 1, (100, 2)) for c in (-9, -3, 3, 9)])
    from fastem.judging.select import _missed

    models = [fastem.fit(X, fastem.Gaussian("diag"), k, seed=0) for k in (1, 4)]
    worse = fastem.fit(X, fastem.Gaussian("diag"), 5, start="random", max_iter=0, seed=0)
    found = _missed([*models, worse])
    assert found and "with 5 components ended" in found[0] and "n_init" in found[0]
    assert _missed(models) == []
