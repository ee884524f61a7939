"""Starts from a solution that EM reached only by crawling: two components become one, and another is born.

EM crawls near a saddle, where two components do the work of one. A better solution has the spare one elsewhere, where
the data are denser than the mixture says. Vlassis and Likas (2002), Neural Process. Lett. 15, 77-87, insert components
one after the other at such places. Nothing here is random but which of many samples are looked at, and these are the
same each time.
"""

from __future__ import annotations

import numpy as np

from fastem.families.base import Array, identity_frame
from fastem.model.model import Step
from fastem.model.problem import Problem
from fastem.starts import given as initialise
from fastem.starts import runs

# Places are looked for among at most so many samples; their number at each of some sizes of neighbourhoods, which are
# multiples of the smallest; the births that go on, after a few iterations of all.
SAMPLE, PLACES, SIZES, BEST, ITERATIONS = 1000, 4, (1, 3, 9), 2, 8
# The smallest neighbourhood has this share of the samples, and twice what a covariance matrix needs.
SHARE = 0.01
# A component born is chance if its standard deviations are below this fraction of the narrowest other's (geometric
# means over features): a few samples lie close to each other somewhere in most data.
NARROWEST = 0.05


def births(problem: Problem, step: Step) -> list[Step]:
    """Starts with as many components, the most alike two of a solution as one and a new one where it is needed most."""
    if problem.n_components < 2:
        return []
    sample = runs.part(problem, SAMPLE, np.random.SeedSequence(0))
    points, weights = runs.points_and_weights(sample)
    resp = runs.responsibilities(sample, step)
    spare = _united(resp, weights)
    log_density = sample.evaluate(step, "log_density")
    smallest = max(round(SHARE * len(points)), 2 * (points.shape[1] + 2))
    begun = []
    sizes = [smallest * factor for factor in SIZES if 2 * smallest * factor <= len(points)]
    near, radii = _neighbourhoods(sample.family.points(points), sizes)
    for size, radius in zip(sizes, radii, strict=True):
        # Up to a constant, the log of the density that so many samples in a ball of this radius mean.
        excess = -0.5 * points.shape[1] * np.log(np.maximum(radius, 1e-300)) - log_density
        for members in _dense_places(near[:, :size], excess):
            chosen = resp.copy()
            chosen[members] = 0.0
            chosen[members, spare] = 1.0
            begun.append(initialise.inside(sample, initialise.from_responsibilities(sample, chosen)))
    moved = [run for run in runs.moved(sample, begun, ITERATIONS) if not _is_chance(sample, run.solution, spare)]
    moved.sort(key=lambda run: (run.status.rank if run.status else 0, -run.objective))
    return [run.solution for run in moved[:BEST]]


def _is_chance(sample: Problem, step: Step, spare: int) -> bool:
    """Whether the component that was born has become so narrow that it can only have been chance."""
    named = sample.family.unpack(step.params, identity_frame(sample.source.n_features), sample.n_components)
    with np.errstate(divide="ignore"):
        widths = 0.5 * np.log(sample.family.moments(named)[1]).mean(axis=1)
    return bool(widths[spare] < np.delete(widths, spare).min() + np.log(NARROWEST))


def _united(resp: Array, weights: Array) -> int:
    """Give the responsibilities of one of the two most alike components to the other, in place; returns the spare."""
    shares = resp * np.sqrt(weights)[:, None]
    alike = shares.T @ shares
    sizes = np.sqrt(np.diagonal(alike))
    alike = alike / np.maximum(sizes * sizes[:, None], 1e-300)
    np.fill_diagonal(alike, -1.0)
    kept, spare = sorted(np.unravel_index(int(alike.argmax()), alike.shape))
    resp[:, kept] += resp[:, spare]
    resp[:, spare] = 0.0
    return int(spare)


def _neighbourhoods(points: Array, sizes: list[int]) -> tuple[Array, list[Array]]:
    """The nearest points of each point, as many as the largest size, and for each size the squared radii (n,).

    The first so many are the nearest, for each of the sizes, which rise.
    """
    if not sizes:
        return np.zeros((len(points), 0), dtype=np.int64), []
    squares = (points**2).sum(axis=1)
    distances = squares[:, None] + squares - 2.0 * points @ points.T
    near = np.argpartition(distances, [size - 1 for size in sizes], axis=1)[:, : sizes[-1]]
    return near, [distances[np.arange(len(points)), near[:, size - 1]] for size in sizes]


def _dense_places(near: Array, excess: Array) -> list[Array]:
    """The members (size,) of neighbourhoods that are denser than the mixture says, the densest first, none shared."""
    places: list[Array] = []
    taken = np.zeros(len(near), dtype=np.bool_)
    for i in np.argsort(-excess, kind="stable"):
        if len(places) == PLACES:
            break
        if np.isfinite(excess[i]) and not taken[near[i]].any():
            places.append(near[i])
            taken[near[i]] = True
    return places
