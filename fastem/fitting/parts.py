"""On large data, passes over random parts first: each part is twice as large as the one before.

At the optimum of a part of n samples the likelihood of p parameters is p / (2 n) nats per sample above that at the
truth, on average (Wilks 1938, Ann. Math. Statist. 9). A part resolves no more than that, so gains that are much smaller
are left to the next part. Parts are random samples rather than runs of neighbours, as real data are often sorted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastem.data.bursts.passes import Outcome
from fastem.em.loop import Callback, loop
from fastem.em.rivals import drop_losers
from fastem.em.stopping import Stopping
from fastem.em.track import EARLY, Plain, Track
from fastem.families.base import Array
from fastem.model.problem import Problem
from fastem.model.result import Status
from fastem.model.starving import Policy
from fastem.starts.births import births

# The smallest part, in samples and in samples per parameter. Data of less than twice that have no parts.
SMALLEST, PER_PARAMETER = 8192, 4
# From this many samples on, a fit begins on parts unless it is told not to. On china.jpg, MFCC frames and overlapping
# clusters, parts took less time from 20,000 samples on, and two thirds of the time from 40,000 on, for the same
# likelihood on average.
LARGE = 32768
# A start leaves a part when a step gains less than this fraction of what the part resolves. As gains shrink slowly, it
# could then still gain about as much as the part resolves.
RESOLVED = 0.01
# A start moves on a part only if each of its components holds this many samples of the part per feature (plus one).
HELD = 4
# The child of the seed that draws the parts: a number that no start has.
CHILD = 2**32 - 1


class Parts(NamedTuple):
    """Nested random parts of a problem's samples. A part has those whose `places`, in (0, 1), are below a fraction."""

    problem: Problem
    places: Array
    fractions: tuple[float, ...]

    def part(self, index: int) -> Problem:
        """The problem on one part, in the same frame. The memo of the first part is kept for other fits of the data."""
        fraction = self.fractions[index]
        source = self.problem.source.take(np.flatnonzero(self.places < fraction))
        if index == 0:
            source.memo = self.problem.source.memo.setdefault(("part", fraction), {})
        # A component with few samples in a part may have many in the whole data: only an empty one counts as starving.
        return self.problem.at(source).changed(policy=Policy(0.0, self.problem.model.policy.starving))


def random_parts(problem: Problem, seed: np.random.SeedSequence, smallest: int = SMALLEST) -> Parts | None:
    """The parts to begin on; None if the samples are few for the number of parameters, or for a single component."""
    weights, n = problem.source.sample_weight, problem.source.n_positive
    n_parts = math.floor(math.log2(n / max(smallest, PER_PARAMETER * problem.n_parameters)))
    if n_parts < 1 or problem.n_components == 1:
        return None
    child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, CHILD))
    places = np.random.default_rng(child).random(problem.source.n_samples, dtype=np.float32)
    if weights is not None:
        places[weights == 0] = 1.0
    return Parts(problem, places, tuple(0.5**k for k in range(n_parts, 0, -1)))


class Progress(NamedTuple):
    """How far a fit has come. n_passes: passes in this stage. tracks: the starts.

    stage: how many temperatures (of a fit that is annealed) and parts are done.
    """

    stage: int
    n_passes: int
    tracks: list[Track]


Keep = Callable[[Progress], None]


def move(
    problem: Problem,
    parts: Parts | None,
    progress: Progress,
    stopping: Stopping,
    callback: Callback | None = None,
    keep: Keep | None = None,
    begun: Outcome | None = None,
) -> bool:
    """Move starts over each part in turn, then over all samples, until each has ended.

    Returns whether the callback or the time limit cut them short. keep: called with the progress, before the first pass
    and between any two passes. begun: as in `loop`, where there are no parts.
    """
    tracks, n_parts, stopped = progress.tracks, 0 if parts is None else len(parts.fractions), False
    if keep is not None:  # so that a checkpoint can be written even if the time is over before the first pass
        keep(progress)
    for stage in range(progress.stage, n_parts):
        assert parts is not None
        at = progress if stage == progress.stage else Progress(stage, 0, tracks)
        stopped = _move_on(parts.part(stage), problem, at, stopping, callback, keep)
        if stopped or stopping.late():
            break
    if stopped:
        evaluate_all(problem, tracks, stopping)
    else:
        n_passes = progress.n_passes if progress.stage == n_parts else 0
        kept = _keep_at(keep, n_parts, tracks)
        stopped = loop(problem, tracks, stopping, callback, kept, n_passes, begun)
        if not (stopped or stopping.late()) and _bear(problem, tracks, stopping):
            stopped = loop(problem, tracks, stopping, callback, kept)
    late = stopping.late() and any(track.status in (Status.TIME_LIMIT, Status.COLLAPSED) for track in tracks)
    return stopped or late


