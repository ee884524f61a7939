"""Checks of settings: what a fit, a grid of fits or a search for a fixed point is given besides data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from fastem.families.base import Array, Family
from fastem.validation.data import as_array, check_family, check_integer, is_finite


def check_fit_arguments(n_init: Any, tol: Any, max_iter: Any) -> None:
    """Refuse unusable settings of the loop."""
    check_integer("n_init", n_init, 1)
    check_integer("max_iter", max_iter, 0)
    if not is_finite(tol) or tol < 0:
        raise ValueError(f"tol is {tol!r}; it must be a finite number >= 0 (nats per sample).")


def check_choice(name: str, value: Any, choices: Sequence[str | bool | None]) -> None:
    """Refuse anything but one of the choices."""
    if not (isinstance(value, str | bool | None) and value in choices):
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, choices))}.")


def check_fixed_point(step: Any, objective: Any, project: Any, tol: Any, max_steps: Any, callback: Any) -> None:
    """Refuse what `fixed_point` cannot use."""
    optional = {"objective": objective, "project": project, "callback": callback}
    for name, function in {"step": step, **optional}.items():
        if not callable(function) and not (function is None and name in optional):
            raise TypeError(f"{name} is {type(function).__name__}; it must be callable.")
    if not is_finite(tol) or tol < 0:
        raise ValueError(f"tol is {tol!r}; it must be a finite number >= 0.")
    check_integer("max_steps", max_steps, 1)


def check_theta(name: str, value: Any, shape: tuple[int, ...] | None) -> Array:
    """A point as a new float64 array. It must have this shape or, if that is None, hold finite numbers."""
    theta: Array = np.array(as_array(name, value), dtype=np.float64)
    if shape is None:
        if not np.isfinite(theta).all() or theta.size == 0:
            raise ValueError(f"{name} must hold at least one number, all of them finite.")
    elif theta.shape != shape:
        raise ValueError(f"{name} has shape {theta.shape}; that of theta0 is {shape}.")
    return theta


def check_limits(max_passes: Any, time_limit: Any) -> None:
    """Refuse a limit that is not positive."""
    if max_passes is not None:
        check_integer("max_passes", max_passes, 1)
    if time_limit is not None and not (isinstance(time_limit, Real) and float(time_limit) > 0):
        raise ValueError(f"time_limit is {time_limit!r}; it must be a number of seconds > 0, or None.")


def check_interval(seconds: Any) -> None:
    """Refuse an interval between checkpoints that is no number of seconds >= 0."""
    if not is_finite(seconds) or seconds < 0:
        raise ValueError(f"checkpoint_interval is {seconds!r}; it must be a number of seconds >= 0.")


def check_writable(name: str, path: Any) -> None:
    """Refuse a path at which no file can be written, before anything has been computed."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} is {type(path).__name__}; it must be a path.")
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise ValueError(f"{name} is {path}: its folder does not exist.")
    if Path(path).is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(f"{name} is {path}: no file can be written there.")


def check_min_samples(min_samples: Any) -> None:
    """Refuse a smallest number of samples that is negative or no finite number."""
    if not is_finite(min_samples) or min_samples < 0:
        raise ValueError(f"min_samples is {min_samples!r}; it must be a finite number >= 0.")


def check_families(families: Any) -> list[Family]:
    """One family or several as a list."""
    one = isinstance(families, Family | str) or not isinstance(families, Iterable)
    listed: list[Any] = [families] if one else list(families)
    for family in listed:
        check_family(family)
    if not listed:
        raise ValueError("families is empty; give at least one, such as fastem.Gaussian('full').")
    return listed


def check_counts(n_components: Any) -> list[int]:
    """One number of components or several as a list."""
    listed = [n_components] if not isinstance(n_components, Iterable) else list(n_components)
    for count in listed:
        check_integer("n_components", count, 1)
    if not listed:
        raise ValueError("n_components is empty; give at least one number, such as range(1, 10).")
    return [int(count) for count in listed]


def check_n_folds(n_folds: Any, n_samples: int, n_components: int) -> None:
    """Refuse folds that leave a model fewer samples than components."""
    check_integer("n_folds", n_folds, 2)
    left = n_samples - -(-n_samples // n_folds)
    if n_folds > n_samples or left < n_components:
        raise ValueError(
            f"n_folds is {n_folds}: {max(left, 0)} of the {n_samples} samples would be left to fit {n_components} "
            "component(s)."
        )


def check_same_data(total_weight: float, result: Any) -> None:
    """Refuse data that cannot be those of a fit. Weight 2 is the same as the sample twice, so only sums must agree."""
    if result.n_samples and abs(result.total_weight - total_weight) > 1e-6 * abs(total_weight):
        raise ValueError(
            f"the samples, or their weights, sum to {total_weight:g}, but in the fit to {result.total_weight:g}; give "
            "the data and the weights of the fit."
        )


def check_weights_count(total_weight: float, n_components: int) -> None:
    """Refuse weights with a small sum, because a bootstrap draws that many samples."""
    if total_weight < 2 * n_components:
        raise ValueError(
            f"sample_weight sums to {total_weight:g}; in a bootstrap a weight is a number of samples. Scale them, for "
            "example by sample_weight * n_samples / sample_weight.sum(), and fit with those."
        )


def check_level(level: Any, n_fits: int) -> None:
    """Refuse a level that is not between 0 and 1, and intervals of a bootstrap without fits."""
    if not is_finite(level) or not 0 < level < 1:
        raise ValueError(f"level is {level!r}; it must be a number between 0 and 1, such as 0.95.")
    if n_fits == 0:
        raise ValueError("no fit of the bootstrap ended well, so there are no intervals; lower n_components.")


def check_replicates(n_good: int, statuses: str) -> None:
    """Refuse a bootstrap in which no fit ended well."""
    if n_good == 0:
        raise ValueError(f"no replicate's fit ended well, so there is nothing to compare with. {statuses}")


def check_healthy(*statuses: Any) -> None:
    """Refuse fits that did not end well, because their likelihoods mean nothing."""
    for status in statuses:
        if status.rank > 0:
            raise ValueError(f"a fit of the data did not end well, so it says nothing. {status.value}")


def check_in_parts(contradicts: bool, assignment: str) -> None:
    """Refuse parts of the data where every iteration is one over all of them."""
    if contradicts:
        raise ValueError(
            f"progressive is True, but each iteration of assignment={assignment!r} draws a component for every sample; "
            "they contradict."
        )
