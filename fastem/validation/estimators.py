"""Checks of the estimators' own arguments, in scikit-learn's phrases where its users and tests look for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from inspect import signature
from numbers import Integral
from typing import Any

import numpy as np

from fastem.families.base import Family
from fastem.families.parameters import Array, Kind
from fastem.validation.data import as_array, check_family, from_objects


def check_unmasked(X: Any) -> None:
    """Refuse masked entries, which conversion to an array would silently reveal."""
    if isinstance(X, np.ma.MaskedArray):
        as_array("X", X)


def check_no_text(X: Any) -> None:
    """Refuse text in an array of objects; scikit-learn would not say where it is, or take it for a number."""
    objects = isinstance(X, np.ndarray) and X.dtype.kind == "O"
    if objects and any(issubclass(kind, str | bytes) for kind in set(map(type, X.flat))):
        from_objects("X", X)


def check_enough_samples(n_samples: int, n_components: int) -> None:
    """Refuse fewer samples than components."""
    if n_samples < n_components:
        raise ValueError(
            f"Expected n_samples >= n_components but got n_components = {n_components}, n_samples = {n_samples}"
        )


def check_enough_for_clusters(n_samples: int, n_clusters: int) -> None:
    """Refuse fewer samples than clusters."""
    if n_samples < n_clusters:
        raise ValueError(f"n_samples={n_samples} should be >= n_clusters={n_clusters}.")


def check_initial_centres(centres: Any, n_clusters: int, n_features: int) -> Array:
    """Initial centres (n_clusters, n_features), float64."""
    array = _finite("init", centres)
    if array.ndim != 2 or len(array) != n_clusters:
        raise ValueError(
            f"The shape of the initial centers {array.shape} does not match the number of clusters {n_clusters}."
        )
    if array.shape[1] != n_features:
        raise ValueError(
            f"The shape of the initial centers {array.shape} does not match the number of features of the data "
            f"{n_features}."
        )
    return array


def check_sample_size(n_samples: Any) -> None:
    """Refuse to draw anything but a positive whole number of samples."""
    if not isinstance(n_samples, Integral) or n_samples < 1:
        raise ValueError(f"Invalid value for 'n_samples': {n_samples} . The sampling requires at least one sample.")


def hint_about_labels(y: Any, n_components: int, remedy: str = "Pass the known ones as labels=y.") -> str | None:
    """What to do instead of passing labels 0, 1, ... with -1 for unknown as `y`, which is ignored.

    remedy: the sentence that says it. None for any other y. Classes such as -1 and 1 are not taken for labels of
    components, because they leave out 0.
    """
    if y is None:
        return None
    try:
        labels = np.asarray(y)
    except (TypeError, ValueError):  # a ragged list, or an array on another device
        return None
    if labels.ndim != 1 or labels.dtype.kind not in "if" or not labels.size or labels.min() != -1:
        return None
    found = np.unique(labels)
    if not 2 <= len(found) <= n_components + 1 or (found != np.arange(-1, len(found) - 1)).any():
        return None
    return (
        "y is ignored: components are found without labels, also where y holds known ones and -1 for unknown, as it "
        f"seems to do here. {remedy}"
    )


def check_target(estimator: Any, y: Any) -> None:
    """Refuse a classifier's fit without classes."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None: give the class of each "
            "sample."
        )


def check_targets(y: Any, n_samples: int) -> Array:
    """Targets of a regression, (n_samples,) or (n_samples, n_targets), finite float64."""
    array = _finite("y", y)
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(f"y has shape {array.shape}; expected ({n_samples},) or ({n_samples}, n_targets).")
    check_same_lengths(n_samples, len(array))
    return array


def check_same_lengths(n_samples: int, n_labels: int) -> None:
    """Refuse classes of another number of samples."""
    if n_samples != n_labels:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: [{n_samples}, {n_labels}]")


def check_sizes(n_components: Any, classes: Array) -> tuple[int, ...]:
    """The number of components of each class."""
    if isinstance(n_components, Integral):
        return (int(n_components),) * len(classes)
    if isinstance(n_components, Mapping):
        missing = [label for label in classes.tolist() if label not in n_components]
        if missing:
            raise ValueError(f"n_components says nothing about the class {missing[0]!r}.")
        sizes = [n_components[label] for label in classes.tolist()]
    else:
        sizes = list(n_components)
    if len(sizes) != len(classes):
        raise ValueError(f"n_components has {len(sizes)} entries for {len(classes)} classes.")
    for size, label in zip(sizes, classes.tolist(), strict=True):
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(f"n_components of the class {label!r} is {size!r}; it must be an integer >= 1.")
    return tuple(int(size) for size in sizes)


