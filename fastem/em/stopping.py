"""When a sequence has come close enough to its limit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, get_args

Criterion = Literal["gain", "relative", "parameters", "aitken"]
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)


class Stopping(NamedTuple):
    """What ends a start.

    criterion: one of CRITERIA. tol: the sequence has converged when the criterion is below it; with 0 it never has.
    max_iter: M-steps. max_passes: passes over the data, refused leaps included; None for any number. deadline: a time
    of the clock, or infinity. drop_losers: whether starts that are behind others by `margin`, nats per sample, end
    early. thorough: whether the best start must satisfy "aitken" too. hasten: whether the best start is accelerated if
    it crawls.
    """

    criterion: Criterion
    tol: float
    max_iter: int
    max_passes: int | None
    deadline: float = math.inf
    drop_losers: bool = False
    margin: float = 1e-5
    thorough: bool = False
    hasten: bool = False
    clock: Callable[[], float] = time.perf_counter

    def late(self) -> bool:
        """Whether the time is up."""
        return self.deadline != math.inf and self.clock() >= self.deadline


def deadline(time_limit: float | None, clock: Callable[[], float] = time.perf_counter) -> float:
    """When `time_limit` seconds from now will be over."""
    return math.inf if time_limit is None else clock() + time_limit


def distance(criterion: str, history: Sequence[float], scale: float) -> float:
    """How far from its limit a sequence of objectives seems to be, by a criterion that looks at them alone.

    "gain": the last increase, divided by `scale`. "relative": the last increase relative to the objective's size.
    "aitken": what is left to gain if the increases shrink geometrically, g a / (1 - a) divided by `scale`, where g is
    the last increase and a its ratio to the one before (Boehning et al. 1994, Ann. Inst. Statist. Math. 46, section 3).
    NaN while the history is too short.
    """
    if len(history) < 2:
        return math.nan
    gain = history[-1] - history[-2]
    if criterion == "gain":
        return gain / scale
    if criterion == "relative":
        return gain / abs(history[-2]) if history[-2] else math.copysign(math.inf, gain)
    if len(history) < 3:
        return math.nan
    before = history[-2] - history[-3]
    if gain <= 0.0:
        return gain / scale
    ratio = gain / before if before > 0.0 else 1.0
    return gain * ratio / (1.0 - ratio) / scale if ratio < 1.0 else math.inf
