"""What is left of the squared distances to the nearest centre when centres are added: the passes of k-means++."""

from __future__ import annotations

import numpy as np

from fastem.data.fold import Mixtures, Plan, Shape, Task
from fastem.data.threads import Team
from fastem.data.tiles import Data
from fastem.families import centroids
from fastem.families.base import Array, Kernels

CENTROIDS = Kernels(centroids.log_prob, centroids.accumulate)
_POTENTIALS = Kernels(centroids.log_prob, centroids.add_up)


class Potentials:
    """For several runs of a seeding at once, what would be left of the squared distances, were a centre added.

    closest: squared distance of each sample to its nearest centre so far, (n_runs, n_tiles, 1, tile_size).
    """

    def __init__(self, data: Data, n_runs: int, n_candidates: int, team: Team) -> None:
        dtype, (n_tiles, _, size) = data.tiles.dtype, data.tiles.shape
        self.closest = np.full((n_runs, n_tiles, 1, size), np.inf, dtype=dtype)
        self._starts = np.arange(n_runs)
        self._nothing = {m: np.zeros((n_runs, m)) for m in (1, n_candidates)}
        self._look, self._add = (
            Plan(data, _task(data.n_features, m, mode), team) for m, mode in ((n_candidates, "closer"), (1, "closest"))
        )

    def of(self, candidates: Array) -> Array:
        """The sum of weight times min(closest, squared distance), (n_runs, m), for centres (n_runs, m, n_features)."""
        mixtures = Mixtures(candidates, self._nothing[candidates.shape[1]])
        return self._look.run(mixtures, candidates, self._starts, self.closest)[1][:, :, 0]

    def add(self, centres: Array) -> None:
        """Take one centre more for each run, (n_runs, 1, n_features), into account."""
        self._add.run(Mixtures(centres, self._nothing[1]), centres, self._starts, self.closest)


def _task(n_features: int, n_centres: int, mode: str) -> Task:
    shape = Shape((n_centres, n_features), (n_centres, 1), 2, 5.0 * n_centres * n_features)
    kernels = _POTENTIALS, shape
    return Task(n_centres, np.array([n_features, n_centres]), kernels, kernels, mode)
