"""Fixed and shared parameters, and fixed mixing weights, in fits and in everything that comes after them."""

from pathlib import Path

import naive
import numpy as np
import pytest
from tables import FAMILIES, GAUSSIANS, blobs

import fastem

DATA = Path(__file__).parent / "data"
every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
every_gaussian = pytest.mark.parametrize("case", GAUSSIANS, ids=repr)
pytestmark = pytest.mark.filterwarnings("ignore::fastem.FitWarning")
nan = np.nan


def test_the_textbooks_known_deviations():
    """Standard deviations of 10 and given responsibilities: weights 0.6 and 0.4, means 29 and 14."""
    X = np.array([[5.0], [15], [25], [30], [40]])
    resp = np.array([0.2, 0.2, 0.8, 0.9, 0.9])
    fixed = {"covariances": [[100.0], [100.0]]}
    start = np.stack([resp, 1 - resp], axis=1)
    found = fastem.fit(X, fastem.Gaussian("diag"), 2, start=start, fixed=fixed, max_iter=0)
    np.testing.assert_allclose(found.weights, [0.6, 0.4], rtol=1e-12)
    np.testing.assert_allclose(found.parameters["means"], [[29.0], [14.0]], rtol=1e-12)
    assert found.parameters["covariances"].tolist() == [[100.0], [100.0]]
    assert found.n_parameters == 3


def test_one_shared_mean_of_known_deviations():
    X = np.array([[4.0], [4.6], [2.0]])
    settings = {"fixed": {"covariances": [[1.0], [4.0]]}, "shared": ["means"], "weights": "equal"}
    begin = {"weights": [0.5, 0.5], "means": [[4.0], [4.0]], "covariances": [[1.0], [4.0]]}
    resp = fastem.responsibilities(
        X,
        fastem.from_parameters(
            fastem.Gaussian("diag"), [0.5, 0.5], **{k: v for k, v in begin.items() if k != "weights"}
        ),
    )
    np.testing.assert_allclose(resp[:, 0], [0.66667, 0.63602, 0.30856], atol=5e-6)
    found = fastem.fit(X, fastem.Gaussian("diag"), 2, start=begin, max_iter=1, tol=0, **settings)
    np.testing.assert_allclose(found.parameters["means"], 3.73110, atol=5e-6)
    assert found.weights.tolist() == [0.5, 0.5]
    assert found.n_parameters == 1


def test_a_shared_mean_is_a_robust_centre(rng):
    X = np.where(rng.random((800, 2)) < 0.1, 20.0, 1.0) * rng.standard_normal((800, 2)) + [3.0, -5.0]
    for shape in ("full", "diag", "spherical"):
        found = fastem.fit(X, fastem.Gaussian(shape), 2, shared=["means"], seed=0, tol=1e-9)
        assert (found.parameters["means"][0] == found.parameters["means"][1]).all()
        assert (np.diff(found.history) >= -1e-9 * np.abs(found.history[1:])).all()
        one = fastem.fit(X, fastem.Gaussian(shape), 1)
        assert found.bic < one.bic
        error = np.abs(found.parameters["means"][0] - [3.0, -5.0])
        assert (error < 0.2).all()
        assert found.n_parameters == fastem.fit(X, fastem.Gaussian(shape), 2, seed=0).n_parameters - 2


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"])
@pytest.mark.parametrize(
    "means", [[[0.0, 0.0], [4.0, 4.0]], [[0.0, nan], [nan, 4.0]], [[nan, nan], [4.5, 4.0]]], ids=["all", "some", "one"]
)
def test_fixed_means_stay_and_the_rest_is_at_its_maximum(shape, means, rng):
    X = np.concatenate([rng.normal(0, 1, (300, 2)), rng.normal(4, 1.5, (200, 2))]) @ np.array([[1.0, 0.3], [0.0, 1.0]])
    weights, family = rng.random(500), fastem.Gaussian(shape)
    settings = {"fixed": {"means": means}, "sample_weight": weights, "seed": 0, "tol": 1e-11, "max_iter": 3000}
    found = fastem.fit(X, family, 2, start="kmeans", **settings)
    held = ~np.isnan(means)
    assert (found.parameters["means"][held] == np.array(means)[held]).all()
    assert (np.diff(found.history) >= -1e-9 * np.abs(found.history[1:])).all()
    free = fastem.fit(X, family, 2, start="kmeans", sample_weight=weights, seed=0, tol=1e-11)
    assert found.n_parameters == free.n_parameters - held.sum()
    assert found.log_likelihood <= free.log_likelihood + 1e-6
    # No small change of what is free raises the likelihood.
    for _ in range(20):
        moved = dict(found.parameters)
        moved["means"] = moved["means"] + np.where(held, 0.0, 1e-3 * rng.standard_normal((2, 2)))
        moved["covariances"] = moved["covariances"] * np.exp(1e-3 * rng.standard_normal())
        other = fastem.evaluate(X, fastem.from_parameters(family, found.weights, **moved), sample_weight=weights)
        assert other.log_likelihood <= found.log_likelihood + 1e-6


