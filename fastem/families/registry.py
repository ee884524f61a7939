"""The families by the names under which files keep them. A user's family is added with `register`."""

from __future__ import annotations

from typing import Any, TypeVar

from fastem.families.base import Family

FamilyType = TypeVar("FamilyType", bound=type[Family])

FAMILIES: dict[str, type[Any]] = {}


def register(family: FamilyType) -> FamilyType:
    """Make a family known by its `name`, so that `fastem.load` can read mixtures of it. Use it to decorate the class.

    Parameters
    ----------
    family : a class derived from ``fastem.Family``, a frozen dataclass whose fields are hyper-parameters that JSON can
        hold.

    Returns
    -------
    The class itself.

    Raises
    ------
    TypeError : it is no such class, or leaves something abstract.
    ValueError : its name is taken by another family.
    """
    from fastem.validation import check_registrable

    check_registrable(family, FAMILIES)
    FAMILIES[family.name] = family
    return family
