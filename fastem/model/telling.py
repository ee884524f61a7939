"""What users hear of what runs: the warning of a fit that needs a second look, and what callbacks may expect."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any


class FitWarning(UserWarning):
    """A fit ended, but its user should know something about it.

    A component collapsed or starved, iterations ran out, data have fewer distinct rows than there are components, a
    model of a grid is worse than a smaller one, weights sum to far less than the samples that they stand for, a
    feature of a grid's data is constant, or, with `GaussianMixture`, reg_covar is large for the units of the data.

    Its text says what happened and what to do, in the words of the function that was called. To silence it, use
    ``warnings.filterwarnings("ignore", category=fastem.FitWarning)``; to make it an error, use "error".
    """


def tell(notes: Sequence[str], stacklevel: int = 3) -> None:
    """Give what there is to tell as one warning, at the place of the user's call."""
    if notes:
        warnings.warn(" ".join(notes), FitWarning, stacklevel=stacklevel)


def expect(callback: Any, total: int) -> None:
    """Tell a callback how often it will be called at most, if it has a method `expect` to be told by."""
    tell = getattr(callback, "expect", None)
    if callable(tell):
        tell(total)
