"""How samples are given to components, which components hold too few, and what is to become of them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# A component that holds less than this many samples of average weight is empty: its sums are too small to divide by.
STARVING = 1e-6
Starving = Literal["reseed", "drop", "stop"]
# What becomes of a starving component, in words for the command line. The first is the default. The command line reads
# them before it imports anything that compiles, so this file imports nothing of the kind.
FATES: dict[Starving, str] = {
    "reseed": "put at the samples explained worst",
    "drop": "left out",
    "stop": "the end of its start",
}
RESEED, DROP, STOP = POLICIES = tuple(FATES)


Assignment = Literal["soft", "hard", "stochastic", "annealed"]
# How samples are given to components, in words for the command line. The first is the default.
ASSIGNMENTS: dict[Assignment, str] = {
    "soft": "by posterior probabilities: EM",
    "hard": "each to its likeliest component: classification EM",
    "stochastic": "each to a component drawn by them: stochastic EM",
    "annealed": "by their powers, which rise to 1: deterministic annealing",
}
SOFT, HARD, STOCHASTIC, ANNEALED = tuple(ASSIGNMENTS)


class Policy(NamedTuple):
    """min_samples: what a component must hold, in effective samples. starving: what becomes of one that holds less."""

    min_samples: float = 0.0
    starving: Starving = RESEED

    def least(self, total_weight: float, n_samples: float) -> float:
        """A component whose responsibilities add up to more than this does not starve, whatever the others hold."""
        return max(STARVING, self.min_samples) * (total_weight / max(n_samples, 1))


def starving(counts: Array, total_weight: float, n_samples: float, min_samples: float = 0.0) -> Array:
    """Which components starve, bool, from their summed responsibilities (..., n_components).

    All that hold next to nothing do. Of those that hold less than `min_samples`, only the smallest does, as the others
    may grow by what it held; the largest component starves only if it is empty. A sample counts by its weight over the
    mean weight.
    """
    unit = total_weight / max(n_samples, 1)
    empty = ~(counts > STARVING * unit)
    if min_samples <= STARVING:
        return empty
    held, index = np.where(empty, np.inf, counts), np.arange(counts.shape[-1])
    smallest = index == held.argmin(axis=-1)[..., None]
    largest = index == counts.argmax(axis=-1)[..., None]
    return np.asarray(empty | (smallest & ~largest & (held < min_samples * unit)))
