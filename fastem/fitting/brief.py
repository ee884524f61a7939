"""Brief fits: on small data, a fit from a start by k-means runs in one step, without the interpreter.

It has the bits of the fit that the loop would make. Where something is not ordinary, such as a component that starves,
there is no brief fit, and the loop makes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from fastem.compiled.job import Prepared
from fastem.compiled.numpys import LONGEST
from fastem.data.bursts import lloyd, passes
from fastem.data.bursts.whole import LEFT, Parts, Whole, whole
from fastem.data.fold import Plan, Task, shape_of
from fastem.data.sources import InMemory
from fastem.data.threads import Team
from fastem.data.tiles import Data
from fastem.em import crawling
from fastem.em.bursts import FEWEST, rules_of
from fastem.em.bursts import room as room_of
from fastem.em.stopping import Stopping
from fastem.em.track import Plain, Track
from fastem.families.base import Array, Family
from fastem.families.kernels import MStep
from fastem.model.model import Model, Step
from fastem.model.problem import Problem
from fastem.starts import kmeans
from fastem.starts.given import FIRST_START, SAMPLE, SMALL, runs_of
from fastem.starts.potentials import CENTROIDS, Potentials


def room(model: Model, shape: tuple[int, int], stopping: Stopping) -> int:
    """How many passes a brief fit of data of this shape may have; 0 if there is none."""
    (n, d), n_components = shape, model.n_components
    if stopping.criterion != "gain" or stopping.deadline != math.inf or n * d * n_components > SMALL or n > SAMPLE:
        return 0
    if n_components > LONGEST or type(model.family).inside is not Family.inside:
        return 0
    left = room_of(stopping, crawling.shortest_of(n, d, n_components), 0, 0, 0)
    return min(left, passes.MOST) if left >= FEWEST else 0


def prepared(model: Model, data: Data, packing: Prepared | None, m_step: MStep, n_passes: int) -> Whole | None:
    """A brief fit of data of one size; None if the family has none. n_passes: as from `room`."""
    d, n_components, family = data.n_features, model.n_components, model.family
    if m_step.centre is None:
        return None
    n_runs = runs_of(data.n_samples, d, n_components)
    # Each part has memory of its own, as all of their jobs are made before the first one runs.
    seeding, clustering, assigning, fitting = (Team(1, "serial") for _ in range(4))
    potentials = Potentials(data, n_runs, kmeans.n_trials(n_components), seeding)
    seed = potentials.prepare(n_components, kmeans.weights_of(data))
    steps = lloyd.prepare(kmeans.plan_of(data, n_components, clustering), n_runs, kmeans.TOLERANCE, kmeans.MAX_ITER)
    if steps is None:
        return None
    own, layout = (family.kernels(), shape_of(family, d, n_components)), family.layout(d, n_components)
    centroids = CENTROIDS, kmeans.centroid_shape(d, n_components)
    hard = Plan(data, Task(n_components, layout, centroids, own, "hard"), assigning)
    fold = Plan(data, Task(n_components, layout, own, own), fitting)
    if passes.longest(fold, 1, n_components) < n_passes:
        return None
    rules = passes.Rules(0.0, data.total_weight, 0.0)
    burst = passes.prepare(fold, m_step, model.mixing.m_step, 1, n_passes, rules)
    reference = family.reference(np.zeros((n_components, d)))
    walks = [int(job[fields.place["job"]]) for fields, job in ((passes.FIELDS, burst.job), (lloyd.FIELDS, steps.job))]
    return whole(Parts(packing, seed, steps, hard, burst, [*walks, potentials.walk], reference, m_step.centre))


def uniforms(seeds: Iterable[np.random.SeedSequence], shape: tuple[int, int], n_components: int) -> Array:
    """The random numbers of the start "kmeans", (n_fits, ...), for fits of data of this shape.

    seeds: those of the starts, which are children of the fits' seeds.
    """
    n_runs = runs_of(*shape, n_components)
    n = n_runs * kmeans.n_numbers(n_components)
    numbers = np.stack([np.random.default_rng(seed).random(n) for seed in seeds])
    return kmeans.in_turns(numbers, n_runs, n_components, kmeans.n_trials(n_components))


def begun(problem: Problem, seed: np.random.SeedSequence, stopping: Stopping) -> tuple[Track, passes.Outcome] | None:
    """A start by k-means, and its first passes; None if there is no brief fit of this problem."""
    source, model = problem.source, problem.model
    n_passes = room(model, (source.n_samples, source.n_features), stopping)
    m_step = problem.m_step() if n_passes and isinstance(source, InMemory) else None
    if m_step is None or m_step.centre is None:
        return None
    assert isinstance(source, InMemory)
    data = source.data
    fit = prepared(model, data, None, m_step, n_passes)
    if fit is None:
        return None
    weights, rules = kmeans.weights_of(data), rules_of(problem, stopping)
    nothing = np.zeros((1, 1))
    child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *FIRST_START))
    brought = {
        "source": nothing,
        "shift": nothing,
        "factor": nothing,
        "weights": data.sample_weight[None],
        "plain_weights": weights[None],
        "shares": np.cumsum(weights)[None],
        "unit": np.array([data.unit]),
        "tol": np.array([rules.tol]),
        "total_weight": np.array([rules.total_weight]),
        "least": np.array([rules.least]),
        "ahead": np.array([rules.ahead]),
        "constants": np.ascontiguousarray(m_step.constants)[None],
        "uniforms": uniforms([child], (source.n_samples, source.n_features), model.n_components),
    }
    left = fit.run(brought)
    if left["done"][0, 0] < 0:
        return None
    done = passes.outcome(*(left[name][0] for name in LEFT))
    return track_of(done), done


def track_of(done: passes.Outcome) -> Track:
    """A start before the passes of a burst."""
    nobody = np.zeros(done.log_weights.shape[-1], dtype=np.bool_)
    return Track(0, Plain(Step(*done.parameters(max(done.n_done - 1, 0), 0), nobody, nobody, nobody)))
