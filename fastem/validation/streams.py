"""Checks of data in chunks, and of packed data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastem.families.base import Array, Family
from fastem.validation.data import as_array, check_finite, wrong_features


def check_same_tiles(same: bool, packed_for: Family, family: Family) -> None:
    """Refuse packed data for a family that stores them in another way."""
    if not same:
        raise ValueError(
            f"X was packed for {packed_for.name}, and {family.name} stores data in another way; use "
            f"fastem.pack(X, family) with that family."
        )


def refuse_packed() -> None:
    """Refuse packed data in a function that needs an array."""
    raise TypeError("X is packed; this function takes the array itself.")


def check_packed_features(packed: Any, n_features: int) -> None:
    """Refuse packed data for a mixture of another number of features."""
    if packed.n_features != n_features:
        raise ValueError(wrong_features(packed.n_features, n_features))


def check_weights_are_packed(sample_weight: Any) -> None:
    """Refuse weights beside packed data, which have theirs."""
    if sample_weight is not None:
        raise ValueError("X is packed, and sample_weight with it; give the weights to fastem.pack.")


def check_stream(source: Any) -> None:
    """Refuse a source that cannot be read in chunks more than once."""
    if hasattr(source, "__next__"):
        raise TypeError(
            "a stream is read once in each pass, but an iterator (a generator, for example) can be read once only; "
            "pass a list of arrays, or a function that returns a fresh iterator."
        )
    if not (callable(source) or isinstance(source, list | tuple | np.ndarray)):
        raise TypeError(
            f"a stream is made of an array, a list of arrays or a function that returns an iterator, not of "
            f"{type(source).__name__}."
        )


def check_not_empty(first: Array | None) -> None:
    """Refuse a stream without samples."""
    if first is None:
        raise ValueError("the stream has no samples; at least one is needed.")


def check_chunk(chunk: Any, index: int, n_features: int | None) -> Array:
    """A chunk of a stream as a matrix of numbers, with as many columns as those before it."""
    array = as_array(f"chunk {index} of X", chunk)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"chunk {index} of X has shape {array.shape}; expected (rows, n_features).")
    if n_features is not None and array.shape[1] != n_features:
        raise ValueError(f"chunk {index} of X has {array.shape[1]} feature(s), those before it have {n_features}.")
    return array


def check_piece(X: Array, first: int, families: Iterable[Family], dtype: Any) -> None:
    """Refuse values in a piece of a stream, which begins at row `first`, that cannot be fitted."""
    if not np.isfinite(X.sum(dtype=np.float64)):
        check_finite(X, dtype, first)
    for family in families:
        reason = family.why_impossible(X)
        if reason is not None:
            raise ValueError(f"{reason} (Row 0 of X is here row {first} of the stream.)")


def check_same_length(found: int, expected: int) -> None:
    """Refuse a stream that does not deliver the same number of samples in each pass."""
    if found != expected:
        raise ValueError(
            f"the stream delivered {found} samples in one pass and {expected} in another; it must not change."
        )


def check_enough_weights(found: int, expected: int) -> None:
    """Refuse fewer weights than samples."""
    if found != expected:
        raise ValueError("sample_weight has fewer entries than the stream has samples; expected one per row.")


def check_one_weight(sample_weight: Any, of_stream: Any) -> None:
    """Refuse weights if the stream has its own."""
    if sample_weight is not None and of_stream is not None:
        raise ValueError("sample_weight is given twice, here and in the stream; give it once.")