@every_gaussian
def test_fixed_covariances_are_those_given(case, rng):
    _, X = blobs(case, rng, 400, 2, 2)
    free = fastem.fit(X, case.family, 2, start="kmeans", seed=0)
    value = 1.3 * free.parameters["covariances"]
    found = fastem.fit(X, case.family, 2, start="kmeans", fixed={"covariances": value}, seed=0, tol=1e-10)
    np.testing.assert_array_equal(found.parameters["covariances"], value)
    assert found.n_parameters == 1 + 4
    assert found.status.name == "CONVERGED"
    resp = fastem.responsibilities(X, found)
    np.testing.assert_allclose(found.parameters["means"], (resp.T @ X) / resp.sum(axis=0)[:, None], atol=1e-4)


@every_family
@pytest.mark.parametrize("weights", ["equal", [0.2, 0.3, 0.5]], ids=str)
def test_known_weights_stay(case, weights, rng, tmp_path):
    _, X = blobs(case, rng, 600, 3, 2)
    settings = {"weights": weights, "start": "kmeans", "seed": 1, "tol": 1e-9}
    found = fastem.fit(X, case.family, 3, **settings)
    np.testing.assert_allclose(found.weights, 1 / 3 if weights == "equal" else weights, rtol=1e-12)
    assert (np.diff(found.history) >= -1e-9 * np.abs(found.history[1:])).all()
    assert found.n_parameters == fastem.fit(X, case.family, 3, start="kmeans", seed=1).n_parameters - 2
    fast = fastem.fit(X, case.family, 3, accelerate="anderson", **settings)
    assert fast.log_likelihood >= found.log_likelihood - 1e-4 * 600
    fastem.save(found, tmp_path / "m")
    again = fastem.load(tmp_path / "m")
    assert (again.n_parameters, again.bic) == (found.n_parameters, found.bic)


@every_family
def test_any_parameter_can_be_fixed_in_part(case, rng):
    _, X = blobs(case, rng, 500, 2, 2)
    free = fastem.fit(X, case.family, 2, start="kmeans", seed=0)
    parameter = case.family.parameters[0]
    value = np.array(free.parameters[parameter.name])
    value[0], value[1:] = value[0] * 0.9, nan
    settings = {"fixed": {parameter.name: value}, "start": "kmeans", "seed": 0, "tol": 1e-9}
    for other in ({}, {"accelerate": "anderson"}, {"n_threads": 1}):
        found = fastem.fit(X, case.family, 2, **settings, **other)
        np.testing.assert_array_equal(found.parameters[parameter.name][0], value[0])
        assert found.n_parameters == free.n_parameters - value[0].size
        assert found.log_likelihood <= free.log_likelihood + 1e-6 * 500


def test_shared_rates_are_pooled(rng):
    X = rng.poisson(4.0, (300, 2))
    found = fastem.fit(X, fastem.Poisson(), 2, shared=["rates"], seed=0)
    np.testing.assert_allclose(found.parameters["rates"], X.mean(axis=0)[None].repeat(2, 0), rtol=1e-9)
    assert found.n_parameters == 1 + 2


def test_mixing_of_known_densities_with_many_components(rng):
    """The weights of 500 Gaussians on a grid: the nonparametric maximum likelihood of Kiefer and Wolfowitz."""
    X = (rng.choice([-2.0, 0.5, 3.0], 2000, p=[0.3, 0.5, 0.2]) + rng.standard_normal(2000))[:, None]
    grid = np.linspace(X.min(), X.max(), 500)[:, None]
    fixed = {"means": grid, "covariances": np.ones((500, 1))}
    found = fastem.fit(X, fastem.Gaussian("diag"), 500, fixed=fixed, accelerate="anderson", tol=1e-8)
    assert found.status.name == "CONVERGED"
    assert found.n_passes < 500
    # At the maximum no density of the grid would raise the likelihood: its mean ratio to the mixture is at most 1.
    density = fastem.log_density(X, found)
    ratios = [np.exp(-0.5 * (X[:, 0] - m) ** 2 - 0.5 * np.log(2 * np.pi) - density).mean() for m in grid[:, 0]]
    assert max(ratios) < 1.001
    assert (np.diff(found.history) >= -1e-7 * 2000).all()


