"""What is done with a fitted mixture."""

import numpy as np
import pytest
from scipy import stats

import fastem


@pytest.fixture
def world(rng):
    X = np.concatenate([rng.normal(m, 1, (300, 2)) for m in (-4, 0, 4)]) + 1e6
    return fastem.fit(X, fastem.Gaussian("diag"), 3, seed=0)


def test_adapted_means_move_by_the_reynolds_fraction(world, rng):
    X = rng.normal(0.5, 1, (40, 2)) + 1e6
    resp = fastem.responsibilities(X, world)
    counts = resp.sum(axis=0)
    alpha = (counts / (counts + 16))[:, None]
    own = (resp.T @ X) / counts[:, None]
    found = fastem.adapt(X, world)
    np.testing.assert_allclose(
        found.parameters["means"], alpha * own + (1 - alpha) * world.parameters["means"], rtol=1e-12
    )
    np.testing.assert_array_equal(found.parameters["covariances"], world.parameters["covariances"])
    np.testing.assert_array_equal(found.weights, world.weights)


@pytest.mark.parametrize("shape", ["full", "diag", "spherical"])
def test_all_parameters_adapt_as_reynolds_says(shape, rng):
    X = np.concatenate([rng.normal(m, 1, (200, 2)) for m in (-4, 4)])
    world = fastem.fit(X, fastem.Gaussian(shape), 2, seed=0)
    Y = rng.normal(3, 2, (50, 2))
    found = fastem.adapt(Y, world, relevance=10, parameters=("weights", "means", "covariances"))
    resp = fastem.responsibilities(Y, world)
    counts = resp.sum(axis=0)
    alpha = counts / (counts + 10)
    w = alpha * counts / 50 + (1 - alpha) * world.weights
    np.testing.assert_allclose(found.weights, w / w.sum(), rtol=1e-10)
    old, new = world.covariance_matrices(), found.covariance_matrices()
    for k in range(2):
        mean, m = world.parameters["means"][k], found.parameters["means"][k]
        second = (resp[:, k, None] * Y).T @ Y / counts[k]
        expected = alpha[k] * second + (1 - alpha[k]) * (old[k] + np.outer(mean, mean)) - np.outer(m, m)
        if shape == "spherical":
            expected = np.eye(2) * np.trace(expected) / 2
        keep = np.eye(2, dtype=bool) if shape != "full" else np.ones((2, 2), dtype=bool)
        np.testing.assert_allclose(new[k][keep], expected[keep], rtol=1e-7, atol=1e-9)


def test_adapting_is_refused_what_makes_no_sense(world, rng):
    X = rng.standard_normal((10, 2))
    with pytest.raises(ValueError, match="relevance is -1; it must be a finite number >= 0"):
        fastem.adapt(X, world, relevance=-1)
    with pytest.raises(ValueError, match="parameters has 'rates'; those of gaussian_diag are"):
        fastem.adapt(X, world, parameters=["rates"])
    tied = fastem.fit(rng.standard_normal((50, 2)), fastem.Gaussian("tied"), 2, seed=0)
    with pytest.raises(ValueError, match="which components of gaussian_tied share"):
        fastem.adapt(X, tied, parameters=["covariances"])
    assert fastem.adapt(X, tied, n_iter=3).n_components == 2


SPREAD = np.array([[2.0, 0.8, 0.3], [0.8, 1.0, -0.2], [0.3, -0.2, 1.5]])


def gaussians(shape, rng, k=3, offset=0.0):
    """A mixture of a shape with three features."""
    X = np.concatenate([rng.multivariate_normal(np.full(3, 3.0 * m), SPREAD, 200) for m in range(k)]) + offset
    return fastem.fit(X, fastem.Gaussian(shape), k, seed=0)


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_joint_is_marginal_times_conditional(shape, offset, rng):
    mixture = gaussians(shape, rng, offset=offset)
    for x in rng.normal(3, 2, (5, 3)) + offset:
        own = fastem.marginal(mixture, [2, 0])
        rest = fastem.conditional(mixture, {2: x[2], 0: x[0]})
        joint = fastem.log_density(x[None], mixture)
        product = fastem.log_density(x[None, [2, 0]], own) + fastem.log_density(x[None, [1]], rest)
        np.testing.assert_allclose(joint, product, rtol=1e-7 if offset else 1e-10)


