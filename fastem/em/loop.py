"""The only loop: fold, test, guard, maximise; over several starts at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastem.compiled.arrays import some
from fastem.data.fold import Mixtures
from fastem.em import reseed as reseeding
from fastem.em.accelerate import Accelerator
from fastem.em.stopping import Stopping, distance
from fastem.families.base import Array
from fastem.model.model import Step
from fastem.model.problem import Problem
from fastem.model.result import Record, Status
from fastem.model.starving import RESEED, STOP

Callback = Callable[[Record], Any]

# A fall of a log-likelihood by less than this fraction of it may be rounding; by bytes of a number.
ROUNDING = {4: 1e-7, 8: 1e-14}
# Losers are looked for after this many steps.
DROP_FIRST = 5
# Two starts are on their way to the same optimum if no parameter differs by more than this, nor by more than this part
# of the distance between two components.
SAME, SAME_APART = 0.05, 0.1
# Starts that ended for the sake of a better one.
EARLY = Status.DROPPED, Status.MERGED


@dataclass
class Run:
    """One start on its way. Its step is evaluated next; `accepted` is the one whose likelihood ends the history."""

    index: int
    step: Step
    accelerator: Accelerator | None = None
    status: Status | None = None
    history: list[float] = field(default_factory=list)
    accepted: Step | None = None
    image: Step | None = None  # the plain step from `accepted`, while `step` is a leap
    vectors: tuple[Array, Array] | None = None  # of `step` and of `image`
    n_passes: int = 0
    n_refused: int = 0
    n_small: int = 0  # steps in a row that looked like the end
    value: float = math.nan  # of the stopping criterion
    reseeded: int = 0
    passes_on_parts: float = 0.0  # passes over parts of the data, as a number of passes over all of it
    fallback: Step | None = None  # what it goes on from if a part of the data leads it astray
    rivals: Sequence[Run] = ()  # all starts
    merged: Run | None = None  # the start that it was on its way to the same optimum with
    jumped: bool = False  # the last M-step seeded a component anew or dropped one, so its gain says nothing

    def restart(self, step: Step) -> None:
        """Begin anew from a step, on other data."""
        self.step, self.accepted, self.image, self.vectors = step, None, None, None
        self.status, self.history, self.value, self.n_small, self.jumped = None, [], math.nan, 0, False
        self.n_passes, self.n_refused = 0, 0
        if self.accelerator is not None:
            self.accelerator.forget()

    @property
    def solution(self) -> Step:
        """The parameters whose likelihood was found last."""
        return self.step if self.accepted is None else self.accepted

    @property
    def log_likelihood(self) -> float:
        """That of `solution`; -inf before all of the data has been seen."""
        return self.history[-1] if self.history else -math.inf

    @property
    def n_iter(self) -> int:
        """Steps taken."""
        return max(len(self.history) - 1, 0)

    @property
    def leading(self) -> bool:
        """Whether no rival that may win is ahead."""
        return not any(rival.log_likelihood > self.log_likelihood for rival in self.rivals if rival.fit)

    @property
    def fit(self) -> bool:
        """Whether it may win: it has been evaluated, and has neither collapsed nor overflowed."""
        return len(self.history) > 0 and (self.status is None or self.status.rank == 0)

    @property
    def patience(self) -> int:
        """Small steps in a row that mean convergence."""
        return 1 if self.accelerator is None else self.accelerator.patience


def loop(
    problem: Problem,
    runs: list[Run],
    stopping: Stopping,
    callback: Callback | None = None,
    keep: Callable[[int], None] | None = None,
    n_passes: int = 0,
) -> bool:
    """Move every start until it has a status; whether the callback ended them. All share each pass over the data.

    `keep` is told how many passes have been made, `n_passes` of them before, between any two.
    """
    passes = problem.passes()
    active = [run for run in runs if run.status is None]
    for run in runs:
        run.rivals = runs
    while active:
        mixtures = _mixtures([run.step for run in active])
        totals, statistics = passes.run(mixtures, mixtures.params, range(len(active)))
        before = [] if callback is None else [len(run.history) for run in active]
        moving = [i for i, run in enumerate(active) if _judge(problem, run, float(totals[i]), stopping)]
        # All of the statistics where all starts move: without copying them.
        chosen = statistics if len(moving) == len(active) else statistics[moving]
        images = problem.maximise_each(chosen, [active[i].step.params for i in moving])
        for i, gathered, image in zip(moving, chosen, images, strict=True):
            if active[i].image is None or _land(problem, active[i], float(totals[i]), image, stopping):
                _advance(problem, active[i], gathered, image, stopping)
        stop = callback is not None and _told(problem, active, before, callback)
        n_passes += 1
        if stopping.drop_losers and n_passes > DROP_FIRST and math.log2((n_passes - 1) / DROP_FIRST).is_integer():
            drop_losers(problem, runs, [run for run in active if run.status is None], stopping.margin)
        active = [run for run in runs if run.status is None]
        if stopping.drop_losers and not active:
            active = _revived(runs)
        if stop:
            for run in active:
                run.status = _ended(run, Status.STOPPED)
            return True
        if keep is not None and not stopping.late():  # what the time ended is not to be gone on with
            keep(n_passes)
    return False


def _told(problem: Problem, active: list[Run], before: list[int], callback: Callback) -> bool:
    """Tell the callback of every step that was accepted; whether it wants an end."""
    stop = False
    for run, n in zip(active, before, strict=True):
        if len(run.history) > max(n, 1):
            gain = (run.history[-1] - run.history[-2]) / problem.source.total_weight
            size = problem.source.n_samples, problem.source.total_weight
            stop = bool(callback(Record(run.index, run.n_iter, run.history[-1], gain, *size))) or stop
    return stop


def _mixtures(steps: list[Step]) -> Mixtures:
    """The mixtures of some starts; of one without copying it, as small fits have little else to do."""
    if len(steps) == 1:
        return Mixtures(steps[0].params[None], steps[0].log_weights[None])
    return Mixtures([step.params for step in steps], [step.log_weights for step in steps])


def _judge(problem: Problem, run: Run, total: float, stopping: Stopping) -> bool:
    """Whether a start goes on from the step that was evaluated; it may go on from an earlier one, or have ended."""
    run.n_passes += 1
    if run.image is not None:
        slack = ROUNDING[problem.source.dtype.itemsize] * abs(run.history[-1])
        if total >= run.history[-1] - slack:
            return True
        _go_back(run, stopping)
        return False
    if not math.isfinite(total):
        run.status = Status.NOT_FINITE  # the solution is the last step that was finite, if any
        if run.accepted is None:
            run.history.append(total)
        return False
    return _accept(problem, run, total, stopping)


def _accept(problem: Problem, run: Run, total: float, stopping: Stopping) -> bool:
    """Write a step into the history; whether the start goes on."""
    run.history.append(total)
    run.accepted, run.image = run.step, None
    run.status = _verdict(problem, run, stopping)
    return run.status is None


def _land(problem: Problem, run: Run, total: float, image: Step, stopping: Stopping) -> bool:
    """Accept or refuse a leap whose likelihood is good enough; whether the start goes on from it.

    A leap below a floor, where the M-step from it is held up, has a likelihood that no M-step could reach.
    """
    if some(image.floored) or _starves(run.step, image):
        _go_back(run, stopping)
        return False
    return _accept(problem, run, total, stopping)


def _go_back(run: Run, stopping: Stopping) -> None:
    """Refuse a leap: the next step is the plain one, which is known."""
    assert run.image is not None and run.accelerator is not None and run.vectors is not None
    run.accelerator.refuse()
    run.n_refused += 1
    run.step, run.image, run.vectors = run.image, None, (run.vectors[1], run.vectors[1])
    run.status = _exhausted(run, stopping)


def _verdict(problem: Problem, run: Run, stopping: Stopping) -> Status | None:
    """The status of a start after a pass, None to go on.

    Without a ridge a fall is rounding, the end of all gains; with one, it is a step towards another fixed point.
    """
    if stopping.criterion == "gain" and len(run.history) > 1:  # in few operations, as most steps of most fits end here
        run.value = (run.history[-1] - run.history[-2]) / problem.source.total_weight
        if run.value >= stopping.tol:
            run.n_small = 0
            return _exhausted(run, stopping)
    if stopping.criterion != "parameters":
        run.value = distance(stopping.criterion, run.history, problem.source.total_weight)
        fell = run.value <= -stopping.tol and bool(problem.limits.ridge.any())
        small = run.value < stopping.tol and not run.jumped and not fell
        if small and stopping.thorough and stopping.criterion == "gain" and stopping.tol > 0 and run.leading:
            # Steps of the best start may be small long before it is there, and it is the one that counts.
            small = not distance("aitken", run.history, problem.source.total_weight) >= stopping.tol
        if _arrived(run, small, stopping):
            return _ended(run, Status.CONVERGED)
    return _exhausted(run, stopping)


def _arrived(run: Run, small: bool, stopping: Stopping) -> bool:
    """Whether enough steps in a row were small."""
    run.n_small = run.n_small + 1 if small and stopping.tol > 0 else 0
    # The change of the parameters by an M-step is small at a fixed point alone, a gain sometimes elsewhere too.
    return run.n_small >= (1 if stopping.criterion == "parameters" else run.patience)


def _exhausted(run: Run, stopping: Stopping) -> Status | None:
    """The status of a start that may not go on, None where it may."""
    if len(run.history) > stopping.max_iter:
        return _ended(run, Status.MAX_ITER)
    if stopping.max_passes is not None and run.n_passes >= stopping.max_passes:
        return _ended(run, Status.MAX_PASSES)
    return _ended(run, Status.TIME_LIMIT) if stopping.late() else None


def _ended(run: Run, status: Status) -> Status:
    return Status.COLLAPSED if some(run.solution.floored) else status


def _advance(problem: Problem, run: Run, gathered: Array, image: Step, stopping: Stopping) -> None:
    """The next step: the M-step, or a leap beyond it.

    A component that starves is seeded anew, or left without weight for good, or ends the start.
    """
    run.jumped = False
    if some(image.starving):
        if problem.model.policy.starving == STOP:
            run.status = Status.STARVED
            return
        if problem.model.policy.starving == RESEED and run.reseeded < problem.n_components:
            image = reseeding.reseed(problem, run.step, image, gathered)
            run.reseeded += 1
            run.jumped = True
        elif np.isfinite(run.step.log_weights[image.starving]).any():
            run.jumped = True  # what was dropped takes some likelihood with it
    if stopping.criterion == "parameters" and not run.jumped:
        run.value = problem.change(run.step, image)
        if _arrived(run, run.value < stopping.tol, stopping):
            run.status = _ended(run, Status.CONVERGED)
            return
    if run.accelerator is None:
        run.step = image
        return
    run.step, run.vectors = _leap(problem, run, run.accelerator, image)
    run.image = image if run.step is not image else None


def _leap(problem: Problem, run: Run, accelerator: Accelerator, image: Step) -> tuple[Step, tuple[Array, Array] | None]:
    """Where to evaluate next, and the vectors of that point and of the image."""
    if run.jumped or _starves(run.step, image) or some(image.floored):
        accelerator.forget()  # the map has a kink there
        return image, None
    point = problem.vector(run.step) if run.vectors is None else run.vectors[0]
    target = problem.vector(image)
    leap = accelerator.tell(point, target)
    if leap is None:
        return image, (target, target)
    return problem.step_at(leap, np.isfinite(image.log_weights)), (leap, target)


def _starves(step: Step, image: Step) -> bool:
    """Whether a component that had samples is left without."""
    return some(image.starving) and some(image.starving & np.isfinite(step.log_weights))


def drop_losers(problem: Problem, runs: list[Run], judged: list[Run], margin: float) -> None:
    """End the judged starts that are behind the best one and would stay there, or are on their way to its optimum.

    The former, on their way, would not come within the margin (nats per sample) in twice the steps so far, each with
    the gain of the last: gains shrink on the way to an optimum, and a start on a plateau, which is about to gain more,
    is behind by little. The latter are much closer to the best one than any two of its components are to each other.
    Asked after DROP_FIRST steps, and again whenever their number has doubled.
    """
    rivals = (run for run in runs if run.fit and run.status not in EARLY)
    best = max(rivals, key=lambda run: run.log_likelihood, default=None)
    for run in judged:
        if best is None or run is best or run.status in EARLY or not run.fit or run.n_iter == 0:
            continue
        hope = 2 * run.n_iter * max(run.history[-1] - run.history[-2], 0.0) if run.status is None else 0.0
        if run.log_likelihood + hope < best.log_likelihood - margin * problem.source.total_weight:
            run.status = Status.DROPPED
            continue
        if np.abs(_shares(best) - _shares(run)).max() >= SAME:
            continue  # so their parameters, which take longer to match, differ by as much
        if problem.is_same(best.solution, run.solution, SAME, SAME_APART):
            run.status, run.merged = Status.MERGED, best


def _shares(run: Run) -> Array:
    """The mixing weights in order of size."""
    return np.sort(np.exp(run.solution.log_weights))


def _revived(runs: list[Run]) -> list[Run]:
    """Dropped starts ahead of all that ended well, as the one that led has collapsed: on their way again.

    Those that were dropped on a part of the data, only where no other ended well.
    """
    ended = [run for run in runs if run.status not in (None, *EARLY)]
    best = max((run.log_likelihood for run in ended if run.status and run.status.rank == 0), default=-math.inf)
    early = [run for run in runs if run.status in EARLY]
    revived = [run for run in early if run.log_likelihood > best or (best == -math.inf and not run.history)]
    for run in revived:
        run.status, run.merged = None, None
    return revived
