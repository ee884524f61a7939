"""Several passes and M-steps of EM in one go, without the interpreter: what small data spend their time on otherwise.

A burst folds, judges the gain, and maximises for all of its starts. It ends before the first pass that is not ordinary:
where a likelihood is not finite, a gain is smaller than the tolerance, a component starves or something would have to
be raised to a floor. That pass has been made, but nobody has gone on from it, so that the loop treats it as any other.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fastem.compiled.jit import address, vector
from fastem.compiled.job import Fields, Prepared
from fastem.compiled.lanes.steps import steps
from fastem.compiled.numpys import LONGEST
from fastem.data.fold import Plan
from fastem.data.tiles import MAX_PARTIALS
from fastem.families.base import Array
from fastem.families.kernels import MStep, m_step_address

# Passes of one burst at most, and their flops together, which take a tenth of a second: so often Ctrl-C is seen.
MOST, FLOPS = 256, 5e8
# The flops that a thread could do while the driver deals with one pass of one start. So much more work than the team
# would share out is still done sooner by a burst in one thread.
DRIVER = 3e5


class Rules(NamedTuple):
    """What is ordinary: a gain of at least tol for each unit of total_weight, and components that do not starve.

    least: the smallest sum of responsibilities of a component that does not starve. ahead: the largest log-likelihood
    among other starts. The start that is ahead of this and of all starts of the burst may gain less than tol, as long
    as Aitken's rule, see em/stopping, says that it has tol left to gain; infinity if no start may.
    """

    tol: float
    total_weight: float
    least: float
    ahead: float = np.inf


class Outcome(NamedTuple):
    """n_done passes, whose log-likelihoods are history (n_done, n_starts), and one more, as Plan.run returns it.

    rows (n_kept, n_starts, ...), log_weights (n_kept, n_starts, K): the parameters of pass i are at i modulo n_kept.
    """

    n_done: int
    history: Array
    totals: Array
    statistics: Array
    rows: Array
    log_weights: Array

    def parameters(self, i: int, g: int) -> tuple[Array, Array]:
        """The rows and log weights of start g in pass i, one of the last n_kept of n_done + 1."""
        place = i % len(self.rows)
        return self.rows[place, g], self.log_weights[place, g]


# What a burst knows of the passes before it, and the number of passes whose parameters it must keep to go on.
BEFORE, KEPT = 2, 2
FIELDS = Fields(
    """
    step job n_spans maximise mix n_starts n_components n_passes n_kept sums_rows sums_width rows_rows rows_width
    constants_rows constants_width n_layout n_scratch history partial_totals partials totals statistics
    rows log_weights density weights constants layout scratch flags done
    """,
    "tol total_weight unit least ahead",
)


def gathered(machine: Any, partials: Any, n_spans: Any, n_starts: Any, size: Any, unit: Any, out: Any) -> None:
    """out = unit times the sums of `size` numbers of each start over the spans, in their order."""

    def start(g: Any) -> None:
        def entry(j: Any) -> None:
            def more(s: Any, value: Any) -> list[Any]:
                return [value + partials.number(0, (s * n_starts + g) * size + j)]

            (value,) = machine.repeat(1, n_spans, more, partials.number(0, g * size + j))
            out.put(0, g * size + j, value * unit)

        machine.repeat(0, size, entry)

    machine.repeat(0, n_starts, start)


def copied(machine: Any, source: Any, first: Any, n: Any, out: Any) -> None:
    """Copy n numbers of double precision, from the first one on, to the beginning of an array of any precision."""

    def one(i: Any) -> None:
        out.put(0, i, machine.like(source.number(0, first + i), machine.zero(out)))

    machine.repeat(0, n, one)


def _burst(machine: Any, real: str, job: Any, _span: Any, _worker: Any) -> None:
    """The field `done` becomes how many passes were ordinary. rows, log_weights INOUT, as in Outcome.

    history INOUT (BEFORE + n_passes, n_starts): begins with the log-likelihoods of the last passes before.
    """
    job = FIELDS.read(machine, job)
    n_starts, n_components = job.n_starts, job.n_components
    n_sums, n_params = job.sums_rows * job.sums_width, job.rows_rows * job.rows_width

    def doubles(place: Any, *shape: Any) -> Any:
        return machine.rows(place, shape, "f8")

    totals, statistics = doubles(job.totals, n_starts), doubles(job.statistics, n_starts * n_sums)
    partial_totals = doubles(job.partial_totals, job.n_spans * n_starts)
    partials = doubles(job.partials, job.n_spans * n_starts * n_sums)
    all_rows = doubles(job.rows, job.n_kept * n_starts * n_params)
    all_weights = doubles(job.log_weights, job.n_kept * n_starts * n_components)
    density = machine.rows(job.density, (n_starts * n_params,), real)
    weights = machine.rows(job.weights, (n_starts * n_components,), real)
    constants = doubles(job.constants, job.constants_rows, job.constants_width)
    layout = machine.rows(job.layout, (job.n_layout,), "i8")
    scratch, counts = doubles(job.scratch, job.n_scratch), doubles(job.scratch, n_components)
    flags = machine.rows(job.flags, (2, n_components), "b1")

    def of_start(pass_: Any, g: Any) -> Any:
        return doubles(job.rows + 8 * n_params * (pass_ * n_starts + g), job.rows_rows, job.rows_width)

    def shown(after: Any) -> None:
        """The walk reads the parameters of the next pass in the precision of the tiles."""
        n = after * n_starts
        copied(machine, all_weights, n * n_components, n_starts * n_components, weights)
        copied(machine, all_rows, n * n_params, n_starts * n_params, density)

    def one(done: Any) -> list[Any]:
        at = done - done // job.n_kept * job.n_kept
        after = machine.choose(at == job.n_kept - 1, machine.integer(0), at + 1)
        machine.repeat(0, job.n_spans, lambda span: machine.call(job.step, job.job, span, machine.integer(0)))
        gathered(machine, partial_totals, job.n_spans, n_starts, 1, job.unit, totals)
        gathered(machine, partials, job.n_spans, n_starts, n_sums, job.unit, statistics)
        earlier, last, now = (doubles(job.history + 8 * n_starts * (done + i), n_starts) for i in range(BEFORE + 1))

        def promising(g: Any, gain: Any) -> Any:
            """Whether a start leads, and Aitken's rule says that it has more to gain; starts before it have moved."""
            total, before = totals.number(0, g), last.number(0, g) - earlier.number(0, g)

            def behind(j: Any, leads: Any) -> list[Any]:
                rival = machine.where(j < g, totals.number(0, j), last.number(0, j))
                return [leads & ((rival > total) == 0)]

            (leads,) = machine.repeat(0, n_starts, behind, (job.ahead > total) == 0)
            ratio = machine.where(before > 0.0, gain / before, 1.0)
            left = gain * ratio / (1.0 - ratio) / job.total_weight
            known = before == before  # noqa: PLR0124
            return leads & known & (gain > 0.0) & ((ratio >= 1.0) | (left >= job.tol))

        def judged(g: Any, ordinary: Any) -> list[Any]:
            total, before = totals.number(0, g), last.number(0, g)
            gain = total - before
            ordinary = ordinary & (total > -np.inf) & (total < np.inf)
            large = (job.tol <= 0.0) | (before != before) | (gain / job.total_weight >= job.tol)  # noqa: PLR0124
            (large,) = machine.when(large == 0, lambda _: [promising(g, gain)], large)
            ordinary = ordinary & large

            def enough(k: Any, ordinary: Any) -> list[Any]:
                return [ordinary & (statistics.number(0, g * n_sums + k * job.sums_width) > job.least)]

            return list(machine.repeat(0, n_components, enough, ordinary))

        def maximised(g: Any, ordinary: Any) -> list[Any]:
            own = doubles(job.statistics + 8 * n_sums * g, job.sums_rows, job.sums_width)
            machine.call(job.maximise, own, of_start(at, g), constants, layout, of_start(after, g), scratch, flags)
            return [ordinary & (flags.number(1, 0) == 0)]

        def mixed(g: Any) -> None:
            now.put(0, g, totals.number(0, g))

            def count(k: Any) -> None:
                counts.put(0, k, statistics.number(0, g * n_sums + k * job.sums_width))

            machine.repeat(0, n_components, count)
            own = doubles(job.log_weights + 8 * n_components * (after * n_starts + g), n_components)
            machine.call(job.mix, counts, own)

        def go_on() -> None:
            machine.repeat(0, n_starts, mixed)
            shown(after)

        (ordinary,) = machine.repeat(0, n_starts, judged, done < job.n_passes)
        (ordinary,) = machine.when(ordinary, lambda o: machine.repeat(0, n_starts, maximised, o), ordinary)
        machine.when(ordinary, go_on)
        return [ordinary == 0, machine.choose(ordinary, done + 1, done)]

    shown(machine.integer(0))
    (done,) = machine.until(one, machine.integer(0))
    machine.rows(job.done, (1,), "i8").put(0, 0, done)


