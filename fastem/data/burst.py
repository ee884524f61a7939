"""Several passes and M-steps of EM in one go, without the interpreter: what small data spend their time on otherwise.

A burst folds, judges the gain, and maximises for all of its starts. It ends before the first pass that is not ordinary:
where a likelihood is not finite, a gain is smaller than the tolerance, a component starves or something would have to
be raised to a floor. That pass has been made, but nobody has gone on from it, so that the loop treats it as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fastem.compiled.jit import FLAGS, address, call, matrix, serial_engine, vector
from fastem.compiled.lanes import staged
from fastem.compiled.numpys import LONGEST
from fastem.data.fold import Plan
from fastem.data.tiles import MAX_PARTIALS
from fastem.families.base import Array
from fastem.families.kernels import MStep

# Passes of one burst at most, and their flops together, which take a tenth of a second: so often Ctrl-C is seen.
MOST, FLOPS = 256, 5e8


class Rules(NamedTuple):
    """What is ordinary. least: the smallest sum of responsibilities of a component that does not starve."""

    tol: float
    total_weight: float
    least: float


class Outcome(NamedTuple):
    """n_done passes, whose log-likelihoods are history (n_done, n_starts), and one more, as Plan.run returns it.

    rows (2, n_starts, ...), log_weights (2, n_starts, K): the parameters of the last pass but one and of the last one.
    """

    n_done: int
    history: Array
    totals: Array
    statistics: Array
    rows: Array
    log_weights: Array


@staged
def _gathered(machine: Any, partials: Any, n_spans: Any, n_starts: Any, size: Any, unit: Any, out: Any) -> None:
    """out = unit times the sums of `size` numbers of each start over the spans, in their order."""

    def start(g: Any) -> None:
        def entry(j: Any) -> None:
            def more(s: Any, value: Any) -> list[Any]:
                return [value + partials.number(0, (s * n_starts + g) * size + j)]

            (value,) = machine.repeat(1, n_spans, more, partials.number(0, g * size + j))
            out.put(0, g * size + j, value * unit)

        machine.repeat(0, size, entry)

    machine.repeat(0, n_starts, start)


@staged
def _copied(machine: Any, source: Any, first: Any, n: Any, out: Any) -> None:
    """Copy n numbers of double precision, from the first one on, to the beginning of an array of any precision."""

    def one(i: Any) -> None:
        out.put(0, i, machine.like(source.number(0, first + i), machine.zero(out)))

    machine.repeat(0, n, one)


@serial_engine
def _burst(
    step, job, n_spans, maximise, mix, tol, total_weight, unit, least, before, history, partial_totals, partials,
    totals, statistics, rows, log_weights, density, weights, constants, layout, scratch, flags,
):  # fmt: skip
    """Returns how many passes were ordinary. rows, log_weights INOUT: the parameters of pass i are at i % 2."""
    n_starts, n_components = weights.shape
    n_sums, n_params = statistics.shape[1] * statistics.shape[2], rows.shape[2] * rows.shape[3]
    for done in range(history.shape[0] + 1):
        at, after = done % 2, 1 - done % 2
        for span in range(n_spans):
            call(step, job, span, 0)
        ordinary = done < history.shape[0]
        _gathered(partial_totals, n_spans, n_starts, 1, unit, totals)
        _gathered(partials, n_spans, n_starts, n_sums, unit, statistics)
        for g in range(n_starts):
            ordinary = ordinary and -np.inf < totals[g] < np.inf
            last = before[g] if done == 0 else history[done - 1, g]
            if ordinary and tol > 0.0 and last == last:  # noqa: PLR0124
                ordinary = (totals[g] - last) / total_weight >= tol
            for k in range(n_components):
                ordinary = ordinary and statistics[g, k, 0] > least
        if ordinary:
            for g in range(n_starts):
                call(maximise, statistics[g], rows[at, g], constants, layout, rows[after, g], scratch, flags)
                ordinary = ordinary and not flags[1, 0]
        if not ordinary:
            return done
        for g in range(n_starts):
            history[done, g] = totals[g]
            for k in range(n_components):
                scratch[k] = statistics[g, k, 0]
            call(mix, scratch[:n_components], log_weights[after, g])
        n = after * n_starts
        _copied(log_weights, n * n_components, n_starts * n_components, weights)
        _copied(rows, n * n_params, n_starts * n_params, density)
    return history.shape[0]


@cache
def _m_step_address(kernel: Any) -> int:
    real, row = matrix("f8"), vector("f8")
    return address(kernel, real, real, real, vector("i8"), real, row, FLAGS)


@cache
def _mixing_address(kernel: Any) -> int:
    return address(kernel, vector("f8"), vector("f8"))


def longest(plan: Plan, n_starts: int, n_components: int) -> int:
    """How many passes of so many starts a burst may have; 0 if they would not run in the calling thread anyway."""
    rows, width = plan.statistics[1].statistics
    n_spans = len(plan.bounds(0, plan.data.n_tiles, 8 * rows * width)) - 1
    work = plan.work(plan.data.n_tiles, n_starts)
    possible = n_components <= LONGEST and 8 * rows * width * n_spans * n_starts <= MAX_PARTIALS
    return min(MOST, int(FLOPS / work)) if possible and plan.team.runs_here(n_spans, work) else 0


def burst(
    plan: Plan,
    m_step: MStep,
    mixing: Any,
    params: Array,
    log_weights: Array,
    before: Sequence[float],
    n_passes: int,
    rules: Rules,
) -> Outcome:
    """Up to n_passes ordinary passes and one more, from params (n_starts, ...) and log_weights (n_starts, K).

    mixing: the M-step of the mixing as a kernel, mixing(counts, log_weights). before: the log-likelihood of each start
    in the pass before, NaN if there was none.
    """
    n_starts, n_components = log_weights.shape
    size = plan.statistics[1].statistics
    bounds = plan.bounds(0, plan.data.n_tiles, 8 * size[0] * size[1])
    buffers = plan.prepared(n_starts, bounds, params, log_weights)
    arrays, n_spans = buffers.arrays, len(bounds) - 1
    rows, both = np.empty((2, *params.shape)), np.empty((2, *log_weights.shape))
    rows[0], both[0] = params, log_weights
    totals, statistics = np.empty(n_starts), np.empty((n_starts, *size))
    history = np.empty((min(n_passes, MOST), n_starts))
    scratch, flags = np.empty(max(m_step.n_scratch, n_components)), np.zeros((2, n_components), dtype=np.bool_)
    n_done = _burst(
        plan.step, buffers.job_address, n_spans, _m_step_address(m_step.kernel), _mixing_address(mixing), rules.tol,
        rules.total_weight, plan.data.unit, rules.least, np.array(before), history, arrays["totals"],
        arrays["statistics"], totals, statistics, rows, both, arrays["density"], arrays["log_weights"],
        m_step.constants, plan.layout, scratch, flags,
    )  # fmt: skip
    order = (1 - n_done % 2, n_done % 2)
    return Outcome(n_done, history[:n_done], totals, statistics, rows[order, :], both[order, :])