def evaluate_all(problem: Problem, tracks: list[Track], stopping: Stopping) -> None:
    """Evaluate starts that were stopped elsewhere, as a result must have been evaluated on all samples."""
    loop(problem, tracks, stopping._replace(max_iter=0))
    for track in tracks:
        track.status = Status.STOPPED if track.status is Status.MAX_ITER else track.status


def _bear(problem: Problem, tracks: list[Track], stopping: Stopping) -> bool:
    """Add starts that change the best solution, if that was reached by crawling; whether there are any."""
    if not stopping.thorough or any(track.born for track in tracks):
        return False
    best = max((track for track in tracks if track.may_win), key=lambda track: track.objective, default=None)
    if best is None or not best.crawled or best.status is not Status.CONVERGED:
        return False
    steps, n = births(problem, best.solution), len(tracks)
    tracks.extend(Track(n + i, Plain(step), born=True) for i, step in enumerate(steps))
    return len(steps) > 0


def _keep_at(keep: Keep | None, stage: int, tracks: list[Track]) -> Callable[[int], None] | None:
    """A function for the loop to call with the number of passes: it keeps the progress in this stage."""
    return None if keep is None else lambda n_passes: keep(Progress(stage, n_passes, tracks))


def _move_on(
    part: Problem,
    problem: Problem,
    progress: Progress,
    stopping: Stopping,
    callback: Callback | None,
    keep: Keep | None,
) -> bool:
    """Move starts over a part and leave them ready for the next one; whether the callback ended them."""
    share = part.source.total_weight / problem.source.total_weight
    resolution = part.n_parameters / (2 * part.source.n_samples)
    # The likelihoods of two starts on a part also differ by chance: by some tenths of a nat for each sample.
    margin = resolution + 1.0 / math.sqrt(part.source.n_samples)
    tol = max(stopping.tol, RESOLVED * resolution)
    on_part = stopping._replace(criterion="gain", tol=tol, max_passes=None, margin=margin, thorough=False)
    if progress.n_passes == 0:
        moving = [t for t in progress.tracks if t.status is None and _holds(part, t.proposal.step.log_weights)]
        for track in moving:
            track.refuge = track.proposal.step
    else:
        moving = [track for track in progress.tracks if track.n_passes > 0]
    kept = _keep_at(keep, progress.stage, progress.tracks)
    stopped = loop(part, moving, on_part, callback, kept, progress.n_passes)
    if stopping.drop_losers:
        drop_losers(part, moving, moving, margin)
    for track in moving:
        _leave(track, share)
    return stopped


def _holds(part: Problem, log_weights: Array) -> bool:
    """Whether each component of a start holds enough samples of a part."""
    least = HELD * (part.source.n_features + 1) / part.source.n_samples
    return bool(np.exp(log_weights[np.isfinite(log_weights)]).min(initial=1.0) >= least)


def _leave(track: Track, share: float) -> None:
    """Prepare a start that has ended on a part for the next one.

    It begins anew from its solution, or, if the part has led it astray, from where it was before. A dropped start
    remains dropped.
    """
    track.passes_on_parts += share * track.n_passes
    status = track.status
    astray = status is not None and status.rank > 0
    track.restart(track.refuge if astray and track.refuge is not None else track.solution)
    track.reseeded = 0
    if status in EARLY:
        track.status = status
