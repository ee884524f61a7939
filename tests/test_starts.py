"""Where EM begins."""

import json

import naive
import numpy as np
import pytest
import troubles
from conftest import SHARED
from tables import FAMILIES, FULL, blobs, problem_on
from test_references import shared_file

import fastem
from benchmarks import optima
from fastem.data import threads, tiles
from fastem.starts import auto as starts
from fastem.starts import given as initialise
from fastem.starts import kmeans, projections, runs
from fastem.starts.agglomerate import Tree

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)


def assert_mixture(actual, weights, parameters, rtol=1e-9):
    np.testing.assert_allclose(actual.weights, weights, rtol=rtol)
    for name, value in parameters.items():
        np.testing.assert_allclose(actual.parameters[name], value, rtol=rtol, atol=rtol * np.abs(value).max())


@every_family
def test_labels_give_the_first_m_step(case, rng):
    _, X = blobs(case, rng, 600, 3, 3)
    labels = rng.integers(0, 3, 600)
    w = rng.uniform(0, 2, 600)
    expected = naive.m_step(case, np.eye(3)[labels], X, w)
    for start in (labels, labels.tolist(), labels.astype(np.uint8)):
        actual = fastem.fit(X, case.family, 3, sample_weight=w, start=start, max_iter=0)
        assert_mixture(actual, *expected)
    assert actual.n_iter == 0


@every_family
def test_responsibilities_give_the_first_m_step(case, rng):
    _, X = blobs(case, rng, 3000, 3, 3)
    resp = rng.dirichlet([1.0, 2.0, 0.5], 3000)
    w = rng.uniform(0, 2, 3000)
    expected = naive.m_step(case, resp, X, w)
    assert_mixture(fastem.fit(X, case.family, 3, sample_weight=w, start=resp, max_iter=0), *expected)
    with threads.team(1) as team:
        whole, pieces = (problem_on(X, w, case.family, 3, team) for _ in range(2))
        pieces.source.resp_bytes = 30_000
        reference = case.family.reference(np.zeros((3, 3)))
        gathered = [p.gather(lambda first, last: resp[first:last], reference) for p in (whole, pieces)]
    np.testing.assert_allclose(gathered[1], gathered[0], rtol=1e-10, atol=1e-10)


@every_family
def test_given_parameters_are_the_start(case, rng):
    mixture, X = blobs(case, rng, 300, 3, 2)
    for start in (mixture, {"weights": mixture.weights, **mixture.parameters}):
        actual = fastem.fit(X, case.family, 3, start=start, max_iter=0)
        assert_mixture(actual, mixture.weights, mixture.parameters, rtol=1e-14)
    again = fastem.fit(X, case.family, 3, start=fastem.fit(X, case.family, 3, start=mixture, tol=0, max_iter=3))
    assert again.log_likelihood >= actual.log_likelihood


@every_family
@pytest.mark.parametrize("start", initialise.NAMES)
def test_named_starts_lead_to_separated_clusters(case, start, rng):
    """Three clusters far apart: the best of ten starts finds them, whatever the method.

    Random responsibilities make all components alike at first, so early gains are minute: they need a small tol.
    """
    X, truth = case.clusters(rng, 200, 200, 200)
    best = fastem.fit(X, case.family, 3, start=truth)
    result = fastem.fit(X, case.family, 3, start=start, n_init=10, seed=1, tol=1e-12 if start == "random" else 1e-6)
    np.testing.assert_allclose(result.log_likelihood, best.log_likelihood, rtol=1e-4)
    assert len(set(zip(truth, fastem.predict(X, result), strict=True))) == 3


def packed(X, sample_weight=None, family=None):
    family = family or fastem.Gaussian("spherical")
    with threads.team(1) as team:
        return problem_on(np.asarray(X), sample_weight, family, 1, team).source.data


def test_seeds_are_never_samples_of_weight_zero(rng):
    X = rng.standard_normal((100, 2))
    w = np.zeros(100)
    w[:5] = rng.uniform(1, 2, 5)
    data = packed(X, w)
    allowed = set(map(tuple, kmeans.samples_at(data, np.arange(5))))
    with threads.team(1) as team:
        for seed in range(50):
            centres = kmeans.seed(data, 5, [np.random.default_rng(seed)], team)[0]
            assert {tuple(c) for c in centres} == allowed  # five distinct points: k-means++ finds them all
    for start in initialise.NAMES:
        result = fastem.fit(X, fastem.Gaussian("diag"), 3, sample_weight=w, start=start, seed=0, n_init=3)
        assert np.isfinite(result.log_likelihood)


