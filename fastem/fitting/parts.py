"""Passes over random parts of the data first, each part twice the one before; where there are many samples.

At the optimum of a part of n samples the likelihood of p parameters is p / (2 n) nats per sample above that at the
truth, on average (Wilks 1938, Ann. Math. Statist. 9): that is what the part resolves, and gains that are small beside
it are left to the next. Parts are random samples rather than runs of neighbours, as real data are often sorted.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastem.em.loop import EARLY, Callback, Run, drop_losers, loop
from fastem.em.stopping import Stopping
from fastem.families.base import Array
from fastem.fitting.checkpoint import Checkpoint
from fastem.model.problem import Problem
from fastem.model.result import Status
from fastem.model.starving import Policy

# The smallest part, in samples and in samples per parameter; on data of less than twice that there is nothing to gain.
SMALLEST, PER_PARAMETER = 8192, 4
# From so many samples on a fit begins on parts unless it is told not to. From 20,000 on it took less time on china.jpg,
# MFCC frames and overlapping clusters, from 40,000 on two thirds of it for the same likelihood on average.
LARGE = 32768
# A step that gains less than this fraction of what a part resolves is the last one on it: as gains shrink slowly,
# about as much as it resolves is then left to gain.
RESOLVED = 0.01
# A component of a start must hold so many samples of a part, per feature, for the start to move on it.
HELD = 4
# The child of a seed that draws the parts: one that no start can be.
CHILD = 2**32 - 1


class Parts(NamedTuple):
    """Nested random parts of a problem's samples: those whose `places`, uniform in (0, 1), are below a fraction."""

    problem: Problem
    places: Array
    fractions: tuple[float, ...]

    def part(self, index: int) -> Problem:
        """The problem of one part, in the same frame; what is remembered about the first part is kept."""
        fraction = self.fractions[index]
        source = self.problem.source.take(np.flatnonzero(self.places < fraction))
        if index == 0:
            source.memo = self.problem.source.memo.setdefault(("part", fraction), {})
        # A component with few samples in a part may have many in the whole data: only an empty one counts as starving.
        return self.problem.at(source).changed(policy=Policy(0.0, self.problem.model.policy.starving))


def wanted(progressive: bool | None, stopping: Stopping, n_samples: int, sought: bool = True) -> bool:
    """Whether to begin on parts; None does where there are many samples and not all of the start is given."""
    if stopping.tol == 0 or stopping.max_iter == 0:
        return False
    return sought and n_samples >= LARGE if progressive is None else progressive


def random_parts(problem: Problem, seed: np.random.SeedSequence) -> Parts | None:
    """The parts to begin on; None where the data are few for their parameters, and for one component."""
    weights, n = problem.source.sample_weight, problem.source.n_positive
    n_parts = math.floor(math.log2(n / max(SMALLEST, PER_PARAMETER * problem.n_parameters)))
    if n_parts < 1 or problem.n_components == 1:
        return None
    child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, CHILD))
    places = np.random.default_rng(child).random(problem.source.n_samples, dtype=np.float32)
    if weights is not None:
        places[weights == 0] = 1.0
    return Parts(problem, places, tuple(0.5**k for k in range(n_parts, 0, -1)))


def move(
    problem: Problem,
    parts: Parts | None,
    runs: list[Run],
    stopping: Stopping,
    callback: Callback | None,
    checkpoint: Checkpoint,
) -> None:
    """Move starts over each part in turn, then over all samples, until each has ended."""
    n_parts = 0 if parts is None else len(parts.fractions)
    stopped = False
    for stage in range(checkpoint.stage, n_parts):
        assert parts is not None
        stopped = _move_on(parts.part(stage), problem, runs, stopping, callback, checkpoint.at(stage))
        if stopped or stopping.late():
            break
    last = checkpoint.at(n_parts)
    if stopped:  # what is returned has been evaluated on all samples
        loop(problem, runs, stopping._replace(max_iter=0))
        for run in runs:
            run.status = Status.STOPPED if run.status is Status.MAX_ITER else run.status
    else:
        stopped = loop(problem, runs, stopping, callback, last.keep, last.n_passes)
    late = stopping.late() and any(run.status in (Status.TIME_LIMIT, Status.COLLAPSED) for run in runs)
    checkpoint.cut_short = stopped or late


def _move_on(
    part: Problem,
    problem: Problem,
    runs: list[Run],
    stopping: Stopping,
    callback: Callback | None,
    checkpoint: Checkpoint,
) -> bool:
    """Move starts over a part, and leave them ready for the next; whether the callback ended them."""
    share = part.source.total_weight / problem.source.total_weight
    resolution = part.n_parameters / (2 * part.source.n_samples)
    # The likelihoods of two starts differ by chance too: by some tenths of a nat for each sample.
    margin = resolution + 1.0 / math.sqrt(part.source.n_samples)
    tol = max(stopping.tol, RESOLVED * resolution)
    on_part = stopping._replace(criterion="gain", tol=tol, max_passes=None, margin=margin, thorough=False)
    if checkpoint.n_passes == 0:
        moving = [run for run in runs if run.status is None and _holds(part, run.step.log_weights)]
        for run in moving:
            run.fallback = run.step
    else:
        moving = [run for run in runs if run.n_passes > 0]
    stopped = loop(part, moving, on_part, callback, checkpoint.keep, checkpoint.n_passes)
    if stopping.drop_losers:
        drop_losers(part, moving, moving, margin)
    for run in moving:
        _leave(run, share)
    return stopped


def _holds(part: Problem, log_weights: Array) -> bool:
    """Whether each component of a start holds enough samples of a part."""
    least = HELD * (part.source.n_features + 1) / part.source.n_samples
    return bool(np.exp(log_weights[np.isfinite(log_weights)]).min(initial=1.0) >= least)


def _leave(run: Run, share: float) -> None:
    """Take a start from a part: a dropped one for good, others to begin anew, where they are or were before."""
    run.passes_on_parts += share * run.n_passes
    status = run.status
    astray = status is not None and status.rank > 0
    run.restart(run.fallback if astray and run.fallback is not None else run.solution)
    run.reseeded = 0
    if status in EARLY:
        run.status = status
