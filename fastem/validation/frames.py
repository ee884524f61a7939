"""Data frames, of pandas or polars: the names of their columns, what they hold, and errors in their own words.

A frame is recognised by what it has, not by its class, so neither library is imported.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

_PLACE = re.compile(r"\bX\[(\d+), (\d+)\]( is nan\b)?")
_ENTRY = re.compile(r"\bsample_weight\[(\d+)\]( is nan\b)?")


def is_frame(X: Any) -> bool:
    """Whether X is a table with named columns."""
    return not isinstance(X, np.ndarray) and hasattr(X, "columns") and hasattr(X, "dtypes")


def feature_names_of(X: Any) -> tuple[str, ...] | None:
    """The names of the columns of a frame if all of them are strings, which is scikit-learn's rule; otherwise None."""
    names = list(X.columns) if is_frame(X) else []
    return tuple(str(name) for name in names) if names and all(isinstance(name, str) for name in names) else None


def check_feature_names(X: Any, mixture: Any) -> None:
    """Refuse a frame whose columns are not those of the mixture in their order. Without names there is no check."""
    check_names(getattr(X, "feature_names", None) or feature_names_of(X), getattr(mixture, "feature_names", None))


def check_names(found: tuple[str, ...] | None, expected: tuple[str, ...] | None) -> None:
    """Refuse names of columns that are not the expected ones in their order. Without names there is no check."""
    if expected is None or found is None or found == expected:
        return
    if sorted(found) == sorted(expected):
        raise ValueError(
            "X has the columns of the mixture in another order; reorder them with X[list(result.feature_names)]. The "
            f"order of the mixture is {_listed(expected)}."
        )
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    said = [f"{_listed(names)} {what}" for names, what in ((missing, "missing"), (unexpected, "unexpected")) if names]
    if not said:
        said = ["some are repeated"]
    raise ValueError(
        f"X does not have the columns of the mixture: {' and '.join(said)}. Take X[list(result.feature_names)], or the "
        "values without names."
    )


def values_of(frame: Any) -> Any:
    """The values of a frame, as an array if that is simple. A column of dates or durations is refused by its name."""
    dtypes = list(frame.dtypes)
    for column, dtype in zip(frame.columns, dtypes, strict=True):
        if _is_temporal(dtype):
            raise ValueError(f"column {_label(column)} holds {dtype}; expected numbers. Encode or drop dates first.")
    kinds = {getattr(dtype, "kind", "O") for dtype in dtypes}
    plain = all(isinstance(dtype, np.dtype) for dtype in dtypes) and (len(kinds) == 1 or "b" not in kinds)
    if plain or not kinds <= set("biuf") or not hasattr(frame, "iloc"):
        return frame
    # pandas' nullable columns, and bools beside numbers, would become Python objects.
    narrow = kinds == {"f"} and all(dtype.itemsize <= 4 for dtype in dtypes)
    return frame.to_numpy(dtype=np.float32 if narrow else np.float64, na_value=np.nan)


class naming:  # noqa: N801  (reads as a statement: with naming(X): ...)
    """A context in which errors that name X[i, j] name the column and the row of the frame that X is.

    The row is named by its label in pandas, and by its number in polars, which has no labels. `sample_weight[i]` is
    treated likewise. Errors about arrays, and about frames that have neither names nor labels, stay as they are.
    """

    def __init__(self, X: Any, sample_weight: Any = None) -> None:
        self._X, self._sample_weight = X, sample_weight

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if not isinstance(error, ValueError | TypeError) or not error.args or not isinstance(error.args[0], str):
            return
        sentence = error.args[0]
        if is_frame(self._X) and not _is_anonymous(self._X):
            sentence = _PLACE.sub(self._cell, sentence)
        if not isinstance(self._sample_weight, np.ndarray) and hasattr(self._sample_weight, "to_numpy"):
            sentence = _ENTRY.sub(self._entry, sentence)
        error.args = (sentence, *error.args[1:])

    def _cell(self, place: re.Match[str]) -> str:
        column = list(self._X.columns)[int(place[2])]
        name = _label(column) if isinstance(column, str) else f"column {_label(column)}"
        return f"{name} of row {_row(self._X, int(place[1]))}{' is NaN' if place[3] else ''}"

    def _entry(self, place: re.Match[str]) -> str:
        return f"sample_weight of row {_row(self._sample_weight, int(place[1]))}{' is NaN' if place[2] else ''}"


def _is_temporal(dtype: Any) -> bool:
    """Whether a column of this dtype, of pandas or of polars, holds dates, times or durations."""
    asked = getattr(dtype, "is_temporal", None)
    return bool(asked()) if callable(asked) else getattr(dtype, "kind", "") in ("M", "m")


def _is_anonymous(X: Any) -> bool:
    """Whether a frame has the names and labels that pandas gives if it is told none: X[i, j] says the same then."""
    index = getattr(X, "index", None)
    numbered = getattr(index, "start", None) == 0 and getattr(index, "step", None) == 1
    return numbered and list(X.columns) == list(range(len(X.columns)))


def _row(table: Any, i: int) -> str:
    """What a frame or a series calls its row i."""
    index = getattr(table, "index", None)
    return str(i) if index is None or callable(index) else _label(index[i])


def _label(label: Any) -> str:
    """A label as text: strings in quotes, parts of a tuple one by one."""
    if isinstance(label, tuple):
        return f"({', '.join(map(_label, label))})"
    return repr(str(label)) if isinstance(label, str) else str(label)


def _listed(names: Any, most: int = 8) -> str:
    quoted = [repr(name) for name in names]
    return ", ".join(quoted if len(quoted) <= most else [*quoted[:most], "..."])
