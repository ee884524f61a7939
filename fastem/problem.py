"""One fitting problem: data in tiles, a family, and the M-step on it. What starts and the loop both need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastem import folding, guards
from fastem.families.base import Array, Family, Kernels, Limits
from fastem.threads import Team
from fastem.tiles import Data


class Step(NamedTuple):
    """The parameters of one start after an M-step; starving and floored as in Maximised, (n_components,) bool."""

    params: Array
    log_weights: Array
    starving: Array
    floored: Array


@dataclass(frozen=True)
class Problem:
    """X and sample_weight are the user's, checked; data holds them packed; limits are in the data's frame."""

    X: Array
    sample_weight: Array | None
    data: Data
    family: Family
    n_components: int
    limits: Limits
    team: Team

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
        starving = guards.starving(counts, self.data.total_weight, self.data.n_samples)
        maximised = self.family.maximise(statistics, params, self.data.frame, self.limits, starving)
        if guards.some(starving):
            # What next to nobody belongs to belongs to nobody: a stale row must not enter the likelihood.
            counts = np.where(starving, 0.0, counts)
        return Step(maximised.params, log_weights_of(counts), starving, maximised.floored)


def log_weights_of(counts: Array) -> Array:
    """Log mixing proportions from summed responsibilities; -inf for a component without samples."""
    if np.count_nonzero(counts) == len(counts):
        log_weights: Array = np.log(counts / counts.sum())
        return log_weights
    with np.errstate(divide="ignore", invalid="ignore"):
        log_weights = np.log(counts / counts.sum())
    return log_weights
