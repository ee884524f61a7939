"""Lloyd's steps of k-means for several starts, without the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastem.compiled.job import Fields, Prepared
from fastem.compiled.lanes.steps import steps
from fastem.data.bursts.passes import FLOPS, copied, gathered
from fastem.data.fold import Plan
from fastem.data.tiles import MAX_PARTIALS
from fastem.data.walk import FIELDS as WALK
from fastem.families.base import Array

# walk, job: what folds, and its job, whose `starts` are those that go on. centres INOUT; before OUT; sums: scratch.
FIELDS = Fields(
    "walk job n_spans n_starts n_clusters n_features max_iter partial_totals partials totals sums centres density "
    "starts before",
    "tolerance unit",
)


def _lloyd(machine: Any, real: str, job: Any, _span: Any, _worker: Any) -> None:
    """Until the inertia of no start falls by more than a fraction, `tolerance`; centres (n_starts, n_clusters, d)."""
    job = FIELDS.read(machine, job)
    n_clusters, d, n_starts = job.n_clusters, job.n_features, job.n_starts
    n_sums, walk = n_clusters * (d + 1), machine.rows(job.job, (len(WALK.names),), "i8")
    starts = machine.rows(job.starts, (n_starts,), "i8")
    before, totals, sums, centres, partial_totals, partials = (
        machine.rows(place, (size,), "f8")
        for place, size in (
            (job.before, n_starts), (job.totals, n_starts), (job.sums, n_starts * n_sums),
            (job.centres, n_starts * n_clusters * d), (job.partial_totals, job.n_spans * n_starts),
            (job.partials, job.n_spans * n_starts * n_sums),
        )
    )  # fmt: skip
    density = machine.rows(job.density, (n_starts * n_clusters * d,), real)

    def one(iteration: Any, n_active: Any) -> list[Any]:
        def settled(a: Any, n_kept: Any) -> list[Any]:
            start = starts.number(0, a)

            def move(k: Any) -> None:
                first, place = a * n_sums + k * (d + 1), (start * n_clusters + k) * d
                count = sums.number(0, first)

                def feature(j: Any) -> None:
                    mean = sums.number(0, first + 1 + j) / count
                    centres.put(0, place + j, mean)
                    density.put(0, place + j, machine.like(mean, machine.zero(density)))

                machine.when(count > 0.0, lambda: machine.repeat(0, d, feature))

            machine.repeat(0, n_clusters, move)
            now = -2.0 * totals.number(0, a)
            improving = before.number(0, start) - now > machine.product(job.tolerance, now)
            before.put(0, start, now)
            starts.put(0, n_kept, start)
            return [machine.choose(improving, n_kept + 1, n_kept)]

        machine.repeat(0, job.n_spans, lambda span: machine.call(job.walk, job.job, span, machine.integer(0)))
        gathered(machine, partial_totals, job.n_spans, n_active, 1, job.unit, totals)
        gathered(machine, partials, job.n_spans, n_active, n_sums, job.unit, sums)
        (n_kept,) = machine.repeat(0, n_active, settled, machine.integer(0))
        walk.put(0, WALK.place["n_starts"], n_kept)
        return [(n_kept == 0) | (iteration + 1 >= job.max_iter), iteration + 1, n_kept]

    def begin(start: Any) -> None:
        starts.put(0, start, start)
        before.put(0, start, machine.zero(before) + np.inf)

    machine.repeat(0, n_starts, begin)
    walk.put(0, WALK.place["n_starts"], n_starts)
    copied(machine, centres, machine.integer(0), centres.size, density)
    machine.until(one, machine.integer(0), n_starts)


address_of = steps(_lloyd)


def prepare(plan: Plan, n_starts: int, tolerance: float, max_iter: int) -> Prepared | None:
    """Lloyd's steps from the `centres` (n_starts, n_clusters, d) of the arrays; `before` become their inertia.

    plan: passes that assign to the nearest centre. None if they would not run in the calling thread anyway.
    """
    n_clusters, d = plan.density_shape
    partial = 8 * n_clusters * (d + 1)
    bounds = plan.bounds(0, plan.data.n_tiles, partial)
    n_spans, work = len(bounds) - 1, plan.work(plan.data.n_tiles, n_starts)
    possible = partial * n_spans * n_starts <= MAX_PARTIALS and work * max_iter <= FLOPS
    if not (possible and plan.team.runs_here(n_spans, work)):
        return None
    buffers = plan.prepared(n_starts, bounds)
    buffers.arrays["log_weights"][...] = 0.0
    pointers = {
        "totals": np.empty(n_starts), "sums": np.empty((n_starts, n_clusters, d + 1)),
        "centres": np.empty((n_starts, n_clusters, d)), "before": np.empty(n_starts),
    }  # fmt: skip
    numbers = {
        "walk": plan.step, "job": buffers.job_address, "n_spans": n_spans, "n_starts": n_starts,
        "n_clusters": n_clusters, "n_features": d, "max_iter": max_iter, "starts": buffers.addresses["starts"],
        "partial_totals": buffers.addresses["totals"], "partials": buffers.addresses["statistics"],
        "density": buffers.addresses["density"],
    }  # fmt: skip
    job = FIELDS.job(pointers, numbers, {"tolerance": tolerance, "unit": plan.data.unit})
    return Prepared(address_of(plan.data.tiles.dtype), job, pointers, (plan, buffers))


def lloyd(plan: Plan, prepared: Prepared, centres: Array) -> tuple[Array, Array]:
    """The centres at the end, and their inertia, (n_starts,)."""
    arrays = prepared.arrays
    arrays["centres"][...] = centres
    plan.team.run(prepared.step, prepared.job.ctypes.data, 1, 0.0)
    return arrays["centres"], arrays["before"]
