"""From starts that have ended to a result."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastem.data.fold import Mixtures
from fastem.em.stopping import Stopping
from fastem.em.track import Track
from fastem.families.base import Array
from fastem.families.constraints import put_in
from fastem.fitting.notes import notes_of
from fastem.model.model import Step
from fastem.model.problem import Problem
from fastem.model.result import Result, StartReport, Status
from fastem.model.starving import DROP, HARD, SOFT

# A collapsed start wins if it would be this far ahead, in nats per sample, without its collapse.
AHEAD = 0.01
# A start has reached the best likelihood if it is this close to it, in nats per sample.
REACHED = 1e-5


def best(problem: Problem, tracks: Sequence[Track], stopping: Stopping) -> Result:
    """The result of the best start: lowest rank of status, then highest likelihood, then first.

    A collapsed start wins only where no other ended well, or where the others are far behind, see `_ahead_anyway`.
    """
    found = []
    for track in tracks:
        with np.errstate(over="ignore", under="ignore"):
            named = problem.family.unpack(track.solution.params, problem.source.frame, problem.n_components)
        named = put_in(named, problem.model.constraints.fixed)  # without the rounding of units
        if problem.model.policy.starving == DROP:
            named = problem.family.take(named, np.flatnonzero(_kept(track.solution)))
        found.append(named)
        # The fit works in scaled coordinates and may go well, while the variances of data of size 1e200 overflow.
        if not problem.family.is_representable(named):
            track.status = Status.NOT_FINITE

    def order(track: Track) -> tuple[int, float]:
        rank = (track.status or Status.NOT_FINITE).rank if track.history else Status.NOT_FINITE.rank
        return rank, -track.objective if np.isfinite(track.objective) else np.inf

    winner = _ahead_anyway(problem, tracks) or min(tracks, key=order)
    kept = np.flatnonzero(_kept(winner.solution) | (problem.model.policy.starving != DROP))
    weights = np.exp(winner.solution.log_weights[kept])
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
    known = problem.source.known
    return Result(
        model=problem.model.take(kept),
        weights=weights / weights.sum(),
        parameters=found[winner.index],
        log_likelihood=_log_likelihood(problem, winner),
        objective=winner.objective,
        history=np.array(winner.history),
        n_iter=winner.n_iter,
        n_passes=winner.n_passes,
        status=reports[winner.index].status,
        starts=reports,
        best_start=winner.index,
        n_samples=problem.source.n_samples,
        total_weight=problem.source.total_weight,
        criterion=stopping.criterion,
        criterion_value=winner.value,
        collapsed=tuple(int(k) for k in np.flatnonzero(winner.solution.collapsed[kept])),
        notes=notes_of(problem, tracks, winner, stopping, kept),
        paths=tuple(track.path for track in tracks),
        n_labelled=0 if known is None else int(np.count_nonzero(known.informative(problem.n_components))),
    )


def _log_likelihood(problem: Problem, winner: Track) -> float:
    """That of the mixture, which classification EM does not look at."""
    if problem.model.assignment != HARD or not winner.history:
        return winner.log_likelihood
    step = winner.solution
    passes = problem.changed(assignment=SOFT).passes()
    return float(passes.run(Mixtures(step.params[None], step.log_weights[None]), step.params[None], [0])[0][0])


def _ahead_anyway(problem: Problem, tracks: Sequence[Track]) -> Track | None:
    """The collapsed start, if any, that would be far ahead of all that ended well even if it had not collapsed.

    The likelihood of a collapsed start is as high as its floor is low, so it cannot be compared. With the collapsed
    components as wide as the narrowest of its others, it is that of an ordinary mixture. If that one is better than
    whatever the other starts have found, a spike is what the data show: many equal values, or one far from all others.
    """
    well = [track.objective for track in tracks if track.status is not None and track.status.rank == 0]
    honest = max(well, default=np.nan)
    candidates, steps = [], []
    for track in tracks:
        if track.status is Status.COLLAPSED and track.objective > honest:
            step = track.solution
            others = _kept(step) & ~step.collapsed
            with np.errstate(all="ignore"):
                params = problem.family.widened(step.params, step.collapsed, others, problem.source.frame)
            if params is not None:
                candidates.append(track)
                steps.append(step._replace(params=params))
    if not candidates:
        return None
    mixtures = Mixtures([step.params for step in steps], [step.log_weights for step in steps])
    totals = problem.passes().run(mixtures, mixtures.params, range(len(steps)))[0]
    objectives = [problem.objective(float(total), step) for total, step in zip(totals, steps, strict=True)]
    best = int(np.argmax(np.where(np.isnan(objectives), -np.inf, objectives)))
    return candidates[best] if objectives[best] > honest + AHEAD * problem.source.total_weight else None


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
