"""From starts that have ended to a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fastem.em.track import Track
from fastem.families.base import Array
from fastem.model.model import Step
from fastem.model.problem import Problem
from fastem.model.result import Result, StartReport, Status
from fastem.model.starving import DROP

# A start has reached the best likelihood if it is this close to it, in nats per sample.
REACHED = 1e-5


def best(problem: Problem, tracks: Sequence[Track], criterion: str) -> Result:
    """The result of the best start: lowest rank of status, then highest likelihood, then first."""
    found = []
    for track in tracks:
        with np.errstate(over="ignore", under="ignore"):
            named = problem.family.unpack(track.solution.params, problem.source.frame, problem.n_components)
        if problem.model.policy.starving == DROP:
            named = problem.family.take(named, np.flatnonzero(_kept(track.solution)))
        found.append(named)
        # The fit works in scaled coordinates and may go well, while the variances of data of size 1e200 overflow.
        if not problem.family.is_representable(named):
            track.status = Status.NOT_FINITE

    def order(track: Track) -> tuple[int, float]:
        rank = (track.status or Status.NOT_FINITE).rank if track.history else Status.NOT_FINITE.rank
        return rank, -track.objective if np.isfinite(track.objective) else np.inf

    winner = min(tracks, key=order)
    log_weights = winner.solution.log_weights
    weights = np.exp(log_weights[_kept(winner.solution)] if problem.model.policy.starving == DROP else log_weights)
    reports = tuple(
        StartReport(
            track.status or Status.NOT_FINITE,
            track.log_likelihood if track.history else np.nan,
            track.n_iter,
            track.n_passes,
            track.reseeded,
            int(track.solution.floored.sum()),
            track.n_refused,
            _distance(problem, tracks, winner, track),
            int(np.isneginf(track.solution.log_weights).sum()),
            track.passes_on_parts,
        )
        for track in tracks
    )
    return Result(
        model=replace(problem.model, n_components=len(weights)),
        weights=weights / weights.sum(),
        parameters=found[winner.index],
        log_likelihood=winner.log_likelihood,
        objective=winner.objective,
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


def _distance(problem: Problem, tracks: Sequence[Track], winner: Track, track: Track) -> float | None:
    """How far a start that reached the best likelihood is from the best one; None for others."""
    while track.merged is not None:
        track = tracks[track.merged]
    if track is winner:
        return 0.0
    if not abs(track.objective - winner.objective) <= REACHED * problem.source.total_weight:
        return None
    return problem.matched_change(winner.solution, track.solution)


def _kept(step: Step) -> Array:
    """Which components have samples, (n_components,) bool. If none has any, all are kept."""
    alive = ~np.isneginf(step.log_weights)
    return alive if alive.any() else ~alive
