"""EM's one fold: log-likelihood and sufficient statistics over tiles of samples, for several starts at once.

fold(theta, data) = sum_i w_i (log sum_k weight_k p(x_i | theta_k), r_ik T(x_i; theta_k)). The fold calls a family's
kernels by address and knows no family; one compiled step serves all of them.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fastem.compiled.jit import address, exact, matrix, vector
from fastem.compiled.lanes import compact
from fastem.data import normalise
from fastem.data.threads import Team
from fastem.data.tiles import MAX_PARTIALS, Data, span_bounds
from fastem.data.walk import FIELDS, walk_address
from fastem.families.base import Array, Family
from fastem.families.kernels import Kernels

_PLACE = FIELDS.place
_INTEGER, _DOUBLE = np.dtype(np.int64), np.dtype(np.float64)


# Numbers that are added up together.
PANEL = 1024


class Mode(NamedTuple):
    """How log densities become responsibilities: the kernels that weigh them and that normalise, if any."""

    weigh: Any
    normalise: Any


MODES = {
    "soft": Mode(normalise.proportions, normalise.soft),
    "hard": Mode(normalise.proportions, normalise.hard),
    "tempered": Mode(normalise.proportions, normalise.tempered),
    "drawn": Mode(normalise.proportions, normalise.drawn),
    "labels": Mode(normalise.proportions, normalise.likeliest),
    "none": Mode(None, None),
    "nearest": Mode(None, normalise.nearest),
    "given": Mode(None, normalise.given),
    "closer": Mode(None, normalise.closer),
    "closest": Mode(None, normalise.closest),
}


# The kernels that take the place of `proportions` where something is known about the samples, see `Data.knowledge`.
KNOWING = {
    "": normalise.proportions,
    "labels": normalise.labelled,
    "ranges": normalise.within,
    "prior": normalise.believed,
}


@compact
def _combined(machine: Any, partials: Any, n_spans: Any, out: Any) -> None:
    """`_combine`."""
    n, size = out.width, out.lanes

    def panel(first: Any) -> None:
        count = machine.at_most(machine.integer(PANEL), n - first)

        def add(s: Any) -> None:
            def one(j: Any) -> None:
                place, value = first + j, partials.vector(0, s * n + first + j, size)
                out.put(0, place, machine.where(s == 0, value, out.vector(0, place, size) + value))

            machine.samples(count, size, one)

        machine.repeat(0, n_spans, add)

    machine.repeat(0, n, panel, step=PANEL)


@exact
def _combine(partials, n_spans, out):
    """Add up the spans' partials, which lie one after the other, entry by entry and in the order of the spans.

    It works on pieces that stay in the first-level cache, as all partials of a full covariance at d = 64 are 19 MB.
    """
    _combined(partials, n_spans, out)


@cache
def log_prob_address(kernels: Kernels, dtype: Any) -> int:
    """The address of a family's log_prob for tiles of this dtype."""
    real, integers = matrix(dtype), vector("i8")
    return address(kernels.log_prob, real, real, integers, integers, real, real, real)


@cache
def accumulate_address(kernels: Kernels, dtype: Any) -> int:
    """The address of a family's accumulate for tiles of this dtype."""
    real, row, integers = matrix(dtype), vector(dtype), vector("i8")
    return address(kernels.accumulate, real, real, row, real, row, real, integers, integers, matrix("f8"), real)


@cache
def mode_addresses(mode: str, dtype: Any, knowledge: str = "") -> dict[str, int]:
    """The addresses of the kernels of one of MODES, by the names of the fields of a job."""
    real, row, doubles, kernels = matrix(dtype), vector(dtype), vector("f8"), MODES[mode]
    weighing = KNOWING[knowledge] if kernels.weigh is normalise.proportions else kernels.weigh
    weigh = 0 if weighing is None else address(weighing, real, row, real)
    if kernels.normalise is None:
        return {"weigh": weigh, "normalise": 0}
    return {"weigh": weigh, "normalise": address(kernels.normalise, real, row, real, row, row, doubles, real)}


class Shape(NamedTuple):
    """The sizes of one mixture's rows: what the fold must know about a family.

    params, statistics: (rows, width). scratch_rows, latent_rows: rows of scratch and of what `log_prob` leaves for
    `accumulate`. work: flops of one fold per sample, roughly.
    """

    params: tuple[int, int]
    statistics: tuple[int, int]
    scratch_rows: int
    work: float
    latent_rows: int = 0


