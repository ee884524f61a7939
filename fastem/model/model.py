"""What is estimated: the family of the components, how many, how they are mixed, and what becomes of a starving one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from fastem.compiled.arrays import some
from fastem.data.threads import Team
from fastem.families import constraints
from fastem.families.base import Array, Family, Frame, Limits
from fastem.families.constraints import Constraints
from fastem.families.kernels import MStep
from fastem.families.parameters import Parameters
from fastem.families.priors import Prior
from fastem.model.mixing import Proportions
from fastem.model.starving import SOFT, Policy
from fastem.model.starving import starving as who_starves


class Step(NamedTuple):
    """The parameters of one start after an M-step; the others as in Maximised, (n_components,) bool."""

    params: Array
    log_weights: Array
    starving: Array
    floored: Array
    collapsed: Array


# Rows of more statistics than this are maximised one by one, so that few large matrices exist at a time, and shared out
# over the threads. A full covariance has as many from 256 features on; its factors then take a third of a millisecond.
WIDE = 2**15


class Setting(NamedTuple):
    """What an M-step must know about the data: their frame, its limits, the sum of the weights, how many samples.

    team: the threads that it may use, or None for the caller's alone. m_step: the family's M-step as a kernel for so
    many components, and its layout; None if it is not to be used. held: which components never starve, (n_components,)
    bool, because samples are known to be of them; None for none.
    """

    frame: Frame
    limits: Limits
    total_weight: float
    n_samples: float
    team: Team | None = None
    m_step: Callable[[int], tuple[MStep | None, Array]] | None = None
    held: Array | None = None


@dataclass(frozen=True)
class Model:
    """What is estimated. It travels as a whole, from a fit to its Result and on to the functions that take a Result.

    Attributes
    ----------
    family : the Family of the components.
    n_components : int
    mixing : how the components are mixed.
    policy : how many samples a component must hold, and what becomes of one that holds fewer.
    constraints : which values of the family's parameters are known, and which all components share.
    priors : of the mixing weights and of the family's parameters.
    assignment : how samples are given to components, one of `model.assignments`.
    """

    family: Family
    n_components: int
    mixing: Proportions = field(default_factory=Proportions)
    policy: Policy = field(default_factory=Policy)
    constraints: Constraints = field(default_factory=Constraints)
    priors: tuple[Prior, ...] = ()
    assignment: str = SOFT

    def n_parameters(self, n_features: int) -> int:
        """Free parameters: the components' and the mixing's."""
        n = self.family.n_parameters(n_features, self.n_components) + self.mixing.n_free(self.n_components)
        return n - self.constraints.n_taken(self.family, n_features, self.n_components)

    @property
    def is_held(self) -> bool:
        """Whether something is known of its parameters."""
        return bool(self.constraints) or self.mixing.n_free(2) == 0

    @property
    def is_symmetric(self) -> bool:
        """Whether its priors say the same of all components."""
        return all(prior.is_symmetric for prior in self.priors)

    def unheld(self) -> Model:
        """The model of whose parameters nothing is certain."""
        return replace(self, mixing=Proportions(), constraints=Constraints())

    def anonymous(self) -> Model:
        """The model in which nothing tells components apart: `unheld`, with priors that are the same for all."""
        return replace(self.unheld(), priors=tuple(prior.symmetric() for prior in self.priors))

    def take(self, order: Array) -> Model:
        """The model of some of the components, in this order."""
        constraints = self.constraints.take(self.family, order)
        priors = tuple(prior.take(order) for prior in self.priors)
        mixing = self.mixing.take(order)
        return replace(self, n_components=len(order), mixing=mixing, constraints=constraints, priors=priors)

    def resized(self, n_components: int) -> Model | None:
        """The model of another number of components; None if it says something else of each."""
        constraints, mixing = self.constraints.resized(self.family, n_components), self.mixing.resized(n_components)
        if constraints is None or mixing is None or not self.is_symmetric:
            return None
        return replace(self, n_components=n_components, mixing=mixing, constraints=constraints)

    def objective(self, log_likelihood: float, weights: Array, named: Parameters) -> float:
        """What EM increases: the log-likelihood, and the log density of the parameters under the priors."""
        return log_likelihood + sum(prior.log_density(self.family, weights, named) for prior in self.priors)

    def maximise(self, statistics: Array, params: Array, setting: Setting) -> Step:
        """The M-step of one start from its statistics, which were gathered at `params`."""
        counts = statistics[: self.n_components, 0]
        starving = self._starving(counts, setting)
        rows, floored, collapsed = self._maximised(statistics, params, starving, setting)
        for prior in self.priors:
            counts = counts + prior.pseudo_counts(self.n_components)
        return Step(rows, self.mixing.maximise(counts, starving), starving, floored, collapsed)

    def maximise_each(self, statistics: Array, params: Sequence[Array], setting: Setting) -> list[Step]:
        """The M-steps of several starts, statistics (n_starts, ...).

        They are made in one go, because on small data a step costs no more than a few operations on small arrays. The
        operations on each start are the same as alone.
        """
        n_starts, n_components = len(params), self.n_components
        if n_starts < 2 or self.constraints or self.priors:
            return [self.maximise(*own, setting) for own in zip(statistics, params, strict=True)]
        counts = statistics[:, :n_components, 0]
        starving = self._starving(counts, setting)
        if self.family.pooled:
            arguments = statistics, np.stack(params), starving
        else:
            rows = n_starts * n_components
            arguments = statistics.reshape(rows, -1), np.concatenate(params), starving.reshape(rows)
        new, floored, collapsed = self._maximised(*arguments, setting)
        log_weights = self.mixing.maximise(counts, starving)
        shape = n_starts, n_components
        held = floored.reshape(shape), collapsed.reshape(shape)
        parts = new.reshape(n_starts, -1, new.shape[-1]), log_weights, starving, *held
        return [Step(*part) for part in zip(*parts, strict=True)]

    def _starving(self, counts: Array, setting: Setting) -> Array:
        """Which components starve, from their summed responsibilities (..., n_components).

        None does of those of which nothing is estimated but their weights.
        """
        if self.constraints.all_fixed(self.family):
            return np.zeros(counts.shape, dtype=np.bool_)
        starving = who_starves(counts, setting.total_weight, setting.n_samples, self.policy.min_samples)
        return starving if setting.held is None else starving & ~setting.held

    def _maximised(
        self, statistics: Array, params: Array, starving: Array, setting: Setting
    ) -> tuple[Array, Array, Array]:
        """The family's M-step: rows, floored and collapsed as in Maximised."""
        if self.constraints or self.priors:
            known = setting.frame, setting.limits, starving, self.constraints, self.priors
            under = constraints.maximise(self.family, statistics, params, *known)
            return under.params, under.floored, under.floored if under.collapsed is None else under.collapsed
        if setting.m_step is not None and not some(starving):
            new = self._by_kernel(statistics, params, starving.shape[-1], setting.m_step)
            if new is not None:
                return new, np.zeros_like(starving), np.zeros_like(starving)
        if statistics.shape[-1] < WIDE or self.family.pooled or len(statistics) < 2:
            found = self.family.maximise(statistics, params, setting.frame, setting.limits, starving)
            return found.params, found.floored, found.floored if found.collapsed is None else found.collapsed
        rows, held = np.empty_like(params), np.empty((2, len(params)), dtype=np.bool_)

        def maximise(k: int) -> None:
            one = slice(k, k + 1)
            own = self._maximised(statistics[one], params[one], starving[one], setting)
            rows[one], held[0, one], held[1, one] = own

        numbers = range(len(params))
        if setting.team is None:
            for k in numbers:
                maximise(k)
        else:
            setting.team.map(maximise, numbers)
        return rows, held[0], held[1]

    def _by_kernel(
        self, statistics: Array, params: Array, n: int, m_step: Callable[[int], tuple[MStep | None, Array]]
    ) -> Array | None:
        """The rows after an ordinary M-step of n components, or of n in each start; None if it is not ordinary."""
        step, layout = m_step(n)
        if step is None:
            return None
        if statistics.ndim == 2:
            return step.apply(statistics, params, layout)
        found = [step.apply(sums, rows, layout) for sums, rows in zip(statistics, params, strict=True)]
        rows = [new for new in found if new is not None]
        return np.stack(rows) if len(rows) == len(found) else None

    def vector(self, step: Step, n_features: int) -> Array:
        """The parameters as an unconstrained vector: the mixing's, then the family's."""
        own = self.family.to_vector(step.params, n_features, self.n_components)
        return np.concatenate([self.mixing.to_vector(step.log_weights), own])

    def vectors(self, steps: Sequence[Step], n_features: int) -> list[Array]:
        """`vector` of several steps."""
        own = self.family.to_vectors(np.stack([step.params for step in steps]), n_features, self.n_components)
        mixed = (self.mixing.to_vector(step.log_weights) for step in steps)
        return [np.concatenate(pair) for pair in zip(mixed, own, strict=True)]

    def step_at(self, vector: Array, alive: Array, frame: Frame) -> Step:
        """The inverse of `vector`; only the components that are `alive`, (n_components,) bool, have samples."""
        n = self.mixing.n_entries(self.n_components)
        log_weights = self.mixing.from_vector(vector[:n], alive)
        nobody = np.zeros(self.n_components, dtype=np.bool_)
        with np.errstate(all="ignore"):  # a leap may overflow; its likelihood shows that
            params = self.family.from_vector(vector[n:], frame, self.n_components)
            params = self.constrained(params, log_weights, frame)
        return Step(params, log_weights, nobody, nobody, nobody)

    def constrained(self, params: Array, log_weights: Array, frame: Frame) -> Array:
        """Rows with fixed values put in, and with what is shared the same for all."""
        if not self.constraints:
            return params
        fixed = self.constraints.about(self.family, frame)
        return self.constraints.imposed(self.family, params, frame, np.exp(log_weights), fixed)

    def change(self, before: Step, after: Step, n_features: int) -> float:
        """The largest difference between two steps: of the mixing, and of the family's vectors."""
        with np.errstate(invalid="ignore"):
            moved = self.family.to_vector(after.params, n_features, self.n_components) - self.family.to_vector(
                before.params, n_features, self.n_components
            )
        # An entry that no finite number stands for, see `Family.to_vector`, counts as not moved.
        largest = float(np.abs(np.where(np.isnan(moved), 0.0, moved)).max())
        return max(self.mixing.change(before.log_weights, after.log_weights), largest)

    def to_json(self) -> dict[str, Any]:
        """The mixing and the policy, for `save`, which writes the family and the weights itself."""
        kept = {"mixing": self.mixing.name, **self.mixing.to_json(), **self.policy._asdict()}
        if self.constraints:
            kept["constraints"] = self.constraints.to_json()
        if self.assignment != SOFT:
            kept["assignment"] = self.assignment
        return {**kept, "priors": [prior.to_json() for prior in self.priors]} if self.priors else kept