def test_k_means_is_lloyds_algorithm(rng):
    X = rng.standard_normal((2000, 3)) + rng.integers(0, 3, (2000, 1)) * 2
    family = fastem.Gaussian("spherical")  # one scale for all features, so distances are the user's
    data = packed(X, family=family)
    begin = X[:4]
    expected = begin.copy()
    for _ in range(200):
        labels = ((X[:, None] - expected) ** 2).sum(axis=2).argmin(axis=1)
        expected = np.array([X[labels == k].mean(axis=0) for k in range(4)])
    with threads.team(1) as team:
        centres = (begin - data.frame.shift) / data.frame.scale
        for _ in range(20):  # each call stops at a gain of 1e-4
            centres = kmeans.lloyd(data, centres[None], team)[0][0]
    np.testing.assert_allclose(centres * data.frame.scale + data.frame.shift, expected, atol=0.02)


def test_greedy_seeding_spreads_over_clusters(rng):
    centres = rng.uniform(-100, 100, (20, 2))
    X = np.repeat(centres, 50, axis=0) + rng.standard_normal((1000, 2)) * 0.1
    data = packed(X)
    with threads.team(2) as team:
        found = kmeans.seed(data, 20, [np.random.default_rng(0)], team)[0] * data.frame.scale + data.frame.shift
    nearest = ((found[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert len(set(nearest)) == 20


def test_large_data_are_seeded_from_a_sample(rng):
    n = initialise.SAMPLE
    X = np.concatenate([rng.standard_normal((n, 2)), rng.standard_normal((n, 2)) + 20])
    w = np.repeat([1.0, 0.0], n)
    w[n] = 1.0
    result = fastem.fit(X, fastem.Gaussian("full"), 2, seed=0, n_init=2)
    np.testing.assert_allclose(np.sort(result.weights), [0.5, 0.5], atol=1e-3)
    weighted = fastem.fit(X, fastem.Gaussian("full"), 1, sample_weight=w, seed=0)
    assert np.abs(weighted.parameters["means"]).max() < 1


def test_n_init_reports_every_start_and_returns_the_best(rng):
    _, X = blobs(FULL, rng, 500, 5, 2)
    result = fastem.fit(X, fastem.Gaussian("full"), 5, start="random_from_data", n_init=8, seed=0, max_iter=200)
    assert len(result.starts) == 8
    best = result.starts[result.best_start]
    assert best.log_likelihood == result.log_likelihood
    assert all((r.status.rank, -r.log_likelihood) >= (best.status.rank, -best.log_likelihood) for r in result.starts)


def test_seeds_make_different_starts(rng):
    _, X = blobs(FULL, rng, 500, 5, 2)
    found = {
        fastem.fit(X, fastem.Gaussian("diag"), 5, start="random", seed=seed, max_iter=2).log_likelihood
        for seed in range(5)
    }
    assert len(found) == 5


def test_span_bounds_depend_on_shape_alone_and_cover_every_tile():
    for n_tiles in (1, 2, 63, 64, 65, 1000):
        for size in (1, 10**6, 10**9):
            bounds = tiles.span_bounds(n_tiles, size)
            assert bounds[0] == 0
            assert bounds[-1] == n_tiles
            assert (np.diff(bounds) > 0).all()
            assert (len(bounds) - 1) * size <= max(tiles.MAX_PARTIALS, size)


@every_family
def test_what_a_partly_given_start_leaves_out_is_found(case, rng):
    """The given parameters begin as they are, the others come from the method, matched to the given centres."""
    X, labels = case.clusters(rng, 400, 700, 700)
    location = case.family.parameters[0].name
    order = [2, 0, 1]
    centres = np.asarray(case.apart()[location], dtype=float)[order]
    weights = np.bincount(labels)[order] / len(X)
    found = fastem.fit(X, case.family, 3, start={location: centres}, seed=0, max_iter=0)
    np.testing.assert_allclose(found.parameters[location], centres, rtol=1e-12)
    np.testing.assert_allclose(found.weights, weights, atol=0.05)
    found = fastem.fit(X, case.family, 3, start={"weights": weights, "method": "random"}, n_init=2, seed=0, max_iter=0)
    np.testing.assert_allclose(found.weights, weights, rtol=1e-12)
    assert len(found.starts) == 2


def test_a_centre_beyond_all_squares_can_be_given(rng):
    X = rng.standard_normal((100, 2))
    result = fastem.fit(X, fastem.Gaussian("full"), 2, start={"means": [[1e300, 0], [0, 0]]}, seed=0, max_iter=0)
    assert result.parameters["means"][0, 0] == 1e300


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("n", "d", "k"), [(1, 1, 1), (50, 3, 2), (300, 5, 3), (1000, 4, 4), (1000, 9, 7), (700, 1, 5)])
@pytest.mark.parametrize("weighted", [False, True])
def test_lloyds_iterations_are_the_textbooks(n, d, k, dtype, weighted, rng):
    """From the same centres, scored and gathered without distances or responsibilities, the same centres."""
    X = rng.standard_normal((n, d)).astype(dtype)
    weights = rng.integers(1, 4, n).astype(float) if weighted else None
    with threads.team(1) as team:
        problem = problem_on(X, weights, fastem.Gaussian("spherical"), k, team)
        frame = problem.source.frame
        Z = ((X - frame.shift) / frame.scale).astype(dtype).astype(np.float64)
        centres = Z[:k].copy()
        actual, inertia = (found[0] for found in kmeans.lloyd(problem.source.data, centres[None], team))
    w = np.ones(n) if weights is None else weights
    before = np.inf
    for _ in range(kmeans.MAX_ITER):
        distances = ((Z[:, None] - centres[None]) ** 2).sum(axis=2)
        labels, inertia = distances.argmin(axis=1), w @ distances.min(axis=1)
        for c in range(k):
            if w[labels == c].sum() > 0:
                centres[c] = np.average(Z[labels == c], axis=0, weights=w[labels == c])
        if not before - inertia > kmeans.TOLERANCE * inertia:
            break
        before = inertia
    np.testing.assert_allclose(actual, centres, atol=1e-12 if dtype == np.float64 else 1e-5)


def test_runs_seeded_together_are_those_seeded_in_batches(rng):
    X = rng.standard_normal((500, 3))
    data = packed(X)
    with threads.team(1) as team:

        def seeded(**settings):
            return kmeans.seed(data, 4, [np.random.default_rng(seed) for seed in range(30)], team, **settings)

        assert np.array_equal(seeded(), seeded(n_bytes=1))


def elongated(rng, n_components):
    """Parallel cigars, twenty times as long as wide, side by side across both axes: k-means cuts them in pieces."""
    along = 20.0 * rng.standard_normal(300 * n_components)
    labels = np.arange(300 * n_components) % n_components
    across = 5.0 * labels + rng.standard_normal(300 * n_components)
    return np.column_stack([along + across, along - across]) / np.sqrt(2.0), labels


def test_auto_finds_elongated_clusters_where_a_k_means_start_fails():
    """scikit-learn's issues 34842 and 34845."""
    failed = 0
    for seed in range(4):
        for n_components in (3, 4, 5):
            X, labels = elongated(np.random.default_rng(seed), n_components)
            truth = fastem.fit(X, fastem.Gaussian("full"), n_components, start=labels)
            found = fastem.fit(X, fastem.Gaussian("full"), n_components, seed=0)
            by_kmeans = fastem.fit(X, fastem.Gaussian("full"), n_components, start="kmeans", seed=0)
            assert found.log_likelihood >= truth.log_likelihood - 1e-3 * len(X)
            failed += by_kmeans.log_likelihood < truth.log_likelihood - 1e-2 * len(X)
    assert failed >= 4


def test_auto_reaches_mclusts_likelihoods_in_95_of_100_cells():
    tables = json.loads(shared_file("reference", "mclust_bic_tables.json").read_text(encoding="utf-8"))["multivariate"]
    reached, cells, missed = optima.compare(optima.WAYS["auto"], optima.read_all(SHARED), tables, seed=0)
    assert cells > 240
    assert reached >= 0.95 * cells, missed


@every_family
def test_every_way_to_start_gives_a_proper_mixture(case, rng):
    _, X = blobs(case, rng, 700, 3, 3)
    w = rng.integers(0, 3, len(X)).astype(float)
    for method in starts.NAMES:
        for n_init in (1, 2):
            result = fastem.fit(X, case.family, 3, start=method, n_init=n_init, sample_weight=w, seed=0, max_iter=3)
            assert len(result.starts) <= starts.n_starts(method, n_init)
            assert np.isfinite(result.log_likelihood), method
            again = fastem.fit(
                X, case.family, 3, start=method, n_init=n_init, sample_weight=w, seed=0, max_iter=3, n_threads=2
            )
            assert again.log_likelihood == result.log_likelihood, method


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("method", starts.NAMES)
@pytest.mark.filterwarnings("ignore::fastem.FitWarning")  # some have fewer distinct points than components
def test_every_way_to_start_survives_few_and_equal_samples(method, n):
    for X in (np.arange(2.0 * n).reshape(n, 2), np.ones((n, 2))):
        for shape in ("full", "tied_spherical"):
            result = fastem.fit(X, fastem.Gaussian(shape), min(n, 3), start=method, seed=0)
            assert np.isfinite(result.weights).all()


def test_losers_are_dropped_and_twins_merged_and_the_best_is_no_worse(rng):
    centres = 1.2 * rng.standard_normal((8, 8))
    X = centres[rng.integers(0, 8, 4000)] + rng.standard_normal((4000, 8))
    settings = {"start": "kmeans", "n_init": 10, "seed": 0}
    everything = fastem.fit(X, fastem.Gaussian("full"), 8, **settings)
    dropping = fastem.fit(X, fastem.Gaussian("full"), 8, drop_losers=True, **settings)
    assert dropping.log_likelihood >= everything.log_likelihood - 1e-5 * len(X)
    early = [report for report in dropping.starts if report.status.name in ("DROPPED", "MERGED")]
    assert len(early) > 0
    assert sum(report.n_passes for report in dropping.starts) < sum(report.n_passes for report in everything.starts)
    assert 1 <= dropping.n_reached <= 10
    merged = [report for report in dropping.starts if report.status is fastem.Status.MERGED]
    assert all(report.distance in (0.0, None) for report in merged)


def test_starts_that_reach_the_same_solution_are_counted(rng):
    X = np.concatenate([rng.normal(-5, 1, (300, 2)), rng.normal(5, 1, (300, 2))])
    result = fastem.fit(X, fastem.Gaussian("full"), 2, start="random_from_data", n_init=6, seed=0, tol=1e-9)
    assert result.n_reached == 6
    assert result.same_solution
    assert result.starts[result.best_start].distance == 0.0


def test_an_agglomeration_separates_clusters_of_unlike_shapes(rng):
    X, labels = elongated(rng, 3)
    found = Tree(X, np.ones(len(X))).labels(3)
    shared = np.array([[np.sum((labels == a) & (found == b)) for b in range(3)] for a in range(3)])
    assert shared.max(axis=1).sum() >= 0.9 * len(X)
    weighted = np.where(rng.random(len(X)) < 0.5, 0.0, 1.0)
    assert set(Tree(X, weighted).labels(3)) == {0, 1, 2}
    assert set(Tree(X[:2], np.ones(2)).labels(5)) == {0, 1}
    assert set(Tree(np.ones((4, 3)), np.ones(4)).labels(2)) == {0, 1}


@pytest.mark.parametrize("seed", [[1, 2], 7, None])
def test_any_seed_serves_auto(seed, rng):
    X = rng.standard_normal((400, 2))
    assert fastem.fit(X, fastem.Gaussian("full"), 2, seed=seed).n_iter >= 1
    assert fastem.select(X, fastem.Gaussian("diag"), [1, 2], seed=seed).best_index >= 0


def test_a_start_on_a_sample_drops_nothing_for_having_few(rng):
    X = np.concatenate([rng.normal(place, 1, (10_000, 2)) for place in (-6, 0, 6)])  # samples have 8,192 and 2,000
    for method in ("auto", "hierarchical", "splitting", "short-runs"):
        result = fastem.fit(X, fastem.Gaussian("full"), 3, start=method, seed=0, min_samples=3000, starving="drop")
        assert result.n_components == 3, method


def test_auto_takes_data_wider_than_long(rng):
    X = rng.standard_normal((30, 300))
    for family in (fastem.Gaussian("diag"), fastem.Gaussian("tied_spherical")):
        assert np.isfinite(fastem.fit(X, family, 2, seed=0).log_likelihood)


def test_many_short_runs_go_in_batches_to_the_same_bits(rng):
    X, family = rng.standard_normal((500, 3)), fastem.Gaussian("diag")
    with threads.team(1) as team:
        problem = problem_on(X, None, family, 3, team)
        together, one_by_one = (
            runs.short_runs(problem, np.random.default_rng(0), 10, 2, **settings) for settings in ({}, {"n_bytes": 1})
        )
    for a, b in zip(together, one_by_one, strict=True):
        assert a.params.tobytes() == b.params.tobytes()


@pytest.mark.parametrize("n_components", [3, 4])
@pytest.mark.parametrize("seed", [5, 6, 7])
def test_long_clusters_are_found(n_components, seed):
    """Three or four parallel clusters, 80 times as long as wide, by default and from ten times as many starts."""
    X, labels = troubles.long_clusters(seed, n_components)
    for shape in ("full", "tied"):
        family = fastem.Gaussian(shape)
        truth = fastem.fit(X, family, n_components, start=labels)
        found = fastem.fit(X, family, n_components, seed=seed)
        assert found.log_likelihood > truth.log_likelihood - 1.0, shape
        if seed == 7 and shape == "full":
            more = fastem.fit(X, family, n_components, seed=seed, n_init=10)
            assert more.log_likelihood > found.log_likelihood - 1e-5 * len(X)


def test_long_clusters_are_found_with_weights_in_float32_and_among_more_features(rng):
    X, labels = troubles.long_clusters(1, 3, 16)
    weights = rng.uniform(0.5, 1.5, len(X))
    for data in (X, X.astype(np.float32), X * np.logspace(-6, 6, 16)):
        family = fastem.Gaussian("full")
        truth = fastem.fit(data, family, 3, start=labels, sample_weight=weights)
        found = fastem.fit(data, family, 3, seed=0, sample_weight=weights)
        assert found.log_likelihood > truth.log_likelihood - 1.0


def test_a_start_that_leaves_a_plateau_is_not_dropped():
    from fastem.em.rivals import _hope
    from fastem.em.track import Plain, Track

    track = Track(0, Plain(None))
    track.history = [-100.0, -99.0, -98.9, -98.7]  # its gains grow again
    assert _hope(track) == np.inf
    track.history = [-100.0, -99.0, -98.7, -98.6]
    assert _hope(track) == pytest.approx(6 * 0.1)


def test_more_features_than_samples_end_in_the_first_start():
    """All starts collapse there, so the fit is that of one start by k-means, and says what is wrong."""
    X = troubles.few_rows_many_features(120, 60)
    family = fastem.Gaussian("full")
    with pytest.warns(
        fastem.FitWarning, match=r"holds 10 of 60 samples, fewer than .* all 120 features.*no others were"
    ):
        result = fastem.fit(X, family, 6, seed=0)
    one = fastem.fit(X, family, 6, start="kmeans", seed=0)
    assert result.status is fastem.Status.COLLAPSED
    assert len(result.starts) == 1
    assert result.log_likelihood == one.log_likelihood
    for remedy in (fastem.Gaussian("full", ridge=1e-3), fastem.Gaussian("full", min_variance=1e-3)):
        healed = fastem.fit(X, remedy, 6, seed=0)
        assert healed.status is fastem.Status.CONVERGED
        assert (np.bincount(fastem.predict(X, healed)) == 10).all()


def test_features_that_are_constant_in_clusters_end_in_the_first_start(rng):
    """As pixels that are always black in a digit."""
    labels = np.repeat(np.arange(4), 100)
    X = rng.standard_normal((400, 40))
    X[:, :8] = labels[:, None]
    with pytest.warns(fastem.FitWarning, match=r"does not vary in features 0, 1, 2, 3, 4 and 3 more"):
        result = fastem.fit(X, fastem.Gaussian("diag"), 4, seed=0)
    assert len(result.starts) == 1
    assert len(fastem.fit(rng.standard_normal((400, 40)), fastem.Gaussian("diag"), 4, seed=0).starts) >= 10


def test_where_parameters_are_large_few_starts_are_on_their_way_at_a_time(rng):
    X = rng.standard_normal((4500, 600)) + 20.0 * np.repeat(np.arange(6), 750)[:, None]
    result = fastem.fit(X, fastem.Gaussian("full"), 6, seed=0, max_iter=0)
    assert len(result.starts) == 2


def test_directions_have_a_sign(rng):
    """Eigenvectors have none of their own: each library chooses one, and the components' order would follow it."""
    points, shares = rng.standard_normal((200, 3)) * [1.0, 2.0, 5.0], np.full(200, 1 / 200)
    sign = [1.0, -1.0, -1.0]
    one, two = (projections.sphered(points * flip, shares, 3) for flip in (np.ones(3), sign))
    assert (np.abs(one - two).max(axis=0) < 1e-12).sum() + (np.abs(one + two).max(axis=0) < 1e-12).sum() == 3
    for whitened in (one, one[:, ::-1]):
        directions = projections.least_kurtosis(whitened, shares, np.random.default_rng(0), 2)
        assert (np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1) > 0).all()
    loadings = np.linalg.lstsq(points - points.mean(axis=0), one, rcond=None)[0]
    assert (np.take_along_axis(loadings, np.abs(loadings).argmax(axis=0)[None], axis=0) > 0).all()
