"""Checks of what is done with a fitted mixture."""

from __future__ import annotations

from typing import Any

from fastem.validation.data import is_finite


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
