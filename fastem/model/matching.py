"""Which component of one solution is which of another. Components are matched here and nowhere else."""

from __future__ import annotations

import numpy as np

from fastem.families.base import Array


def matched(costs: Array) -> Array:
    """For each component of one solution its counterpart in the other, (K,): the assignment of least total cost.

    costs: (K, K), the cost of matching component k of the one with component m of the other.
    """
    order = nearest(costs)
    if order is None:
        from scipy.optimize import linear_sum_assignment  # takes 0.1 s, so clear cases do not import it

        order = linear_sum_assignment(costs)[1]
    return np.asarray(order)


def nearest(costs: Array) -> Array | None:
    """Each component's cheapest counterpart, which is the best assignment if no two share one; None if two do."""
    order = np.argmin(costs, axis=1)
    return order if len(set(order.tolist())) == len(order) else None


def distances(places: Array, others: Array) -> Array:
    """Squared distances (K, K) between the components of two solutions at these places (K, m)."""
    between = np.empty((len(places), len(others)))
    for k, place in enumerate(places):  # a row of K x m at a time
        between[k] = ((others - place) ** 2).sum(axis=1)
    return between


def smallest_gap(places: Array) -> float:
    """The smallest distance between two components of a solution, in the maximum norm."""
    gap = np.inf
    for k, place in enumerate(places):
        between = np.abs(places - place).max(axis=1)
        between[k] = np.inf
        gap = min(gap, float(between.min()))
    return gap
