"""The only loop, over several starts at once: fold, judge, maximise, propose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastem.compiled.arrays import some
from fastem.data.bursts.passes import Outcome
from fastem.data.fold import Mixtures
from fastem.em import crawling
from fastem.em.bursts import bursts
from fastem.em.reseed import reseed
from fastem.em.rivals import drop_losers, is_time, revived
from fastem.em.stopping import Stopping
from fastem.em.track import Leap, Plain, Track
from fastem.em.verdicts import ACCEPTED, Ended, arrived, ended, exhausted, judge, lands, settle, starves
from fastem.families.base import Array
from fastem.model.model import Step
from fastem.model.problem import Problem
from fastem.model.result import Record, Status
from fastem.model.starving import RESEED, STOP

Callback = Callable[[Record], Any]


def loop(
    problem: Problem,
    tracks: Sequence[Track],
    stopping: Stopping,
    callback: Callback | None = None,
    keep: Callable[[int], None] | None = None,
    n_passes: int = 0,
    begun: Outcome | None = None,
) -> bool:
    """Move every start until it has a status. All of them share each pass over the data.

    Returns whether the callback ended them. n_passes: passes made before. keep: called between any two passes with the
    number of passes made so far, those before included. begun: a first burst that has been made, if it may be made.
    """
    passes = problem.passes()
    quick = bursts(problem, passes, stopping, tracks, looked_at=callback is not None or keep is not None)
    active = [track for track in tracks if track.status is None]
    while active:
        room = 0 if quick is None or begun is not None else quick.room(active, n_passes)
        if quick is not None and begun is not None:
            (totals, statistics, n_done), begun = quick.told(active, begun), None
            n_passes += n_done
        elif quick is not None and room:
            totals, statistics, n_done = quick.run(active, room)
            n_passes += n_done
        else:
            mixtures = _mixtures([track.proposal.step for track in active])
            totals, statistics = passes.run(mixtures, mixtures.params, range(len(active)))
        before = [] if callback is None else [len(track.history) for track in active]
        _move(problem, tracks, active, totals, statistics, stopping)
        stop = callback is not None and told(problem, tracks, active, before, stopping.tol, callback)
        n_passes += 1
        if stopping.drop_losers and is_time(n_passes):
            drop_losers(problem, tracks, [track for track in active if track.status is None], stopping.margin)
        if stopping.hasten and crawling.is_time(n_passes):
            crawling.hasten(problem, tracks)
        active = [track for track in tracks if track.status is None]
        if stopping.drop_losers and not active:
            active = revived(tracks)
        if stop:
            for track in active:
                track.status = ended(track, Status.STOPPED).status
            return True
        # After the time limit nothing new is kept: a resumed fit goes on from before the limit ended its starts.
        if keep is not None and not stopping.late():
            keep(n_passes)
    return False


def _move(
    problem: Problem,
    tracks: Sequence[Track],
    active: Sequence[Track],
    totals: Array,
    statistics: Array,
    stopping: Stopping,
) -> None:
    """Judge the evaluated proposals, and make the next proposal of each start that goes on."""
    objectives, going = [], []
    for i, track in enumerate(active):
        track.n_passes += 1
        total = float(totals[i])
        objectives.append(problem.objective(total, track.proposal.step))
        verdict = judge(problem, track, objectives[i], total, stopping, tracks)
        if verdict is ACCEPTED:  # mostly so; a comparison saves the microsecond of a match statement
            going.append(i)
        elif isinstance(verdict, Ended):
            track.status = verdict.status
        else:
            _go_back(track, stopping)
    # Choosing copies the statistics, so nothing is chosen if all starts move.
    chosen = statistics if len(going) == len(active) else statistics[going]
    images = problem.maximise_each(chosen, [active[i].proposal.step.params for i in going])
    for i, gathered, image in zip(going, chosen, images, strict=True):
        track = active[i]
        if isinstance(track.proposal, Leap) and not _land(
            problem, track, image, objectives[i], float(totals[i]), stopping, tracks
        ):
            continue
        _propose(problem, track, gathered, image, stopping)


def _go_back(track: Track, stopping: Stopping) -> None:
    """Refuse a leap; the start goes on from the plain step unless it has used up its passes."""
    track.refuse()
    verdict = exhausted(track, stopping)
    track.status = verdict.status if isinstance(verdict, Ended) else None


def _land(
    problem: Problem,
    track: Track,
    image: Step,
    objective: float,
    log_likelihood: float,
    stopping: Stopping,
    tracks: Sequence[Track],
) -> bool:
    """Accept a leap whose objective is good enough, or refuse it for its place; whether the start goes on from it."""
    if not lands(track, image):
        _go_back(track, stopping)
        return False
    track.accept(objective, log_likelihood)
    verdict = settle(problem, track, stopping, tracks)
    track.status = verdict.status if isinstance(verdict, Ended) else None
    return track.status is None


def _propose(problem: Problem, track: Track, gathered: Array, image: Step, stopping: Stopping) -> None:
    """Set the next proposal of a start: the M-step, or a leap beyond it.

    A component that starves is seeded anew, or left without weight for good, or ends the start.
    """
    step, policy = track.proposal.step, problem.model.policy
    track.jumped = False
    if some(image.starving):
        if policy.starving == STOP:
            track.status = Status.STARVED
            return
        if policy.starving == RESEED and track.reseeded < problem.n_components:
            image = reseed(problem, step, image, gathered)
            track.reseeded += 1
            track.jumped = True
        elif (np.isfinite(step.log_weights) & np.isneginf(image.log_weights) & image.starving).any():
            track.jumped = True  # a dropped component takes some likelihood with it
    if stopping.criterion == "parameters" and not track.jumped:
        track.value = problem.change(step, image)
        if arrived(track, track.value < stopping.tol, stopping):
            track.status = ended(track, Status.CONVERGED).status
            return
    track.proposal = Plain(image) if track.accelerator is None else _leap(problem, track, image)


def _leap(problem: Problem, track: Track, image: Step) -> Plain | Leap:
    """Where to evaluate next: the M-step, or a leap beyond it."""
    point, sequence = track.proposal, track.accelerator
    assert sequence is not None
    if track.jumped or starves(point.step, image) or some(image.floored):
        sequence.forget()  # the map has a kink there
        return Plain(image)
    target = problem.vector(image)
    leap = sequence.tell(problem.vector(point.step) if point.vector is None else point.vector, target)
    if leap is None:
        return Plain(image, target)
    return Leap(problem.step_at(leap, np.isfinite(image.log_weights)), leap, Plain(image, target))


def told(
    problem: Problem,
    tracks: Sequence[Track],
    active: Sequence[Track],
    before: Sequence[int],
    tol: float,
    callback: Callback,
) -> bool:
    """Tell the callback about every accepted step; whether it wants the fit to end."""
    stop, n_ended = False, sum(track.status is not None for track in tracks)
    for track, n in zip(active, before, strict=True):
        if len(track.history) > max(n, 1):
            gain = (track.history[-1] - track.history[-2]) / problem.source.total_weight
            size = problem.source.n_samples, problem.source.total_weight
            record = Record(track.index, track.n_iter, track.log_likelihood, gain, *size)
            record = record._replace(n_starts=len(tracks), n_ended=n_ended, value=track.value, tol=tol)
            stop = bool(callback(record)) or stop
    return stop


def _mixtures(steps: Sequence[Step]) -> Mixtures:
    """The mixtures of some starts. A single start is not copied, because the copy would slow down small fits."""
    if len(steps) == 1:
        return Mixtures(steps[0].params[None], steps[0].log_weights[None])
    return Mixtures([step.params for step in steps], [step.log_weights for step in steps])