def test_starts_are_matched_to_what_is_fixed(rng):
    X = np.concatenate([rng.normal(m, 0.5, (100, 2)) for m in (-5, 0, 5)])
    for order in ([0, 1, 2], [2, 0, 1]):
        means = np.array([[-5.0, -5], [0, 0], [5, 5]])[order]
        means[1] = nan
        found = fastem.fit(X, fastem.Gaussian(), 3, fixed={"means": means}, start="kmeans", seed=0)
        expected = np.array([-5.0, 0, 5])[order]
        np.testing.assert_allclose(found.parameters["means"][:, 0], expected, atol=0.3)


def test_reordering_and_files_take_constraints_along(rng, tmp_path):
    X = np.concatenate([rng.normal(m, 1, (100, 1)) for m in (-5, 5)])
    found = fastem.fit(X, fastem.Gaussian("diag"), 2, fixed={"means": [[5.0], [nan]]}, weights=[0.4, 0.6], seed=0)
    turned = found.reorder([1, 0])
    assert turned.model.constraints.fixed["means"][1, 0] == 5.0
    assert turned.model.mixing.weights.tolist() == [0.6, 0.4]
    fastem.save(turned, tmp_path / "m")
    again = fastem.load(tmp_path / "m")
    assert again.model.constraints.fixed["means"][1, 0] == 5.0
    assert again.n_parameters == found.n_parameters == 3
    booted = fastem.bootstrap(found, X, n_replicates=10, seed=0)
    assert (booted.parameters["means"][:, 0] == 5.0).all()
    assert (booted.weights == [0.4, 0.6]).all()


def test_models_are_equal_where_what_is_known_is(rng, tmp_path):
    X = np.concatenate([rng.normal(m, 1, (50, 1)) for m in (-5, 5)])
    known = {"means": [[-5.0], [5.0]], "covariances": np.ones((2, 1))}
    settings = [
        {},
        {"fixed": known},
        {"fixed": {"means": [[-5.0], [nan]]}},
        {"fixed": {"means": [[-4.0], [nan]]}},
        {"shared": "means"},
        {"weights": "equal"},
        {"weights": [0.4, 0.6]},
        {"weights": [0.6, 0.4]},
        {"prior": fastem.NormalInverseWishart(shrinkage=0.1)},
        {"prior": fastem.NormalInverseWishart(shrinkage=0.2)},
    ]
    models = []
    for setting in settings:
        result = fastem.fit(X, fastem.Gaussian("diag"), 2, seed=0, **setting)
        fastem.save(result, tmp_path / "m")
        models.append((result.model, fastem.load(tmp_path / "m").model))
    for i, (one, _) in enumerate(models):
        for j, (other, loaded) in enumerate(models):
            assert (one == other) == (one == loaded) == (i == j)
            assert i != j or hash(one) == hash(loaded)


def test_constraints_and_labels_in_pieces(rng):
    X = np.concatenate([rng.normal(m, 1, (2000, 2)) for m in (-3, 3)])
    labels = np.where(rng.random(4000) < 0.05, np.repeat([1, 0], 2000), -1)
    settings = {"labels": labels, "fixed": {"means": [[3.0, 3.0], [nan, nan]]}, "weights": "equal", "seed": 0}
    whole = fastem.fit(X, fastem.Gaussian(), 2, **settings)
    pieces = fastem.fit([X[:999], X[999:]], fastem.Gaussian(), 2, **settings)
    assert whole.log_likelihood == pytest.approx(pieces.log_likelihood, rel=1e-9)
    np.testing.assert_allclose(whole.parameters["means"][1], -3.0, atol=0.2)


