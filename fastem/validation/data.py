"""Checks of data, sample weights and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from fastem.families.base import Array, Family
from fastem.validation.frames import check_feature_names, is_frame, values_of

_PIECE = 2**16  # rows looked at together when a place must be named
# What counts as a number among Python's objects.
_NUMBERS = (Real, Decimal, np.bool_)
# Comparisons of numbers, which take some 30 ms, after which nobody goes on looking for distinct rows.
_COMPARISONS = 3 * 10**7


def check_family(family: Any) -> None:
    """Refuse anything but a family object."""
    if not isinstance(family, Family):
        raise TypeError(
            f"family must be a family object such as fastem.Gaussian('full') or fastem.Poisson(), not {family!r}."
        )


def check_registrable(family: Any, known: Mapping[str, Any]) -> None:
    """Refuse anything but a complete class of families, and a class whose name another one has."""
    if not (isinstance(family, type) and issubclass(family, Family) and is_dataclass(family)):
        raise TypeError(f"register takes a dataclass derived from fastem.Family, not {family!r}.")
    left = sorted(getattr(family, "__abstractmethods__", ()))
    left += [name for name in ("name", "parameters") if not hasattr(family, name)]
    if left:
        raise TypeError(f"{family.__name__} does not define {', '.join(left)}, which every family must.")
    other = known.get(family.name)
    if other is not None and (other.__module__, other.__qualname__) != (family.__module__, family.__qualname__):
        raise ValueError(
            f"the name {family.name!r} is taken by {other.__module__}.{other.__qualname__}; give {family.__name__} "
            "another."
        )


def check_callback(callback: Any) -> None:
    """Refuse anything but a function or None."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is {callback!r}; it must be callable, or None.")


def check_seed(seed: Any) -> np.random.SeedSequence:
    """A seed as a SeedSequence."""
    try:
        return np.random.SeedSequence(seed)
    except (TypeError, ValueError):
        raise ValueError(f"seed is {seed!r}; it must be a non-negative integer, a sequence of them, or None.") from None


def check_covariance_shape(covariance: Any, shapes: Sequence[str]) -> None:
    """Refuse an unknown covariance shape."""
    if covariance not in shapes:
        raise ValueError(f"covariance must be one of {', '.join(map(repr, shapes))}; it is {covariance!r}.")


def check_regularisation(reg_covar: Any, ridge: Any, floor: Any, min_variance: Any) -> None:
    """Refuse negative or non-finite regularisation."""
    for name, value in (("reg_covar", reg_covar), ("ridge", ridge), ("min_variance", min_variance)):
        if not is_finite(value) or value < 0:
            raise ValueError(f"{name} is {value!r}; it must be a finite number >= 0.")
    if floor is not None and (not is_finite(floor) or floor <= 0):
        raise ValueError(f"floor is {floor!r}; it must be a finite number > 0, or None for the default.")


def check_fraction(name: str, value: Any, below: float) -> None:
    """Refuse anything but a number >= 0 and < `below`."""
    if not is_finite(value) or not 0 <= value < below:
        raise ValueError(f"{name} is {value!r}; it must be a number >= 0 and < {below}.")


def check_n_threads(n_threads: Any) -> None:
    """Refuse a number of threads below 1."""
    if n_threads is not None:
        check_integer("n_threads", n_threads, 1)


def check_n_draws(n_samples: Any) -> None:
    """Refuse a number of draws below 1."""
    check_integer("n_samples", n_samples, 1)


def is_finite(value: Any) -> bool:
    return isinstance(value, Real) and bool(np.isfinite(float(value)))


def check_integer(name: str, value: Any, smallest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} is {value!r}; it must be an integer >= {smallest}.")
    if value < smallest:
        raise ValueError(f"{name} is {value}; it must be at least {smallest}.")


def working_dtype(X: Array) -> Any:
    """The dtype in which tiles are computed: float32 for float16 and float32, float64 for everything else."""
    narrow = X.dtype.kind == "f" and X.dtype.itemsize <= 4
    return np.dtype(np.float32 if narrow else np.float64)


