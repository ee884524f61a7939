"""What a prior must answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fastem.families.base import Family, Frame
from fastem.families.parameters import Array, Parameters

Derivatives = tuple[Array, Array]  # the first, (m,), and minus the second, (m, m)


class Spread(NamedTuple):
    """What a prior may ask about the data: their mean (d,) and covariance, with divisor n - 1.

    covariance: (d, d), or the variances of the features (d,), or their mean, as the family's components have it.
    """

    mean: Array
    covariance: Array


class Prior(ABC):
    """A prior; see the head of this file.

    name: what files call it. parameter: the parameter of a family by which it is known whether it fits.
    """

    name: ClassVar[str]
    parameter: ClassVar[str]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prior) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def is_settled(self) -> bool:
        """Whether it needs nothing from the data."""
        return True

    @property
    def is_symmetric(self) -> bool:
        """Whether it says the same of all components."""
        return True

    def symmetric(self) -> Prior:
        """The prior that says of all components what this one says on average."""
        return self

    def take(self, order: Array) -> Prior:
        """The prior of some of the components, in this order."""
        return self

    def settled(self, family: Family, n_components: int, spread: Spread) -> Prior:
        """The prior with what it takes from the data filled in."""
        return self

    @abstractmethod
    def why_not(self, n_features: int, n_components: int) -> str | None:
        """Why it has no mode, or does not fit a mixture of this size; None if it does."""

    def pseudo_counts(self, n_components: int) -> Array:
        """What is added to the sums of the responsibilities in the M-step of the weights, (n_components,)."""
        return np.zeros(n_components)

    def added(self, family: Family, statistics: Array, params: Array, frame: Frame, alive: Array) -> Array:
        """Statistics of one mixture with the prior's pseudo-evidence, of components that are `alive`."""
        return statistics

    def finished(self, family: Family, named: dict[str, Array], counts: Array) -> dict[str, Array]:
        """Named parameters in the user's units, from statistics whose counts (K,) include the pseudo-evidence."""
        return named

    @abstractmethod
    def log_density(self, family: Family, weights: Array, named: Parameters) -> float:
        """The log of the prior density, without its constant."""

    def derivatives(self, family: Family, tangent: Any, k: int, n_components: int, frame: Frame) -> Derivatives | None:
        """Those of the log density by the free parameters of component k in `tangent`; None of the weights' prior."""
        return None

    def to_json(self) -> dict[str, Any]:
        """For files."""
        values: dict[str, Any] = asdict(self)  # type: ignore[call-overload]
        kept = {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in values.items()}
        return {"prior": self.name, **kept}


def at_least(prior: str, name: str, least: float, value: Any) -> str:
    """Why a value has no mode."""
    return f"{prior}: {name} is {value}; it must be finite and >= {least}, or there is no mode."
