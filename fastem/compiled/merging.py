"""Agglomeration of Gaussian clusters, two at a time: the loops behind `starts.agglomerate`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.compiled.jit import exact

Array = NDArray[Any]


@exact
def _log_det(scatter, count, epsilon, work):
    """log |scatter / count + epsilon I| by Cholesky's factorisation; scatter IN (d, d), its lower triangle."""
    d = work.shape[0]
    value = 0.0
    for i in range(d):
        for j in range(i + 1):
            total = scatter[i, j] / count
            if i == j:
                total += epsilon
            for k in range(j):
                total -= work[i, k] * work[j, k]
            if i == j:
                total = max(total, 1e-300)
                value += np.log(total)
                work[i, i] = np.sqrt(total)
            else:
                work[i, j] = total / work[j, j]
    return value


@exact
def _joined(a, b, counts, means, scatters, epsilon, union, work):
    """count log |W / count + epsilon I| of the union of two clusters, whose scatter is left in `union`."""
    d = means.shape[1]
    count = counts[a] + counts[b]
    factor = counts[a] * counts[b] / count
    for i in range(d):
        for j in range(i + 1):
            outer = (means[a, i] - means[b, i]) * (means[a, j] - means[b, j])
            union[i, j] = scatters[a, i, j] + scatters[b, i, j] + factor * outer
    return count * _log_det(union, count, epsilon, work)


@exact
def _agglomerate(counts, means, scatters, epsilon, merges, union, work, costs, least, gaps, partner):
    """`agglomerate`; union, work OUT (d, d), costs OUT (m,), least, gaps INOUT (m,), (m, m), inf; partner OUT (m,)."""
    m, d = means.shape
    for a in range(m):
        costs[a] = counts[a] * _log_det(scatters[a], counts[a], epsilon, work)
    for a in range(m):
        for b in range(a + 1, m):
            gaps[a, b] = _joined(a, b, counts, means, scatters, epsilon, union, work) - costs[a] - costs[b]
            if gaps[a, b] < least[a]:
                least[a] = gaps[a, b]
                partner[a] = b
    for step in range(m - 1):
        a = np.int64(0)
        smallest = np.inf
        for c in range(m):
            if partner[c] >= 0 and least[c] < smallest:
                smallest = least[c]
                a = c
        b = partner[a]
        merges[step, 0] = a
        merges[step, 1] = b
        costs[a] = _joined(a, b, counts, means, scatters, epsilon, union, work)
        count = counts[a] + counts[b]
        for i in range(d):
            means[a, i] = (counts[a] * means[a, i] + counts[b] * means[b, i]) / count
            for j in range(i + 1):
                scatters[a, i, j] = union[i, j]
        counts[a] = count
        partner[b] = -1  # it is no more
        for c in range(m):
            gaps[min(b, c), max(b, c)] = np.inf
        for c in range(m):
            if partner[c] >= 0 and c != a:
                joined = _joined(a, c, counts, means, scatters, epsilon, union, work)
                gaps[min(a, c), max(a, c)] = joined - costs[a] - costs[c]
        least[b] = np.inf
        for c in range(m):
            if partner[c] >= 0 and (c <= a or partner[c] == a or partner[c] == b):
                least[c] = np.inf
                for e in range(c + 1, m):
                    if gaps[c, e] < least[c]:
                        least[c] = gaps[c, e]
                        partner[c] = e


def agglomerate(counts: Array, means: Array, scatters: Array, epsilon: float, merges: Array) -> None:
    """merges OUT (m - 1, 2): the clusters joined in each step, the second into the first.

    counts (m,), means (m, d) and scatters (m, d, d) INOUT: those of the clusters, later of their unions. The best
    partner of each cluster among those after it is remembered.
    """
    m, d = means.shape
    union, work, costs = np.empty((d, d)), np.empty((d, d)), np.empty(m)
    least, gaps, partner = np.full(m, np.inf), np.full((m, m), np.inf), np.zeros(m, dtype=np.int64)
    _agglomerate(counts, means, scatters, epsilon, merges, union, work, costs, least, gaps, partner)
