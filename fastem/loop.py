"""The only loop: fold, test, guard, maximise; over several starts at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastem import folding, guards, reseeding
from fastem.accelerate import Accelerator
from fastem.families.base import Array
from fastem.problem import Problem, Step
from fastem.results import Record, Status
from fastem.stopping import Stopping, distance

Callback = Callable[[Record], Any]

# A fall of a log-likelihood by less than this fraction of it may be rounding; by bytes of a number.
ROUNDING = {4: 1e-7, 8: 1e-14}
# Losers are looked for after this many steps, and must be behind by so many nats per sample.
DROP_FIRST, DROP_MARGIN = 5, 1e-5


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
    jumped: bool = False  # the last M-step seeded a component anew, so its gain says nothing

    @property
    def solution(self) -> Step:
        """The parameters whose likelihood was found last."""
        return self.step if self.accepted is None else self.accepted

    @property
    def log_likelihood(self) -> float:
        """That of `solution`."""
        return self.history[-1]

    @property
    def n_iter(self) -> int:
        """Steps taken."""
        return max(len(self.history) - 1, 0)

    @property
    def patience(self) -> int:
        """Small steps in a row that mean convergence."""
        return 1 if self.accelerator is None else self.accelerator.patience


def loop(
    problem: Problem, runs: list[Run], stopping: Stopping, callback: Callback | None, drop_losers: bool = False
) -> None:
    """Move every start until it has a status. All share each pass over the data."""
    plan = problem.plan()
    active = list(runs)
    while active:
        mixtures = _mixtures([run.step for run in active])
        totals, statistics = folding.run(plan, mixtures, mixtures.params, range(len(active)), problem.team)
        stop = False
        for run, total, gathered in zip(active, totals.tolist(), statistics, strict=True):
            accepted = _take(problem, run, total, gathered, stopping)
            if accepted and callback is not None and run.n_iter > 0:
                gain = (run.history[-1] - run.history[-2]) / problem.data.total_weight
                stop = bool(callback(Record(run.index, run.n_iter, total, gain))) or stop
        if drop_losers:
            _drop_losers(problem, runs)
        active = [run for run in runs if run.status is None]
        if drop_losers and not active:
            active = _revived(runs)
        if stop:
            for run in active:
                run.status = Status.STOPPED
            return


def _mixtures(steps: list[Step]) -> folding.Mixtures:
    """The mixtures of some starts; of one without copying it, as small fits have little else to do."""
    if len(steps) == 1:
        return folding.Mixtures(steps[0].params[None], steps[0].log_weights[None])
    return folding.Mixtures([step.params for step in steps], [step.log_weights for step in steps])


def _take(problem: Problem, run: Run, total: float, gathered: Array, stopping: Stopping) -> bool:
    """What the pass over a start's step has found: is it accepted, is it the end, and where to next."""
    run.n_passes += 1
    image = None
    if run.image is not None:
        slack = ROUNDING[problem.data.tiles.dtype.itemsize] * abs(run.history[-1])
        good = total >= run.history[-1] - slack
        image = problem.maximise(gathered, run.step.params) if good else None
        # A leap below a floor has a likelihood that no M-step could reach.
        if image is None or guards.some(image.floored) or guards.some(image.starving):
            _go_back(run, stopping)
            return False
    if not math.isfinite(total):
        run.status = Status.NOT_FINITE  # the solution is the last step that was finite, if any
        if run.accepted is None:
            run.history.append(total)
        return False
    run.history.append(total)
    run.accepted, run.image = run.step, None
    run.status = _verdict(problem, run, stopping)
    if run.status is None:
        _advance(problem, run, gathered, image, stopping)
    return True


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
    if stopping.criterion != "parameters":
        run.value = distance(stopping.criterion, run.history, problem.data.total_weight)
        fell = run.value <= -stopping.tol and bool(problem.limits.ridge.any())
        if _arrived(run, run.value < stopping.tol and not run.jumped and not fell, stopping):
            return _ended(run, Status.CONVERGED)
    return _exhausted(run, stopping)


