"""From starts that have ended to a result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastem.em.loop import Run
from fastem.families.base import Array, Parameters
from fastem.model.model import Step
from fastem.model.problem import Problem
from fastem.model.result import Result, StartReport, Status
from fastem.model.starving import DROP

# Starts have reached the best likelihood if they are this close to it, in nats per sample.
REACHED = 1e-5


def best(problem: Problem, runs: list[Run], criterion: str) -> Result:
    """The result of the best start: lowest rank of status, then highest likelihood, then first."""
    found = []
    for run in runs:
        with np.errstate(over="ignore", under="ignore"):
            named = problem.family.unpack(run.solution.params, problem.source.frame, problem.n_components)
        if problem.model.policy.starving == DROP:
            named = problem.family.take(named, np.flatnonzero(_kept(run.solution)))
        found.append(named)
        if not _is_representable(problem, named):
            run.status = Status.NOT_FINITE

    def order(run: Run) -> tuple[int, float]:
        rank = (run.status or Status.NOT_FINITE).rank if run.history else Status.NOT_FINITE.rank
        return rank, -run.log_likelihood if np.isfinite(run.log_likelihood) else np.inf

    winner = min(runs, key=order)
    log_weights = winner.solution.log_weights
    weights = np.exp(log_weights[_kept(winner.solution)] if problem.model.policy.starving == DROP else log_weights)
    reports = tuple(
        StartReport(
            run.status or Status.NOT_FINITE,
            run.log_likelihood if run.history else np.nan,
            run.n_iter,
            run.n_passes,
            run.reseeded,
            int(run.solution.floored.sum()),
            run.n_refused,
            _distance(problem, winner, run),
            int(np.isneginf(run.solution.log_weights).sum()),
            run.passes_on_parts,
        )
        for run in runs
    )
    return Result(
        model=replace(problem.model, n_components=len(weights)),
        weights=weights / weights.sum(),
        parameters=found[winner.index],
        log_likelihood=winner.log_likelihood,
        history=np.array(winner.history),
        n_iter=winner.n_iter,
        n_passes=winner.n_passes,
        status=reports[winner.index].status,
        starts=reports,
        best_start=winner.index,
        n_samples=problem.source.n_samples,
        total_weight=problem.source.total_weight,
        criterion=criterion,
        criterion_value=winner.value,
    )


def _distance(problem: Problem, winner: Run, run: Run) -> float | None:
    """How far a start that reached the best likelihood is from the best one; None for others."""
    while run.merged is not None:
        run = run.merged
    if run is winner:
        return 0.0
    if not abs(run.log_likelihood - winner.log_likelihood) <= REACHED * problem.source.total_weight:
        return None
    return problem.matched_change(winner.solution, run.solution)


def _kept(step: Step) -> Array:
    """Which components have samples, (n_components,) bool; all, should none have any."""
    alive = ~np.isneginf(step.log_weights)
    return alive if alive.any() else ~alive


def _is_representable(problem: Problem, parameters: Parameters) -> bool:
    """Whether named parameters are still what they must be in the user's units.

    Variances of data of magnitude 1e200 overflow there, though the fit itself, in scaled coordinates, went well.
    """
    return all(p.kind.is_representable(np.asarray(parameters[p.name])) for p in problem.family.parameters)
