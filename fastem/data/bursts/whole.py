"""Whole fits from k-means: a data set is packed, seeded, clustered and fitted in one step; many, one after the other.

The step runs the others with the jobs that it is given, and puts into them what differs from data set to data set.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastem.compiled.job import Fields, Prepared
from fastem.compiled.lanes.steps import steps
from fastem.data.bursts import lloyd, passes, seeding
from fastem.data.bursts.passes import copied, gathered
from fastem.data.fold import Plan
from fastem.data.threads import FAILED, run_here
from fastem.data.walk import FIELDS as WALK
from fastem.families.base import Array

# What each data set brings: (n_sets, ...) arrays, of which a step gets the address and the bytes from one set to the
# next. weights are those of the tiles, plain_weights and shares those of the seeding.
BROUGHT = (
    "source", "shift", "factor", "weights", "plain_weights", "shares", "unit", "tol", "total_weight", "least",
    "ahead", "constants", "uniforms",
)  # fmt: skip
# And what it leaves behind, as the arrays of a burst, with done = -1 if its start was not ordinary.
LEFT = ("done", "history", "totals", "statistics", "rows", "log_weights")
NUMBERS = ("unit", "tol", "total_weight", "least", "ahead")
_EACH = (*BROUGHT, *LEFT)
FIELDS = Fields(
    "pack_step pack pack_spans seed_step seed lloyd_step lloyd burst_step burst walks n_walks hard hard_spans "
    "hard_density hard_params hard_partials reference centre n_runs "
    + " ".join(f"{name} {name}_bytes" for name in _EACH)
)


def _whole(machine: Any, real: str, job: Any, s: Any, _worker: Any) -> None:
    """Fit the data set s."""
    job = FIELDS.read(machine, job)
    own = {name: getattr(job, name) + s * getattr(job, f"{name}_bytes") for name in _EACH}
    cluster, burst = lloyd.FIELDS.read(machine, job.lloyd), passes.FIELDS.read(machine, job.burst)
    d, n_components, nothing = cluster.n_features, cluster.n_clusters, machine.integer(0)
    n_centres, n_sums = n_components * d, burst.sums_rows * burst.sums_width

    def doubles(place: Any, *shape: Any) -> Any:
        return machine.rows(place, shape, "f8")

    def put(fields: Fields, place: Any, names: tuple[str, ...]) -> None:
        """What this data set brings and leaves, in another job: addresses, and the bits of numbers."""
        target = machine.rows(place, (len(fields.names),), "i8")
        for name in names:
            number = machine.rows(own[name], (1,), "i8").number(0, 0) if name in NUMBERS else own[name]
            target.put(0, fields.place[name], number)

    def told() -> None:
        """Tell each job what this data set brings."""
        walks = machine.rows(job.walks, (job.n_walks,), "i8")
        machine.repeat(0, job.n_walks, lambda w: put(WALK, walks.number(0, w), ("weights",)))
        machine.when(job.pack != 0, lambda: put(WALK, job.pack, ("source", "shift", "factor", "weights")))
        target = machine.rows(job.seed, (len(seeding.FIELDS.names),), "i8")
        target.put(0, seeding.FIELDS.place["weights"], own["plain_weights"])
        put(seeding.FIELDS, job.seed, ("shares", "uniforms"))
        put(lloyd.FIELDS, job.lloyd, ("unit",))
        put(passes.FIELDS, job.burst, (*NUMBERS, "constants", *LEFT))

    def best_run() -> Any:
        """The run of k-means that ended with the least inertia, the first of equals."""
        inertia = doubles(cluster.before, job.n_runs)

        def better(r: Any, least: Any, best: Any) -> list[Any]:
            value = inertia.number(0, r)
            return [machine.where(value < least, value, least), machine.choose(value < least, r, best)]

        return machine.repeat(1, job.n_runs, better, inertia.number(0, 0), nothing)[1]

    def assigned() -> None:
        """Each sample goes to its nearest centre; the statistics are gathered about these."""
        centres = doubles(cluster.centres, job.n_runs * n_centres)
        density = machine.rows(job.hard_density, (n_centres,), real)
        params = machine.rows(job.hard_params, (burst.rows_rows * burst.rows_width,), real)
        reference = doubles(job.reference, params.size)
        first = best_run() * n_centres

        def component(k: Any) -> None:
            place = k * burst.rows_width + job.centre
            machine.repeat(0, d, lambda j: reference.put(0, place + j, centres.number(0, first + k * d + j)))

        machine.repeat(0, n_components, component)
        copied(machine, centres, first, n_centres, density)
        copied(machine, reference, nothing, params.size, params)
        machine.repeat(0, job.hard_spans, lambda span: machine.call(cluster.walk, job.hard, span, nothing))
        partials = doubles(job.hard_partials, job.hard_spans * n_sums)
        unit = doubles(own["unit"], 1).number(0, 0)
        gathered(
            machine, partials, job.hard_spans, machine.integer(1), n_sums, unit, doubles(own["statistics"], n_sums)
        )

    def maximised() -> Any:
        """The first M-step; whether it was ordinary."""
        statistics = doubles(own["statistics"], burst.sums_rows, burst.sums_width)
        scratch, counts = doubles(burst.scratch, burst.n_scratch), doubles(burst.scratch, n_components)
        flags = machine.rows(burst.flags, (2, n_components), "b1")
        least = doubles(own["least"], 1).number(0, 0)

        def enough(k: Any, ordinary: Any) -> list[Any]:
            return [ordinary & (statistics.number(k, 0) > least)]

        def maximise(_ordinary: Any) -> list[Any]:
            reference = doubles(job.reference, burst.rows_rows, burst.rows_width)
            constants = doubles(own["constants"], burst.constants_rows, burst.constants_width)
            layout = machine.rows(burst.layout, (burst.n_layout,), "i8")
            machine.repeat(0, flags.size, lambda i: flags.put(0, i, machine.zero(flags)))
            rows = doubles(own["rows"], burst.rows_rows, burst.rows_width)
            machine.call(burst.maximise, statistics, reference, constants, layout, rows, scratch, flags)
            machine.repeat(0, n_components, lambda k: counts.put(0, k, statistics.number(k, 0)))
            machine.call(burst.mix, counts, doubles(own["log_weights"], n_components))
            return [flags.number(1, 0) == 0]

        (ordinary,) = machine.repeat(0, n_components, enough, burst.n_components > 0)
        return machine.when(ordinary, maximise, ordinary)[0]

    told()
    machine.repeat(0, job.pack_spans, lambda span: machine.call(job.pack_step, job.pack, span, nothing))
    machine.call(job.seed_step, job.seed, nothing, nothing)
    machine.call(job.lloyd_step, job.lloyd, nothing, nothing)
    assigned()
    ordinary = maximised()
    done = machine.rows(own["done"], (1,), "i8")
    done.put(0, 0, machine.integer(-1))
    machine.when(ordinary, lambda: machine.call(job.burst_step, job.burst, nothing, nothing))


address_of = steps(_whole)


class Parts(NamedTuple):
    """The steps that a whole fit consists of, all for data of one size and with one start each.

    pack: packs the data, None if they are in tiles already. hard: passes that give each sample to its nearest centre,
    and gather the family's statistics. walks: the addresses of the jobs of all other walks over the tiles. reference,
    centre: the rows about which the first statistics are gathered, and the column where their centres are.
    """

    pack: Prepared | None
    seed: Prepared
    lloyd: Prepared
    hard: Plan
    burst: Prepared
    walks: list[int]
    reference: Array
    centre: int


class Whole(NamedTuple):
    """A whole fit that can be run for one data set after the other."""

    job: Array
    dtype: Any
    kept: Any

    def run(self, brought: dict[str, Array]) -> dict[str, Array]:
        """Fit each data set. brought: an array (n_sets, ...) for each name of BROUGHT; so is what is LEFT."""
        n_sets, job = len(brought["shift"]), self.job.copy()
        burst = self.kept.burst.arrays
        left = {name: np.empty((n_sets, *burst[name].shape), burst[name].dtype) for name in LEFT}
        left["history"][:, : passes.BEFORE] = np.nan
        for name, array in {**brought, **left}.items():
            job[FIELDS.place[name]], job[FIELDS.place[f"{name}_bytes"]] = array.ctypes.data, array.strides[0]
        run_here(address_of(self.dtype), job.ctypes.data, np.zeros(FAILED + 1, dtype=np.int64), n_sets)
        return left


def whole(parts: Parts) -> Whole:
    """A whole fit from its parts."""
    plan, dtype = parts.hard, parts.hard.data.tiles.dtype
    size = plan.statistics[1].statistics
    bounds = plan.bounds(0, plan.data.n_tiles, 8 * size[0] * size[1])
    hard = plan.prepared(1, bounds)
    hard.arrays["log_weights"][...] = 0.0
    hard.job[WALK.place["params"]] = hard.addresses["params"]
    parts.lloyd.job[lloyd.FIELDS.place["centres"]] = parts.seed.job[seeding.FIELDS.place["centres"]]
    walks = np.array([*parts.walks, hard.job_address], dtype=np.int64)
    reference = np.ascontiguousarray(parts.reference)
    pointers = {
        "seed": parts.seed.job, "lloyd": parts.lloyd.job, "burst": parts.burst.job, "walks": walks,
        "reference": reference,
    }  # fmt: skip
    numbers = {
        "seed_step": parts.seed.step, "lloyd_step": parts.lloyd.step, "burst_step": parts.burst.step,
        "hard": hard.job_address, "hard_spans": len(bounds) - 1, "hard_density": hard.addresses["density"],
        "hard_params": hard.addresses["params"], "hard_partials": hard.addresses["statistics"],
        "n_walks": len(walks), "centre": parts.centre, "n_runs": len(parts.lloyd.arrays["before"]),
    }  # fmt: skip
    if parts.pack is not None:
        pointers["pack"], numbers["pack_step"] = parts.pack.job, parts.pack.step
        numbers["pack_spans"] = len(parts.pack.arrays["bounds"]) - 1
    return Whole(FIELDS.job(pointers, numbers), dtype, _Kept(parts.burst, (parts, hard, walks, reference)))


class _Kept(NamedTuple):
    """What jobs point to."""

    burst: Prepared
    rest: Any
