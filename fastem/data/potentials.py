"""What is left of the squared distances to the nearest centre when centres are added: the passes of k-means++."""

from __future__ import annotations

import numpy as np

from fastem.compiled.jit import call, carray, part, pointer, record, record_at, routine
from fastem.data.fold import log_prob_address
from fastem.data.threads import Team
from fastem.data.tiles import Data, span_bounds, step_address
from fastem.families import centroids
from fastem.families.base import Array, Kernels

CENTROIDS = Kernels(centroids.log_prob, centroids.accumulate, None)

_FIELDS = (
    "item_bytes log_prob tiles tile_rows tile_size weights weighted last_tile centres n_centres layout rows bounds"
)
JOB = np.dtype([(name, np.int64) for name in (_FIELDS + " closest n_runs update potentials block").split()])


@part
def _seed_span(job_address, span, worker, real):
    """Distances of one span's samples to candidate centres.

    potentials[span, c] = sum_t weight_t min(closest_t, |x_t - c|^2); with `update`, closest becomes that minimum.
    Candidates come in equal shares for each of several runs, which have a row of `closest` each.
    """
    job = record_at(job_address, JOB)
    bytes_per_real = job.item_bytes
    size, n_centres = job.tile_size, job.n_centres
    share, n_tiles = n_centres // job.n_runs, job.last_tile + 1
    bounds = carray(pointer(job.bounds + 8 * span), 2, np.int64)
    layout, rows = carray(pointer(job.layout), 2, np.int64), carray(pointer(job.rows), n_centres, np.int64)
    centres = carray(pointer(job.centres), (n_centres, layout[0]), real)
    potentials = carray(pointer(job.potentials + 8 * n_centres * span), n_centres, np.float64)
    block = carray(pointer(job.block + worker * bytes_per_real * size * n_centres), (n_centres, size), real)
    for c in range(n_centres):
        potentials[c] = 0.0
    for i in range(bounds[0], bounds[1]):
        tile = carray(pointer(job.tiles + i * bytes_per_real * job.tile_rows * size), (job.tile_rows, size), real)
        which = i if job.weighted != 0 else (1 if i == job.last_tile else 0)
        weights = carray(pointer(job.weights + bytes_per_real * size * which), size, real)
        call(job.log_prob, tile, centres, layout, rows, block, block)
        for c in range(n_centres):
            closest = carray(pointer(job.closest + 8 * size * (c // share * n_tiles + i)), size, np.float64)
            added = 0.0
            for t in range(size):
                distance = min(closest[t], -2.0 * np.float64(block[c, t]))
                added += np.float64(weights[t]) * distance if weights[t] > 0 else 0.0
                if job.update != 0:
                    closest[t] = distance
            potentials[c] += added


@routine
def _seed_span_f4(job, span, worker):
    _seed_span(job, span, worker, np.float32)


@routine
def _seed_span_f8(job, span, worker):
    _seed_span(job, span, worker, np.float64)


_SEED = {"f4": _seed_span_f4, "f8": _seed_span_f8}


class Potentials:
    """What would be left of the squared distances, were a centre added: for several runs of a seeding at once.

    closest: squared distance of each sample to its nearest centre so far, (n_runs, n_tiles, tile_size).
    """

    def __init__(self, data: Data, n_runs: int, n_candidates: int, team: Team) -> None:
        dtype, (n_tiles, _, size) = data.tiles.dtype, data.tiles.shape
        n_centres = n_runs * n_candidates
        bounds = span_bounds(n_tiles, 8 * n_candidates)
        self.closest = np.empty((n_runs, n_tiles, size))
        self.closest.fill(np.inf)
        arrays, addresses = team.arena.take(
            {
                "centres": ((n_centres, data.n_features), dtype),
                "potentials": (((len(bounds) - 1) * n_centres,), np.dtype(np.float64)),
                "block": ((min(team.n_threads, len(bounds) - 1), n_centres, size), dtype),
            }
        )
        self._centres, self._potentials = arrays["centres"], arrays["potentials"]
        self._layout = np.array([data.n_features, n_centres], dtype=np.int64)
        self._kept_alive = data, bounds, np.arange(n_centres, dtype=np.int64)  # a job holds addresses only
        arrays = {"layout": self._layout, "rows": self._kept_alive[2], "bounds": bounds, "closest": self.closest}
        log_prob = log_prob_address(CENTROIDS, dtype)
        self._job = record(JOB, arrays, {**data.fields, **addresses, "log_prob": log_prob, "n_runs": n_runs})
        self._run = step_address(_SEED, dtype), self._job.ctypes.data, len(bounds) - 1
        self._work, self._team, self._n_runs = 4.0 * data.n_features * data.n_samples, team, n_runs

    def of(self, centres: Array, update: bool) -> Array:
        """The sum of weight times min(closest, squared distance), (n_runs, m), for centres (n_runs, m, n_features).

        With `update` and m = 1, closest is that minimum.
        """
        n = centres.shape[0] * centres.shape[1]
        self._centres[:n] = centres.reshape(n, -1)
        self._layout[1] = self._job["n_centres"] = n
        self._job["update"] = update
        self._team.run(*self._run, self._work * n)
        potentials = self._potentials[: self._run[2] * n].reshape(-1, n)
        total = potentials[0].copy() if len(potentials) == 1 else potentials.sum(axis=0)
        return total.reshape(self._n_runs, -1)
