"""Checks of many data sets at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastem.validation.data import as_array

_EXPECTED = "an array (n_sets, n_samples, n_features), or a sequence of matrices"


def check_datasets(datasets: Any, sample_weight: Any) -> tuple[Sequence[Any], Sequence[Any] | None, int]:
    """The data sets, their sample weights or None, and their number of features.

    What is wrong with a single data set is left for its fit to say, but for its number of features.
    """
    if isinstance(datasets, str | bytes | dict) or not hasattr(datasets, "__len__"):
        raise TypeError(f"datasets is of type {type(datasets).__name__}; expected {_EXPECTED}.")
    if hasattr(datasets, "ndim") and not isinstance(datasets, Sequence):
        array = as_array("datasets", datasets)
        if array.ndim != 3:
            raise ValueError(f"datasets has {array.ndim} dimension(s); expected {_EXPECTED}.")
        datasets = array
    sets = [_matrix(X) for X in datasets]
    if not sets:
        raise ValueError("datasets is empty; at least one data set is needed.")
    widths = [X.shape[1] if isinstance(X, np.ndarray) and X.ndim == 2 else None for X in sets]
    known = [i for i, width in enumerate(widths) if width is not None]
    if not known:
        raise ValueError(f"no data set is a matrix of numbers; expected {_EXPECTED}.")
    n_features = widths[known[0]]
    for i in known:
        if widths[i] != n_features:
            raise ValueError(
                f"data set {i} has {widths[i]} feature(s), data set {known[0]} has {n_features}; all need the same."
            )
    return sets, _weights(sample_weight, len(sets)), int(n_features or 0)


def _matrix(X: Any) -> Any:
    """A data set as an array, or as it came if it is none; then its fit says why."""
    if isinstance(X, np.ndarray) or hasattr(X, "pieces"):
        return X
    try:
        return as_array("X", X)
    except (ValueError, TypeError):
        return X


def _weights(sample_weight: Any, n_sets: int) -> Sequence[Any] | None:
    if sample_weight is None:
        return None
    if not hasattr(sample_weight, "__len__") or len(sample_weight) != n_sets:
        raise ValueError(
            f"sample_weight must have an entry for each of the {n_sets} data set(s): its samples' weights, or None."
        )
    return list(sample_weight)
