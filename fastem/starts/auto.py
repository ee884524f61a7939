"""Starts that look for a good optimum themselves: splitting, short runs, agglomeration, and a combination of all.

They work on a sample of the data but in the frame of all data, so that their parameters are valid for all data.
"""

from __future__ import annotations

import math

import numpy as np

from fastem.data.fold import shape_of
from fastem.families.base import Array
from fastem.model.model import Step
from fastem.model.problem import Problem
from fastem.starts import given as initialise
from fastem.starts import runs, sibling
from fastem.starts.agglomerate import Tree
from fastem.starts.kmeans import weights_of
from fastem.starts.names import METHODS

NAMES = tuple(METHODS)

# What "auto" begins with: a method and the number of its starts, ten in all. For families that are the same in any
# affine coordinates, one by a sibling takes the place of one by k-means.
AUTO = (("hierarchical", 1), ("splitting", 1), ("kmeans", 4), ("short-runs", 4))
# That one hardly depends on chance, so there is one for so many repetitions.
REPEATED = 4
# Where the parameters of a start take more than LARGE bytes it begins with these, because each start on its way holds
# its parameters twice.
FEW, LARGE = (("hierarchical", 1), ("kmeans", 1)), 16 * 2**20
# With so many features, a start by k-means is made first. If half of its components have collapsed, all starts would,
# as with fewer samples in a component than features, or with pixels that are always black in a cluster; nine more would
# tell nothing.
WIDE = 32
# Splitting and short runs look at SAMPLE samples, or at PER_COMPONENT for each component if that is more.
SAMPLE, PER_COMPONENT = 8192, 128
# An agglomeration merges at most this many points.
POINTS = 2000
# "auto" splits up to this many components: the time grows with the third power of their number.
SPLITS = 32
# EM iterations after each split.
SPLIT_ITERATIONS = 5
# Short runs per start (Biernacki, Celeux and Govaert 2003, Comput. Statist. Data Anal. 41).
RUNS = 10
# Power iterations that look for a direction of large variance.
POWER = 10


def from_method(problem: Problem, method: str, n_init: int, seed: np.random.SeedSequence) -> list[Step]:
    """`n_init` starts by one of NAMES. "auto" makes those of AUTO, and the random ones among them `n_init` times."""
    if method == "auto":
        return _auto(problem, n_init, seed)
    if method in initialise.NAMES:
        return initialise.from_method(problem, method, n_init, seed)
    children = seed.spawn(n_init + 1)
    if method == "hierarchical":
        return [_hierarchical(problem, child) for child in children[1 : 1 + (n_init if _large(problem) else 1)]]
    sample = runs.part(problem, _sample_size(problem), children[0])
    generators = [np.random.default_rng(child) for child in children[1:]]
    if method == "splitting":
        return [_splitting(sample, rng if g else None) for g, rng in enumerate(generators)]
    return [runs.short_runs(sample, rng, RUNS, 1)[0] for rng in generators]


