"""One fitting problem: data in tiles, a family, and the M-step on it. What starts and the loop both need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fastem.compiled.arrays import some
from fastem.data import fold as folding
from fastem.data.threads import Team
from fastem.data.tiles import Data
from fastem.families.base import Array, Family, Kernels, Limits, identity_frame
from fastem.model.matching import distances, matched, nearest, smallest_gap
from fastem.model.starving import Policy
from fastem.model.starving import starving as who_starves


class Step(NamedTuple):
    """The parameters of one start after an M-step; starving and floored as in Maximised, (n_components,) bool."""

    params: Array
    log_weights: Array
    starving: Array
    floored: Array


@dataclass(frozen=True)
class Problem:
    """X and sample_weight are the user's, checked; data holds them packed; limits are in the data's frame.

    memo: what was found out about the data, whatever the family and the number of components; other problems on the
    same data share it. policy: what happens to components without enough samples.
    """

    X: Array
    sample_weight: Array | None
    data: Data
    family: Family
    n_components: int
    limits: Limits
    team: Team
    memo: dict[Any, Any] = field(default_factory=dict, compare=False)
    policy: Policy = field(default_factory=Policy)

    @property
    def n_parameters(self) -> int:
        """Free parameters: the components' and n_components - 1 weights."""
        return self.family.n_parameters(self.data.n_features, self.n_components) + self.n_components - 1

    def plan(self, density: tuple[Kernels, folding.Shape] | None = None, mode: str = "soft") -> folding.Plan:
        """EM's own fold: this family gathers, and assigns too, unless `density` or the mode "given" says otherwise."""
        shape = folding.shape_of(self.family, self.data.n_features, self.n_components)
        layout = self.family.layout(self.data.n_features, self.n_components)
        own = self.family.kernels(), shape
        density = None if mode == "given" else density or own
        return folding.Plan(self.data, self.n_components, layout, density, own, mode)

    def maximise(self, statistics: Array, params: Array) -> Step:
        """The M-step of one start from its statistics, with the mixing weights."""
        counts = statistics[: self.n_components, 0]
        starving = who_starves(counts, self.data.total_weight, self.data.n_samples, self.policy.min_samples)
        maximised = self.family.maximise(statistics, params, self.data.frame, self.limits, starving)
        if some(starving):
            # What next to nobody belongs to belongs to nobody: a stale row must not enter the likelihood.
            counts = np.where(starving, 0.0, counts)
        return Step(maximised.params, log_weights_of(counts), starving, maximised.floored)

    def maximise_each(self, statistics: Array, params: Sequence[Array]) -> list[Step]:
        """The M-steps of several starts, statistics (n_starts, ...).

        In one go: on small data, a few operations on small arrays are all that a step costs. The operations on each
        start are the same as alone.
        """
        n_starts, n_components = len(params), self.n_components
        if n_starts < 2:
            return [self.maximise(statistics[0], params[0])] if n_starts else []
        counts = statistics[:, :n_components, 0]
        starving = who_starves(counts, self.data.total_weight, self.data.n_samples, self.policy.min_samples)
        if self.family.pooled:
            arguments = statistics, np.stack(params), starving
        else:
            rows = n_starts * n_components
            arguments = statistics.reshape(rows, -1), np.concatenate(params), starving.reshape(rows)
        new, _, floored = self.family.maximise(arguments[0], arguments[1], self.data.frame, self.limits, arguments[2])
        if some(starving):
            counts = np.where(starving, 0.0, counts)
        shape = n_starts, n_components
        parts = new.reshape(n_starts, -1, new.shape[-1]), log_weights_of(counts), starving, floored.reshape(shape)
        return [Step(*part) for part in zip(*parts, strict=True)]

    def vector(self, step: Step) -> Array:
        """Parameters as an unconstrained vector: log weights, centred, then the family's.

        Centred, because their sum is arbitrary: on the Times deaths, Anderson's method then takes 17 passes, not 27.
        Those of components without samples are 0, which no step changes.
        """
        alive = np.isfinite(step.log_weights)
        log_weights = np.where(alive, step.log_weights - step.log_weights[alive].mean(), 0.0)
        return np.concatenate(
            [log_weights, self.family.to_vector(step.params, self.data.n_features, self.n_components)]
        )

    def change(self, before: Step, after: Step) -> float:
        """The largest difference between two steps: of mixing weights, and of the family's vectors."""
        d, n_components = self.data.n_features, self.n_components
        with np.errstate(invalid="ignore"):
            moved = self.family.to_vector(after.params, d, n_components) - self.family.to_vector(
                before.params, d, n_components
            )
        # What is infinite in both, such as the logarithm of a rate of zero, has not moved.
        shares = np.exp(after.log_weights) - np.exp(before.log_weights)
        return float(max(np.abs(shares).max(), np.abs(np.where(np.isnan(moved), 0.0, moved)).max()))

    def matched_change(self, best: Step, other: Step) -> float:
        """The `change` from one solution to another, whose components are matched first."""
        order = matched(distances(self.places(best), self.places(other)))
        return self.change(best, self._taken(other, order))

    def is_same(self, best: Step, other: Step, change: float, share: float) -> bool:
        """Whether two solutions are one, up to the order of components.

        No parameter may differ by more than `change`, nor by more than this share of the distance between two
        components.
        """
        places = self.places(best)
        order = nearest(distances(places, self.places(other)))
        if order is None:
            return False
        return self.change(best, self._taken(other, order)) < min(change, share * smallest_gap(places))

    def places(self, step: Step) -> Array:
        """Where components are, in the coordinates of the frame, (n_components, m)."""
        own = identity_frame(self.data.n_features)
        return self.family.comparable(self.family.unpack(step.params, own, self.n_components))

    def _taken(self, step: Step, order: Array) -> Step:
        """A step with its components in another order."""
        own, n = identity_frame(self.data.n_features), self.n_components
        # In coordinates that change no digit of the named parameters.
        named = self.family.take(self.family.unpack(step.params, own, n), order)
        return step._replace(params=self.family.pack(named, own), log_weights=step.log_weights[order])

    def step_at(self, vector: Array, alive: Array) -> Step:
        """The inverse of `vector`; only the components that are `alive`, (n_components,) bool, have samples."""
        log_weights, rest = vector[: self.n_components], vector[self.n_components :]
        log_weights = np.where(alive, log_weights - log_weights[alive].max(), -np.inf)
        nobody = np.zeros(self.n_components, dtype=np.bool_)
        with np.errstate(all="ignore"):  # a leap may overflow: its likelihood will tell
            params = self.family.from_vector(rest, self.data.frame, self.n_components)
        return Step(params, log_weights - np.log(np.exp(log_weights).sum()), nobody, nobody)


def log_weights_of(counts: Array) -> Array:
    """Log mixing proportions from summed responsibilities (..., K); -inf for a component without samples."""
    if np.count_nonzero(counts) == counts.size:
        log_weights: Array = np.log(counts / counts.sum(axis=-1, keepdims=True))
        return log_weights
    with np.errstate(divide="ignore", invalid="ignore"):
        log_weights = np.log(counts / counts.sum(axis=-1, keepdims=True))
    return log_weights