def test_data_far_from_zero_keep_their_digits(rng):
    X = np.concatenate([rng.normal(m, 1, (300, 2)) for m in (-4, 4)])
    near = fastem.fit(X, fastem.Gaussian(), 2, fixed={"means": [[4.0, nan], [nan, nan]]}, seed=0, tol=1e-9)
    far = fastem.fit(
        X + 2.0**20, fastem.Gaussian(), 2, fixed={"means": [[4 + 2.0**20, nan], [nan, nan]]}, seed=0, tol=1e-9
    )
    assert far.log_likelihood == pytest.approx(near.log_likelihood, rel=1e-8)
    np.testing.assert_allclose(far.parameters["covariances"], near.parameters["covariances"], rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fixed": [1]}, "fixed is a list; expected a mapping"),
        (
            {"fixed": {"mean": [[0.0]]}},
            r"fixed has 'mean'; the parameters of gaussian_full are \['means', 'covariances'\]",
        ),
        ({"fixed": {"weights": [1, 2]}}, "mixing weights are fixed by weights="),
        ({"fixed": {"means": np.zeros((3, 2))}}, r"fixed\['means'\] has shape \(3, 2\); expected \(2, 2\)"),
        ({"fixed": {"means": [[np.inf, 0], [0, 0]]}}, r"fixed\['means'\]\[0, 0\] is infinite"),
        (
            {"fixed": {"covariances": [np.diag([1.0, -1.0]), np.eye(2)]}},
            r"fixed\['covariances'\]\[0\] is not positive def",
        ),
        ({"fixed": {"covariances": np.ones((2, 2, 2))}}, r"fixed\['covariances'\]\[0\] is not positive definite"),
        ({"fixed": {"covariances": np.where(np.eye(2) > 0, 1.0, nan)}}, "NaN in some places only; a matrix is fixed"),
        ({"shared": ["covariances"]}, r"components share their covariance in Gaussian\('tied'\)"),
        ({"shared": ["rates"]}, "shared has 'rates'; the parameters of gaussian_full"),
        ({"shared": ["means"], "fixed": {"means": [[0.0, 0.0], [1.0, 1.0]]}}, "they contradict"),
        ({"weights": "same"}, "weights is 'same'; expected 'free', 'equal' or 2 numbers"),
        ({"weights": [0.5, 0.6]}, "weights sums to 1.1; it must sum to 1"),
        ({"weights": [1.0, 0.0]}, "fixed mixing weights must be finite and > 0"),
        ({"weights": [1.0]}, r"weights has shape \(1,\); expected \(2,\)"),
    ],
)
def test_errors_say_what_makes_no_sense(settings, words, rng):
    with pytest.raises((ValueError, TypeError), match=words):
        fastem.fit(rng.standard_normal((50, 2)), fastem.Gaussian(), 2, **settings)


