"""Checks of what is known about parameters: fixed and shared ones, and mixing weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem.validation.data import as_array

Array = NDArray[Any]
FREE, EQUAL = "free", "equal"


def check_fixed(fixed: Any, family: Any, n_features: int, n_components: int) -> dict[str, Array]:
    """Fixed values by name, each in its parameter's whole shape, float64, NaN where it is free."""
    if fixed is None:
        return {}
    if not isinstance(fixed, Mapping):
        raise TypeError(f'fixed is a {type(fixed).__name__}; expected a mapping such as {{"means": array}}.')
    parameters = {p.name: p for p in family.parameters}
    _check_names("fixed", list(fixed), parameters, family)
    found = {}
    for name, value in fixed.items():
        p = parameters[name]
        shape = p.shape(n_features, n_components)
        try:
            array = np.array(np.broadcast_to(as_array(f"fixed[{name!r}]", value).astype(np.float64), shape))
        except ValueError as error:
            if "broadcast" not in str(error):
                raise
            raise ValueError(
                f"fixed[{name!r}] has shape {np.shape(value)}; expected {shape}, NaN where a value is free."
            ) from None
        if np.isinf(array).any():
            place = ", ".join(map(str, np.argwhere(np.isinf(array))[0]))
            raise ValueError(f"fixed[{name!r}][{place}] is infinite; it must be finite, or NaN where it is free.")
        reason = _why_not(p, array)
        if reason is not None:
            raise ValueError(reason)
        if not np.isnan(array).all():
            found[name] = array
    return found


def _why_not(p: Any, array: Array) -> str | None:
    """Why fixed values are none of a parameter, or not fixed in one piece."""
    known, name = ~np.isnan(array), f"fixed[{p.name!r}]"
    if not known.any():
        return None
    if not p.kind.whole:
        return p.kind.why_not(name, array[known])
    matrices = array.reshape(-1, *array.shape[-2:])
    for k, (matrix, mask) in enumerate(zip(matrices, known.reshape(matrices.shape), strict=True)):
        where = name if array.ndim == 2 else f"{name}[{k}]"
        if mask.any() and not mask.all():
            return f"{where} is NaN in some places only; a matrix is fixed as a whole, or free."
        reason = p.kind.why_not(where, matrix) if mask.all() else None
        if reason is None and mask.all() and np.linalg.eigvalsh(matrix)[0] <= 0:
            reason = f"{where} is not positive definite."
        if reason is not None:
            return str(reason)
    return None


def check_shared(shared: Any, family: Any, fixed: Mapping[str, Array]) -> tuple[str, ...]:
    """The names of shared parameters."""
    names = (shared,) if isinstance(shared, str) else tuple(shared or ())
    parameters = {p.name: p for p in family.parameters}
    _check_names("shared", names, parameters, family)
    for name in names:
        if "K" not in parameters[name].axes:
            raise ValueError(f"shared has {name!r}, which components of {family.name} share anyway.")
        reason = family.why_not_shared(name)
        if reason is not None:
            raise ValueError(f"shared has {name!r}: {reason}")
        if name in fixed:
            value = fixed[name]
            known = ~np.isnan(value)
            if (known != known[:1]).any() or (value != value[:1])[known].any():
                raise ValueError(
                    f"{name} is shared, but fixed[{name!r}] differs from component to component; they contradict."
                )
    return names


def check_constrained(knows: bool, family: Any) -> None:
    """Refuse constraints on some parameters of a family that does not say what becomes of the others."""
    if not knows:
        raise TypeError(
            f"{family.name} does not say how its M-step changes where some of {[p.name for p in family.parameters]} "
            "are fixed or shared, so the likelihood might fall; fix all of them, or give the family a `targeted`."
        )


def _check_names(argument: str, names: Any, parameters: Mapping[str, Any], family: Any) -> None:
    for name in names:
        if name not in parameters:
            hint = '; mixing weights are fixed by weights="equal" or an array' if name == "weights" else ""
            raise ValueError(f"{argument} has {name!r}; the parameters of {family.name} are {list(parameters)}{hint}.")


def check_mixing(weights: Any, n_components: int) -> Array | str | None:
    """ "free"; None for equal weights; or given ones (n_components,), float64."""
    if isinstance(weights, str):
        if weights not in (FREE, EQUAL):
            raise ValueError(f"weights is {weights!r}; expected {FREE!r}, {EQUAL!r} or {n_components} numbers.")
        return None if weights == EQUAL else FREE
    array = as_array("weights", weights).astype(np.float64)
    if array.shape != (n_components,):
        raise ValueError(f"weights has shape {array.shape}; expected ({n_components},), a weight for each component.")
    if not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(f"weights is {array}; fixed mixing weights must be finite and > 0.")
    if abs(array.sum() - 1.0) > 1e-8:
        raise ValueError(f"weights sums to {array.sum():.10g}; it must sum to 1.")
    return np.asarray(array / array.sum())


def check_one_more(differs: bool) -> None:
    """Refuse a model that says something else of each component where there is one component more."""
    if differs:
        raise ValueError(
            "what is fixed in the model, or known of its weights, differs from component to component, and says "
            "nothing of one component more; test a model without that."
        )


def check_free(n_free: int) -> None:
    """Refuse to look for a maximum where nothing can move."""
    if n_free == 0:
        raise ValueError("every parameter of the model is fixed; diagnose has nothing to say about it.")


def check_derivatives(tangent: Any, method: str, family: Any) -> Any:
    """What a tangent must answer besides where something is known of the parameters."""
    found = getattr(tangent, method, None)
    if found is None:
        raise TypeError(
            f"{family.name} says nothing of its derivatives under constraints or priors (its tangent has no "
            f"{method!r}); fastem.bootstrap gives standard errors of such a fit."
        )
    return found


def check_priors(
    prior: Any, known: Mapping[str, type[Any]], family: Any, n_features: int, n_components: int
) -> tuple[Any, ...]:
    """The priors of a model, from one, several, or the name of a default."""
    if prior is None:
        return ()
    if isinstance(prior, str):
        if prior != "fraley-raftery":
            raise ValueError(f"prior is {prior!r}; the only name is 'fraley-raftery'. Others are objects.")
        prior = known["normal_inverse_wishart"]()
    priors = tuple(prior) if isinstance(prior, list | tuple) else (prior,)
    kinds = tuple(known.values())
    names = [p.name for p in family.parameters]
    for each in priors:
        if not isinstance(each, kinds):
            expected = ", ".join(f"fastem.{kind.__name__}" for kind in kinds)
            raise TypeError(f"prior is {each!r}; expected one or several of {expected}, or 'fraley-raftery'.")
        if each.parameter != "weights" and each.parameter not in names:
            raise ValueError(
                f"prior: {type(each).__name__} is for components with {each.parameter!r}, and {family.name} has "
                f"{names}."
            )
        reason = each.why_not(n_features, n_components)
        if reason is not None:
            raise ValueError(f"prior: {reason}")
    if len({each.parameter for each in priors}) < len(priors):
        raise ValueError("prior has two priors of the same parameter; give one.")
    return priors


def check_weights_are_free(free: bool, priors: Sequence[Any]) -> None:
    """Refuse a prior of weights that are known."""
    if not free and any(prior.parameter == "weights" for prior in priors):
        raise ValueError("weights are known, and prior has a Dirichlet prior of them; they contradict each other.")