def check_classes(codes: Array, classes: Array, sample_weight: Array | None, sizes: tuple[int, ...]) -> None:
    """Refuse a class with fewer samples of positive weight than components."""
    counted = codes >= 0 if sample_weight is None else (codes >= 0) & (sample_weight > 0)
    held = np.bincount(codes[counted], minlength=len(classes))
    for label, n, size in zip(classes.tolist(), held, sizes, strict=True):
        if n < size:
            raise ValueError(f"the class {label!r} has {n} labelled sample(s), fewer than its {size} component(s).")


def check_class_prior(prior: Any, n_classes: int) -> Array | None:
    """Probabilities of classes, (n_classes,) float64 with sum 1, or None."""
    if prior is None:
        return None
    array = _finite("class_prior", prior)
    if array.shape != (n_classes,):
        raise ValueError(f"class_prior has shape {array.shape}; expected ({n_classes},), one for each class.")
    if (array < 0).any() or abs(array.sum() - 1.0) > 1e-8:
        raise ValueError(f"class_prior is {array}; it must be >= 0 and sum to 1.")
    return array


def check_theirs(estimator: Any, expected: type[Any]) -> None:
    """Refuse anything but an estimator of this class of scikit-learn's."""
    if not isinstance(estimator, expected):
        raise TypeError(
            f"from_sklearn takes a fitted {expected.__name__} of scikit-learn, not {type(estimator).__module__}."
            f"{type(estimator).__qualname__}."
        )


def check_initial_weights(weights: Any, n_components: int) -> Array:
    """Initial mixing proportions (n_components,), float64."""
    array = _finite("weights_init", weights)
    _check_shape("weights", array, (n_components,))
    outside = np.flatnonzero((array < 0) | (array > 1))
    if len(outside):
        # scikit-learn prints the smallest as the largest, and its tests expect that, so the true weight follows.
        raise ValueError(
            "The parameter 'weights' should be in the range [0, 1], but got max value "
            f"{array.min():.5f}, min value {array.max():.5f}: weights_init[{outside[0]}] is {array[outside[0]]}."
        )
    # float32 proportions sum to 1 within their own rounding.
    if abs(1.0 - array.sum()) > (1e-6 if np.asarray(weights).dtype == np.float32 else 1e-8):
        raise ValueError(f"The parameter 'weights' should be normalized, but got sum(weights) = {array.sum():.5f}")
    return array


def check_initial(name: str, argument: str, value: Any, shape: tuple[int, ...], kind: Kind) -> Array:
    """An initial parameter as float64 of the expected shape and kind; `name` is what scikit-learn calls it."""
    array = _finite(argument, value)
    _check_shape(name, array, shape)
    if not kind.is_inside(array):
        raise ValueError(f"'{name}' should be {kind.phrase}")
    return array


def check_one_of_two(precisions_init: Any, covariances_init: Any) -> None:
    """Refuse initial precisions together with initial covariances."""
    if precisions_init is not None and covariances_init is not None:
        raise ValueError("precisions_init and covariances_init are both given; give one of them.")


def check_precisions(precisions: Array) -> None:
    """Refuse precisions that overflow in the units of the data."""
    if not np.isfinite(precisions).all():
        raise ValueError(
            "the precisions are not finite in the units of the data, which are too large or too small; rescale."
        )


