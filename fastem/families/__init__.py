"""The kinds of components, and their registry: a new family is one file and one name in `PLAIN` here.

`base` says what a family must answer, and `parameters` what its parameters are. A new family imports both from here.
Nothing in this folder knows a loop, a start or a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastem.families.base import Array, Columns, Family, Frame, Limits, Maximised, Tangent, first_where, identity_frame
from fastem.families.bernoulli import Bernoulli
from fastem.families.gaussian import SHAPES, Gaussian
from fastem.families.kernels import Kernels, MStep
from fastem.families.parameters import (
    COVARIANCE,
    NON_NEGATIVE,
    POSITIVE,
    PROBABILITY,
    REAL,
    VARIANCE,
    Kind,
    Parameter,
    Parameters,
)
from fastem.families.poisson import Poisson
from fastem.families.registry import FAMILIES, register

__all__ = [
    "COVARIANCE",
    "FAMILIES",
    "MAKERS",
    "NON_NEGATIVE",
    "POSITIVE",
    "PROBABILITY",
    "REAL",
    "SHAPES",
    "VARIANCE",
    "Array",
    "Bernoulli",
    "Columns",
    "Family",
    "Frame",
    "Gaussian",
    "Kernels",
    "Kind",
    "Limits",
    "MStep",
    "Maximised",
    "Parameter",
    "Parameters",
    "Poisson",
    "Tangent",
    "first_where",
    "identity_frame",
    "register",
]  # fmt: skip

# The families that are one class; the Gaussian ones are a class for each shape.
PLAIN: tuple[type[Any], ...] = (Poisson, Bernoulli)

FAMILIES.update({family.name: family for family in (*SHAPES.values(), *PLAIN)})
# The function or class that makes a family, by the name of the family on the command line. Its keyword arguments are
# the options there.
MAKERS: dict[str, Callable[..., Family]] = {"gaussian": Gaussian, **{family.name: family for family in PLAIN}}
