"""A component that has lost its samples begins again at those which the mixture explains worst."""

from __future__ import annotations

import math

import numpy as np

from fastem.data import evaluate as evaluating
from fastem.data.tiles import pack
from fastem.families.base import Array
from fastem.model.gather import statistics_of_labels
from fastem.model.model import Problem, Step


def reseed(problem: Problem, step: Step, image: Step, statistics: Array) -> Step:
    """The M-step `image` made again, its first starving component at the samples of lowest density under `step`."""
    starving = int(np.flatnonzero(image.starving)[0])
    return problem.maximise(statistics + _worst_explained(problem, step, starving), step.params)


def _worst_explained(problem: Problem, step: Step, component: int) -> Array:
    """Statistics of the samples of lowest density under a mixture.

    They are a tenth of a component's fair share of weight, or twice what a component must hold.
    """
    data = problem.data
    dtype = data.tiles.dtype
    evaluation = evaluating.evaluate(
        problem.X,
        problem.family,
        data.frame,
        step.params,
        step.log_weights,
        dtype,
        problem.team,
        "log_density",
        alone=False,
    )
    density = evaluation.values
    if problem.sample_weight is None:
        least = min(data.n_samples, math.ceil(2 * problem.policy.min_samples))
        n = max(1, data.n_samples // (10 * problem.n_components), least)
        chosen = np.sort(np.argpartition(density, n - 1)[:n])
    else:
        order = np.argsort(np.where(problem.sample_weight > 0, density, np.inf), kind="stable")
        unit = data.total_weight / data.n_samples
        share = max(data.total_weight / (10 * problem.n_components), 2 * problem.policy.min_samples * unit)
        chosen = np.sort(order[: 1 + int(np.searchsorted(np.cumsum(problem.sample_weight[order]), share))])
    weights = None if problem.sample_weight is None else problem.sample_weight[chosen]
    X = np.ascontiguousarray(problem.X[chosen], dtype=dtype)
    worst = pack(X, weights, problem.family, data.frame, dtype, problem.team)
    subproblem = Problem(X, weights, worst, problem.family, problem.n_components, problem.limits, problem.team)
    return statistics_of_labels(subproblem, np.full(len(X), component), step.params)
