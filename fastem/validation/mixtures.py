"""Checks of mixtures: parameters, starts, models in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastem.families.base import Family
from fastem.families.parameters import Array, Parameter, n_features_of
from fastem.validation.data import as_array, check_integer
from fastem.validation.frames import check_names


class Given(NamedTuple):
    """A start by name and by parameters.

    method: the name of the method that finds the parameters that are left out; None if none is. parameters: the given
    ones, checked, by name; "weights" may be among them.
    """

    method: str | None
    parameters: dict[str, Array]


def is_mixture(value: Any) -> bool:
    """Whether a value is a Result, or an object with a `result_`: an estimator, fitted or not."""
    return _holds_result(value) or _is_result(value)


def _is_result(value: Any) -> bool:
    # Columns of a data frame are attributes of the frame, but not of its class.
    return hasattr(type(value), "family") and hasattr(value, "weights") and hasattr(value, "parameters")


def _holds_result(value: Any) -> bool:
    return hasattr(type(value), "result_") or "result_" in getattr(value, "__dict__", ())


def check_mixture(mixture: Any) -> Any:
    """The Result that a mixture is, or that a fitted estimator holds. Anything else is refused."""
    result = mixture.result_ if _holds_result(mixture) else mixture
    if not _is_result(result):
        raise TypeError(f"mixture must be {_MIXTURE}, not {_called(mixture)}.")
    return result


def data_and_mixture(one: Any, other: Any) -> tuple[Any, Any]:
    """Data and a mixture, which a user may give in either order; the mixture as a Result, see `check_mixture`."""
    first, second = is_mixture(one), is_mixture(other)
    if first and second:
        raise TypeError("expected data and a mixture, in either order; got two mixtures.")
    if not (first or second):
        raise TypeError(
            f"expected data and a mixture, in either order; got {_called(one)} and {_called(other)}. A mixture is "
            f"{_MIXTURE}."
        )
    return (other, check_mixture(one)) if first else (one, check_mixture(other))


_MIXTURE = "a Result, as from fastem.fit, or a fitted estimator of fastem"


def _called(value: Any) -> str:
    """What a value is, for a message: its type, and whose it is where that is not obvious."""
    package = type(value).__module__.partition(".")[0]
    name = type(value).__name__
    return name if package in ("builtins", "fastem", "numpy") else f"{name} of {package}"


def check_order(order: Any, n_components: int) -> Array:
    """An order of components as integers; refuse what is no permutation of them."""
    array = as_array("order", order)
    if (
        array.shape != (n_components,)
        or array.dtype.kind not in "iu"
        or set(array.tolist()) != set(range(n_components))
    ):
        raise ValueError(
            f"order is {order!r}; it must name each of the {n_components} component(s) once, from 0 to "
            f"{n_components - 1}."
        )
    return array.astype(np.int64)


def check_sortable(name: Any, names: Sequence[str]) -> str:
    """The name of a parameter of which each component has its own."""
    if name not in names:
        raise ValueError(
            f"components cannot be sorted by {name!r}; each has its own {', '.join(map(repr, names))}, and shares the "
            "rest."
        )
    return str(name)


def check_feature(
    feature: Any, n_features: int, names: Sequence[str] | None, parameter: str, has_features: bool
) -> int:
    """A feature, given by number or by name, as a number."""
    if not has_features:
        raise ValueError(f"{parameter} has no features; leave out the feature, which is {feature!r}.")
    if isinstance(feature, str):
        if feature not in (names or ()):
            known = "the features have no names" if names is None else f"the features are {', '.join(names)}"
            raise ValueError(f"feature is {feature!r}, but {known}.")
        return list(names or ()).index(feature)
    check_integer("feature", feature, 0)
    if feature >= n_features:
        raise ValueError(f"feature is {feature}, but there are {n_features}, counted from 0.")
    return int(feature)


def check_alike(one: Any, other: Any) -> None:
    """Refuse to match mixtures that have not as many components, nor the same features, nor comparable ones."""
    for what in ("n_components", "n_features"):
        if getattr(one, what) != getattr(other, what):
            raise ValueError(
                f"the mixtures have {getattr(one, what)} and {getattr(other, what)} {what[2:]}; to be matched, both "
                "must have as many."
            )
    check_names(other.feature_names, one.feature_names)
    for mixture in (one, other):
        check_usable(mixture)
    if type(one.family).comparable is not type(other.family).comparable:
        raise ValueError(
            f"components of {one.family.name} and {other.family.name} cannot be compared; fit one family to both."
        )


def check_usable(mixture: Any) -> None:
    """Refuse anything but a Result whose parameters are numbers: those of a fit that overflowed are not."""
    check_mixture(mixture)
    check_representable(mixture.parameters, mixture.family)


def check_representable(parameters: Mapping[str, Any], family: Family) -> None:
    """Refuse parameters that have left the range of floating point in the units of the data."""
    for parameter in family.parameters:
        value = parameters.get(parameter.name)  # an estimator may predict from others
        if value is not None and not parameter.kind.is_representable(np.asarray(value, dtype=np.float64)):
            reason = "nearly 0, and their inverses not finite" if np.isfinite(value).all() else "not finite"
            raise ValueError(
                f"the {parameter.name} are {reason} in the units of the data, which are too large or too small; "
                "rescale."
            )


def check_evidence(evidence: Any) -> None:
    """Refuse anything but Evidence, and evidence of nothing."""
    if not hasattr(evidence, "statistics"):
        raise TypeError(f"maximise takes Evidence, from fastem.fold, not {type(evidence).__name__}.")
    if not evidence.statistics[: evidence.mixture.n_components, 0].sum() > 0:
        raise ValueError(
            "every sample is impossible under the mixture of this Evidence, or nothing is left of it after it was "
            "scaled; start from another mixture."
        )


def check_movable(arguments: Any) -> None:
    """Refuse to pickle addresses of machine code, which mean nothing elsewhere, if their mixture is not known."""
    if not hasattr(arguments, "_made_of"):
        raise TypeError(
            "these Arguments were made by hand or came out of compiled code, so that they hold addresses of this "
            "process alone and cannot be pickled; make them anew with fastem.jit.arguments(mixture)."
        )


def check_start(start: Any, names: Sequence[str], family: Family, n_components: int, shape: tuple[int, ...]) -> Any:
    """A start in one of three forms: Given, labels (n,), or responsibilities (n, K)."""
    if is_mixture(start):
        start = check_mixture(start)
    if hasattr(start, "parameters") and hasattr(start, "weights"):
        start = {"weights": start.weights, **start.parameters}
    if isinstance(start, str):
        start = {"method": start}
    if isinstance(start, Mapping):
        return _check_given(start, names, family, n_components, shape[1])
    if start is None:
        raise ValueError("start is None; leave it out for the default, 'auto'.")
    return check_assignment("start", start, shape[0], n_components)


def check_assignment(name: str, value: Any, n_samples: int, n_components: int) -> Array:
    """Labels (n_samples,) as integers, or responsibilities (n_samples, n_components)."""
    array = as_array(name, value)
    if array.shape == (n_samples,):
        return _check_labels(name, array, n_components)
    if array.shape == (n_samples, n_components):
        return _check_responsibilities(name, array)
    raise ValueError(
        f"{name} has shape {array.shape}; expected labels ({n_samples},) or responsibilities "
        f"({n_samples}, {n_components}); to give centres, pass a mapping of parameters by name."
    )


def _check_given(start: Mapping[str, Any], names: Sequence[str], family: Family, n_components: int, d: int) -> Given:
    names_of_parameters = [parameter.name for parameter in family.parameters]
    unknown = set(start) - {"method", "weights", *names_of_parameters}
    if unknown:
        raise ValueError(
            f"start has {sorted(unknown)}; expected any of 'weights' and {names_of_parameters}, and the 'method' that "
            "finds what is left out."
        )
    method = start.get("method", names[0])
    if method not in names:
        raise ValueError(
            f"start must be one of {', '.join(map(repr, names))}, a mapping of parameters, a Result, labels or "
            f"responsibilities; it is {method!r}."
        )
    given: dict[str, Array] = {}
    if "weights" in start:
        given["weights"] = _check_weights(start["weights"], n_components)
    for parameter in family.parameters:
        if parameter.name in start:
            given[parameter.name] = _check_parameter(start[parameter.name], parameter, d, n_components)
    return Given(method if len(given) <= len(names_of_parameters) else None, given)


def _check_labels(name: str, labels: Array, n_components: int) -> Array:
    bad = np.flatnonzero(~((labels >= 0) & (labels < n_components) & (labels == np.floor(labels))))
    if len(bad):
        raise ValueError(
            f"{name}[{bad[0]}] is {labels[bad[0]]}; labels must be integers in 0 .. {n_components - 1} "
            "(subtract 1 if yours begin at 1)."
        )
    return labels.astype(np.int64)


def _check_responsibilities(name: str, resp: Array) -> Array:
    _check_finite_resp(name, resp)
    sums = resp.sum(axis=1, dtype=np.float64)
    wrong = np.flatnonzero(np.abs(sums - 1.0) > 1e-3)
    if len(wrong):
        raise ValueError(f"{name}[{wrong[0]}] sums to {sums[wrong[0]]}; each row of responsibilities must sum to 1.")
    return resp


def _check_finite_resp(name: str, resp: Array) -> None:
    bad = np.argwhere(~((resp >= 0) & np.isfinite(resp)))
    if len(bad):
        i, k = bad[0]
        raise ValueError(f"{name}[{i}, {k}] is {resp[i, k]}; responsibilities must be finite and >= 0.")


def check_parameters(weights: Any, parameters: Mapping[str, Any], family: Family) -> tuple[Array, dict[str, Array]]:
    """Mixing weights and named parameters as float64 arrays of the shapes that the family asks for."""
    proportions = _check_weights(weights, None)
    names = [parameter.name for parameter in family.parameters]
    if set(parameters) != set(names):
        raise ValueError(f"the parameters of {family.name} are {names}; got {sorted(parameters)}.")
    n_features = n_features_of(family.parameters, {name: as_array(name, parameters[name]) for name in names})
    if n_features == 0:
        raise ValueError(f"{names[0]} has shape {np.shape(parameters[names[0]])}; at least one feature is needed.")
    checked = {p.name: _check_parameter(parameters[p.name], p, n_features, len(proportions)) for p in family.parameters}
    return proportions, checked


def _check_weights(weights: Any, n_components: int | None) -> Array:
    """Mixing weights as float64, scaled to sum 1 exactly."""
    proportions = np.ascontiguousarray(as_array("weights", weights), dtype=np.float64)
    if proportions.ndim != 1 or len(proportions) == 0 or (n_components or len(proportions)) != len(proportions):
        raise ValueError(f"weights has shape {proportions.shape}; expected ({n_components or 'n_components'},).")
    bad = np.flatnonzero(~(np.isfinite(proportions) & (proportions >= 0)))
    if len(bad):
        raise ValueError(f"weights[{bad[0]}] is {proportions[bad[0]]}; mixing weights must be finite and >= 0.")
    if abs(proportions.sum() - 1.0) > 1e-6:
        raise ValueError(f"weights sum to {proportions.sum()}; mixing weights must sum to 1.")
    normalised: Array = proportions / proportions.sum()
    return normalised


def _check_parameter(given: Any, parameter: Parameter, n_features: int, n_components: int) -> Array:
    name, expected = parameter.name, parameter.shape(n_features, n_components)
    value: Array = np.array(as_array(name, given), dtype=np.float64, order="C")
    if value.shape != expected:
        raise ValueError(f"{name} has shape {value.shape}; expected {str(expected).replace('-1', 'n_features')}.")
    if not np.isfinite(value).all():
        place = ", ".join(map(str, np.argwhere(~np.isfinite(value))[0]))
        raise ValueError(f"{name}[{place}] is not finite.")
    reason = parameter.kind.why_not(name, value)
    if reason is not None:
        raise ValueError(reason)
    return value


def is_same_mixture(one: Any, other: Any) -> bool:
    """Whether two Results are the same mixture; those of another family, size or number of features are refused."""
    sizes = [(mixture.n_components, mixture.n_features) for mixture in (one, other)]
    if one.family != other.family or sizes[0] != sizes[1]:
        raise ValueError(
            f"Evidence adds up only if its mixtures have one family and one size; these are {one.family!r} with "
            f"{sizes[0][0]} component(s) of {sizes[0][1]} feature(s) and {other.family!r} with {sizes[1][0]} of "
            f"{sizes[1][1]}."
        )
    check_names(one.feature_names, other.feature_names)
    return one is other or (
        np.array_equal(one.weights, other.weights)
        and all(np.array_equal(one.parameters[name], other.parameters[name]) for name in one.parameters)
    )


def check_factor(factor: Any) -> float:
    """A number by which Evidence can be multiplied."""
    try:
        number = float(factor)
    except (TypeError, ValueError):
        raise TypeError(f"Evidence can be multiplied by a number, not by {type(factor).__name__}.") from None
    if not (np.isfinite(number) and number >= 0):
        raise ValueError(f"Evidence was multiplied by {number}; expected a finite number >= 0.")
    return number


def check_given_resp(resp: Any, n_samples: int, n_components: int) -> Array:
    """Responsibilities (n_samples, n_components) whose rows may have any sums."""
    array = as_array("resp", resp)
    if array.shape != (n_samples, n_components):
        raise ValueError(f"resp has shape {array.shape}; expected ({n_samples}, {n_components}).")
    _check_finite_resp("resp", array)
    return array
