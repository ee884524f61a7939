"""How the optimum is looked for: where to begin, how many starts, when to stop, and how to save time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastem import validation
from fastem.em.accelerate import AUTO, CHOICES, Hastening
from fastem.em.stopping import CRITERIA, Criterion, Stopping, deadline
from fastem.fitting.parts import LARGE, SMALLEST
from fastem.model.result import Result
from fastem.starts import auto as starts
from fastem.starts.names import StartMethod


class HasArray(Protocol):
    """An object that NumPy turns into an array: one of its own, or a table of pandas or polars."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any: ...


# Numbers in rows and columns. NumPy's own ArrayLike would do, if a misspelt name of a method were not array-like too.
Matrix = HasArray | Sequence[Sequence[float]]
Start = StartMethod | Mapping[str, Any] | Result | Matrix | Sequence[int]


@dataclass(frozen=True)
class Search:
    """The arguments of `fit` that say how the optimum is looked for; `fit` documents them under the same names.

    smallest_part: samples of the smallest part of the data to begin on. large: the number of samples from which on a
    fit begins on parts unless it is told not to. clock: seconds, for the time limit. deadline: when the time limit,
    counted from the making of this object, is over.
    """

    start: Start = "auto"
    n_init: int = 1
    tol: float = 1e-6
    max_iter: int = 1000
    accelerate: Hastening | None = "auto"
    criterion: Criterion = "gain"
    max_passes: int | None = None
    time_limit: float | None = None
    drop_losers: bool | None = None
    progressive: bool | None = None
    smallest_part: int = SMALLEST
    large: int = LARGE
    clock: Callable[[], float] = time.perf_counter
    deadline: float = field(init=False, default=math.inf)

    def __post_init__(self) -> None:
        """Refuse arguments that no fit can use. The start is checked later, together with the data.

        Raises
        ------
        ValueError, TypeError : the message names the argument.
        """
        validation.check_fit_arguments(self.n_init, self.tol, self.max_iter)
        validation.check_choice("accelerate", self.accelerate, (None, *CHOICES))
        validation.check_choice("criterion", self.criterion, CRITERIA)
        validation.check_limits(self.max_passes, self.time_limit)
        validation.check_choice("drop_losers", self.drop_losers, (None, True, False))
        validation.check_choice("progressive", self.progressive, (None, True, False))
        object.__setattr__(self, "deadline", deadline(self.time_limit, self.clock))

    def by_method(self) -> Search:
        """This object, after a check that its start is the name of a method, for callers that take nothing else."""
        validation.check_choice("start", self.start, starts.NAMES)
        return self

    def stopping(self, method: str | None) -> Stopping:
        """What ends the starts. method: the name of the method that finds them; None if they are given."""
        auto = method == "auto"
        losers = auto if self.drop_losers is None else bool(self.drop_losers)
        return Stopping(
            criterion=self.criterion,
            tol=float(self.tol),
            max_iter=int(self.max_iter),
            max_passes=self.max_passes,
            deadline=self.deadline,
            drop_losers=losers,
            thorough=auto,
            hasten=self.accelerate == AUTO and self.tol > 0,
            clock=self.clock,
        )

    def is_in_parts(self, n_samples: int, sought: bool = True) -> bool:
        """Whether to begin on parts. By default it does if samples are many and some of the start must be `sought`."""
        if self.tol == 0 or self.max_iter == 0:
            return False
        return sought and n_samples >= self.large if self.progressive is None else self.progressive