def test_parts_of_other_families_and_by_name(rng):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(rng.poisson([[2.0, 9.0]] * 100 + [[9.0, 2.0]] * 100), columns=["a", "b"])
    mixture = fastem.fit(X, fastem.Poisson(), 2, seed=0)
    rest = fastem.conditional(mixture, {"b": 12})
    assert rest.feature_names == ("a",)
    assert rest.weights[rest.parameters["rates"][:, 0].argmin()] > 0.99
    assert fastem.marginal(mixture, "a").n_features == 1


def test_regression_is_the_conditional_law(rng):
    for shape in ("full", "tied"):
        mixture = gaussians(shape, rng)
        X = rng.normal(3, 2, (4, 1))
        found = fastem.regress(X, mixture, [1])
        for i in range(4):
            draws = fastem.sample(fastem.conditional(mixture, {1: X[i, 0]}), 200_000, seed=1).X
            np.testing.assert_allclose(found.mean[i], draws.mean(axis=0), atol=0.03)
            np.testing.assert_allclose(found.covariance[i], np.cov(draws.T), atol=0.08)


def test_one_component_is_linear_regression(rng):
    from sklearn.linear_model import LinearRegression

    X = rng.standard_normal((300, 3)) + 1e4
    Y = X @ rng.standard_normal((3, 2)) + 0.1 * rng.standard_normal((300, 2))
    ours = fastem.MixtureRegressor(reg_covar=0.0).fit(X, Y)
    theirs = LinearRegression().fit(X, Y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-6)
    mean, deviation = ours.predict(X[:5], return_std=True)
    assert mean.shape == deviation.shape == (5, 2)
    np.testing.assert_allclose(deviation, (Y - theirs.predict(X)).std(axis=0)[None].repeat(5, 0), rtol=1e-6)


def test_affine_maps_and_sums_by_monte_carlo(rng):
    one, two = gaussians("full", rng), gaussians("diag", rng, k=2)
    A, b = rng.standard_normal((2, 3)), np.array([1.0, -2.0])
    moved, draws = fastem.transform_affine(one, A, b), fastem.sample(one, 100_000, seed=0).X
    assert fastem.log_density(draws @ A.T + b, moved).mean() == pytest.approx(
        fastem.log_density(fastem.sample(moved, 100_000, seed=1).X, moved).mean(), abs=0.02
    )
    both = fastem.convolve(one, two)
    assert both.n_components == 6
    Z = draws + fastem.sample(two, 100_000, seed=2).X
    np.testing.assert_allclose(both.weights @ both.parameters["means"], Z.mean(axis=0), atol=0.05)
    assert fastem.log_density(Z, both).mean() == pytest.approx(
        fastem.log_density(fastem.sample(both, 100_000, seed=3).X, both).mean(), abs=0.02
    )
    tied = fastem.convolve(gaussians("tied", rng), np.eye(3))
    assert tied.family.name == "gaussian_tied"
    np.testing.assert_allclose(
        fastem.convolve(one, 2.0).covariance_matrices(), one.covariance_matrices() + 2 * np.eye(3)
    )


@pytest.mark.parametrize("shape", ["full", "tied", "diag", "tied_spherical"])
def test_overlap_by_monte_carlo(shape, rng):
    X = np.concatenate([rng.multivariate_normal([2.0 * m, 0, 0], SPREAD * (1 + m), 200) for m in range(3)])
    mixture = fastem.fit(X, fastem.Gaussian(shape), 3, seed=0)
    found = fastem.overlap(mixture)
    for i in range(3):
        draws = mixture.family.sample(np.random.default_rng(i), mixture.parameters, np.full(200_000, i))
        joint = fastem.component_log_density(draws, mixture) + np.log(mixture.weights)
        for j in range(3):
            if i != j:
                assert found[i, j] == pytest.approx((joint[:, j] > joint[:, i]).mean(), abs=0.005)


