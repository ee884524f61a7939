"""Checks of what is done with a fitted mixture."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.validation.data import as_array, check_integer, is_finite

Array = NDArray[Any]


def check_relevance(relevance: Any) -> None:
    """Refuse a relevance factor below 0."""
    if not is_finite(relevance) or relevance < 0:
        raise ValueError(f"relevance is {relevance!r}; it must be a finite number >= 0.")


def check_adapted(parameters: Any, family: Any) -> tuple[str, ...]:
    """The names of parameters that are adapted."""
    names = (parameters,) if isinstance(parameters, str) else tuple(parameters)
    known = ["weights", *(p.name for p in family.parameters)]
    for name in names:
        if name not in known:
            raise ValueError(f"parameters has {name!r}; those of {family.name} are {known}.")
        shared = [p.name for p in family.parameters if "K" not in p.axes or (family.pooled and p.name != "means")]
        if name in shared:
            raise ValueError(f"parameters has {name!r}, which components of {family.name} share; it stays as it is.")
    return names


def check_features(features: Any, n_features: int, names: tuple[str, ...] | None) -> Array:
    """The numbers of some features, given by number or by name."""
    if isinstance(features, str | int):
        features = [features]
    found = []
    for feature in features:
        if isinstance(feature, str):
            if names is None or feature not in names:
                known = "have no names" if names is None else f"are {', '.join(map(repr, names))}"
                raise ValueError(f"there is no feature {feature!r}; the features of the mixture {known}.")
            found.append(names.index(feature))
        elif isinstance(feature, Integral) and not isinstance(feature, bool) and 0 <= int(feature) < n_features:
            found.append(int(feature))
        else:
            raise ValueError(f"there is no feature {feature!r}; features are 0 to {n_features - 1}, or names.")
    if not found:
        raise ValueError("no features are named; name at least one.")
    if len(set(found)) < len(found):
        raise ValueError(f"the features {found} repeat one; name each once.")
    return np.array(found, dtype=np.int64)


def check_given(given: Any) -> None:
    """Refuse anything but values by feature."""
    if not isinstance(given, Mapping):
        raise TypeError(f"given is a {type(given).__name__}; expected values by feature, such as {{0: 1.5}}.")


def check_values(given: Mapping[Any, Any]) -> Array:
    """The values of features as float64."""
    values = np.array([as_array("given", value) for value in given.values()], dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"given is {dict(given)}; each value must be one finite number.")
    return values


def check_rest(held: Array, n_features: int) -> Array:
    """The features that are not given, of which there must be some."""
    rest = np.setdiff1d(np.arange(n_features), held)
    if not len(rest):
        raise ValueError(f"all {n_features} features are given; leave at least one to be predicted.")
    return rest


def check_possible(weights: Array) -> None:
    """Refuse values that no component can have produced."""
    if not np.isfinite(weights).all():
        raise ValueError("no component can have produced the given values.")


def check_as_many(found: int, expected: int) -> None:
    """Refuse data with another number of columns than features are given."""
    if found != expected:
        raise ValueError(f"X has {found} column(s), but {expected} feature(s) are given.")


def check_affine(A: Any, b: Any, n_features: int) -> tuple[Array, Array]:
    """A map (m, n_features) of rank m, and a shift (m,)."""
    array = as_array("A", A).astype(np.float64)
    if array.ndim != 2 or array.shape[1] != n_features or not np.isfinite(array).all():
        raise ValueError(f"A has shape {array.shape}; expected (m, {n_features}) finite numbers.")
    if np.linalg.matrix_rank(array) < len(array):
        raise ValueError(f"A has {len(array)} rows and rank {np.linalg.matrix_rank(array)}: A x has no density.")
    shift = np.zeros(len(array)) if b is None else as_array("b", b).astype(np.float64)
    if shift.shape != (len(array),) or not np.isfinite(shift).all():
        raise ValueError(f"b has shape {shift.shape}; expected ({len(array)},) finite numbers.")
    return array, shift


def check_same_features(n_features: int, other: int) -> None:
    """Refuse mixtures of unlike numbers of features."""
    if n_features != other:
        raise ValueError(f"the mixtures have {n_features} and {other} features; a sum needs as many.")


def check_noise(covariance: Any, n_features: int) -> Array:
    """The covariance of Gaussian noise as a matrix."""
    array = as_array("other", covariance).astype(np.float64)
    if array.ndim == 0:
        array = array * np.eye(n_features)
    if array.shape != (n_features, n_features):
        raise ValueError(f"the covariance has shape {array.shape}; expected ({n_features}, {n_features}), or a number.")
    if not np.isfinite(array).all() or not np.allclose(array, array.T) or np.linalg.eigvalsh(array)[0] < 0:
        raise ValueError("the covariance is not symmetric with eigenvalues >= 0.")
    return array


def check_n_clusters(n_clusters: Any, n_components: int) -> None:
    """Refuse a number of clusters that merging cannot end with."""
    check_integer("n_clusters", n_clusters, 1)
    if n_clusters > n_components:
        raise ValueError(f"n_clusters is {n_clusters}, more than the {n_components} components; nothing can be merged.")


def check_diagonal(family: Any) -> None:
    """Refuse components whose covariances are matrices, or that have none."""
    if not family.name.startswith("gaussian_") or family.matrices:
        raise ValueError(
            f"fisher_vector needs Gaussian components with diagonal covariances, such as Gaussian('diag'), not "
            f"{family.name}."
        )


def check_alpha(alpha: Any) -> None:
    """Refuse a power that is not above 0."""
    if not is_finite(alpha) or alpha <= 0:
        raise ValueError(f"alpha is {alpha!r}; it must be a finite number > 0.")


def check_groups(groups: Any, n_samples: int) -> tuple[Array | None, Array, list[tuple[int, int]]]:
    """The names of groups or None, an order of samples by group, and where in it each group begins and ends."""
    if groups is None:
        return None, np.arange(n_samples), [(0, n_samples)]
    array = np.asarray(groups)
    if array.shape != (n_samples,):
        raise ValueError(f"groups has shape {array.shape}; expected ({n_samples},), a group for each sample.")
    names, codes, counts = np.unique(array, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return names, np.argsort(codes, kind="stable"), [(int(e - n), int(e)) for e, n in zip(ends, counts, strict=True)]
