"""More than two features of a mixture: each against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from fastem.plots.given import N_POINTS, mixture_of, names_of, shown
from fastem.plots.mixture import WHATS, MixtureDisplay, What
from fastem.plots.style import Display, figure_of
from fastem.validation import plots as checks

# More features than this make pictures too small to see.
MOST = 8


class PairsDisplay(Display):
    """A grid of displays: each feature by itself on the diagonal, and each pair of them below it.

    Parameters
    ----------
    displays : (row, column) to MixtureDisplay, that are not yet drawn
    names : of the features

    Attributes
    ----------
    figure_ : the figure.
    legend_ : of all.
    axes_ : (m, m) its axes; None above the diagonal.
    displays_ : (row, column) to MixtureDisplay.
    """

    def __init__(self, displays: dict[tuple[int, int], MixtureDisplay], names: Sequence[str]) -> None:
        self.displays_, self.names = displays, names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        what: What = "classification",
        features: Sequence[int | str] | None = None,
        level: float = 0.95,
        n_points: int = N_POINTS,
        figure: Any = None,
    ) -> Self:
        """Draw several features of a fitted mixture, each against each other.

        Parameters
        ----------
        estimator, X, what, level, n_points : as in `MixtureDisplay.from_estimator`
        features : two to 8 features, by their numbers or names. None means all, or the first 8.
        figure : matplotlib's figure, or None for a new one

        Returns
        -------
        PairsDisplay

        Raises
        ------
        ValueError, TypeError : unusable input; the message names the argument.
        ImportError : matplotlib is not installed.
        """
        result = mixture_of(estimator)
        names = names_of(estimator, result)
        chosen = checks.check_several(features, names, MOST)
        settings: dict[str, Any] = {"what": checks.check_what(what, WHATS), "level": checks.check_level(level)}
        seen = None if X is None else shown(X, result, n_points)
        displays = {
            (i, j): MixtureDisplay.of(result, seen, [b] if i == j else [b, a], names, **settings)
            for i, a in enumerate(chosen)
            for j, b in enumerate(chosen[: i + 1])
        }
        return cls(displays, [names[j] for j in chosen]).plot(figure)

    def plot(self, figure: Any = None) -> Self:
        """Draw into a figure, or into a new one; returns the display."""
        n = len(self.names)
        if figure is None:
            figure = figure_of(figsize=(2.4 * n, 2.4 * n), layout="constrained")
        self.figure_ = figure
        self.axes_: list[list[Any]] = [[None] * n for _ in range(n)]
        for (i, j), display in self.displays_.items():
            ax = figure.add_subplot(n, n, i * n + j + 1)
            self.axes_[i][j] = display.plot(ax).ax_
            legend = ax.get_legend()
            if legend is not None:
                legend.remove()
            if i < n - 1:
                ax.set_xlabel("")
            if j > 0 or i == j:
                ax.set_ylabel("" if j > 0 else ax.get_ylabel())
        handles, labels = self.axes_[0][0].get_legend_handles_labels()
        self.legend_ = figure.legend(handles, labels, loc="upper right", fontsize="small")
        return self
