"""Fits that begin on random parts of the data."""

import gc
import weakref
from itertools import pairwise

import driving
import numpy as np
import pytest
import tables

import fastem
from fastem.data.sources import InMemory
from fastem.data.threads import team
from fastem.fitting import parts as progressive
from fastem.model.result import Status

SMALL_PARTS = 300


def fit(X, family, n_components, **settings):
    """A fit whose parts have hundreds of samples, so that data of thousands have several."""
    return driving.fit(X, family, n_components, smallest_part=SMALL_PARTS, **settings)


def blobs(n, rng):
    """Three clusters, sorted by cluster as real data often are."""
    centres = np.repeat([[-6.0, 0.0], [0.0, 5.0], [6.0, 0.0]], n // 3, axis=0)
    return centres + rng.standard_normal(centres.shape)


def the_parts(X, family, n_components, seed=0, sample_weight=None, smallest=SMALL_PARTS):
    with team(1) as threads:
        problem = tables.problem_on(X, sample_weight, family, n_components, threads)
        found = progressive.random_parts(problem, np.random.SeedSequence(seed), smallest)
        return found, [found.part(i) for i in range(len(found.fractions))]


def test_parts_are_nested_random_and_doubling():
    X = np.arange(6000.0)[:, None] + 0.5
    found, parts = the_parts(X, fastem.Gaussian("diag"), 2)
    assert found.fractions == (1 / 16, 1 / 8, 1 / 4, 1 / 2)
    sizes = [part.source.n_samples for part in parts]
    assert np.allclose(np.array(sizes) / 6000, found.fractions, rtol=0.2)
    for smaller, larger in pairwise(parts):
        assert set(smaller.source.samples.X[:, 0]) < set(larger.source.samples.X[:, 0])
    # The data are sorted, and every part reaches from one end to the other.
    assert all(part.source.samples.X.min() < 200 and part.source.samples.X.max() > 5800 for part in parts)


def test_parts_hold_no_samples_of_weight_zero():
    X = np.random.default_rng(0).normal(size=(4000, 2))
    weights = np.where(np.arange(4000) % 4 == 0, 0.0, 2.0)
    found, parts = the_parts(X, fastem.Gaussian("diag"), 2, sample_weight=weights)
    assert found.fractions[0] == 0.125  # 3,000 samples count
    assert all((part.source.sample_weight > 0).all() for part in parts)


def test_no_parts_where_data_are_few_for_their_parameters():
    X = np.random.default_rng(0).normal(size=(40_000, 30))
    with team(1) as threads:
        problem = tables.problem_on(X, None, fastem.Gaussian("full"), 16, threads)
        assert progressive.random_parts(problem, np.random.SeedSequence(0)) is None
    assert the_parts(X, fastem.Gaussian("diag"), 2, smallest=progressive.SMALLEST)[0].fractions == (0.25, 0.5)


@pytest.mark.parametrize("accelerate", [None, "anderson", "squarem"])
@pytest.mark.parametrize("case", tables.FAMILIES, ids=repr)
def test_the_limit_is_that_of_all_samples(case, accelerate):
    _, X = tables.blobs(case, np.random.default_rng(1), 4000, 2, 2, spread=4.0)
    settings = {"start": "kmeans", "seed": 0, "tol": 1e-10, "criterion": "aitken", "accelerate": accelerate}
    settings["max_iter"] = 5000
    whole = fit(X, case.family, 2, progressive=False, **settings)
    parts = fit(X, case.family, 2, progressive=True, **settings)
    assert parts.starts[0].passes_on_parts > 0 == whole.starts[0].passes_on_parts
    assert parts.status is Status.CONVERGED
    assert parts.log_likelihood / 4000 == pytest.approx(whole.log_likelihood / 4000, abs=1e-7)
    assert (np.diff(parts.history) >= -1e-9 * abs(parts.log_likelihood)).all()
    assert len(parts.history) == parts.n_iter + 1 <= parts.n_passes
    assert fastem.log_density(X, parts).sum() == pytest.approx(parts.log_likelihood, rel=1e-10)


def test_the_same_bits_from_one_seed_on_any_number_of_threads():
    X = blobs(6000, np.random.default_rng(0))
    fits = [fit(X, fastem.Gaussian("full"), 3, progressive=True, seed=5, n_threads=n) for n in (1, 2, 4)]
    for other in fits[1:]:
        assert np.array_equal(fits[0].history, other.history)
        assert fits[0].starts == other.starts


def test_losers_drop_on_parts_and_say_so():
    X = blobs(9000, np.random.default_rng(0))
    result = fit(X, fastem.Gaussian("full"), 3, progressive=True, seed=0)
    early = [report for report in result.starts if report.n_passes == 0]
    assert len(result.starts) == 10 and len(early) >= 5
    assert all(report.status in (Status.DROPPED, Status.MERGED) for report in early)
    assert all(np.isnan(report.log_likelihood) and 0 < report.passes_on_parts < 5 for report in early)
    assert result.status is Status.CONVERGED and np.isfinite(result.log_likelihood)
    assert result.same_solution and result.n_reached >= 2
    everything = fit(X, fastem.Gaussian("full"), 3, progressive=False, seed=0)
    assert result.log_likelihood == pytest.approx(everything.log_likelihood, abs=1e-2)


def test_all_starts_stay_where_no_loser_is_dropped():
    X = blobs(6000, np.random.default_rng(0))
    result = fit(X, fastem.Gaussian("diag"), 3, start="kmeans", n_init=4, progressive=True, drop_losers=False, seed=0)
    assert all(report.n_passes > 0 and np.isfinite(report.log_likelihood) for report in result.starts)


def test_a_small_cluster_is_not_lost_on_a_part():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (6000, 2)), rng.normal(40, 1, (24, 2))])
    start = {
        "weights": [0.99, 0.01],
        "means": [[0.0, 0.0], [40.0, 40.0]],
        "covariances": [np.eye(2), np.eye(2)],
    }
    result = fit(X, fastem.Gaussian("full"), 2, start=start, progressive=True, seed=0)
    assert result.starts[0].reseeded == 0
    assert sorted(result.weights * len(X)) == pytest.approx([24, 6000], abs=0.1)


