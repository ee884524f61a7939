"""Where EM begins: each start is a parameter matrix, made from centres, responsibilities, labels or given parameters.

All randomness comes from one seed: child 0 of its SeedSequence draws the sample that k-means runs on, child 1 + g
drives start g, so a start is the same whether it is made alone or with others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastem.data.fold import Mixtures
from fastem.data.sources import InMemory
from fastem.data.tiles import Data
from fastem.em.reseed import worst_explained
from fastem.families.base import Array, Parameter, identity_frame
from fastem.families.constraints import put_in
from fastem.model.matching import matched
from fastem.model.model import Step
from fastem.model.problem import Problem, Responsibilities
from fastem.starts import kmeans
from fastem.starts.names import SIMPLE
from fastem.starts.potentials import CENTROIDS

NAMES = tuple(SIMPLE)

# k-means runs on at most this many samples (or 256 per component): centres from more are no better as a start.
SAMPLE = 65536
# Runs of k-means for one start, if the data are small. With 4, the default fit of iris (full, K = 3) reaches -1.2014
# nats per sample from each of 60 seeds; with one run it gave -1.2147 on average (scikit-learn gives -1.2015). No more
# runs than clusters are made, as one or two clusters have hardly another optimum to end in.
RUNS = 4
# The child of the seed that drives the first start.
FIRST_START = (1,)
# Data are small up to this many samples x components x features.
SMALL = 10**6


def from_method(problem: Problem, method: str, n_init: int, seed: np.random.SeedSequence) -> list[Step]:
    """`n_init` starts by one of NAMES."""
    children = seed.spawn(n_init + 1)
    generators = [np.random.default_rng(child) for child in children[1:]]
    if method == "random":
        return [_from_random(problem, child) for child in children[1:]]
    sample = problem.source.draw(max(SAMPLE, 256 * problem.n_components), children[0])
    if method == "random_from_data":
        centres = np.stack([distinct(sample.data, problem.n_components, rng) for rng in generators])
    elif method == "k-means++":
        centres = kmeans.seed(sample.data, problem.n_components, generators, sample.team)
    else:
        # In these coordinates the centres are the same for every family, so the families share them.
        key = method, problem.n_components, n_init, str(seed.entropy), seed.spawn_key
        memo = problem.source.memo
        if key not in memo:
            memo[key] = _by_kmeans(sample, problem, generators)
        centres = memo[key]
    return from_centres(problem, centres)


def _by_kmeans(sample: InMemory, problem: Problem, generators: list[np.random.Generator]) -> Array:
    """For each start, the centres with the least inertia among several runs of k-means; all runs share their passes."""
    n_runs = runs_of(sample.n_samples, sample.n_features, problem.n_components)
    repeated = [rng for rng in generators for _ in range(n_runs)]
    seeds = kmeans.seed(sample.data, problem.n_components, repeated, sample.team)
    centres, inertia = kmeans.lloyd(sample.data, seeds, sample.team)
    best = np.arange(len(generators)) * n_runs + inertia.reshape(-1, n_runs).argmin(axis=1)
    chosen: Array = centres[best]
    return chosen


def runs_of(n_samples: int, n_features: int, n_components: int) -> int:
    """How many runs of k-means are made for one start."""
    return min(RUNS, n_components) if n_samples * n_components * n_features <= SMALL else 1


def from_centres(problem: Problem, centres: Array) -> list[Step]:
    """The M-steps after each sample has gone to its nearest centre; centres (n_starts, K, d) in the tiles' frame."""
    shape = kmeans.centroid_shape(problem.source.n_features, problem.n_components)
    passes = problem.passes((CENTROIDS, shape), "hard")
    n_starts, n_components, n_features = centres.shape
    rows = problem.family.reference(centres.reshape(-1, n_features))  # the rows of all starts, then shared ones
    shared = [rows[None, n_starts * n_components :]] * n_starts
    own = rows[: n_starts * n_components].reshape(n_starts, n_components, -1)
    # Where components share no rows, nothing is copied, as rows may be large.
    reference = np.concatenate([own, np.concatenate(shared)], axis=1) if shared[0].size else own
    mixtures = Mixtures(centres, np.zeros(centres.shape[:2]))
    _, statistics = passes.run(mixtures, reference, np.arange(len(centres)))
    return [inside(problem, step) for step in problem.maximise_each(statistics, list(reference))]