def check_data(X: Any, mixture: Any = None) -> Array:
    """X as a 2-D array of numbers, not copied if it is one. Whether values are finite is checked when they are read.

    mixture: a Result whose features X must have, and under the same names if both have names.
    """
    check_feature_names(X, mixture)
    if hasattr(X, "pieces"):
        raise TypeError("X is a stream; only fastem.fit takes data in chunks so far.")
    array = as_array("X", X)
    if array.ndim != 2:
        hint = "; use X.reshape(-1, 1) for one feature, X.reshape(1, -1) for one sample" if array.ndim == 1 else ""
        if array.ndim == 3:
            hint = "; of data in chunks, a list of matrices, only fastem.fit makes use so far"
        raise ValueError(f"X has {array.ndim} dimension(s); expected (n_samples, n_features){hint}.")
    if 0 in array.shape:
        raise ValueError(f"X has shape {array.shape}; at least one sample and one feature are needed.")
    if mixture is not None and array.shape[1] != mixture.n_features:
        raise ValueError(wrong_features(array.shape[1], mixture.n_features))
    return array


def wrong_features(found: int, expected: int) -> str:
    """A sentence about data with another number of features than a mixture has."""
    return f"X has {found} feature(s), but the mixture has {expected}."


def as_array(name: str, value: Any) -> Array:
    """A numeric array on this machine's processor, or an error that says what came instead."""
    if type(value).__module__.startswith("scipy.sparse"):
        raise TypeError(f"{name} is a sparse matrix; only dense arrays are supported. Use {name}.toarray().")
    if type(value).__name__ == "LazyFrame":
        raise TypeError(f"{name} is a LazyFrame; give {name}.collect().")
    device = getattr(value, "__dlpack_device__", None)
    if hasattr(value, "__cuda_array_interface__") or (callable(device) and device()[0] not in (1, 3)):
        raise TypeError(f"{name} is on another device; copy it to the host first (for example with .get() or .cpu()).")
    if hasattr(value, "__next__"):
        raise TypeError(
            f"{name} is an iterator (a generator, for example), which can be read once only; give an array, or, to "
            "fastem.fit, a list of arrays or a function that returns a fresh iterator."
        )
    if callable(value) and not hasattr(value, "__array__") and not is_frame(value):
        raise TypeError(f"{name} is a function; of data in chunks, only fastem.fit makes use so far.")
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise ValueError(f"{name} is a masked array with masked entries; missing values are not supported.")
        value = value.data
    if is_frame(value):
        value = values_of(value)
    try:
        array = np.asarray(value)
    except ValueError as error:
        if isinstance(value, list | tuple) and all(getattr(each, "ndim", 0) == 2 for each in value):
            raise ValueError(
                f"{name} is a list of matrices; of data in chunks, only fastem.fit makes use so far. np.concatenate "
                "or pandas.concat makes one of them."
            ) from None
        raise ValueError(f"{name} is not a rectangular array of numbers: {error}") from None
    if array.dtype.kind == "O":
        array = from_objects(name, array)
    if array.dtype.kind == "c":
        raise ValueError(f"{name} is complex. Complex data not supported; pass real and imaginary parts as features.")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {array.dtype}; expected numbers. Drop or encode text and dates first.")
    return array


def from_objects(name: str, array: Array) -> Array:
    """Objects that are all numbers as float64; otherwise an error that names the first that is not.

    All of Python's numbers are, Decimal and Fraction among them.
    """
    if all(issubclass(kind, _NUMBERS) for kind in set(map(type, array.flat))):
        # What has no float64, such as an integer of 400 digits or a Decimal that signals NaN, is named below.
        with suppress(OverflowError, ValueError):
            return array.astype(np.float64)
    for index, value in enumerate(array.flat):
        reason = _why_no_number(value)
        if reason is not None:
            place = ", ".join(map(str, np.unravel_index(index, array.shape)))
            raise ValueError(f"{name}[{place}] is {reason}")
    return array.astype(np.float64)


def _why_no_number(value: Any) -> str | None:
    """What an object is, and what was expected, unless it is a number that float64 can hold."""
    if isinstance(value, complex | np.complexfloating):
        return "complex. Complex data not supported."
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return f"{value!r}; expected a number. Drop or impute missing values."
    if not isinstance(value, _NUMBERS):
        return f"{value!r}; expected a number."
    try:
        float(value)
    except (OverflowError, ValueError):
        return f"{value!r:.40}; expected a number that float64 can hold."
    return None


def check_columns(X: Array, facts: Any, family: Family, dtype: Any) -> Any:
    """Refuse values that are not finite, for which `facts` is None, or that the family cannot have produced."""
    if facts is None:
        check_finite(X, dtype)
        raise ValueError("X contains values that are not finite.")
    check_support(X, family)
    return facts


