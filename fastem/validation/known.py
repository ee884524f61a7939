"""Checks of what is known about the components of samples: labels, and prior weights of the components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.validation.data import as_array

Array = NDArray[Any]

_EXPECTED = "the number of a component from 0, or -1 where it is unknown"


def check_labels(labels: Any, n_samples: int) -> Array:
    """Labels (n_samples,) as int64, -1 where they are missing.

    Missing are -1, NaN, None and what a data frame or a masked array calls missing. Categories count by their codes.
    """
    array = _numbers(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (n_samples,):
        raise ValueError(f"labels has shape {array.shape}; expected ({n_samples},), a label for each sample.")
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), -1.0, array)
        broken = np.flatnonzero(array != np.floor(array))
        if len(broken):
            raise ValueError(f"labels[{broken[0]}] is {array[broken[0]]}; expected {_EXPECTED}.")
        array = np.clip(array, -2.0, 2.0**53)
    found = array.astype(np.int64)
    below = np.flatnonzero(found < -1)
    if len(below):
        raise ValueError(f"labels[{below[0]}] is {array[below[0]]:g}; expected {_EXPECTED}.")
    return found


def _numbers(labels: Any) -> Array:
    """Labels as numbers, missing ones as -1 or NaN."""
    if isinstance(labels, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(labels), np.nan, labels.data)
    values: Any = getattr(labels, "cat", None)
    if hasattr(values, "codes"):  # a pandas Series of categories
        return np.asarray(values.codes)
    if hasattr(labels, "codes") and hasattr(labels, "categories"):  # a pandas Categorical or CategoricalIndex
        return np.asarray(labels.codes)
    if hasattr(labels, "to_physical"):  # a polars Series; the physical values of categories are their codes
        labels = labels.to_physical().cast(float)
        return np.array([np.nan if value is None else value for value in labels.to_list()])
    if hasattr(labels, "to_numpy") and hasattr(labels, "isna"):  # a pandas Series
        missing = np.asarray(labels.isna())
        if missing.any():
            labels = np.where(missing, np.nan, np.asarray(labels, dtype=object))
    array = np.asarray(labels)
    if array.dtype.kind == "O":
        array = np.array([np.nan if _is_missing(value) else value for value in array.flat], dtype=object).reshape(
            array.shape
        )
    if array.dtype.kind in "OUS" and any(isinstance(value, str | bytes) for value in array.flat):
        raise TypeError(
            "labels holds text; expected numbers of components. Turn names into numbers, such as "
            "pandas.Categorical(labels), whose codes count, or sklearn.preprocessing.LabelEncoder."
        )
    return as_array("labels", array)


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value  # noqa: PLR0124


def check_labels_fit(labels: Array, n_components: int) -> None:
    """Refuse a label that is no component."""
    beyond = np.flatnonzero(labels >= n_components)
    if len(beyond):
        raise ValueError(
            f"labels[{beyond[0]}] is {labels[beyond[0]]}, but the components are 0 to {n_components - 1}; "
            f"n_components must be at least {int(labels.max()) + 1}."
        )


def check_prior_resp(prior_resp: Any, n_samples: int, n_components: int) -> Array:
    """Prior weights of the components (n_samples, n_components), float64, >= 0, no row all zero."""
    array = as_array("prior_resp", prior_resp)
    if array.shape != (n_samples, n_components):
        raise ValueError(f"prior_resp has shape {array.shape}; expected {(n_samples, n_components)}.")
    array = array.astype(np.float64)
    bad = ~(np.isfinite(array) & (array >= 0))
    if bad.any():
        i, k = np.argwhere(bad)[0]
        raise ValueError(f"prior_resp[{i}, {k}] is {array[i, k]}; it must be finite and >= 0.")
    empty = np.flatnonzero(~(array > 0).any(axis=1))
    if len(empty):
        raise ValueError(
            f"prior_resp[{empty[0]}] is all zeros, so no component can have produced the sample; ones mean that "
            "nothing is known."
        )
    return array


def check_one_size(prior_resp: Any, counts: Sequence[int]) -> None:
    """Refuse prior weights for several numbers of components."""
    if prior_resp is not None and len(set(counts)) > 1:
        raise ValueError(
            "prior_resp has a column for each component, so n_components must be one number, not "
            f"{sorted(set(counts))}."
        )


def check_agree(labels: Array, prior: Array) -> None:
    """Refuse a label that prior weights exclude."""
    known = np.flatnonzero(labels >= 0)
    wrong = known[prior[known, labels[known]] == 0]
    if len(wrong):
        i = int(wrong[0])
        raise ValueError(
            f"labels[{i}] is {labels[i]}, but prior_resp[{i}, {labels[i]}] is 0: they contradict each other."
        )


def check_all_held(held: Array) -> None:
    """Refuse labels of all samples that leave a component without any."""
    if not held.all():
        raise ValueError(
            f"every sample has a label, and none has the label {int(np.flatnonzero(~held)[0])}, so this component has "
            f"no sample; lower n_components, now {len(held)}, or label fewer samples."
        )


def check_same_knowledge(n_labelled: int, found: int) -> None:
    """Refuse labels that are not those of the fit."""
    if n_labelled != found:
        was = f"{n_labelled} labelled sample(s)" if n_labelled else "no labels"
        raise ValueError(
            f"the result was fitted with {was}, but the data here have {found}; give the labels= and prior_resp= of "
            "the fit."
        )


def check_whole(n_components: int, expected: int) -> None:
    """Refuse a fit that has lost a component."""
    if n_components != expected:
        raise ValueError(f"only {n_components} of {expected} components are left; lower n_components.")
