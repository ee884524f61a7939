"""Checks of what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.validation.data import as_array
from fastem.validation.mixtures import is_mixture

Array = NDArray[Any]


def check_plane(mean: Any, covariance: Any) -> tuple[Array, Array]:
    """A mean (2,) and a covariance (2, 2), float64."""
    mean, covariance = (as_array(n, v).astype(np.float64) for n, v in (("mean", mean), ("covariance", covariance)))
    if mean.shape != (2,):
        raise ValueError(f"mean has shape {mean.shape}; expected (2,): an ellipse lies in the plane of two features.")
    if covariance.shape != (2, 2):
        raise ValueError(f"covariance has shape {covariance.shape}; expected (2, 2), of the two features of the mean.")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError("mean and covariance must be finite.")
    if not np.allclose(covariance, covariance.T):
        raise ValueError("covariance is not symmetric.")
    smallest = np.linalg.eigvalsh(covariance)[0]
    if smallest < -1e-10 * np.abs(covariance).max():
        raise ValueError(f"covariance has the eigenvalue {smallest:.3g}; none may be negative.")
    return mean, covariance


def check_axes(ax: Any) -> None:
    """Refuse anything but axes to draw into."""
    if not (hasattr(ax, "plot") and hasattr(ax, "figure")):
        raise TypeError(f"ax is {ax!r}; expected axes of matplotlib's, or None for a new figure.")


def check_criterion(criterion: Any, choices: Sequence[str], selection: Any) -> Any:
    """A criterion that a selection knows: all but the held-out likelihoods are always there."""
    if check_what(criterion, choices) == "cv" != selection.criterion:
        raise ValueError(
            f'the models were chosen by {selection.criterion}, so none has a held-out likelihood; give criterion="cv" '
            "to fastem.select."
        )
    return criterion


def check_level(level: Any) -> float:
    """A probability in (0, 1)."""
    if isinstance(level, bool | np.bool_ | str) or not np.isscalar(level) or not 0.0 < float(level) < 1.0:  # type: ignore[arg-type]
        raise ValueError(f"a level is {level!r}; it must be a probability between 0 and 1, such as 0.95.")
    return float(level)  # type: ignore[arg-type]


def check_what(what: Any, choices: Sequence[str]) -> Any:
    """One of some words."""
    if what not in choices:
        raise ValueError(f"{what!r} is unknown; expected one of {', '.join(choices)}.")
    return what


def _number_of(feature: Any, names: Sequence[str]) -> int:
    if isinstance(feature, str):
        if feature not in names:
            raise ValueError(f"features has {feature!r}; the features are {', '.join(names)}.")
        return list(names).index(feature)
    if isinstance(feature, bool) or not isinstance(feature, int | np.integer):
        raise TypeError(f"features has {feature!r}; expected numbers or names of features.")
    if not -len(names) <= feature < len(names):
        raise ValueError(f"features has {feature}; there are {len(names)} features.")
    return int(feature) % len(names)


def check_features(features: Any, names: Sequence[str]) -> list[int]:
    """One or two features, by their numbers; the first two if nothing is given."""
    if features is None:
        return list(range(min(2, len(names))))
    given = [features] if isinstance(features, str | int | np.integer) else list(features)
    found = [_number_of(each, names) for each in given]
    if not 1 <= len(found) <= 2 or len(set(found)) < len(found):
        raise ValueError(f"features is {features!r}; expected one or two different features.")
    return found


def check_several(features: Any, names: Sequence[str], most: int) -> list[int]:
    """Features by their numbers, at most so many; the first of them if nothing is given."""
    found = list(range(min(most, len(names)))) if features is None else [_number_of(each, names) for each in features]
    if not found or len(found) > most or len(set(found)) < len(found):
        raise ValueError(f"features is {features!r}; expected 1 to {most} different features.")
    return found


def check_points(X: Any, n_features: int) -> Array:
    """Samples (n, n_features) as an array of numbers, which may be missing."""
    array = as_array("X", X)
    if array.ndim == 1 and n_features == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != n_features:
        raise ValueError(f"X has shape {array.shape}; expected (n_samples, {n_features}), as the mixture has features.")
    return array


def check_image(image: Any, n_features: int) -> Array:
    """An image as (height, width, n_features), float64."""
    array = as_array("image", image).astype(np.float64)
    if array.ndim == 2 and n_features == 1:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] != n_features:
        raise ValueError(f"image has shape {array.shape}; expected (height, width, {n_features}), as the mixture has.")
    return array


def shape_of_theirs(mixture: Any) -> str:
    """The covariance shape of a fitted Gaussian mixture of scikit-learn's."""
    needed = ("weights_", "means_", "covariances_", "covariance_type")
    if not all(hasattr(mixture, name) for name in needed):
        raise TypeError(
            f"{type(mixture).__name__} is no mixture; expected a Result, a fitted estimator, or a fitted Gaussian "
            "mixture of scikit-learn's."
        )
    return str(mixture.covariance_type)


def check_fitted(mixture: Any) -> Any:
    """The Result of a fit whose starts are known."""
    if not is_mixture(mixture):
        raise TypeError(
            f"{type(mixture).__name__} has no history; expected a Result, or a fitted estimator of fastem's."
        )
    result = getattr(mixture, "result_", mixture)
    if not result.paths:
        raise ValueError("nothing is known of how this mixture was fitted; it was given, or is of an older version.")
    return result