address_of = steps(_burst)


@cache
def mixing_address(kernel: Any) -> int:
    """The address of the M-step of a mixing."""
    return address(kernel, vector("f8"), vector("f8"))


def longest(plan: Plan, n_starts: int, n_components: int) -> int:
    """How many passes of so many starts a burst may have; 0 if the team makes them sooner, one by one."""
    rows, width = plan.statistics[1].statistics
    n_spans = len(plan.bounds(0, plan.data.n_tiles, 8 * rows * width)) - 1
    work = plan.work(plan.data.n_tiles, n_starts)
    possible = n_components <= LONGEST and 8 * rows * width * n_spans * n_starts <= MAX_PARTIALS
    here = possible and plan.team.runs_here(n_spans, work - DRIVER * n_starts)
    return min(MOST, int(FLOPS / work)) if here else 0


def prepare(
    plan: Plan, m_step: MStep, mixing: Any, n_starts: int, n_passes: int, rules: Rules, n_kept: int = KEPT
) -> Prepared:
    """A burst of up to n_passes ordinary passes, which begins at the first of `rows` and `log_weights`.

    mixing: the M-step of the mixing as a kernel, mixing(counts, log_weights). n_kept: of how many passes, the last one
    among them, the parameters are kept.
    """
    n_components, shape, size = plan.n_components, plan.density_shape, plan.statistics[1].statistics
    bounds = plan.bounds(0, plan.data.n_tiles, 8 * size[0] * size[1])
    buffers = plan.prepared(n_starts, bounds)
    constants, n_scratch = np.ascontiguousarray(m_step.constants), max(m_step.n_scratch, n_components)
    most = min(n_passes, MOST)
    pointers: dict[str, Array] = {
        "history": np.empty((BEFORE + most, n_starts)), "totals": np.empty(n_starts),
        "statistics": np.empty((n_starts, *size)), "rows": np.empty((n_kept, n_starts, *shape)),
        "log_weights": np.empty((n_kept, n_starts, n_components)), "constants": constants, "layout": plan.layout,
        "scratch": np.empty(n_scratch), "flags": np.zeros((2, n_components), dtype=np.bool_),
        "done": np.zeros(1, dtype=np.int64),
    }  # fmt: skip
    numbers = {
        "step": plan.step, "job": buffers.job_address, "n_spans": len(bounds) - 1,
        "maximise": m_step_address(m_step.kernel), "mix": mixing_address(mixing), "n_starts": n_starts,
        "n_components": n_components, "n_passes": most, "n_kept": n_kept, "sums_rows": size[0],
        "sums_width": size[1], "rows_rows": shape[0], "rows_width": shape[1], "constants_rows": len(constants),
        "constants_width": constants.shape[1], "n_layout": len(plan.layout), "n_scratch": n_scratch,
        "partial_totals": buffers.addresses["totals"], "partials": buffers.addresses["statistics"],
        "density": buffers.addresses["density"], "weights": buffers.addresses["log_weights"],
    }  # fmt: skip
    job = FIELDS.job(pointers, numbers, {**rules._asdict(), "unit": plan.data.unit})
    return Prepared(address_of(plan.data.tiles.dtype), job, pointers, (plan, buffers))


def burst(plan: Plan, prepared: Prepared, params: Array, log_weights: Array, before: Array) -> Outcome:
    """A burst from params (n_starts, ...) and log_weights (n_starts, K).

    before (BEFORE, n_starts): the log-likelihoods in the passes before, the last one last; NaN if there was none.
    """
    arrays = prepared.arrays
    arrays["rows"][0], arrays["log_weights"][0], arrays["history"][:BEFORE] = params, log_weights, before
    plan.team.run(prepared.step, prepared.job.ctypes.data, 1, 0.0)
    return outcome(*(arrays[name] for name in ("done", "history", "totals", "statistics", "rows", "log_weights")))


def outcome(done: Array, history: Array, totals: Array, statistics: Array, rows: Array, log_weights: Array) -> Outcome:
    """What a burst has left behind."""
    n_done = int(done[0])
    return Outcome(n_done, history[BEFORE : BEFORE + n_done], totals, statistics, rows, log_weights)
