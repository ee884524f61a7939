"""How things look: colours that everybody can tell apart, with a marker and a line for each, and axes to draw into."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

from fastem.validation import plots as checks

# Okabe and Ito (2008), "Color universal design". Black comes last, as text and axes are black.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
# Their number and that of the lines have no divisor in common with the number of colours, so that looks repeat late.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p", "h", "8")
LINES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 4)))
GREY = "#777777"


def figure_of(**settings: Any) -> Any:
    """A new figure of matplotlib's, which pyplot knows nothing of.

    Raises
    ------
    ImportError : matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("pictures need matplotlib: pip install 'fastem[plot]'") from None
    return Figure(**settings)


def look_of(k: int) -> dict[str, Any]:
    """The colour, the marker and the line of component k."""
    return {
        "color": COLOURS[k % len(COLOURS)],
        "marker": MARKERS[k % len(MARKERS)],
        "linestyle": LINES[k % len(LINES)],
    }


class Display:
    """What all displays have: axes and the figure they are in, after `plot`, and a picture in notebooks."""

    ax_: Any
    figure_: Any

    @classmethod
    @abstractmethod
    def from_estimator(cls, estimator: Any, *data: Any, **settings: Any) -> Self:
        """Compute and draw."""

    @classmethod
    def from_result(cls, result: Any, *data: Any, **settings: Any) -> Self:
        """The same as `from_estimator`, of a Result."""
        return cls.from_estimator(result, *data, **settings)

    def _axes(self, ax: Any) -> Any:
        """Axes to draw into: the user's, or those of a new figure that pyplot knows nothing of."""
        if ax is None:
            ax = figure_of(layout="constrained").subplots()
        checks.check_axes(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return ax

    def _repr_png_(self) -> bytes | None:
        """For notebooks."""
        from io import BytesIO

        figure = getattr(self, "figure_", None)
        if figure is None:
            return None
        buffer = BytesIO()
        figure.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()
