"""Which components hold too few samples, and what is to become of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# A component that holds less than this many average samples has no statistics to divide by.
STARVING = 1e-6
# What becomes of a component, in words for the command line, which imports nothing that compiles. The first is the
# default.
FATES = {"reseed": "put at the samples explained worst", "drop": "left out", "stop": "the end of its start"}
RESEED, DROP, STOP = POLICIES = tuple(FATES)


class Policy(NamedTuple):
    """What a component must hold, in effective samples, and one of POLICIES for one that does not."""

    min_samples: float = 0.0
    starving: str = RESEED


def starving(counts: Array, total_weight: float, n_samples: int, min_samples: float = 0.0) -> Array:
    """Which components hold next to nothing, and the smallest that holds less than that many samples.

    Bool from summed responsibilities (..., n_components). A sample counts by its weight over the mean weight. One small
    component at a time, as others may grow by what it held; the largest is never too small, only empty.
    """
    unit = total_weight / max(n_samples, 1)
    empty = ~(counts > STARVING * unit)
    if min_samples <= STARVING:
        return empty
    held, index = np.where(empty, np.inf, counts), np.arange(counts.shape[-1])
    smallest = index == held.argmin(axis=-1)[..., None]
    largest = index == counts.argmax(axis=-1)[..., None]
    return np.asarray(empty | (smallest & ~largest & (held < min_samples * unit)))
