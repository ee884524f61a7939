"""A callback that shows in a bar of tqdm's how far fits, grids and bootstraps are. tqdm is an optional extra."""

from __future__ import annotations

import math
from typing import Any, Self

from fastem.compiled.caching import listen
from fastem.judging.replicates import Replicate
from fastem.model.result import Record


class ProgressBar:
    """What `progress_bar` returns: a callback, and a context that closes the bar."""

    def __init__(self, **settings: Any) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError("a progress bar needs tqdm: pip install 'fastem[progress]'") from error
        self._bar, self._has_total, self._n_failed = tqdm(**settings), settings.get("total") is not None, 0
        self._end = listen(self.compiling)

    def __call__(self, news: Any) -> None:
        """Show a Record of a fit, a Row of a grid, or a Replicate of a bootstrap or a ratio test."""
        if isinstance(news, Record):
            if news.resumed and self._bar.n == 0:
                self._bar.initial = self._bar.n = news.resumed
            text = _about(news)
        elif isinstance(news, Replicate):
            self._n_failed += not news.ended_well
            text = f"{self._n_failed} failed" if self._n_failed else ""
        else:
            text = f"{news.family}, {news.n_components} component(s), BIC {news.bic:.2f}"
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update()

    def expect(self, total: int) -> None:
        """Show how many calls there will be, unless the bar was made with a total; `select` and others call this."""
        self._n_failed = 0
        if not self._has_total:
            self._bar.total = self._bar.n + total
            self._bar.refresh()

    def say(self, text: str) -> None:
        """Show a text beside the bar, until there is news."""
        self._bar.set_postfix_str(text)

    def compiling(self, name: str) -> None:
        """Say that a function is being compiled, which keeps a first fit waiting."""
        self._bar.set_postfix_str(f"compiling {name} for its first use")

    def write(self, line: str, file: Any = None) -> None:
        """Print a line above the bar."""
        self._bar.write(line, file=file)

    def close(self) -> None:
        """End the bar and leave it on the screen."""
        self._end()
        self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def progress_bar(**settings: Any) -> ProgressBar:
    """A callback for `fit`, `select`, `bootstrap`, `likelihood_ratio_test` and the estimators' `fit`: a bar.

    Parameters
    ----------
    **settings : arguments of ``tqdm.tqdm``, such as ``total=``, ``desc=`` or ``disable=``.

    Returns
    -------
    ProgressBar : counts the models of a grid, and the replicates of a bootstrap or a ratio test, of all there are
        Of a fit it counts the iterations, those of all starts together. Nobody knows how many these will be; the bar
        says how many starts have ended, and how the last gain compares with `tol`. A fit that goes on from a checkpoint
        begins to count where it was resumed, and says so. While code is compiled, which happens in the first fit of a
        kind on a machine, the bar says so too. It is a context manager.

    Raises
    ------
    ImportError : tqdm is not installed; ``pip install fastem[progress]``.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.random.default_rng(0).poisson([[2.0]] * 300 + [[12.0]] * 300)
    >>> with fastem.progress_bar(disable=True) as bar:
    ...     result = fastem.fit(X, fastem.Poisson(), 2, seed=0, callback=bar)
    """
    return ProgressBar(**settings)


def _about(record: Record) -> str:
    """What a Record says, in the text beside a bar."""
    said = [f"resumed after {record.resumed:,} iterations"] if record.resumed else []
    said.append(f"start {record.start}")
    if record.n_starts > 1:
        said.append(f"{record.n_ended} of {record.n_starts} starts ended")
    said += [f"{record.n_samples:,} samples", f"{record.log_likelihood / record.total_weight:.6f} nats each"]
    # The criterion of convergence is the gain, unless the user wants another.
    other = math.isfinite(record.value) and record.value != record.gain
    compared = f"criterion {record.value:.1e}" if other else f"gain {record.gain:.1e}"
    return ", ".join([*said, compared + (f" (tol {record.tol:.0e})" if record.tol > 0 else "")])