def test_a_start_led_astray_by_a_part_goes_on_from_where_it_was(monkeypatch):
    X = blobs(6000, np.random.default_rng(0))
    settings = {"start": "random_from_data", "seed": 0, "drop_losers": False}
    start = fit(X, fastem.Gaussian("full"), 3, progressive=False, max_iter=0, **settings)
    whole = fit(X, fastem.Gaussian("full"), 3, start=start, progressive=False)
    moved = progressive.loop

    def collapse(problem, tracks, *rest):
        stopped = moved(problem, tracks, *rest)
        for track in tracks if problem.source.n_samples < len(X) else ():
            track.status = Status.COLLAPSED
        return stopped

    monkeypatch.setattr(progressive, "loop", collapse)
    astray = fit(X, fastem.Gaussian("full"), 3, start=start, progressive=True)
    assert astray.starts[0].passes_on_parts > 0
    assert np.array_equal(astray.history, whole.history)


def test_callback_sees_every_part_and_may_stop_on_one():
    X = blobs(6000, np.random.default_rng(0))
    seen = []
    result = fit(X, fastem.Gaussian("full"), 3, progressive=True, seed=0, callback=seen.append)
    sizes = [record.n_samples for record in seen]
    assert sizes == sorted(sizes) and len(set(sizes)) == 5 and sizes[-1] == 6000
    for record, following in pairwise(seen):
        if record.start == following.start and record.n_samples == following.n_samples:
            assert following.iteration == record.iteration + 1
    stopped = fit(X, fastem.Gaussian("full"), 3, progressive=True, seed=0, callback=lambda _: True)
    assert stopped.status is Status.STOPPED
    assert fastem.log_density(X, stopped).sum() == pytest.approx(stopped.log_likelihood, rel=1e-10)
    assert result.log_likelihood >= stopped.log_likelihood


def test_when_it_begins_on_parts():
    X = blobs(30_000, np.random.default_rng(0))
    family = fastem.Gaussian("diag")

    def on_parts(**settings):
        return driving.fit(X, family, 3, **{"seed": 0, "large": 20_000, **settings}).starts[0].passes_on_parts > 0

    assert on_parts() and on_parts(start="kmeans")
    assert not on_parts(progressive=False) and not on_parts(tol=0, max_iter=3) and not on_parts(max_iter=0)
    given = driving.fit(X, family, 3, seed=0)
    assert not on_parts(start=given) and on_parts(start=given, progressive=True)
    assert not on_parts(large=40_000)
    chosen = fastem.select(X, family, [3], progressive=True, seed=0)
    assert chosen.models[0].starts[0].passes_on_parts > 0
    with pytest.raises(ValueError, match="progressive is 'yes'"):
        fastem.fit(X, family, 3, progressive="yes")


def test_a_time_limit_ends_on_an_evaluation_of_all_samples():
    X = blobs(6000, np.random.default_rng(0))
    result = fit(X, fastem.Gaussian("full"), 3, progressive=True, seed=0, time_limit=1e-9)
    assert result.status is Status.TIME_LIMIT
    assert fastem.log_density(X, result).sum() == pytest.approx(result.log_likelihood, rel=1e-10)


@pytest.mark.parametrize("starving", ["drop", "stop", "reseed"])
def test_a_component_starves_on_parts_as_it_does_on_all_samples(starving):
    X = np.random.default_rng(0).normal(size=(6000, 2))
    start = {"weights": [0.5, 0.5], "means": [[0.0, 0.0], [500.0, 500.0]], "covariances": np.ones((2, 2))}
    settings = {"start": start, "starving": starving, "seed": 0}
    whole = fit(X, fastem.Gaussian("diag"), 2, progressive=False, **settings)
    parts = fit(X, fastem.Gaussian("diag"), 2, progressive=True, **settings)
    assert parts.status is whole.status and parts.n_components == whole.n_components


def test_parts_are_freed_when_they_are_left(monkeypatch):
    """Nothing that a part is known by keeps it until the garbage collector comes: large data would be held twice."""
    parts, alive, take = [], [], InMemory.take

    def spied(source, rows):
        alive.append(sum(part() is not None for part in parts))
        part = take(source, rows)
        parts.append(weakref.ref(part))
        return part

    monkeypatch.setattr(InMemory, "take", spied)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80_000, 2)) + rng.normal(size=(4, 2))[rng.integers(4, size=80_000)] * 9
    gc.disable()
    try:
        fastem.fit(X, fastem.Gaussian("full"), 4, start="kmeans", seed=0)
        alive.append(sum(part() is not None for part in parts))
    finally:
        gc.enable()
    assert len(parts) > 3 and max(alive) <= 1 and alive[-1] == 0