def shape_of(family: Family, n_features: int, n_components: int) -> Shape:
    params = family.params_shape(n_features, n_components)
    statistics = family.statistics_shape(n_features, n_components)
    scratch = max(2, family.scratch_rows(n_features, n_components))
    work = 2.0 * (params[0] * params[1] + statistics[0] * statistics[1])
    return Shape(params, statistics, scratch, work, family.latent_rows(n_features, n_components))


def work_of(family: Family, n_samples: int, n_features: int, n_components: int) -> float:
    """The flops of a pass of one start, roughly."""
    return (shape_of(family, n_features, n_components).work + 20.0 * n_components) * n_samples


class Mixtures(NamedTuple):
    """The mixtures of several starts: params (n_starts, *Shape.params) and log_weights (n_starts, K), float64.

    Arrays, or lists of one array for each start.
    """

    params: Any
    log_weights: Any


class Buffers(NamedTuple):
    """The arrays that a pass writes to, kept for the next pass of the same size, and the job that points to them.

    job: its fields as int64, at the places in _PLACE. bounds: kept alive here, because the job holds its address.
    """

    arrays: dict[str, Array]
    addresses: dict[str, int]
    bounds: Array
    job: Array
    job_address: int


class Task(NamedTuple):
    """What a fold computes, without the data.

    density: the kernels whose log_prob assigns samples, and their shape; None if responsibilities are given.
    statistics: the kernels whose accumulate gathers statistics, and their shape. mode: one of MODES. row: what
    "tempered" and "drawn" must know of each sample: a number for all, or row(first, n), those of n samples.
    """

    n_components: int
    layout: Array
    density: tuple[Kernels, Shape] | None
    statistics: tuple[Kernels, Shape]
    mode: str = "soft"
    row: Any = None


