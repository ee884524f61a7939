"""What is known of a family's parameters: values that are fixed, and parameters that all components share.

An M-step under constraints is the family's own, from statistics that `Family.targeted` has changed where its parameters
depend on each other; fixed values are then put in. Where that is no closed form it is conditional maximisation (Meng
and Rubin 1993, Biometrika 80), which never lowers the likelihood either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastem.compiled.arrays import some
from fastem.families.base import Family, Frame, Limits, Maximised
from fastem.families.parameters import Array, Parameters
from fastem.families.priors import Prior


@dataclass(frozen=True, eq=False)
class Constraints:
    """fixed: by the name of a parameter, its values in the user's units and its whole shape, NaN where they are free.

    shared: the names of parameters of which all components have the same values.
    """

    fixed: Mapping[str, Array] = field(default_factory=dict)
    shared: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fixed or self.shared)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constraints) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.shared)

    def n_taken(self, family: Family, n_features: int, n_components: int) -> int:
        """How many degrees of freedom they take."""
        taken = 0
        for p in family.parameters:
            shape = p.shape(n_features, n_components)
            one = (1, *shape[1:]) if p.name in self.shared else shape
            free = p.kind.n_free(one)
            if p.name in self.fixed:
                # A matrix is fixed as a whole, so the share of its entries is that of its free numbers.
                value = self.fixed[p.name]
                held = ~np.isnan(value[:1] if p.name in self.shared else value)
                free -= round(float(held.mean()) * free)
            taken += p.kind.n_free(shape) - free
        return taken

    def all_fixed(self, family: Family) -> bool:
        """Whether no parameter of the components is free."""
        return all(p.name in self.fixed and not np.isnan(self.fixed[p.name]).any() for p in family.parameters)

    def about(self, family: Family, frame: Frame) -> dict[str, Array]:
        """The fixed values in the coordinates `about_origin` of a frame."""
        places = {p.name for p in family.parameters if p.is_place}
        return {name: value - frame.shift if name in places else value for name, value in self.fixed.items()}

    def imposed(
        self,
        family: Family,
        params: Array,
        frame: Frame,
        counts: Array,
        fixed: Parameters,
        priors: Sequence[Prior] = (),
    ) -> Array:
        """Rows of one mixture with fixed values put in; what is shared becomes the mean by `counts` (n_components,).

        fixed: what `about` returns for this frame. priors: those that have to finish these rows first.
        """
        about, n_components = about_origin(frame), len(counts)
        named = dict(family.unpack(params, about, n_components))
        if self.shared:
            total = counts.sum()
            shares = counts / total if total > 0 else np.full(n_components, 1.0 / n_components)
            for name in self.shared:
                named[name] = np.broadcast_to(np.tensordot(shares, named[name], axes=1), named[name].shape)
        for prior in priors:
            named = prior.finished(family, named, counts)
        return family.pack(put_in(named, fixed), about)

    def take(self, family: Family, order: Array) -> Constraints:
        """The constraints on some of the components, in this order."""
        parameters = {p.name: p for p in family.parameters}
        return Constraints({name: parameters[name].take(v, order) for name, v in self.fixed.items()}, self.shared)

    def resized(self, family: Family, n_components: int) -> Constraints | None:
        """The constraints on so many components; None if they say something else of each."""
        fixed = {}
        for p in family.parameters:
            if p.name in self.fixed:
                value = fixed[p.name] = self.fixed[p.name]
                if "K" in p.axes:
                    if not np.array_equal(value, np.broadcast_to(value[:1], value.shape), equal_nan=True):
                        return None
                    fixed[p.name] = np.repeat(value[:1], n_components, axis=0)
        return Constraints(fixed, self.shared)

    def to_json(self) -> dict[str, Any]:
        """For files; NaN becomes null."""
        return {"fixed": {k: _listed(v) for k, v in self.fixed.items()}, "shared": list(self.shared)} if self else {}


def from_json(kept: Mapping[str, Any]) -> Constraints:
    """The inverse of `Constraints.to_json`."""
    fixed = {name: np.array(value, dtype=np.float64) for name, value in kept.get("fixed", {}).items()}
    return Constraints(fixed, tuple(kept.get("shared", ())))


def _listed(value: Array) -> Any:
    if np.ndim(value):
        return [_listed(part) for part in value]
    return None if math.isnan(float(value)) else float(value)


def put_in(named: Parameters, fixed: Parameters) -> dict[str, Array]:
    """Named parameters with fixed values, which are NaN where they are free, put in."""
    return {**named, **{name: np.where(np.isnan(value), named[name], value) for name, value in fixed.items()}}


def about_origin(frame: Frame) -> Frame:
    """Coordinates in the user's units, but about the origin of a frame, in which places lose no digits."""
    return Frame(np.zeros(len(frame.scale)), frame.scale)


def maximise(
    family: Family,
    statistics: Array,
    params: Array,
    frame: Frame,
    limits: Limits,
    starving: Array,
    constraints: Constraints,
    priors: Sequence[Prior] = (),
) -> Maximised:
    """`Family.maximise` of one mixture under constraints and priors."""
    n_components = starving.shape[-1]
    for prior in priors:
        statistics = prior.added(family, statistics, params, frame, ~starving)
    counts, fixed = np.where(starving, 0.0, statistics[:n_components, 0]), constraints.about(family, frame)
    targeted = family.targeted(statistics, params, fixed, constraints.shared, frame, counts)
    found = family.maximise(targeted, params, frame, limits, starving)
    rows = constraints.imposed(family, found.params, frame, counts, fixed, priors)
    collapsed = found.floored if found.collapsed is None else found.collapsed
    if not some(found.floored):
        return Maximised(rows, starving, found.floored, collapsed)
    free = ~_held(family, constraints, n_components) & (not any(prior.parameter == "covariances" for prior in priors))
    return Maximised(rows, starving, found.floored & free, collapsed & free)


def _held(family: Family, constraints: Constraints, n_components: int) -> Array:
    """The components all of whose values, but for places, are fixed: none of these is held by a floor."""
    held = np.ones(n_components, dtype=np.bool_)
    for p in family.parameters:
        if not p.is_place:
            value = constraints.fixed.get(p.name)
            known = np.zeros(1, dtype=np.bool_) if value is None else ~np.isnan(value)
            held &= known.reshape(n_components, -1).all(axis=1) if known.size > 1 and "K" in p.axes else known.all()
    return held