def inside(problem: Problem, step: Step) -> Step:
    """A step from hard assignments, moved off the border of its parameters if it has ended there."""
    return step._replace(params=problem.family.inside(step.params))


def from_labels(problem: Problem, labels: Array) -> Step:
    """The first M-step from hard assignments (n_samples,) in 0 .. n_components - 1."""
    identity = np.eye(problem.n_components)
    return _from_responsibilities(problem, lambda first, last: identity[labels[first:last]], n_rounds=2)


def from_responsibilities(problem: Problem, resp: Array) -> Step:
    """The first M-step from responsibilities (n_samples, n_components)."""
    return _from_responsibilities(problem, lambda first, last: resp[first:last], n_rounds=2)


def seeded(problem: Problem, step: Step, assignment: Array) -> tuple[Step, int]:
    """A start from an assignment (labels or responsibilities) with no component left without samples.

    What the loop would do in its first iteration: each such component begins at the samples that the mixture explains
    worst. Returns how many there were, too.
    """
    identity, params = np.eye(problem.n_components), step.params

    def resp(first: int, last: int) -> Array:
        some = assignment[first:last]
        return identity[some] if some.ndim == 1 else some

    starving, n = np.flatnonzero(step.starving), 0
    statistics = problem.gather(resp, params) if len(starving) else None
    while len(starving) and n < problem.n_components:
        statistics = statistics + worst_explained(problem, step, int(starving[0]), params)
        step, n = problem.maximise(statistics, params), n + 1
        starving = np.flatnonzero(step.starving)
    return step, n


def from_parameters(problem: Problem, weights: Array, parameters: dict[str, Array]) -> Step:
    """The given parameters themselves."""
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)
    nobody = np.zeros(problem.n_components, dtype=np.bool_)
    return Step(problem.family.pack(parameters, problem.source.frame), log_weights, nobody, nobody, nobody)


def with_given(problem: Problem, step: Step, given: dict[str, Array]) -> Step:
    """A start with some of its parameters, perhaps the "weights", replaced by given ones of the same name.

    If the given parameters say where components are, the components found are matched to them first. Otherwise a
    component could get the covariance of another.
    """
    family, frame = problem.family, problem.source.frame
    found = family.unpack(step.params, frame, problem.n_components)
    replaced = {name: value for name, value in given.items() if name != "weights"}
    log_weights = step.log_weights
    wanted = _places(problem, {**found, **replaced})
    if not np.array_equal(wanted, _places(problem, found)):
        order = matched(np.abs(wanted[:, None] - _places(problem, found)).sum(axis=2))
        found, log_weights = family.take(found, order), log_weights[order]
    weights = given.get("weights", np.exp(log_weights))
    return from_parameters(problem, weights, {**found, **replaced})


def held(problem: Problem, step: Step, match: bool = True) -> Step:
    """A start that satisfies what is known of the model's parameters.

    match: whether to match components to the fixed values first, unless labels have put them in order.
    """
    model, frame, n_components = problem.model, problem.source.frame, problem.n_components
    family, fixed = model.family, model.constraints.fixed
    named, log_weights = family.unpack(step.params, frame, n_components), step.log_weights
    own = [p for p in family.parameters if p.name in fixed and "K" in p.axes]
    costs = [_costs(p, fixed[p.name], named[p.name], frame.scale) for p in own] if match else []
    weights = np.exp(model.mixing.maximise(np.exp(log_weights), np.isneginf(log_weights)))
    if match and (weights != np.exp(log_weights)).any():
        costs.append((weights[:, None] - np.exp(log_weights)) ** 2)
    if match:
        finite = np.maximum(log_weights, -1e3)  # a component without samples has the weight 0
        costs += [-p.pseudo_counts(n_components)[:, None] * finite for p in model.priors if not p.is_symmetric]
    if costs and problem.source.known is None:
        order = matched(np.sum(costs, axis=0))
        named, log_weights = family.take(named, order), log_weights[order]
    weights = np.exp(model.mixing.maximise(np.exp(log_weights), np.isneginf(log_weights)))
    found = from_parameters(problem, weights, put_in(named, fixed))
    return found._replace(params=model.constrained(found.params, found.log_weights, frame))