def test_overlap_of_two_equal_spheres_is_the_normal_tail():
    from scipy.stats import norm

    family, half = fastem.Gaussian("spherical"), [0.5, 0.5]
    two = fastem.from_parameters(family, half, means=[[0.0], [3.0]], covariances=[1.0, 1.0])
    np.testing.assert_allclose(fastem.overlap(two), [[1, norm.sf(1.5)], [norm.sf(1.5), 1]], rtol=1e-9)
    wide = fastem.from_parameters(
        fastem.Gaussian("spherical"), [0.5, 0.5], means=[[0.0], [0.0]], covariances=[1.0, 4.0]
    )
    edge = np.sqrt(np.log(4) / 0.75)  # where both densities are equal
    np.testing.assert_allclose(fastem.overlap(wide)[0, 1], 2 * norm.sf(edge), atol=1e-6)
    np.testing.assert_allclose(fastem.overlap(wide)[1, 0], 1 - 2 * norm.sf(edge / 2), atol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_features", [1, 2, 3, 5, 8])
def test_overlap_of_all_kinds_of_pairs_by_monte_carlo(n_features):
    # Wide and narrow, thin and round, near and far: the first way to integrate gave NaN here, or 1 in place of 0.
    for seed in range(6):
        rng = np.random.default_rng(seed)
        factors = rng.normal(size=(4, n_features, n_features)) * rng.choice([0.1, 1, 3], size=(4, 1, 1))
        covariances = factors @ factors.swapaxes(1, 2) + 10.0 ** rng.uniform(-4, 0) * np.eye(n_features)
        means = rng.choice([0.3, 2]) * rng.normal(size=(4, n_features))
        mixture = fastem.from_parameters(
            fastem.Gaussian(), rng.dirichlet(np.full(4, 3.0)), means=means, covariances=covariances
        )
        found = fastem.overlap(mixture)
        for i, factor in enumerate(np.linalg.cholesky(covariances)):
            x = means[i] + rng.standard_normal((20_000, n_features)) @ factor.T
            joint = fastem.component_log_density(x, mixture) + np.log(mixture.weights)
            shares = (joint > joint[:, [i]]).mean(axis=0)
            others = np.arange(4) != i
            error = 5 * np.sqrt(np.maximum(shares * (1 - shares), 1e-3) / 20_000)
            assert (np.abs(found[i] - shares) < error)[others].all()


@pytest.mark.parametrize("n_features", [1, 2, 10])
def test_overlap_about_one_centre_is_a_chi_square_tail(n_features):
    # The wide component wins where |x|^2 > d log(16) / (1 - 1/16).
    sizes, edge = np.array([1.0, 16.0]), n_features * np.log(16) / (1 - 1 / 16)
    mixture = fastem.from_parameters(
        fastem.Gaussian("spherical"), [0.5, 0.5], means=np.zeros((2, n_features)), covariances=sizes
    )
    found = fastem.overlap(mixture)
    assert found[0, 1] == pytest.approx(stats.chi2.sf(edge, n_features), abs=1e-9)
    assert found[1, 0] == pytest.approx(stats.chi2.cdf(edge / 16, n_features), abs=1e-9)


def test_the_cross_is_merged_as_baudry_says():
    """Four components by BIC; three clusters, as the two that are one group become one."""
    from pathlib import Path

    rows = np.loadtxt(Path(__file__).parent / "data" / "cross.csv", delimiter=",", skiprows=1)
    X = rows[:, 1:]
    mixture = fastem.fit(X, fastem.Gaussian(), 4, seed=0)
    found = fastem.merge(X, mixture, 2)
    assert found.entropy.shape == (4,)
    assert (np.diff(found.entropy) <= 1e-9).all()
    assert sorted(np.bincount(found.clusters).tolist()) in ([1, 3], [2, 2])
    np.testing.assert_allclose(found.resp.sum(axis=1), 1.0)
    assert fastem.merge(X, mixture, 4).clusters.tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="n_clusters is 5, more than the 4 components"):
        fastem.merge(X, mixture, 5)


