"""The warning that a fit gives when what it found needs a second look."""

from __future__ import annotations


class FitWarning(UserWarning):
    """A fit ended, but its user should know something about it: it collapsed, did not converge, or was bound.

    Its text says what happened and what to do, in the words of the function that was called. To silence it, use
    ``warnings.filterwarnings("ignore", category=fastem.FitWarning)``; to make it an error, use "error".
    """
