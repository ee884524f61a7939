"""Statistics of responsibilities that are given rather than computed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastem.data.fold import Mixtures, run
from fastem.families.base import Array
from fastem.model.model import Problem

# Bytes of responsibilities that exist at a time.
RESP_BYTES = 16 * 2**20

Responsibilities = Callable[[int, int], Array]  # (first, last) -> (last - first, n_components)


def statistics_of_labels(problem: Problem, labels: Array, params: Array) -> Array:
    """Statistics of hard assignments, gathered about `params`."""
    identity = np.eye(problem.n_components)
    return gather(problem, lambda first, last: identity[labels[first:last]], params)


def gather(problem: Problem, responsibilities: Responsibilities, params: Array) -> Array:
    """Statistics of given responsibilities, a bounded piece of which exists at a time."""
    data, n_components = problem.data, problem.n_components
    plan = problem.plan(mode="given")
    n_tiles, _, size = data.tiles.shape
    nothing = Mixtures(np.zeros((1, 0)), np.zeros((1, n_components)))
    total = np.zeros((1, *plan.statistics[1].statistics))
    piece = max(1, RESP_BYTES // (size * n_components * 8))
    for first in range(0, n_tiles, piece):
        last = min(first + piece, n_tiles)
        begin, end = first * size, min(last * size, data.n_samples)
        prior = np.zeros(((last - first) * size, n_components), dtype=data.tiles.dtype)
        prior[: end - begin] = responsibilities(begin, end)
        prior = np.ascontiguousarray(prior.reshape(last - first, size, n_components).swapaxes(1, 2))
        total += run(plan, nothing, params[None], np.zeros(1, np.int64), problem.team, prior, first)[1]
    return total[0]
