"""A model and the source of the evidence about it: everything that the starts and the loop need."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np

from fastem.data.fold import Mixtures, Shape, Task, shape_of
from fastem.data.sources import Passes, Source
from fastem.families.base import Array, Family, Limits, identity_frame
from fastem.families.kernels import Kernels, MStep
from fastem.model.matching import distances, matched, nearest, smallest_gap
from fastem.model.model import WIDE, Model, Setting, Step
from fastem.model.starving import HARD, SOFT, STARVING

Responsibilities = Callable[[int, int], Array]  # (first, last) -> (last - first, n_components)


@dataclass(frozen=True)
class Problem:
    """A model of the data in a source; the limits of its M-step are in the source's frame.

    inverse_temperature: the power of the densities by which samples are given to components, in annealing.
    """

    model: Model
    source: Source
    limits: Limits
    inverse_temperature: float = 1.0

    @property
    def family(self) -> Family:
        """The family of the components."""
        return self.model.family

    @property
    def n_components(self) -> int:
        """The number of components."""
        return self.model.n_components

    @cached_property
    def setting(self) -> Setting:
        """What an M-step must know about the data."""
        source, family = self.source, self.family
        d, frame, limits = source.n_features, source.frame, self.limits
        wide = math.prod(family.statistics_shape(d, 1)) >= WIDE  # these are shared out over the team

        @cache  # it knows neither the problem nor its data, so that parts of the data are freed when they are left
        def m_step(n_components: int) -> tuple[MStep | None, Array]:
            return family.m_step(frame, limits, n_components), family.layout(d, n_components)

        known = self.model.constraints or self.model.priors
        as_kernel = m_step if maximises_alike(family) and not wide and not known else None
        return Setting(frame, limits, source.total_weight, source.n_samples, source.team, as_kernel, self._held())

    def _held(self) -> Array | None:
        """Which components certain samples are known to be of, (n_components,) bool; None if that does not matter."""
        known, weights = self.source.known, self.source.sample_weight
        if known is None or self.model.policy.min_samples <= STARVING:
            return None
        labels = known.labels(self.n_components)
        certain = labels >= 0 if weights is None else (labels >= 0) & (weights > 0)
        return np.bincount(labels[certain], minlength=self.n_components) > 0

    @property
    def n_parameters(self) -> int:
        """Free parameters, the mixing's included."""
        return self.model.n_parameters(self.source.n_features)

    def changed(self, **fields: Any) -> Problem:
        """The same problem for a model that differs in these fields."""
        return replace(self, model=replace(self.model, **fields))

    def at(self, source: Source) -> Problem:
        """The same model, and the same limits, on another source of the same frame."""
        return replace(self, source=source)

    def passes(self, density: tuple[Kernels, Shape] | None = None, mode: str = "soft") -> Passes:
        """Passes in which the family gathers; it also assigns samples to components, unless `density` does.

        mode: one of `MODES` of data/fold, as the model says if it is "soft".
        """
        row = None
        if density is None and mode == SOFT:
            if self.model.assignment == HARD:
                mode = "hard"
            elif self.inverse_temperature != 1.0:
                mode, row = "tempered", self.inverse_temperature
        n_features = self.source.n_features
        own = self.family.kernels(), shape_of(self.family, n_features, self.n_components)
        layout = self.family.layout(n_features, self.n_components)
        passes = self.source.passes(Task(self.n_components, layout, density or own, own, mode, row))
        return passes if row is None else _Tempered(passes, row)

    def gather(self, responsibilities: Responsibilities, params: Array) -> Array:
        """Statistics of responsibilities that are given rather than computed, about `params`.

        What is known about the samples is imposed on them.
        """
        known, given = self.source.known, responsibilities
        if known is not None:
            table = known

            def given(first: int, last: int) -> Array:
                return table.take(slice(first, last)).imposed(responsibilities(first, last))

        return self.source.gather(self.family, self.n_components, given, params)

    def evaluate(self, step: Step, want: str) -> Array:
        """Log densities (n,) or responsibilities (n, K) of the samples under a step."""
        return self.source.evaluate(self.family, step.params, step.log_weights, want)

    def maximise(self, statistics: Array, params: Array) -> Step:
        """The M-step of one start."""
        return self.model.maximise(statistics, params, self.setting)

    def maximise_each(self, statistics: Array, params: Sequence[Array]) -> list[Step]:
        """The M-steps of several starts in one go."""
        return self.model.maximise_each(statistics, params, self.setting)

    def m_step(self) -> MStep | None:
        """The family's M-step as a kernel, if it and the mixing have one."""
        m_step = self.setting.m_step if self.model.mixing.m_step is not None else None
        return None if m_step is None else m_step(self.n_components)[0]

    def objective(self, log_likelihood: float, step: Step) -> float:
        """What EM increases, of a step with this log-likelihood."""
        if not self.model.priors:
            return log_likelihood
        with np.errstate(over="ignore", under="ignore"):
            named = self.family.unpack(step.params, self.source.frame, self.n_components)
        return self.model.objective(log_likelihood, np.exp(step.log_weights), named)

    def vector(self, step: Step) -> Array:
        """The parameters of a step as an unconstrained vector."""
        return self.model.vector(step, self.source.n_features)

    def vectors(self, steps: Sequence[Step]) -> list[Array]:
        """`vector` of several steps."""
        return self.model.vectors(steps, self.source.n_features)

    def step_at(self, vector: Array, alive: Array) -> Step:
        """The inverse of `vector`; only the components that are `alive`, (n_components,) bool, have samples."""
        return self.model.step_at(vector, alive, self.source.frame)

    def change(self, before: Step, after: Step) -> float:
        """The largest difference between two steps."""
        return self.model.change(before, after, self.source.n_features)

    def matched_change(self, best: Step, other: Step) -> float:
        """The `change` from one solution to another, after their components have been matched."""
        order = matched(distances(self.places(best), self.places(other)))
        return self.change(best, self._taken(other, order))

    def is_same(self, best: Step, other: Step, change: float, share: float) -> bool:
        """Whether two solutions are the same up to the order of components.

        No parameter may differ by as much as `change`, nor by as much as `share` of the smallest distance between two
        components of the best.
        """
        places = self.places(best)
        order = nearest(distances(places, self.places(other)))
        if order is None:
            return False
        return self.change(best, self._taken(other, order)) < min(change, share * smallest_gap(places))

    def named(self, step: Step) -> dict[str, Array]:
        """The family's parameters by name, in the coordinates of the frame."""
        return self.family.unpack(step.params, identity_frame(self.source.n_features), self.n_components)

    def places(self, step: Step) -> Array:
        """Where components are, in the coordinates of the frame, (n_components, m)."""
        return self.family.comparable(self.named(step))

    def _taken(self, step: Step, order: Array) -> Step:
        """A step with its components in another order, for comparisons."""
        # The identity frame changes no digit of the named parameters.
        params = self.family.pack(self.family.take(self.named(step), order), identity_frame(self.source.n_features))
        return step._replace(params=params, log_weights=step.log_weights[order])


class _Tempered:
    """Passes at a temperature: their totals are divided by its inverse, so that no M-step lowers them."""

    def __init__(self, passes: Passes, inverse: float) -> None:
        self._passes, self._inverse = passes, inverse

    def run(self, density: Mixtures, params: Any, starts: Any) -> tuple[Array, Array]:
        totals, statistics = self._passes.run(density, params, starts)
        return totals / self._inverse, statistics


def maximises_alike(family: Family) -> bool:
    """Whether a family's M-step as a kernel is that of `maximise`; a class with one of its own needs its own kernel."""
    line = type(family).__mro__
    maximise, m_step = (next(c for c in line if name in vars(c)) for name in ("maximise", "m_step"))
    return line.index(m_step) <= line.index(maximise)


def problem_of(model: Model, source: Source) -> Problem:
    """The problem of a model on a source, its limits found from the facts about the columns."""
    return Problem(model, source, model.family.limits(source.frame, source.facts, source.dtype))


def statistics_of_labels(problem: Problem, labels: Array, params: Array) -> Array:
    """Statistics of hard assignments, gathered about `params`."""
    identity = np.eye(problem.n_components)
    return problem.gather(lambda first, last: identity[labels[first:last]], params)
