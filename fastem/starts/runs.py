"""Short runs of EM on a sample of the data: what several kinds of starts are made of."""

from __future__ import annotations

import math

import numpy as np

from fastem.data.fold import shape_of
from fastem.em.loop import loop
from fastem.em.stopping import Stopping
from fastem.em.track import Plain, Track
from fastem.families.base import Array
from fastem.model.model import Step
from fastem.model.problem import Problem
from fastem.model.starving import Policy
from fastem.starts import given as initialise
from fastem.starts.kmeans import weights_of

# The parameters and statistics of the short runs that share their passes take at most this many bytes.
RUN_BYTES = 256 * 2**20
# Iterations of a short run.
ITERATIONS = 8


def short_runs(
    sample: Problem, rng: np.random.Generator, n_runs: int, n_best: int, n_bytes: int = RUN_BYTES
) -> list[Step]:
    """The best of several short runs of EM from random samples as centres.

    n_bytes: how much the parameters and statistics of the runs that are made together may take.
    """
    shape = shape_of(sample.family, sample.source.n_features, sample.n_components)
    each = 8 * (2 * math.prod(shape.params) + math.prod(shape.statistics))
    together = max(1, n_bytes // each)
    runs: list[Track] = []
    for first in range(0, n_runs, together):
        n = min(together, n_runs - first)
        data = sample.source.in_memory().data
        centres = np.stack([initialise.distinct(data, sample.n_components, rng) for _ in range(n)])
        runs.extend(moved(sample, initialise.from_centres(sample, centres), ITERATIONS))
        runs.sort(key=lambda run: (run.status.rank if run.status else 0, -run.objective))
        runs = runs[:n_best]
    return [run.solution for run in runs]


def moved(sample: Problem, steps: list[Step], n_iter: int) -> list[Track]:
    """Starts after a few iterations of EM."""
    runs = [Track(index, Plain(step)) for index, step in enumerate(steps)]
    loop(sample, runs, Stopping("gain", 1e-4, n_iter, None), None)
    return runs


def responsibilities(problem: Problem, step: Step) -> Array:
    return problem.evaluate(step, "resp").astype(np.float64)


def points_and_weights(problem: Problem) -> tuple[Array, Array]:
    """All samples in the coordinates of the tiles, (n_samples, n_features), and their weights, in memory at once."""
    sample = problem.source.in_memory()
    return sample.points(), weights_of(sample.data)


def part(problem: Problem, n: int, child: np.random.SeedSequence) -> Problem:
    """The problem on a random sample of at most `n`; there, no component is dropped for holding few samples."""
    return forgiving(problem.at(problem.source.draw(n, child)))


def forgiving(problem: Problem) -> Problem:
    """The problem without `min_samples`, because a component holds fewer samples of a sample than of all data."""
    return problem.changed(policy=Policy())
