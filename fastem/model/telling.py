"""The warning that a fit gives when what it found needs a second look."""

from __future__ import annotations

import warnings
from collections.abc import Sequence


class FitWarning(UserWarning):
    """A fit ended, but its user should know something about it: it collapsed, did not converge, or was bound.

    Its text says what happened and what to do, in the words of the function that was called. To silence it, use
    ``warnings.filterwarnings("ignore", category=fastem.FitWarning)``; to make it an error, use "error".
    """


def tell(notes: Sequence[str], stacklevel: int = 3) -> None:
    """Give what there is to tell as one warning, at the place of the user's call."""
    if notes:
        warnings.warn(" ".join(notes), FitWarning, stacklevel=stacklevel)