def check_spread(facts: Any, families: Iterable[Family]) -> None:
    """Refuse data that differ, but so little that all of it would count as constant, if units matter to a family."""
    differ = not facts.spread.any() and bool((facts.high > facts.low).any())
    if differ and any(parameter.has_units for family in families for parameter in family.parameters):
        raise ValueError("all values of X lie within 1e-307 of each other, which is too close for float64; rescale.")


def check_finite(X: Array, dtype: Any, begin: int = 0) -> None:
    """Refuse NaN, infinity and what becomes infinite in `dtype`; the error names the first. X begins at row `begin`."""
    for first in range(0, len(X), _PIECE):
        with np.errstate(over="ignore"):
            bad = ~np.isfinite(np.asarray(X[first : first + _PIECE], dtype=dtype))
        if bad.any():
            i, j = (int(index[0]) for index in np.nonzero(bad))
            value = X[first + i, j]
            kind = "NaN" if np.isnan(value) else "infinity" if np.isinf(value) else f"too large for {dtype}"
            raise ValueError(
                f"X contains {kind}: X[{begin + first + i}, {j}] is {value}. Every value must be finite; drop or "
                "impute missing ones."
            )


def check_support(X: Array, family: Family) -> None:
    """Refuse data that no component of the family can produce; the family names the first such value."""
    reason = family.why_impossible(X)
    if reason is not None:
        raise ValueError(reason)


def check_sample_weight(sample_weight: Any, n_samples: int | None) -> Array | None:
    """Sample weights as a contiguous float64 array (n_samples,), or None. n_samples is None if it is not known yet."""
    if sample_weight is None:
        return None
    weights = np.ascontiguousarray(as_array("sample_weight", sample_weight), dtype=np.float64)
    if weights.shape != (n_samples if n_samples is not None else weights.size,):
        raise ValueError(f"sample_weight has shape {weights.shape}; expected ({n_samples},), one per row of X.")
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise ValueError(
            f"sample_weight[{bad[0]}] is {weights[bad[0]]}; weights must be finite and >= 0 (no negative weights)."
        )
    with np.errstate(over="ignore"):
        total = weights.sum()
    if total == 0:
        raise ValueError("sample_weight is all zero; at least one weight must be positive.")
    if not np.isfinite(total):
        raise ValueError("the sum of sample_weight overflows; divide the weights by their maximum.")
    return weights


def check_n_components(n_components: Any, n_samples: int, sample_weight: Array | None) -> None:
    """Refuse more components than samples (of positive weight)."""
    check_integer("n_components", n_components, 1)
    positive = n_samples if sample_weight is None else int(np.count_nonzero(sample_weight))
    if n_components > positive:
        what = "n_samples" if sample_weight is None else "number of samples of positive weight"
        raise ValueError(f"n_components is {n_components}, but {what} = {positive}; there must be at least as many.")


def too_few_points(X: Array, sample_weight: Array | None, n_components: int) -> str | None:
    """A warning, in scikit-learn's words, if checked X has fewer different rows of positive weight than components.

    It reads no more rows than it needs to see as many. It says nothing where that would take long.
    """
    dtype, points, compared = working_dtype(X), np.empty((0, X.shape[1], 1)), 0
    first, size = 0, n_components
    while first < len(X):
        rows = np.asarray(X[first : first + size], dtype=dtype)
        if sample_weight is not None:
            rows = rows[sample_weight[first : first + size] > 0]
        # Most data end here: -0.0 is 0.0, and then equal rows have equal bytes.
        if first == 0 and len({row.tobytes() for row in rows + dtype.type(0)}) == n_components:
            return None
        left = np.ascontiguousarray(rows.T)  # a column each, as comparisons along rows would take ten times as long
        new = np.ones(left.shape[1], dtype=np.bool_)
        for point in points:
            new &= (left != point).any(axis=0)
        left = left[:, new]
        while left.shape[1] and len(points) < n_components:
            points = np.concatenate([points, left[None, :, :1]])
            left = left[:, (left != points[-1]).any(axis=0)]
        compared += size * X.shape[1] * len(points)
        if len(points) == n_components or compared > _COMPARISONS:
            return None
        first, size = first + size, min(4 * size, max(n_components, _PIECE // X.shape[1]))
    return f"{few_clusters(len(points), n_components)} Lower the number of components to {len(points)} or less."


def few_clusters(found: int, n_clusters: int) -> str:
    """scikit-learn's warning of clusters that would have no samples."""
    return (
        f"Number of distinct clusters ({found}) found smaller than n_clusters ({n_clusters}). Possibly due to "
        "duplicate points in X."
    )