class Plan:
    """Everything about a fold of one Task over tiles that stays the same from pass to pass."""

    def __init__(self, data: Data, task: Task, team: Team) -> None:
        n_components, layout, density, statistics, mode, _ = task
        dtype, shape = data.tiles.dtype, statistics[1]
        density_shape = shape if density is None else density[1]
        self.data, self.n_components, self.layout, self.statistics = data, n_components, layout, statistics
        self.team = team
        self.density_shape: tuple[int, ...] = (0,) if density is None else density_shape.params
        self.scratch_rows = max(shape.scratch_rows, density_shape.scratch_rows)
        self.latent_rows = max(shape.latent_rows, density_shape.latent_rows)
        self.step = walk_address(dtype)
        self._rows = np.arange(n_components, dtype=np.int64)
        self._bounds: Array | None = None
        self._buffers: tuple[Any, Buffers] | None = None
        fields = {
            **data.fields,
            "rows": self._rows.ctypes.data,
            "layout": layout.ctypes.data,
            "log_prob": 0 if density is None else log_prob_address(density[0], dtype),
            **mode_addresses(mode, dtype, data.knowledge),
            "accumulate": accumulate_address(statistics[0], dtype),
            "density_rows": density_shape.params[0],
            "density_width": density_shape.params[1],
            "params_rows": shape.params[0],
            "params_width": shape.params[1],
            "n_components": n_components,
            "n_layout": len(layout),
            "statistics_rows": shape.statistics[0],
            "statistics_width": shape.statistics[1],
            "scratch_rows": self.scratch_rows,
            "latent_rows": self.latent_rows,
        }
        self._job = FIELDS.job({}, fields)

    def bounds(self, first: int, last: int, partial_bytes: int) -> Array:
        """Where each span of the tiles first .. last begins."""
        if (first, last) != (0, self.data.n_tiles):
            return first + span_bounds(last - first, partial_bytes)
        if self._bounds is None:
            self._bounds = span_bounds(last, partial_bytes)
        return self._bounds

    def buffers(self, n_mixtures: int, n_starts: int, bounds: Array, team: Team) -> Buffers:
        """Buffers for a pass of up to `n_starts` of `n_mixtures` starts over the spans of tiles within `bounds`."""
        n_workers = min(team.n_threads, len(bounds) - 1)
        key = n_mixtures, n_starts, int(bounds[0]), int(bounds[-1]), len(bounds), n_workers
        if self._buffers is None or self._buffers[0] != key:
            self._buffers = key, self._new_buffers(n_mixtures, n_starts, bounds, n_workers, team)
        return self._buffers[1]

    def _new_buffers(self, n_mixtures: int, n_starts: int, bounds: Array, n_workers: int, team: Team) -> Buffers:
        dtype, size, shape = self.data.tiles.dtype, self.data.tiles.shape[2], self.statistics[1]
        n_spans, n_components = len(bounds) - 1, self.n_components
        arrays, addresses = team.arena.take(
            {
                "density": ((n_mixtures, *self.density_shape), dtype),
                "log_weights": ((n_mixtures, n_components), dtype),
                "params": ((n_mixtures, *shape.params), dtype),
                "starts": ((n_starts,), _INTEGER),
                "totals": ((n_spans * n_starts,), _DOUBLE),
                "statistics": ((n_spans * n_starts * shape.statistics[0] * shape.statistics[1],), _DOUBLE),
                "block": ((n_workers, n_components + 2 + self.latent_rows + self.scratch_rows, size), dtype),
            }
        )
        job = self._job.copy()
        for name, value in addresses.items():
            job[_PLACE[name]] = value
        job[_PLACE["first_tile"]], job[_PLACE["bounds"]] = bounds[0], bounds.ctypes.data
        return Buffers(arrays, addresses, bounds, job, job.ctypes.data)

    def run(
        self, density: Mixtures, params: Any, starts: Any, known: Array | None = None, first: int = 0
    ) -> tuple[Array, Array]:
        """One pass over the data for these starts: log-likelihoods (n,) and statistics (n, rows, width), float64.

        The statistics are gathered about `params`. `known`, (n_tiles, rows, T), is what is known about the samples of
        the tiles from `first` on, and the pass is limited to these tiles. It may also differ between starts; then it is
        (n_mixtures, n_tiles, rows, T).
        """
        size = self.statistics[1].statistics
        partial_bytes = 8 * size[0] * size[1]
        last = self.data.n_tiles if known is None else first + known.shape[-3]
        bounds = self.bounds(first, last, partial_bytes)
        totals, statistics = np.empty(len(starts)), np.empty((len(starts), *size))
        batch = max(1, MAX_PARTIALS // (partial_bytes * (len(bounds) - 1)))
        for b in range(0, len(starts), batch):
            chosen = slice(b, b + batch)
            buffers = self.buffers(len(density.params), min(batch, len(density.params)), bounds, self.team)
            _run_batch(self, density, params, starts[chosen], known, buffers, totals[chosen], statistics[chosen])
        if self.data.unit != 1.0:
            totals, statistics = totals * self.data.unit, statistics * self.data.unit
        return totals, statistics

    def work(self, n_tiles: int, n_starts: int) -> float:
        """The flops of a pass, roughly."""
        each = self.statistics[1].work + 20.0 * self.n_components
        return each * float(n_tiles) * self.data.tiles.shape[2] * n_starts

    def prepared(self, n_starts: int, bounds: Array) -> Buffers:
        """Buffers for passes of so many mixtures, all of which are active, over the spans of tiles within `bounds`.

        The mixtures are those that `density` and `log_weights` hold when a pass begins.
        """
        buffers = self.buffers(n_starts, n_starts, bounds, self.team)
        buffers.arrays["starts"][...] = np.arange(n_starts)
        buffers.job[_PLACE["params"]], buffers.job[_PLACE["n_starts"]] = buffers.addresses["density"], n_starts
        return buffers


def _run_batch(
    plan: Plan,
    density: Mixtures,
    params: Any,
    starts: Any,
    known: Array | None,
    buffers: Buffers,
    totals: Array,
    statistics: Array,
) -> None:
    arrays, job, n_starts, bounds = buffers.arrays, buffers.job, len(starts), buffers.bounds
    n_spans = len(bounds) - 1
    arrays["density"][...] = density.params
    arrays["log_weights"][...] = density.log_weights
    if params is not density.params:
        arrays["params"][...] = params
    job[_PLACE["params"]] = buffers.addresses["density" if params is density.params else "params"]
    arrays["starts"][:n_starts] = starts
    job[_PLACE["n_starts"]] = n_starts
    if known is not None:
        job[_PLACE["known"]], job[_PLACE["known_rows"]] = known.ctypes.data, known.shape[-2]
        job[_PLACE["known_tile"]] = known.strides[-3]
        job[_PLACE["known_start"]] = known.strides[0] if known.ndim == 4 else 0
    plan.team.run(plan.step, buffers.job_address, n_spans, plan.work(bounds[-1] - bounds[0], n_starts))
    _combine(arrays["totals"], n_spans, totals)
    _combine(arrays["statistics"], n_spans, statistics.reshape(-1))