def by_distance(problem: Problem) -> Step:
    """A start for components that share their mean: shells of samples, by their density under a single component.

    The clusters that other starts find lie side by side. At one mean they would become equal components.
    """
    model, n = problem.model.anonymous(), problem.source.n_samples
    one = replace(problem, model=replace(model, n_components=1))
    density = one.evaluate(from_labels(one, np.zeros(n, dtype=np.int64)), "log_density")
    labels = np.empty(n, dtype=np.int64)
    labels[np.argsort(-density, kind="stable")] = np.arange(n) * problem.n_components // n
    return held(problem, from_labels(replace(problem, model=model), labels), match=False)


def wholly_held(problem: Problem) -> Step | None:
    """The start where no parameter of the components is free: their weights are equal, or known, too."""
    model, n_components = problem.model, problem.n_components
    if not model.constraints.all_fixed(problem.family):
        return None
    weights = np.exp(model.mixing.maximise(np.ones(n_components), np.zeros(n_components, dtype=np.bool_)))
    return from_parameters(problem, weights, dict(model.constraints.fixed))


def _costs(p: Parameter, fixed: Array, found: Array, scale: Array) -> Array:
    """How far each component's fixed values are from what has been found for each, (n_components, n_components)."""
    costs = np.zeros((len(fixed), len(fixed)))
    for k, value in enumerate(fixed):
        known = ~np.isnan(value)
        if not known.any():
            continue
        if p.is_place:
            apart = ((found - value) / scale)[:, known]
        else:
            chosen = ... if p.kind.whole else known
            apart = np.array([p.kind.to_vector(each[chosen]) for each in found]) - p.kind.to_vector(value[chosen])
        costs[k] = np.nan_to_num((apart**2).sum(axis=1), nan=1e300)
    return costs


def _places(problem: Problem, parameters: dict[str, Array]) -> Array:
    """Where components of these named parameters are, in the coordinates of the frame."""
    params = problem.family.pack(parameters, problem.source.frame)
    own = identity_frame(problem.source.n_features)
    return problem.family.comparable(problem.family.unpack(params, own, problem.n_components))


def _from_random(problem: Problem, child: np.random.SeedSequence) -> Step:
    rng = np.random.default_rng(child)

    def draw(first: int, last: int) -> Array:
        resp = rng.random((last - first, problem.n_components))
        return resp / resp.sum(axis=1, keepdims=True)

    # One round: random responsibilities put every mean near the origin of the frame, where raw moments lose nothing.
    return _from_responsibilities(problem, draw, n_rounds=1)


def _from_responsibilities(problem: Problem, responsibilities: Responsibilities, n_rounds: int) -> Step:
    """The M-step from given responsibilities.

    The second round gathers second moments about the means of the first, which costs a pass and keeps every digit.
    """
    reference = problem.family.reference(np.zeros((problem.n_components, problem.source.n_features)))
    step = problem.maximise(problem.gather(responsibilities, reference), reference)
    for _ in range(n_rounds - 1):
        step = problem.maximise(problem.gather(responsibilities, step.params), step.params)
    return step


def distinct(data: Data, n_components: int, rng: np.random.Generator) -> Array:
    """`n_components` different samples, drawn in proportion to their weights."""
    weights = kmeans.weights_of(data)
    chosen = rng.choice(data.n_samples, n_components, replace=False, p=weights / weights.sum())
    return kmeans.samples_at(data, chosen)
