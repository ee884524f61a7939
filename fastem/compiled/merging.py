"""Agglomeration of Gaussian clusters, two at a time: the loops behind `starts.agglomerate`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.compiled.jit import exact
from fastem.compiled.lanes import compact

Array = NDArray[Any]


def _log_det(machine: Any, scatter: Any, count: Any, epsilon: Any, work: Any) -> Any:
    """log |scatter / count + epsilon I| by Cholesky's factorisation; scatter(i, j): an entry of the lower triangle."""

    def row(i: Any, value: Any) -> list[Any]:
        def entry(j: Any, value: Any) -> list[Any]:
            total = scatter(i, j) / count
            total = machine.where(i == j, total + epsilon, total)

            def less(k: Any, total: Any) -> list[Any]:
                return [total - work.number(i, k) * work.number(j, k)]

            def pivot(value: Any) -> list[Any]:
                held = machine.where(total < 1e-300, 1e-300, total)
                work.put(i, i, machine.root(held))
                return [value + machine.log(held)]

            (total,) = machine.repeat(0, j, less, total)
            machine.when(i != j, lambda: work.put(i, j, total / work.number(j, j)))
            return list(machine.when(i == j, pivot, value))

        return list(machine.repeat(0, i + 1, entry, value))

    return machine.repeat(0, work.height, row, machine.zero(work))[0]


@compact
def _merged(
    machine: Any, counts: Any, means: Any, scatters: Any, epsilon: Any, merges: Any, union: Any, work: Any, costs: Any,
    least: Any, gaps: Any, partner: Any,
) -> None:  # fmt: skip
    """`_agglomerate`."""
    m, d = means.height, means.width
    repeat, when, nothing = machine.repeat, machine.when, machine.integer(0)
    infinity = machine.zero(least) + np.inf

    def joined(a: Any, b: Any) -> Any:
        """count log |W / count + epsilon I| of the union of two clusters, whose scatter is left in `union`."""
        one, other = counts.number(0, a), counts.number(0, b)
        count = one + other
        factor = one * other / count

        def row(i: Any) -> None:
            def entry(j: Any) -> None:
                apart = means.number(a, i) - means.number(b, i)
                outer = apart * (means.number(a, j) - means.number(b, j))
                both = scatters.number(a * d + i, j) + scatters.number(b * d + i, j)
                union.put(i, j, both + factor * outer)

            repeat(0, i + 1, entry)

        repeat(0, d, row)
        return count * _log_det(machine, union.number, count, epsilon, work)

    def alone(a: Any) -> None:
        count = counts.number(0, a)
        costs.put(0, a, count * _log_det(machine, lambda i, j: scatters.number(a * d + i, j), count, epsilon, work))

    def closest(a: Any, begin: Any) -> None:
        """The best partner of cluster a among those after it, if it is better than `begin`, and the gap to it."""

        def one(b: Any, smallest: Any, best: Any) -> list[Any]:
            gap = gaps.number(a, b)
            return [machine.where(gap < smallest, gap, smallest), machine.choose(gap < smallest, b, best)]

        smallest, best = repeat(a + 1, m, one, begin, partner.number(0, a))
        least.put(0, a, smallest)
        partner.put(0, a, best)

    def first(a: Any) -> None:
        def one(b: Any) -> None:
            gaps.put(a, b, joined(a, b) - costs.number(0, a) - costs.number(0, b))

        repeat(a + 1, m, one)
        closest(a, least.number(0, a))

    def place(a: Any, b: Any) -> tuple[Any, Any]:
        return machine.at_most(a, b), machine.choose(a < b, b, a)

    def merge(step: Any) -> None:
        def smaller(c: Any, smallest: Any, a: Any) -> list[Any]:
            better = (partner.number(0, c) >= 0) & (least.number(0, c) < smallest)
            return [machine.where(better, least.number(0, c), smallest), machine.choose(better, c, a)]

        _, a = repeat(0, m, smaller, infinity, nothing)
        b = partner.number(0, a)
        merges.put(step, 0, a)
        merges.put(step, 1, b)
        costs.put(0, a, joined(a, b))
        one, other = counts.number(0, a), counts.number(0, b)
        count = one + other

        def row(i: Any) -> None:
            means.put(a, i, (one * means.number(a, i) + other * means.number(b, i)) / count)
            repeat(0, i + 1, lambda j: scatters.put(a * d + i, j, union.number(i, j)))

        repeat(0, d, row)
        counts.put(0, a, count)
        partner.put(0, b, machine.integer(-1))  # it is no more
        repeat(0, m, lambda c: gaps.put(*place(b, c), infinity))

        def again(c: Any) -> None:
            def gap() -> None:
                gaps.put(*place(a, c), joined(a, c) - costs.number(0, a) - costs.number(0, c))

            when((partner.number(0, c) >= 0) & (c != a), gap)

        repeat(0, m, again)
        least.put(0, b, infinity)

        def look(c: Any) -> None:
            own = partner.number(0, c)
            when((own >= 0) & ((c <= a) | (own == a) | (own == b)), lambda: closest(c, infinity))

        repeat(0, m, look)

    repeat(0, m, alone)
    repeat(0, m, first)
    repeat(0, m - 1, merge)


@exact
def _agglomerate(counts, means, scatters, epsilon, merges, union, work, costs, least, gaps, partner):
    """`agglomerate`; union, work OUT (d, d), costs OUT (m,), least, gaps INOUT (m,), (m, m), inf; partner OUT (m,)."""
    _merged(counts, means, scatters, epsilon, merges, union, work, costs, least, gaps, partner)


def agglomerate(counts: Array, means: Array, scatters: Array, epsilon: float, merges: Array) -> None:
    """merges OUT (m - 1, 2): the clusters joined in each step, the second into the first.

    counts (m,), means (m, d) and scatters (m, d, d) INOUT: those of the clusters, later of their unions. The best
    partner of each cluster among those after it is remembered.
    """
    m, d = means.shape
    union, work, costs = np.empty((d, d)), np.empty((d, d)), np.empty(m)
    least, gaps, partner = np.full(m, np.inf), np.full((m, m), np.inf), np.zeros(m, dtype=np.int64)
    _agglomerate(counts, means, scatters, epsilon, merges, union, work, costs, least, gaps, partner)