def check_attribute(name: str, value: Any, shape: tuple[int, ...], otherwise: str = "") -> Array:
    """A fitted attribute, which the user may have set, as finite float64 of the shape that predictions need.

    otherwise: how, other than by hand, it may have come to have a wrong shape.
    """
    array = np.asarray(value, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(
            f"{name} has shape {array.shape}, expected {str(shape).replace('-1', 'n_features')}: it was set by hand"
            f"{otherwise and ', or '}{otherwise}."
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite.")
    return array


def check_factors(diagonals: Array) -> None:
    """Refuse singular factors of precisions, which the user may have set."""
    if (diagonals == 0).any():
        raise ValueError("precisions_cholesky_ is singular.")


def check_weights_attribute(weights: Any) -> Array:
    """weights_, which the user may have set, as float64. As in scikit-learn, they need not sum to 1 to predict."""
    array = np.asarray(weights, dtype=np.float64)
    if array.ndim != 1 or not (np.isfinite(array) & (array >= 0)).all() or not array.any():
        raise ValueError(f"weights_ is {array}; mixing weights must be finite, >= 0 and not all zero.")
    return array


def check_repeatable(random_state: Any) -> None:
    """Refuse a random_state that changes between calls, because a fit that goes on must begin from the same one."""
    if not (random_state is None or isinstance(random_state, Integral)):
        raise ValueError(
            f"random_state is a {type(random_state).__name__}, which draws other numbers at the next call; a "
            "checkpoint needs an integer, or None."
        )


def check_warm_start(found: int, n_components: int, fewer: bool = False) -> None:
    """Refuse to continue with another number of components. fewer: whether the last fit may have dropped some."""
    if found != n_components and not (fewer and found < n_components):
        raise ValueError(
            f"warm_start continues from {found} components, but n_components is {n_components}; set warm_start=False "
            "to start anew."
        )


def check_warm_family(found: str, family: str) -> None:
    """Refuse to continue with components of another family."""
    if found != family:
        raise ValueError(
            f"warm_start continues from components of {found}, but family is {family}; set warm_start=False to start "
            "anew."
        )


def check_family_of(estimator: str, own: Family, family: Family) -> None:
    """Refuse the result of another family than an estimator's own."""
    if type(own) is not type(family):
        raise ValueError(
            f"{estimator}'s components are {own.name}, those of the result {family.name}; use "
            "fastem.Mixture.from_result, which takes any family."
        )


def check_family_or_name(family: Any, known: Mapping[str, Callable[..., Family]]) -> Family:
    """A family as it is, or the family of this name, provided that it needs no arguments."""
    if not isinstance(family, str):
        check_family(family)
        return family
    if family not in known:
        raise ValueError(
            f"family is {family!r}; expected an object such as fastem.Poisson(), or one of "
            f"{', '.join(map(repr, sorted(known)))}."
        )
    needed = [p.name for p in signature(known[family]).parameters.values() if p.default is p.empty]
    if needed:
        raise ValueError(
            f"family is {family!r}, which needs {', '.join(needed)}: give the object, "
            f"{known[family].__name__}({', '.join(f'{name}=...' for name in needed)})."
        )
    return known[family]()


def check_parameters_init(given: Any, family: Family) -> None:
    """Refuse initial parameters that the family does not have."""
    names = [parameter.name for parameter in family.parameters]
    unknown = [str(name) for name in given or () if name not in names]
    if unknown:
        raise ValueError(f"parameters_init has {sorted(unknown)}; the parameters of {family.name} are {names}.")


def check_kept_family(path: Any, name: str, known: Mapping[str, Any]) -> None:
    """Refuse a file whose family is not known here."""
    if name not in known:
        raise ValueError(
            f"{path} holds an estimator of the unknown family {name!r}; import the module that defines it and "
            "registers it with fastem.register, or, if it is fastem's own, upgrade fastem."
        )


def check_state_format(found: int, newest: int, what: str) -> None:
    """Refuse a pickle or a file of a later format than this version knows."""
    if found > newest:
        raise ValueError(f"{what} has format {found}, this fastem reads up to {newest}; upgrade fastem.")


def check_estimator_file(path: Any, archive: Any, estimator: str) -> None:
    """Refuse an archive that does not hold this estimator."""
    if "estimator" not in getattr(archive, "files", ()):
        hint = "; fastem.load reads a Result" if "family" in getattr(archive, "files", ()) else ""
        raise ValueError(f"{path} does not hold an estimator saved by fastem{hint}.")
    if str(archive["estimator"]) != estimator:
        raise ValueError(f"{path} holds a {archive['estimator']}, not a {estimator}; load it as one.")


def check_plain(values: dict[str, Any]) -> dict[str, Any]:
    """The values with NumPy's scalars as Python's. A value that JSON cannot hold is refused, and the error names it."""
    plain = {}
    for name, value in values.items():
        plain[name] = value.item() if isinstance(value, np.generic) else value
        try:
            json.dumps(plain[name])
        except TypeError:
            raise TypeError(
                f"{name} is {value!r}, which a .npz cannot hold without pickle; change it, or pickle the estimator."
            ) from None
    return plain


def _finite(name: str, value: Any) -> Array:
    array = np.array(as_array(name, value), dtype=np.float64)
    if not np.isfinite(array).all():
        place = ", ".join(map(str, np.argwhere(~np.isfinite(array))[0]))
        raise ValueError(f"{name}[{place}] is {array[~np.isfinite(array)][0]}; it must be finite.")
    return array


def _check_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"The parameter '{name}' should have the shape of {shape}, but got {array.shape}")