def _auto(problem: Problem, n_init: int, seed: np.random.SeedSequence) -> list[Step]:
    """The starts of AUTO, or of FEW; a single one where there is one component, or where that has collapsed."""
    if problem.n_components == 1:
        return [initialise.from_labels(problem, np.zeros(problem.source.n_samples, dtype=np.int64))]
    shape = shape_of(problem.family, problem.source.n_features, problem.n_components)
    plan = AUTO if 8 * math.prod(shape.params) <= LARGE else FEW
    children = dict(zip((name for name, _ in AUTO), seed.spawn(len(AUTO)), strict=True))
    if problem.source.n_features >= WIDE:
        alone = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)  # the start of start="kmeans"
        first = initialise.from_method(problem, "kmeans", 1, alone)
        if 2 * np.count_nonzero(first[0].collapsed) >= problem.n_components:
            return first
    wanted = -(-n_init // REPEATED) if plan is AUTO and problem.family.affine else 0
    siblings = _siblings(problem, wanted, seed.spawn(1)[0])
    steps: list[Step] = []
    for name, n in plan:
        if name == "splitting" and problem.n_components > SPLITS:
            continue
        make = _pooled if name == "short-runs" else from_method
        made = make(problem, name, _repeats(name, n, n_init), children[name])
        steps.extend(made[: len(made) - len(siblings)] if name == "kmeans" else made)
    return [*steps, *siblings]


def _pooled(problem: Problem, _method: str, n: int, seed: np.random.SeedSequence) -> list[Step]:
    """The best `n` of 4 n short runs, which costs less than "short-runs": that makes RUNS of them for each start."""
    first, second = seed.spawn(2)
    sample = runs.part(problem, _sample_size(problem), first)
    return runs.short_runs(sample, np.random.default_rng(second), 4 * n, n)


def _siblings(problem: Problem, n: int, seed: np.random.SeedSequence) -> list[Step]:
    """n starts from the family's sibling, each on another sample of the data; none if the family has none."""
    parts = (runs.part(problem, sibling.SAMPLE, child) for child in seed.spawn(n))
    found = [
        sibling.from_sibling(sample, np.random.default_rng(child))
        for sample, child in zip(parts, seed.spawn(n), strict=True)
    ]
    return [step for step in found if step is not None]


def _sample_size(problem: Problem) -> int:
    return max(SAMPLE, PER_COMPONENT * problem.n_components)


def _repeats(name: str, n: int, n_init: int) -> int:
    return n if name == "hierarchical" else n * n_init


def n_starts(method: str, n_init: int) -> int:
    """How many starts `from_method` makes at most."""
    if method != "auto":
        return n_init
    return sum(_repeats(name, n, n_init) for name, n in AUTO)


def _large(problem: Problem) -> bool:
    return problem.source.n_samples > POINTS


def _hierarchical(problem: Problem, child: np.random.SeedSequence) -> Step:
    """The M-step from the clusters of an agglomeration, which merges a sample of the points if there are many."""
    # Families that look at the same points of the same tiles share a tree.
    key = ("tree", type(problem.family).points, str(child.entropy), child.spawn_key)
    memo = problem.source.memo
    if key not in memo:
        sample = problem.source.draw(POINTS, child)
        memo[key] = sample, Tree(problem.family.points(sample.points()), weights_of(sample.data))
    sample, tree = memo[key]
    step = initialise.from_labels(runs.forgiving(problem.at(sample)), tree.labels(problem.n_components))
    return initialise.inside(problem, step)


def _splitting(sample: Problem, rng: np.random.Generator | None) -> Step:
    """From one component, split the widest in two and iterate a few times; repeat until there are enough.

    Linde, Buzo and Gray (1980), IEEE Trans. Commun. 28, as in speech recognition. With `rng` the component to split is
    drawn, in proportion to its share of the variance along its longest axis. Without, the steps on the way are
    remembered, because a grid over K on small data needs the same ones for every K.
    """
    points, weights = runs.points_and_weights(sample)
    chain: list[Step] = [] if rng is not None else sample.source.memo.setdefault(("splitting", sample.family), [])
    if not chain:
        one = sample.changed(n_components=1)
        chain.append(initialise.from_labels(one, np.zeros(len(points), dtype=np.int64)))
    while len(chain) < sample.n_components:
        k = len(chain)
        resp = _split(points, weights, runs.responsibilities(sample.changed(n_components=k), chain[-1]), rng)
        more = sample.changed(n_components=k + 1)
        step = initialise.inside(more, initialise.from_responsibilities(more, resp))
        chain.append(runs.moved(more, [step], SPLIT_ITERATIONS)[0].solution)
    return chain[sample.n_components - 1]


def _split(points: Array, weights: Array, resp: Array, rng: np.random.Generator | None) -> Array:
    """Responsibilities (n, K + 1) after the widest component, or one drawn by its width, has been divided in two."""
    shares = resp * weights[:, None]
    axes = [_longest_axis(points, share) for share in shares.T]
    spread = np.array([variance for _, variance in axes])
    widest = int(spread.argmax())
    if rng is not None and spread.sum() > 0:
        widest = int(rng.choice(len(spread), p=spread / spread.sum()))
    return _divided(points, shares, resp, widest, axes[widest][0])


def _divided(points: Array, shares: Array, resp: Array, k: int, axis: Array) -> Array:
    """Responsibilities (n, K + 1) after component k has been divided by the plane through its mean, across an axis."""
    centre = shares[:, k] @ points / max(shares[:, k].sum(), np.finfo(float).tiny)
    beyond = (points - centre) @ axis > 0
    resp = np.column_stack([resp, resp[:, k] * beyond])
    resp[:, k] *= ~beyond
    return resp


def divided(problem: Problem, step: Step) -> list[Step]:
    """Starts with one component more: in each, another component of a solution is divided across its longest axis.

    problem: of the solution, without what is known of its parameters.
    """
    points, weights = runs.points_and_weights(problem)
    resp = runs.responsibilities(problem, step)
    shares = resp * weights[:, None]
    more = problem.changed(n_components=problem.n_components + 1)
    return [
        initialise.from_responsibilities(
            more, _divided(points, shares, resp, k, _longest_axis(points, shares[:, k])[0])
        )
        for k in range(problem.n_components)
    ]


def _longest_axis(points: Array, shares: Array) -> tuple[Array, float]:
    """The direction of largest variance of points with these weights, and that variance times their total weight."""
    total = shares.sum()
    centred = points - shares @ points / max(total, np.finfo(float).tiny)
    axis = np.sqrt(shares @ centred**2)
    for _ in range(POWER):
        length = np.linalg.norm(axis)
        if not length > 0:
            return axis, 0.0
        axis = (shares * (centred @ (axis / length))) @ centred
    variance = float(np.linalg.norm(axis))
    return axis / variance if variance > 0 else axis, variance