def naive_fisher(X, mixture):
    """The formulas of skimage 0.26, as they stand there."""
    resp = fastem.responsibilities(X, mixture)
    w, mean, variance = mixture.weights, mixture.parameters["means"], mixture.parameters["covariances"]
    total, first, second = resp.mean(axis=0)[:, None], resp.T @ X / len(X), resp.T @ X**2 / len(X)
    d_pi, d_mu = total[:, 0] - w, first - total * mean
    d_sigma = -second - total * mean**2 + total * variance + 2 * first * mean
    root = np.sqrt(w)[:, None]
    parts = d_pi / root[:, 0], d_mu / (root * np.sqrt(variance)), d_sigma / (np.sqrt(2) * root * variance)
    return np.hstack([part.ravel() for part in parts])


def test_fisher_vectors_are_skimages(rng):
    X = np.concatenate([rng.normal(m, 1, (200, 3)) for m in (-2, 2)])
    mixture = fastem.fit(X, fastem.Gaussian("diag"), 2, seed=0)
    found, expected = fastem.fisher_vector(X[:50], mixture), naive_fisher(X[:50], mixture)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    groups = rng.permutation(np.repeat(["b", "a", "c"], [100, 50, 250]))
    many = fastem.fisher_vector(X, mixture, groups)
    np.testing.assert_allclose(many[1], naive_fisher(X[groups == "b"], mixture), atol=1e-10)
    improved = fastem.fisher_vector(X[:50], mixture, improved=True)
    powers = np.sign(expected) * np.abs(expected) ** 0.5
    np.testing.assert_allclose(improved, powers / np.linalg.norm(powers), atol=1e-10)
    with pytest.raises(ValueError, match="fisher_vector needs Gaussian components with diagonal covariances"):
        fastem.fisher_vector(X, fastem.fit(X, fastem.Gaussian(), 2, seed=0))


def test_outliers_are_the_samples_of_lowest_density(rng):
    X = np.concatenate([rng.standard_normal((190, 2)), rng.uniform(6, 9, (10, 2))])
    found = fastem.MixtureOutlierDetector(contamination=0.05).fit(X)
    assert set(np.flatnonzero(found.predict(X) == -1)) == set(range(190, 200))
    np.testing.assert_array_equal(found.decision_function(X), found.score_samples(X) - found.offset_)
    twice = fastem.MixtureOutlierDetector(contamination=0.05).fit(X, sample_weight=np.full(200, 2.0))
    assert twice.offset_ == pytest.approx(found.offset_, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: fastem.marginal(m, [3]), "there is no feature 3; features are 0 to 2"),
        (lambda m: fastem.marginal(m, ["a"]), "there is no feature 'a'; the features of the mixture have no names"),
        (lambda m: fastem.marginal(m, [0, 0]), "repeat one"),
        (lambda m: fastem.marginal(m, []), "no features are named"),
        (lambda m: fastem.conditional(m, {0: 1.0, 1: 1.0, 2: 1.0}), "all 3 features are given"),
        (lambda m: fastem.conditional(m, [1.0]), "given is a list; expected values by feature"),
        (lambda m: fastem.conditional(m, {0: np.nan}), "each value must be one finite number"),
        (lambda m: fastem.regress([[0.0, 1.0]], m, [0]), r"X has 2 column\(s\), but 1 feature\(s\) are given"),
        (lambda m: fastem.transform_affine(m, np.eye(2)), r"A has shape \(2, 2\); expected \(m, 3\)"),
        (lambda m: fastem.transform_affine(m, np.ones((2, 3))), "A has 2 rows and rank 1"),
        (lambda m: fastem.convolve(m, np.eye(2)), r"the covariance has shape \(2, 2\)"),
        (lambda m: fastem.convolve(m, -1.0), "not symmetric with eigenvalues >= 0"),
    ],
)
def test_what_makes_no_sense_is_refused(call, words, rng):
    with pytest.raises((ValueError, TypeError), match=words):
        call(gaussians("full", rng))


def test_what_merge_returns_prints_as_a_line(rng):
    X = np.concatenate([rng.normal(-4, 1, (60, 2)), rng.normal(4, 1, (60, 2))])
    assert (
        repr(fastem.merge(X, fastem.fit(X, fastem.Gaussian("diag"), 3, seed=0), 2))
        == "Merged(3 components in 2 clusters)"
    )
