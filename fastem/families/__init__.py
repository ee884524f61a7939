"""The kinds of components, and their registry: a new family is one file and one line here.

`base` is what a family answers, `parameters` what its parameters are. Nothing here knows a loop, a start or a thread.
"""

from __future__ import annotations

from collections.abc import Callable

from fastem.families.base import Family
from fastem.families.gaussian import SHAPES, Gaussian
from fastem.families.poisson import Poisson
from fastem.families.registry import FAMILIES, register

__all__ = ["FAMILIES", "MAKERS", "SHAPES", "Family", "Gaussian", "Poisson", "register"]

FAMILIES.update(
    {
        **{shape.name: shape for shape in SHAPES.values()},
        Poisson.name: Poisson,
    }
)
# What makes a family, by the name that the command line calls it; its keyword arguments are the options there.
MAKERS: dict[str, Callable[..., Family]] = {"gaussian": Gaussian, "poisson": Poisson}
