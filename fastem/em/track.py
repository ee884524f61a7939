"""One start on its way: what is known about it, and where it is to be evaluated next."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from fastem.em.accelerate import Accelerator, accelerator
from fastem.families.base import Array
from fastem.model.model import Step
from fastem.model.result import Status

# The statuses of starts that ended early because another one is better or as good.
EARLY = Status.DROPPED, Status.MERGED


class Plain(NamedTuple):
    """A step to evaluate: a start's own, or an M-step. vector: the step as a vector, or None if it is not known."""

    step: Step
    vector: Array | None = None


class Leap(NamedTuple):
    """A step beyond the M-step. fallback: that M-step, from which the start goes on if the leap is refused."""

    step: Step
    vector: Array
    fallback: Plain


@dataclass
class Track:
    """What is known about one start. The loop owns it; everything else reads it.

    index: its place among the starts. proposal: what is evaluated next. status: how it ended; None while it is on its
    way. history: the objective after each accepted step. accepted: the last accepted step. log_likelihood: that of the
    accepted step. n_small: how many steps in a row looked like convergence. value: the last value of the stopping
    criterion. jumped: whether the last M-step seeded a component anew or dropped one, so that its gain says nothing.
    passes_on_parts: passes over parts of the data, as a number of passes over all of it. refuge: the step that it
    returns to if a part of the data leads it astray. merged: the index of the start that it was merged with, as both
    were on their way to the same optimum. crawled: whether it was accelerated because it crawled. born: whether it
    began as a change of another start's solution. refused_at: which passes were on leaps that were refused, from 0 on.
    """

    index: int
    proposal: Plain | Leap
    accelerator: Accelerator | None = None
    status: Status | None = None
    history: list[float] = field(default_factory=list)
    log_likelihood: float = -math.inf
    accepted: Step | None = None
    n_passes: int = 0
    n_refused: int = 0
    n_small: int = 0
    value: float = math.nan
    reseeded: int = 0
    jumped: bool = False
    passes_on_parts: float = 0.0
    refuge: Step | None = None
    merged: int | None = None
    crawled: bool = False
    born: bool = False
    refused_at: list[int] = field(default_factory=list)

    def restart(self, step: Step) -> None:
        """Begin anew from a step, on other data."""
        self.proposal, self.accepted, self.status, self.history = Plain(step), None, None, []
        self.log_likelihood, self.value, self.n_small, self.jumped = -math.inf, math.nan, 0, False
        self.n_passes, self.n_refused, self.refused_at = 0, 0, []
        if self.accelerator is not None:
            self.accelerator.forget()

    def accept(self, objective: float, log_likelihood: float) -> None:
        """Write the proposed step, which has been evaluated, into the history."""
        self.history.append(objective)
        self.accepted, self.log_likelihood = self.proposal.step, log_likelihood

    def refuse(self) -> None:
        """Refuse the proposed leap: the plain step, which is known already, is evaluated next."""
        assert isinstance(self.proposal, Leap) and self.accelerator is not None
        self.accelerator.refuse()
        self.n_refused += 1
        self.refused_at.append(self.n_passes - 1)
        self.proposal = self.proposal.fallback

    @property
    def solution(self) -> Step:
        """The parameters whose likelihood was found last."""
        return self.proposal.step if self.accepted is None else self.accepted

    @property
    def objective(self) -> float:
        """The objective of `solution`; -inf before all of the data has been seen."""
        return self.history[-1] if self.history else -math.inf

    @property
    def n_iter(self) -> int:
        """Steps taken."""
        return max(len(self.history) - 1, 0)

    @property
    def path(self) -> Array:
        """The objective after each pass, NaN where a leap was refused."""
        if not self.refused_at:  # in a microsecond, as every fit asks for it
            return np.array(self.history[: self.n_passes])
        path = np.full(len(self.history) + len(self.refused_at), np.nan)
        accepted = np.setdiff1d(np.arange(len(path)), self.refused_at)
        path[accepted[: len(self.history)]] = self.history
        return path

    @property
    def may_win(self) -> bool:
        """Whether it has been evaluated, and has neither collapsed nor overflowed."""
        return len(self.history) > 0 and (self.status is None or self.status.rank == 0)

    @property
    def patience(self) -> int:
        """How many small steps in a row mean convergence."""
        return 1 if self.accelerator is None else self.accelerator.patience

    def state(self) -> dict[str, Any]:
        """All fields as numbers, text, arrays, and lists and dicts of them."""
        state: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        state["history"], state["refused_at"] = list(self.history), list(self.refused_at)
        state["status"] = None if self.status is None else self.status.name
        state["accepted"], state["refuge"] = _listed(self.accepted), _listed(self.refuge)
        if self.accelerator is not None:
            state["accelerator"] = [self.accelerator.name, self.accelerator.state()]
        proposed: list[Any] = [_listed(self.proposal.step), self.proposal.vector]
        if isinstance(self.proposal, Leap):
            proposed += [_listed(self.proposal.fallback.step), self.proposal.fallback.vector]
        return {**state, "proposal": proposed}


def track_of(state: dict[str, Any]) -> Track:
    """The inverse of `Track.state`."""
    step, vector, *fallback = state["proposal"]
    proposal: Plain | Leap = Plain(Step(*step), vector)
    if fallback:
        proposal = Leap(Step(*step), vector, Plain(Step(*fallback[0]), fallback[1]))
    sequence = None
    if state["accelerator"] is not None:
        name, remembered = state["accelerator"]
        sequence = accelerator(name)
        assert sequence is not None
        sequence.restore(remembered)
    steps = {name: None if state[name] is None else Step(*state[name]) for name in ("accepted", "refuge")}
    status = None if state["status"] is None else Status[state["status"]]
    return Track(**{**state, **steps, "proposal": proposal, "accelerator": sequence, "status": status})


def _listed(step: Step | None) -> list[Array] | None:
    return None if step is None else list(step)