def _arrived(run: Run, small: bool, stopping: Stopping) -> bool:
    """Whether enough steps in a row were small."""
    run.n_small = run.n_small + 1 if small and stopping.tol > 0 else 0
    # The change of the parameters by an M-step is small at a fixed point alone, a gain sometimes elsewhere too.
    return run.n_small >= (1 if stopping.criterion == "parameters" else run.patience)


def _exhausted(run: Run, stopping: Stopping) -> Status | None:
    """The status of a start that may not go on, None where it may."""
    if run.n_iter >= stopping.max_iter:
        return _ended(run, Status.MAX_ITER)
    if stopping.max_passes is not None and run.n_passes >= stopping.max_passes:
        return _ended(run, Status.MAX_PASSES)
    return _ended(run, Status.TIME_LIMIT) if stopping.late() else None


def _ended(run: Run, status: Status) -> Status:
    return Status.COLLAPSED if guards.some(run.solution.floored) else status


def _advance(problem: Problem, run: Run, gathered: Array, image: Step | None, stopping: Stopping) -> None:
    """The next step: the M-step, or a leap beyond it. A component that starves is seeded anew."""
    image = image or problem.maximise(gathered, run.step.params)
    run.jumped = False
    if guards.some(image.starving) and run.reseeded < problem.n_components:
        image = reseeding.reseed(problem, run.step, image, gathered)
        run.reseeded += 1
        run.jumped = True
    elif stopping.criterion == "parameters":
        run.value = problem.change(run.step, image)
        if _arrived(run, run.value < stopping.tol, stopping):
            run.status = _ended(run, Status.CONVERGED)
            return
    run.step, run.vectors = _leap(problem, run, image)
    run.image = image if run.step is not image else None


def _leap(problem: Problem, run: Run, image: Step) -> tuple[Step, tuple[Array, Array] | None]:
    """Where to evaluate next, and the vectors of that point and of the image."""
    if run.accelerator is None:
        return image, None
    if run.jumped or guards.some(image.starving) or guards.some(image.floored):
        run.accelerator.forget()  # the map has a kink there
        return image, None
    point = problem.vector(run.step) if run.vectors is None else run.vectors[0]
    target = problem.vector(image)
    leap = run.accelerator.tell(point, target)
    if leap is None:
        return image, (target, target)
    return problem.step_at(leap), (leap, target)


def _drop_losers(problem: Problem, runs: list[Run]) -> None:
    """End the starts that would not reach the best one in twice the steps so far, each with the gain of the last.

    Asked after DROP_FIRST steps, and again whenever their number has doubled. Gains shrink on the way to an optimum; a
    start on a plateau, which is about to gain more, is behind by little.
    """
    fit = [run for run in runs if run.history and (run.status is None or run.status.rank == 0)]
    leader = max(fit, key=lambda run: run.log_likelihood, default=None)
    for run in fit:
        steps = run.n_iter / DROP_FIRST
        if run.status is None and run is not leader and steps >= 1 and math.log2(steps).is_integer():
            reach = run.log_likelihood + 2 * run.n_iter * max(run.history[-1] - run.history[-2], 0.0)
            if leader is not None and reach < leader.log_likelihood - DROP_MARGIN * problem.data.total_weight:
                run.status = Status.DROPPED


def _revived(runs: list[Run]) -> list[Run]:
    """Dropped starts ahead of all that ended well, as the one that led has collapsed: on their way again."""
    ended = [run for run in runs if run.status is not None and run.status is not Status.DROPPED]
    best = max((run.log_likelihood for run in ended if run.status and run.status.rank == 0), default=-math.inf)
    revived = [run for run in runs if run.status is Status.DROPPED and run.log_likelihood > best]
    for run in revived:
        run.status = None
    return revived
