"""What becomes of a start after a pass: its step is accepted or refused, or it has ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastem.compiled.arrays import some
from fastem.em.stopping import Stopping, distance
from fastem.em.track import Leap, Track
from fastem.model.model import Step
from fastem.model.problem import Problem
from fastem.model.result import Status

# A log-likelihood that falls by less than this fraction of itself may do so by rounding. The keys are bytes per number.
ROUNDING = {4: 1e-7, 8: 1e-14}


@dataclass(frozen=True)
class Accepted:
    """The step is good; a leap still has to land, see `lands`."""


@dataclass(frozen=True)
class Refused:
    """The leap has lowered the objective."""


@dataclass(frozen=True)
class Ended:
    """The start has ended."""

    status: Status


Judgement = Accepted | Refused | Ended
ACCEPTED, REFUSED = Accepted(), Refused()


def judge(
    problem: Problem,
    track: Track,
    objective: float,
    log_likelihood: float,
    stopping: Stopping,
    rivals: Sequence[Track],
) -> Judgement:
    """Judge the proposed step of a start by its objective; an accepted plain step is written into its history."""
    if isinstance(track.proposal, Leap):
        slack = ROUNDING[problem.source.dtype.itemsize] * abs(track.history[-1])
        return ACCEPTED if objective >= track.history[-1] - slack else REFUSED
    if not math.isfinite(objective):
        if track.accepted is None:  # otherwise the solution is the last step that was finite
            track.history.append(objective)
            track.log_likelihood = log_likelihood
        return Ended(Status.NOT_FINITE)
    track.accept(objective, log_likelihood)
    return settle(problem, track, stopping, rivals)


def lands(track: Track, image: Step) -> bool:
    """Whether a leap with a good objective is within bounds.

    A leap below a floor has a likelihood that no M-step could reach. It shows in the M-step from there, `image`, which
    is held at the floor.
    """
    return not (some(image.floored) or starves(track.proposal.step, image))


def starves(step: Step, image: Step) -> bool:
    """Whether a component that had samples has none left."""
    return some(image.starving) and some(image.starving & (step.log_weights > -math.inf))


def settle(problem: Problem, track: Track, stopping: Stopping, rivals: Sequence[Track]) -> Judgement:
    """Whether a start goes on from the step that it has just accepted.

    Without a ridge, a fall of the objective is rounding, so there is nothing left to gain. With one, the objective may
    really fall on the way to the fixed point, so a fall is no reason to stop.
    """
    total_weight = problem.source.total_weight
    if stopping.criterion == "gain" and len(track.history) > 1:  # in few operations, as most steps end here
        track.value = (track.history[-1] - track.history[-2]) / total_weight
        if track.value >= stopping.tol:
            track.n_small = 0
            return exhausted(track, stopping)
    if stopping.criterion != "parameters":
        track.value = distance(stopping.criterion, track.history, total_weight)
        small = not track.jumped and bool(is_small(track.value, stopping.tol, some(problem.limits.ridge)))
        if small and stopping.thorough and stopping.criterion == "gain" and stopping.tol > 0 and leads(track, rivals):
            # The best start is the one that counts, and its steps may be small long before it has arrived.
            small = not distance("aitken", track.history, total_weight) >= stopping.tol
        if arrived(track, small, stopping):
            return ended(track, Status.CONVERGED)
    return exhausted(track, stopping)


def is_small(value: Any, tol: float, has_ridge: Any) -> Any:
    """Whether a criterion is below tol, but is no fall on the way to the fixed point of a ridge; for arrays, too."""
    return (value < tol) & ((value > -tol) | np.logical_not(has_ridge))


def leads(track: Track, rivals: Sequence[Track]) -> bool:
    """Whether no rival that may win is ahead."""
    return not any(rival.objective > track.objective for rival in rivals if rival.may_win)


def arrived(track: Track, small: bool, stopping: Stopping) -> bool:
    """Whether enough steps in a row were small."""
    track.n_small = track.n_small + 1 if small and stopping.tol > 0 else 0
    # An M-step changes the parameters little only at a fixed point. A gain may be small elsewhere too.
    return track.n_small >= (1 if stopping.criterion == "parameters" else track.patience)


def exhausted(track: Track, stopping: Stopping) -> Judgement:
    """Whether a start has used up its iterations, its passes or the time."""
    if len(track.history) > stopping.max_iter:
        return ended(track, Status.MAX_ITER)
    if stopping.max_passes is not None and track.n_passes >= stopping.max_passes:
        return ended(track, Status.MAX_PASSES)
    return ended(track, Status.TIME_LIMIT) if stopping.late() else ACCEPTED


def ended(track: Track, status: Status) -> Ended:
    """The end of a start with this status, or with COLLAPSED if a component is held at the floor of floating point."""
    return Ended(Status.COLLAPSED if some(track.solution.collapsed) else status)
