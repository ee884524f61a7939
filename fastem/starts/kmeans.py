"""k-means as hard assignment on EM's fold, seeded by k-means++. It works in the coordinates of the tiles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from fastem.data.bursts import lloyd as bursts
from fastem.data.fold import Mixtures, Plan, Shape, Task
from fastem.data.threads import Team
from fastem.data.tiles import Data
from fastem.families import centroids
from fastem.families.base import Array
from fastem.families.kernels import Kernels
from fastem.starts.potentials import CENTROIDS, Potentials

NEAREST = Kernels(centroids.log_prob, centroids.gather, None)
MAX_ITER = 100
# Stop when the inertia falls by less than this fraction: a start for EM needs no more.
TOLERANCE = 1e-4
# The distances that all runs of a seeding hold together take at most this many bytes.
SEED_BYTES = 64 * 2**20


def samples_at(data: Data, indices: Array) -> Array:
    """Samples in the coordinates of the tiles: (*indices.shape, n_features) float64."""
    size = data.tiles.shape[2]
    return np.array(data.tiles[indices // size, : data.n_features, indices % size], dtype=np.float64)


def weights_of(data: Data) -> Array:
    """The sample weights of a packed data set up to a factor, (n_samples,), float64."""
    if data.weighted:
        return data.sample_weight.reshape(-1)[: data.n_samples].astype(np.float64)
    return np.ones(data.n_samples)


def seed(
    data: Data,
    n_clusters: int,
    generators: Sequence[np.random.Generator],
    team: Team,
    n_bytes: int = SEED_BYTES,
) -> Array:
    """Greedy k-means++ (Arthur and Vassilvitskii 2007, section 2.2): centres (n_runs, n_clusters, n_features).

    Each next centre is the best of 2 + log K samples drawn with probability proportional to weight times squared
    distance to the nearest centre so far; a sample of weight 0 is never drawn. One run for each generator; they share
    their passes over the data.
    """
    together = 12 * max(1, n_bytes // (12 * 24 * data.n_samples))  # so that the 1 to 4 runs of a start stay together
    if len(generators) > together:
        batches = range(0, len(generators), together)
        parts = [seed(data, n_clusters, generators[b : b + together], team, n_bytes) for b in batches]
        return np.concatenate(parts)
    weights, n_runs, n_tried = weights_of(data), len(generators), n_trials(n_clusters)
    potentials = Potentials(data, n_runs, n_tried, team)
    if potentials.are_brief(n_clusters):
        return potentials.seeded(n_clusters, weights, uniforms(generators, n_clusters, n_tried))
    closest = potentials.closest.reshape(n_runs, -1)[:, : data.n_samples]
    shares = np.cumsum(weights)
    centres = np.empty((n_runs, n_clusters, data.n_features))
    first = np.array([_draw(shares, rng.random(1)) for rng in generators])
    centres[:, :1] = samples_at(data, first)
    potentials.add(centres[:, :1])
    for k in range(1, n_clusters):
        cumulative = (weights * closest).cumsum(axis=1)
        drawn = [
            # Fewer distinct points than clusters: any sample repeats one.
            _draw(row if row[-1] > 0 else shares, rng.random(n_tried))
            for row, rng in zip(cumulative, generators, strict=True)
        ]
        candidates = samples_at(data, np.array(drawn))
        best = potentials.of(candidates).argmin(axis=1)
        centres[:, k] = candidates[np.arange(n_runs), best]
        if k + 1 < n_clusters:
            potentials.add(centres[:, k : k + 1])
    return centres


def n_trials(n_clusters: int) -> int:
    """How many samples are drawn for each next centre."""
    return 2 + int(np.log(n_clusters))


def n_numbers(n_clusters: int) -> int:
    """How many random numbers a run of the seeding takes."""
    return 1 + (n_clusters - 1) * n_trials(n_clusters)


def uniforms(generators: Sequence[np.random.Generator], n_clusters: int, n_tried: int) -> Array:
    """The numbers of a seeding, (n_runs, 1 + (n_clusters - 1) n_tried). The runs of one generator take turns."""
    drawn, each = [], n_numbers(n_clusters)
    for rng, repeats in groupby(generators):
        n = len(list(repeats))
        drawn.append(in_turns(rng.random(n * each), n, n_clusters, n_tried))
    return np.concatenate(drawn)


def in_turns(numbers: Array, n_runs: int, n_clusters: int, n_tried: int) -> Array:
    """`uniforms` of runs that take turns (..., n_runs, ...), from the numbers of one generator (..., n)."""
    shape = numbers.shape[:-1]
    rest = numbers[..., n_runs:].reshape(*shape, n_clusters - 1, n_runs, n_tried).swapaxes(-3, -2)
    return np.concatenate([numbers[..., :n_runs, None], rest.reshape(*shape, n_runs, -1)], axis=-1)


def _draw(cumulative: Array, uniform: Array) -> Array:
    """Indices drawn in proportion to the increments of `cumulative`; an increment of 0 is never drawn."""
    last = cumulative.searchsorted(cumulative[-1], side="left")  # the last index with an increment
    return np.minimum(cumulative.searchsorted(uniform * cumulative[-1], side="right"), last)


def centroid_shape(n_features: int, n_clusters: int) -> Shape:
    """The sizes of the rows of the centroids' kernels."""
    return Shape((n_clusters, n_features), (n_clusters, n_features + 1), 2, 5.0 * n_clusters * n_features)


