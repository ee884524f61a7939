"""A component that has lost its samples begins again at the samples that the mixture explains worst."""

from __future__ import annotations

import math

import numpy as np

from fastem.families.base import Array
from fastem.model.model import Step
from fastem.model.problem import Problem, statistics_of_labels


def reseed(problem: Problem, step: Step, image: Step, statistics: Array) -> Step:
    """The M-step `image` again, but with its first starving component at the samples of lowest density under `step`."""
    starving = int(np.flatnonzero(image.starving)[0])
    return problem.maximise(statistics + worst_explained(problem, step, starving, step.params), step.params)


def worst_explained(problem: Problem, step: Step, component: int, params: Array) -> Array:
    """Statistics of the samples of lowest density under a mixture, all of a component, gathered about `params`.

    They hold a tenth of a component's fair share of the weight, or twice what a component must hold if that is more.
    """
    source, least = problem.source, 2 * problem.model.policy.min_samples
    density = problem.evaluate(step, "log_density")
    n = max(1, source.n_samples // (10 * problem.n_components), min(source.n_samples, math.ceil(least)))
    unit = source.total_weight / source.n_samples
    worst = source.worst(density, n, max(source.total_weight / (10 * problem.n_components), least * unit))
    return statistics_of_labels(problem.at(worst), np.full(worst.n_samples, component), params)
