"""Which component of one solution is which of another: the one place where components are matched."""

from __future__ import annotations

import numpy as np

from fastem.families.base import Array


def matched(costs: Array) -> Array:
    """For each component of one solution, that of the other which is its own, (K,): the assignment of least total cost.

    costs: (K, K), of taking component k of the first for component m of the other.
    """
    order = nearest(costs)
    if order is None:
        from scipy.optimize import linear_sum_assignment  # an import of 0.1 s, which clear cases do without

        order = linear_sum_assignment(costs)[1]
    return np.asarray(order)


def nearest(costs: Array) -> Array | None:
    """The same where each component's cheapest partner is nobody else's, which makes it the best; otherwise None."""
    order = np.argmin(costs, axis=1)
    return order if len(set(order.tolist())) == len(order) else None


def distances(places: Array, others: Array) -> Array:
    """Squared distances (K, K) between the components of two solutions at these places (K, m)."""
    between = np.empty((len(places), len(others)))
    for k, place in enumerate(places):  # a row of K x m at a time
        between[k] = ((others - place) ** 2).sum(axis=1)
    return between


def smallest_gap(places: Array) -> float:
    """The smallest distance between two components of a solution, the largest of its coordinates."""
    gap = np.inf
    for k, place in enumerate(places):
        between = np.abs(places - place).max(axis=1)
        between[k] = np.inf
        gap = min(gap, float(between.min()))
    return gap
