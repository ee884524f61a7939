"""A callback that shows the progress of fits and grids in a bar of tqdm's. tqdm is an optional extra."""

from __future__ import annotations

from typing import Any, Self

from fastem.model.result import Record


class ProgressBar:
    """What `progress_bar` returns: a callback, and a context that closes the bar."""

    def __init__(self, **settings: Any) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError("a progress bar needs tqdm: pip install 'fastem[progress]'") from error
        self._bar = tqdm(**settings)

    def __call__(self, news: Any) -> None:
        """Show a Record of a fit, or a Row of a grid."""
        if isinstance(news, Record):
            text = f"start {news.start}, {news.n_samples:,} samples, {news.log_likelihood / news.total_weight:.6f}"
            self._bar.set_postfix_str(f"{text} nats each, gain {news.gain:.1e}", refresh=False)
        else:
            text = f"{news.family}, {news.n_components} component(s), BIC {news.bic:.2f}"
            self._bar.set_postfix_str(text, refresh=False)
        self._bar.update()

    def write(self, line: str, file: Any = None) -> None:
        """Print a line above the bar."""
        self._bar.write(line, file=file)

    def close(self) -> None:
        """End the bar and leave it on the screen."""
        self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def progress_bar(**settings: Any) -> ProgressBar:
    """A callback for `fit`, `select` and the estimators' `fit` that shows how far they are.

    Parameters
    ----------
    **settings : arguments of ``tqdm.tqdm``, such as ``total=``, ``desc=`` or ``disable=``.

    Returns
    -------
    ProgressBar : counts the models of a grid, or the iterations of a fit, those of all starts together. It is a context
        manager too.

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