def plan_of(data: Data, n_clusters: int, team: Team) -> Plan:
    """Passes in which each sample goes to the nearest centre."""
    d = data.n_features
    kernels = NEAREST, centroid_shape(d, n_clusters)
    return Plan(data, Task(n_clusters, np.array([d, n_clusters]), kernels, kernels, "nearest"), team)


class _Lloyd:
    """Lloyd's steps on the same data, for several starts at once."""

    def __init__(self, data: Data, n_starts: int, n_clusters: int, team: Team) -> None:
        self.plan = plan_of(data, n_clusters, team)
        self._nothing = np.zeros((n_starts, n_clusters))

    def step(self, centres: Array, active: Array) -> tuple[Array, Array, Array]:
        """The inertia of each active start, and the sums and the weights of its clusters."""
        mixtures = Mixtures(centres, self._nothing)
        totals, statistics = self.plan.run(mixtures, centres, active)
        return -2.0 * totals, statistics[:, :, 1:], statistics[:, :, :1]


def inertia(data: Data, centres: Array, team: Team) -> float:
    """The weighted squared distances of the samples to the nearest of `centres` (K, d), summed."""
    kernels = CENTROIDS, centroid_shape(data.n_features, len(centres))
    plan = Plan(data, Task(len(centres), np.array([data.n_features, len(centres)]), kernels, kernels, "hard"), team)
    mixtures = Mixtures(centres[None], np.zeros((1, len(centres))))
    totals, _ = plan.run(mixtures, centres[None], np.zeros(1, np.int64))
    return -2.0 * float(totals[0])


def lloyd(data: Data, centres: Array, team: Team) -> tuple[Array, Array]:
    """Lloyd's iterations for several starts at once, from centres (n_starts, n_clusters, n_features).

    Returns the new centres and the inertia of each start, (n_starts,). A cluster that loses all its samples keeps its
    centre.
    """
    steps = _Lloyd(data, centres.shape[0], centres.shape[1], team)
    ready = bursts.prepare(steps.plan, len(centres), TOLERANCE, MAX_ITER)
    if ready is not None:
        return bursts.lloyd(steps.plan, ready, centres)
    centres = centres.copy()
    before, active = np.full(len(centres), np.inf), np.arange(len(centres))
    for _ in range(MAX_ITER):
        now, sums, counts = steps.step(centres, active)
        centres[active] = _moved(centres[active], sums, counts)
        improving = before[active] - now > TOLERANCE * now
        before[active] = now
        active = active[improving]
        if len(active) == 0:
            break
    return centres, before


def _moved(centres: Array, sums: Array, counts: Array) -> Array:
    """The means of the clusters; one without samples keeps its centre."""
    if np.count_nonzero(counts) == counts.size:
        moved: Array = sums / counts
        return moved
    return np.where(counts > 0, sums / np.where(counts > 0, counts, 1.0), centres)


def converge(data: Data, centres: Array, tol: float, max_iter: int, team: Team) -> tuple[Array, int, list[float]]:
    """Lloyd's iterations from one start until the centres, (n_clusters, n_features), move by no more than `tol`.

    Returns the centres, the number of iterations, and the inertia before each. Squared movements are summed over all
    centres. A cluster that loses all its samples is put at the sample farthest from its centre, as in scikit-learn.
    """
    steps, history = _Lloyd(data, 1, len(centres), team), []
    for iteration in range(1, max_iter + 1):
        now, sums, counts = (part[0] for part in steps.step(centres[None], np.zeros(1, np.int64)))
        history.append(float(now))
        if not counts.all():
            sums, counts = _relocate(data, centres, sums, counts, team)
        moved = _moved(centres, sums, counts)
        shift = float(((moved - centres) ** 2).sum())
        centres = moved
        if shift <= tol:  # 0 where no sample has changed its cluster
            return centres, iteration, history
    return centres, max_iter, history


def _relocate(data: Data, centres: Array, sums: Array, counts: Array, team: Team) -> tuple[Array, Array]:
    """Move the samples farthest from their centres, one each, to the clusters that are empty."""
    potentials = Potentials(data, 1, 1, team)
    for centre in centres:
        potentials.add(centre[None, None])
    weights = weights_of(data) * data.unit
    distances = np.where(weights > 0, potentials.closest.reshape(-1)[: data.n_samples], -1.0)
    empty = np.flatnonzero(counts[:, 0] == 0)
    farthest = np.argpartition(distances, -len(empty))[-len(empty) :]
    sums, counts = sums.copy(), counts.copy()
    for cluster, i in zip(empty, farthest[np.argsort(-distances[farthest], kind="stable")], strict=True):
        if distances[i] <= 0:
            break  # fewer distinct points than clusters
        x = samples_at(data, i)
        old = int(np.argmin(((x - centres) ** 2).sum(axis=1)))
        sums[cluster], counts[cluster] = weights[i] * x, weights[i]
        sums[old] -= weights[i] * x
        counts[old] -= weights[i]
    return sums, counts