def test_kmeans_is_the_limit_of_small_fixed_covariances(rng):
    """With covariances eps I and equal weights, responsibilities tend to the nearest centre as eps tends to 0."""
    X = np.concatenate([rng.normal(m, 1, (100, 2)) for m in (-2, 0, 2)])
    centres, before = X[[0, 120, 250]], np.inf
    nearest = ((X[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    for eps in (1.0, 0.1, 0.01, 0.0001):
        mixture = fastem.from_parameters(
            fastem.Gaussian("tied_spherical"), np.ones(3) / 3, means=centres, covariances=eps
        )
        resp = fastem.responsibilities(X, mixture)
        distance = np.abs(resp - np.eye(3)[nearest]).mean()
        assert distance < before
        before = distance
    assert before < 1e-3


def test_naive_ecm_agrees(rng):
    """The shared mean of diagonal components, iterated in plain NumPy."""
    X = rng.standard_normal((300, 2)) * np.where(rng.random((300, 1)) < 0.5, 1.0, 3.0) + 1.0
    weights, mean, variances = np.array([0.4, 0.6]), np.zeros(2), np.array([[1.0, 2.0], [4.0, 3.0]])
    begin = {"weights": weights, "means": [mean, mean], "covariances": variances}
    found = fastem.fit(X, fastem.Gaussian("diag"), 2, start=begin, shared=["means"], max_iter=25, tol=0)
    (case,) = [case for case in GAUSSIANS if case.family.name == "gaussian_diag"]
    for _ in range(25):
        _, resp = naive.e_step(case, weights, {"means": np.stack([mean, mean]), "covariances": variances}, X)
        counts = resp.sum(axis=0)
        pull = counts[:, None] / variances
        mean = (pull * (resp.T @ X) / counts[:, None]).sum(axis=0) / pull.sum(axis=0)
        variances = np.stack([(resp[:, k] @ (X - mean) ** 2) / counts[k] for k in range(2)])
        weights = counts / 300
    np.testing.assert_allclose(found.parameters["means"][0], mean, rtol=1e-9)
    np.testing.assert_allclose(found.parameters["covariances"], variances, rtol=1e-9)


def test_a_grid_keeps_what_is_known(rng):
    X = np.concatenate([rng.normal(m, 1, (150, 1)) for m in (-4, 4)])
    chosen = fastem.select(X, fastem.Gaussian("diag"), [2, 3], weights="equal", seed=0)
    assert all(np.ptp(model.weights) == 0 for model in chosen.models)
    assert chosen.best.n_parameters == 4
    shared = fastem.select(X, [fastem.Gaussian("diag"), fastem.Gaussian("spherical")], 2, shared=["means"], seed=0)
    assert all(np.ptp(model.parameters["means"]) == 0 for model in shared.models)
    with pytest.raises(ValueError, match=r"fixed\['means'\] has shape \(2, 1\); expected \(3, 1\)"):
        fastem.select(X, fastem.Gaussian("diag"), [2, 3], fixed={"means": [[0.0], [nan]]})


def test_estimators_take_what_is_known(rng, tmp_path):
    X = np.concatenate([rng.normal(m, 1, (150, 2)) for m in (-4, 4)])
    fixed = {"means": np.array([[4.0, 4.0], [nan, nan]])}
    mixture = fastem.GaussianMixture(2, fixed=fixed, weights=[0.5, 0.5], random_state=0).fit(X)
    assert mixture.means_[0].tolist() == [4.0, 4.0]
    assert mixture.weights_.tolist() == [0.5, 0.5]
    plain = fastem.GaussianMixture(2, random_state=0).fit(X)
    spared = 3 * np.log(300)  # two coordinates and a weight
    assert mixture.bic(X) == pytest.approx(-2 * mixture.score(X) * 300 + (11 - 3) * np.log(300))
    assert mixture.bic(X) < plain.bic(X) - spared + 20
    mixture.save(tmp_path / "m")
    again = fastem.GaussianMixture.load(tmp_path / "m")
    np.testing.assert_array_equal(again.fixed["means"], fixed["means"])
    assert again.bic(X) == mixture.bic(X)
    same = fastem.GaussianMixture.from_result(mixture.result_)
    assert same.fixed["means"][0].tolist() == [4.0, 4.0]
    assert fastem.PoissonMixture(2, shared=["rates"]).fit(np.abs(X).round()).rates_.shape == (2, 2)
    assert fastem.Mixture(fastem.Gaussian("diag"), 2, weights="equal").fit(X).weights_.tolist() == [0.5, 0.5]
    from sklearn.base import clone

    assert clone(mixture).fit(X).means_[0].tolist() == [4.0, 4.0]


def test_the_command_line_takes_what_is_known(tmp_path, capsys):
    from fastem.cli.main import main

    path = str(DATA / "faithful.csv")
    np.savez(tmp_path / "known.npz", means=[[2.0, 54.5], [nan, nan]])
    words = ["fit", path, "--components", "2", "--covariance", "full", "--fixed", str(tmp_path / "known.npz")]
    assert main([*words, "--weights", "0.4,0.6"]) == 0
    shown = capsys.readouterr().out
    assert "[0.4 0.6]" in shown
    assert "54.5" in shown
    assert main(["fit", path, "--components", "2", "--shared", "means", "--weights", "equal"]) == 0
    assert main(["fit", path, "--shared", "sizes"]) == 2
    assert "shared has 'sizes'" in capsys.readouterr().err
    assert main(["fit", path, "--fixed", path]) == 2
    assert "cannot be read as a .npz archive" in capsys.readouterr().err


def test_diagnose_counts_what_is_free(rng):
    X = np.concatenate([rng.normal(m, 1, (150, 1)) for m in (-4, 4)])
    equal = fastem.fit(X, fastem.Gaussian("diag"), 2, weights="equal", seed=0, tol=1e-10)
    found = fastem.diagnose(X, equal)
    assert found.verdict.name == "MAXIMUM"
    assert len(found.score) == 4
    fixed = fastem.fit(X, fastem.Gaussian("diag"), 2, fixed={"means": [[-4.0], [4.0]]}, seed=0, tol=1e-10)
    assert len(fastem.diagnose(X, fixed).score) == fixed.n_parameters == 3


def test_starts_of_a_shared_mean_are_no_saddles(rng):
    """Clusters side by side would begin as equal components at one mean."""
    X = np.concatenate([rng.normal(m, 1, (500, 2)) for m in (-2, 2)])
    found = fastem.fit(X, fastem.Gaussian("full"), 2, shared=["means"], seed=0, tol=1e-9)
    assert fastem.diagnose(X, found).verdict.name == "MAXIMUM"
    heavy = rng.standard_t(3, (1000, 2))
    for shape in ("full", "diag", "spherical"):
        one = fastem.fit(heavy, fastem.Gaussian(shape), 1)
        two = fastem.fit(heavy, fastem.Gaussian(shape), 2, shared=["means"], seed=0, tol=1e-9)
        assert two.bic < one.bic - 100
        assert fastem.diagnose(heavy, two).verdict.name == "MAXIMUM"
