"""How a model was chosen, and how a fit went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from fastem.families.base import Array
from fastem.model.result import Result, Status
from fastem.plots.style import GREY, Display, look_of
from fastem.validation import plots as checks

# Where there are more passes than this, they are drawn on a logarithmic axis.
FEW = 100
CRITERIA = ("bic", "aic", "icl", "cv")


class SelectionDisplay(Display):
    """A criterion against the number of components, with a line for each family; the chosen model is marked.

    Parameters
    ----------
    selection : what `fastem.select` returned
    criterion : "bic", "aic", "icl" or "cv"; None means the one that chose

    Attributes
    ----------
    ax_, figure_ : the axes and the figure.
    lines_ : family name to line.
    chosen_ : the mark of the chosen model.
    """

    def __init__(self, selection: Any, criterion: str | None = None) -> None:
        self.selection = selection
        wanted = selection.criterion if criterion is None else criterion
        self.criterion = checks.check_criterion(wanted, CRITERIA, selection)

    @classmethod
    def from_selection(cls, selection: Any, *, criterion: str | None = None, ax: Any = None) -> Self:
        """Draw a selection into axes, or into a new figure: ``selection.plot()`` does the same."""
        return cls(selection, criterion).plot(ax)

    @classmethod
    def from_result(cls, result: Any, *data: Any, **settings: Any) -> Self:
        """The same as `from_selection`."""
        return cls.from_selection(result, *data, **settings)

    def plot(self, ax: Any = None) -> Self:
        """Draw into axes, or into a new figure; returns the display."""
        from matplotlib.ticker import MaxNLocator

        ax, rows = self._axes(ax), self.selection.table
        self.lines_: dict[str, Any] = {}
        for i, family in enumerate(dict.fromkeys(row.family for row in rows)):
            own = [row for row in rows if row.family == family]
            values = [getattr(row, self.criterion) if row.status.rank == 0 else np.nan for row in own]
            sizes = [row.n_components for row in own]
            (self.lines_[family],) = ax.plot(sizes, values, **look_of(i), markersize=5, label=family)
            if self.criterion == "cv":
                errors = [row.cv_error for row in own]
                ax.errorbar(sizes, values, yerr=errors, fmt="none", ecolor=look_of(i)["color"], capsize=2)
        chosen = rows[self.selection.best_index]
        place = chosen.n_components, getattr(chosen, self.criterion)
        label = f"chosen: {chosen.family}, {chosen.n_components}"
        ring = {"marker": "o", "markersize": 14, "markerfacecolor": "none", "markeredgecolor": "k", "linestyle": ""}
        (self.chosen_,) = ax.plot(*place, **ring, label=label)
        better = "larger" if self.criterion == "cv" else "smaller"
        named = "held-out log-likelihood per sample" if self.criterion == "cv" else self.criterion.upper()
        ax.set(xlabel="number of components", ylabel=f"{named} ({better} is better)")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend(fontsize="small")
        return self


class HistoryDisplay(Display):
    """The objective of each start against its passes over the data: which were dropped, and where leaps were refused.

    Parameters
    ----------
    paths : for each start, the objective per sample after each pass, NaN where a leap was refused
    ends : the Status of each start
    best : the index of the one that was returned

    Attributes
    ----------
    ax_, figure_ : the axes and the figure.
    lines_ : a line for each start.
    refused_ : marks of refused leaps, or None.
    ended_ : marks of the starts that were dropped or merged with another, or None.
    """

    def __init__(self, paths: Sequence[Array], ends: Sequence[Status], best: int) -> None:
        self.paths, self.ends, self.best = paths, ends, best

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Draw how a fit went: of a Result, or of a fitted estimator of fastem's."""
        result: Result = checks.check_fitted(estimator)
        paths = [path / result.total_weight for path in result.paths]
        return cls(paths, [report.status for report in result.starts], result.best_start).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw into axes, or into a new figure; returns the display."""
        ax = self._axes(ax)
        self.lines_: list[Any] = []
        refused: list[tuple[float, float]] = []
        ended: list[tuple[float, float]] = []
        for i, (path, status) in enumerate(zip(self.paths, self.ends, strict=True)):
            (made,) = np.nonzero(~np.isnan(path))
            values, passes = path[made], made + 1
            look = {"color": "k", "lw": 2.2, "zorder": 3} if i == self.best else {"color": GREY, "lw": 0.9}
            label = f"start {i}, returned" if i == self.best else "other starts"
            first = label not in [line.get_label() for line in self.lines_]
            (line,) = ax.plot(passes, values, **look, label=label if first else f"_start {i}")
            self.lines_.append(line)
            leaps = np.flatnonzero(np.isnan(path) & np.logical_or.accumulate(~np.isnan(path)))
            refused.extend((each + 1.0, float(values[made < each][-1])) for each in leaps)
            if status in (Status.DROPPED, Status.MERGED) and len(passes):
                ended.append((float(passes[-1]), float(values[-1])))
        self.refused_ = self.ended_ = None
        if refused:
            (self.refused_,) = ax.plot(*np.transpose(refused), "v", color="#D55E00", ms=5, label="leap refused")
        if ended:
            (self.ended_,) = ax.plot(*np.transpose(ended), "x", color="#0072B2", ms=6, label="dropped or merged")
        late = np.concatenate([path[2:] for path in self.paths])
        if np.isfinite(late).any():
            low, high = late[np.isfinite(late)].min(), late[np.isfinite(late)].max()
            margin = 0.05 * (high - low) or 1e-3
            ax.set_ylim(low - margin, high + margin)
        if max((len(path) for path in self.paths), default=0) > FEW:
            ax.set_xscale("log")
        ax.set(xlabel="passes over the data", ylabel="objective per sample")
        ax.legend(fontsize="small", loc="lower right")
        return self
