"""The records of a grid of models: a row for each model, and the one that was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastem.families.parameters import FloatArray
from fastem.judging.criteria import SelectionCriterion
from fastem.model.result import Result, Status
from fastem.model.showing import counted, html_table, shortened, table, wrapped

# `Selection.summary` shows so many models.
SHOWN = 10


class Row(NamedTuple):
    """One model of a grid.

    Attributes
    ----------
    family : its name.
    n_components, n_parameters : the components, and the free parameters with those of the weights.
    log_likelihood : total, nats.
    bic, aic, icl : smaller is better; icl is bic plus twice the entropy of the responsibilities.
    cv, cv_error : held-out log-likelihood per sample in nats, the mean over folds, and its standard error; larger is
        better. NaN unless the criterion is "cv".
    n_iter, n_passes : of the best start.
    n_reached : starts that reached the best likelihood, of `n_starts`.
    status : a Status.
    n_starts : how many starts there were.
    """

    family: str
    n_components: int
    n_parameters: int
    log_likelihood: float
    bic: float
    aic: float
    icl: float
    cv: float
    cv_error: float
    n_iter: int
    n_passes: int
    n_reached: int
    status: Status
    n_starts: int = 0

    def __repr__(self) -> str:
        about = f"{self.family}, {counted(self.n_components, 'component')}, BIC {self.bic:.1f}"
        return f"Row({about}, {self.status.name}, {self.n_reached} of {self.n_starts} starts)"


@dataclass(frozen=True, eq=False)
class Selection:
    """What `select` returns. Printed, it is a line; `summary()` ranks the models.

    Attributes
    ----------
    criterion : what chose the best model.
    table : a Row for each model, in the order of the grid: families, and within each numbers of components.
    models : the Result of each row.
    best_index : the row of the chosen model.
    notes : sentences about what needs a second look; `select` gives them as a FitWarning.
    """

    criterion: SelectionCriterion
    table: tuple[Row, ...]
    models: tuple[Result, ...]
    best_index: int
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Selection({counted(len(self.table), 'model')}, by {self.criterion.upper()} the best is {self._best()})"

    @property
    def best(self) -> Result:
        """The chosen model."""
        return self.models[self.best_index]

    @property
    def delta_bic(self) -> FloatArray:
        """How much larger the BIC of each row is than the lowest, (n_models,).

        The lowest is that of the models that ended well, if there are any, so one that collapsed may lie below 0.
        """
        rank = min(row.status.rank for row in self.table)
        bic = np.array([row.bic for row in self.table])
        return bic - min(row.bic for row in self.table if row.status.rank == rank)

    @property
    def ranking(self) -> list[int]:
        """The rows from best to worst by the criterion; models that did not end well come last.

        By "cv", the chosen model need not be the first: it is the smallest within one standard error of that.
        """
        sign = -1.0 if self.criterion == "cv" else 1.0

        def key(i: int) -> tuple[int, bool, float]:
            value = sign * getattr(self.table[i], self.criterion)
            return self.table[i].status.rank, bool(np.isnan(value)), value

        return sorted(range(len(self.table)), key=key)

    def to_frame(self) -> Any:
        """The table as a pandas DataFrame; `status` by name, and with a column `delta_bic`.

        Raises
        ------
        ImportError : pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ImportError("to_frame needs pandas: pip install pandas") from None
        frame = pd.DataFrame([{**row._asdict(), "status": row.status.name} for row in self.table])
        frame.insert(frame.columns.get_loc("bic") + 1, "delta_bic", self.delta_bic)
        return frame

    def plot(self, ax: Any = None, *, criterion: SelectionCriterion | None = None) -> Any:
        """Draw the criterion against the number of components: a `fastem.plots.SelectionDisplay`.

        ax : matplotlib's axes, or None for a new figure. criterion : None means the one that chose.

        Raises
        ------
        ValueError, TypeError : an unknown criterion, or "cv" where that did not choose. ImportError : matplotlib is not
            installed.
        """
        from fastem.plots.records import SelectionDisplay

        return SelectionDisplay.from_selection(self, criterion=criterion, ax=ax)

    def summary(self) -> str:
        """Some lines of text: the ten best models, how many starts of each agreed, and which was chosen."""
        order = self.ranking
        head, shown = self._shown()
        lines = [table(head, [self._cells(i) for i in shown]), *shortened(len(order), SHOWN, "model")]
        starts = "Starts: how many reached the likelihood of the best one."
        lines += ["", f"Chosen by {self.criterion.upper()}: {self._best()}. {starts}"]
        statuses = dict.fromkeys(self.table[i].status for i in shown)
        lines += [f"{s.name}: {s.value}" for s in statuses if s is not Status.CONVERGED]
        lines += wrapped(self.notes)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """For notebooks."""
        head, shown = self._shown()
        return html_table(repr(self), head, [self._cells(i) for i in shown])

    def _shown(self) -> tuple[list[str], list[int]]:
        """The head of a table, and the models that it shows."""
        order = self.ranking
        extra = {"aic": ["AIC"], "icl": ["ICL"], "cv": ["held out", "(error)"]}.get(self.criterion, [])
        head = ["model", "K", "parameters", "log-likelihood", "BIC", "delta BIC", *extra, "starts", "status"]
        return head, order[:SHOWN] if self.best_index in order[:SHOWN] else [*order[: SHOWN - 1], self.best_index]

    def _cells(self, i: int) -> list[str]:
        row, delta = self.table[i], float(self.delta_bic[i])
        extra = {
            "aic": [f"{row.aic:.2f}"],
            "icl": [f"{row.icl:.2f}"],
            "cv": [f"{row.cv:.4f}", f"{row.cv_error:.4f}"],
        }.get(self.criterion, [])
        numbers = [str(row.n_components), str(row.n_parameters), f"{row.log_likelihood:.3f}"]
        criteria = [f"{row.bic:.2f}", f"{delta:.2f}", *extra]
        return [row.family, *numbers, *criteria, f"{row.n_reached}/{row.n_starts}", row.status.name]

    def _best(self) -> str:
        row = self.table[self.best_index]
        return f"{row.family} with {counted(row.n_components, 'component')}"
