"""The passes of k-means++: the squared distances to the nearest centre, and what is left of them with one more."""

from __future__ import annotations

import numpy as np

from fastem.compiled.job import Prepared
from fastem.data.bursts import seeding
from fastem.data.bursts.passes import FLOPS
from fastem.data.fold import accumulate_address, log_prob_address, mode_addresses
from fastem.data.threads import Team
from fastem.data.tiles import Data, span_bounds
from fastem.data.walk import FIELDS, walk_address
from fastem.families import centroids
from fastem.families.base import Array
from fastem.families.kernels import Kernels

CENTROIDS = Kernels(centroids.log_prob, centroids.accumulate)
POTENTIALS = Kernels(centroids.log_prob, centroids.add_up)
_DOUBLE, _PLACE = np.dtype(np.float64), FIELDS.place


class Potentials:
    """Squared distances to the nearest centre, for several runs of a seeding at once.

    `of` says what would be left of them with one more centre, and `add` takes that centre in.

    It makes its own job rather than a Plan: on small data a seeding makes only a few passes, too few for a Plan to pay
    off.

    closest: squared distance of each sample to its nearest centre so far, (n_runs, n_tiles, 1, tile_size).
    """

    def __init__(self, data: Data, n_runs: int, n_candidates: int, team: Team) -> None:
        dtype, (n_tiles, _, size) = data.tiles.dtype, data.tiles.shape
        bounds = span_bounds(n_tiles, 8 * n_candidates)
        n_spans = len(bounds) - 1
        self.closest = np.empty((n_runs, n_tiles, 1, size), dtype=dtype)
        self.closest.fill(np.inf)
        arrays, addresses = team.arena.take(
            {
                "density": ((n_runs * n_candidates * data.n_features,), dtype),
                "statistics": ((n_spans * n_runs * n_candidates,), _DOUBLE),
                "totals": ((n_spans * n_runs,), _DOUBLE),
                "block": ((min(team.n_threads, n_spans), n_candidates + 2, size), dtype),
            }
        )
        self._density, self._statistics = arrays["density"], arrays["statistics"]
        self._layout = np.array([data.n_features, n_candidates], dtype=np.int64)
        # A job holds addresses only.
        self._kept_alive = data, bounds, np.arange(max(n_candidates, n_runs), dtype=np.int64)
        indices = self._kept_alive[2]
        pointers = {"layout": self._layout, "rows": indices, "starts": indices, "bounds": bounds, "known": self.closest}
        numbers = {
            **data.fields,
            **addresses,
            "log_prob": log_prob_address(POTENTIALS, dtype),
            "accumulate": accumulate_address(POTENTIALS, dtype),
            "known_rows": 1,
            "known_start": self.closest.strides[0],
            "known_tile": self.closest.strides[1],
            "n_layout": 2,
            "n_starts": n_runs,
            "density_width": data.n_features,
            "statistics_width": 1,
        }
        self._job = FIELDS.job(pointers, numbers)
        self._run = walk_address(dtype), self._job.ctypes.data, n_spans
        self._modes = {mode: mode_addresses(mode, dtype)["normalise"] for mode in ("closer", "closest")}
        self._work, self._team, self._n_runs = 4.0 * data.n_features * data.n_samples, team, n_runs
        self._n_candidates = n_candidates

    def of(self, candidates: Array) -> Array:
        """The sum of weight times min(closest, squared distance), (n_runs, m), for centres (n_runs, m, n_features)."""
        self._pass(candidates, "closer")
        m = candidates.shape[1]
        potentials = self._statistics[: self._run[2] * self._n_runs * m].reshape(self._run[2], -1)
        total = potentials[0].copy() if len(potentials) == 1 else potentials.sum(axis=0)
        return total.reshape(self._n_runs, m)

    def add(self, centres: Array) -> None:
        """Add one centre to each run, (n_runs, 1, n_features)."""
        self._pass(centres, "closest")

    @property
    def walk(self) -> int:
        """The address of the job of the passes."""
        return self._run[1]

    def are_brief(self, n_clusters: int) -> bool:
        """Whether a seeding is brief, and all its passes run in the calling thread."""
        work = self._work * self._n_runs * self._n_candidates
        return work * n_clusters <= FLOPS and self._team.runs_here(self._run[2], work)

    def prepare(self, n_clusters: int, weights: Array) -> Prepared:
        """A whole seeding: `centres` (n_runs, n_clusters, d) from numbers between 0 and 1, `uniforms` (n_runs, ...)."""
        (step, walk, n_spans), data, m = self._run, self._kept_alive[0], self._n_candidates
        n = data.n_samples
        pointers = {
            "weights": weights, "shares": np.cumsum(weights), "known": self.closest, "density": self._density,
            "layout": self._layout, "statistics": self._statistics,
            "uniforms": np.empty((self._n_runs, 1 + (n_clusters - 1) * m)),
            "centres": np.empty((self._n_runs, n_clusters, data.n_features)),
            "cumulative": np.empty(n), "drawn": np.empty(m, dtype=np.int64), "tiles": data.tiles,
        }  # fmt: skip
        numbers = {
            "walk": step, "job": walk, "n_spans": n_spans, "closer": self._modes["closer"],
            "closest": self._modes["closest"], "n_runs": self._n_runs, "n_trials": m, "n_clusters": n_clusters,
            "n_samples": n, "n_features": data.n_features, "tile_rows": data.tiles.shape[1],
            "tile_size": data.tiles.shape[2], "n_tiles": data.n_tiles, "known_run": self.closest.strides[0],
        }  # fmt: skip
        self._job[_PLACE["n_starts"]] = 1
        return Prepared(seeding.address_of(data.tiles.dtype), seeding.FIELDS.job(pointers, numbers), pointers, self)

    def seeded(self, n_clusters: int, weights: Array, uniforms: Array) -> Array:
        """The centres (n_runs, n_clusters, d) of a whole seeding, by numbers (n_runs, ...) between 0 and 1."""
        ready = self.prepare(n_clusters, weights)
        ready.arrays["uniforms"][...] = uniforms
        self._team.run(ready.step, ready.job.ctypes.data, 1, 0.0)
        return ready.arrays["centres"]

    def _pass(self, centres: Array, mode: str) -> None:
        m, job = centres.shape[1], self._job
        self._density[: centres.size] = centres.reshape(-1)
        self._layout[1] = m
        for name in ("n_components", "density_rows", "statistics_rows"):
            job[_PLACE[name]] = m
        job[_PLACE["normalise"]] = self._modes[mode]
        self._team.run(*self._run, self._work * self._n_runs * m)
