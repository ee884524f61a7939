"""Stochastic EM: each sample goes to one component, drawn by its posterior probabilities (Celeux and Diebolt 1985).

The sequence does not converge. It leaves saddles and poor optima by chance, and the likeliest of the mixtures that it
has visited is its result. The numbers that draw come from the seed, the start, the iteration and the sample's place, so
that the result has the same bits on any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fastem.data.fold import Mixtures, Task, shape_of
from fastem.em.loop import Callback, told
from fastem.em.reseed import reseed
from fastem.em.stopping import Stopping
from fastem.em.track import Plain, Track
from fastem.em.verdicts import ended
from fastem.families.base import Array
from fastem.model.model import Step
from fastem.model.problem import Problem
from fastem.model.result import Status
from fastem.model.starving import RESEED, STOP


def wander(
    problem: Problem,
    tracks: Sequence[Track],
    stopping: Stopping,
    seed: np.random.SeedSequence,
    callback: Callback | None = None,
    keep: Callable[[int], None] | None = None,
    n_passes: int = 0,
) -> bool:
    """Move every start for max_iter iterations; each ends at the best mixture that it has visited.

    On the way, the accepted step of a track is the best mixture so far; the callback is told its log-likelihood.
    Returns whether the callback or the time limit ended the starts. keep, n_passes: as in `loop`.
    """
    family, source = problem.family, problem.source
    own = family.kernels(), shape_of(family, source.n_features, problem.n_components)
    layout = family.layout(source.n_features, problem.n_components)
    # Few samples that are drawn together may lie on a line; their likelihood is then as high as it means little.
    least = 2 * (source.n_features + 1 if family.affine else 1) * source.total_weight / source.n_samples
    stop = late = False
    for iteration in range(n_passes, stopping.max_iter + 1):
        active = [track for track in tracks if track.status is None]
        if not active or stop or late:
            break
        before = [len(track.history) for track in active]
        for track in active:
            step = track.proposal.step
            numbers = _Numbers(
                np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, track.index, iteration))
            )
            passes = source.passes(Task(problem.n_components, layout, own, own, "drawn", numbers))
            mixtures = Mixtures(step.params[None], step.log_weights[None])
            totals, statistics = passes.run(mixtures, mixtures.params, np.zeros(1, dtype=np.int64))
            track.n_passes += 1
            total = float(totals[0])
            objective = problem.objective(total, step)
            if not np.isfinite(objective):
                track.status = Status.NOT_FINITE
                continue
            track.history.append(objective)
            image = problem.maximise(statistics[0], step.params)
            # A variance of 0 that may be one by rounding shows in the next M-step.
            known = step._replace(collapsed=step.collapsed | image.collapsed)
            if _is_better(problem, track, known, objective):
                track.accepted, track.log_likelihood = known, total
            counts = statistics[0][: problem.n_components, 0]
            image = image._replace(collapsed=image.collapsed | (~image.starving & (counts <= least)))
            if image.starving.any():
                if problem.model.policy.starving == STOP:
                    track.status = Status.STARVED
                    continue
                if problem.model.policy.starving == RESEED and track.reseeded < problem.n_components:
                    image, track.reseeded = reseed(problem, step, image, statistics[0]), track.reseeded + 1
            track.proposal = Plain(image)
        stop = callback is not None and told(problem, tracks, active, before, stopping.tol, callback)
        late = stopping.late()
        if keep is not None and not (stop or late):
            keep(iteration + 1)
    status = Status.STOPPED if stop else Status.TIME_LIMIT if late else Status.MAX_ITER
    for track in tracks:
        if track.accepted is not None:
            # The last entry is that of the solution.
            track.history.append(problem.objective(track.log_likelihood, track.accepted))
            if track.status is not Status.STARVED:
                track.status = ended(track, status).status
    return stop or late


def _is_better(problem: Problem, track: Track, step: Step, objective: float) -> bool:
    """Whether a start has visited nothing as good as this step. None is good in which a component has collapsed."""
    accepted = track.accepted
    if accepted is None or step.collapsed.any():
        return accepted is None
    return bool(accepted.collapsed.any()) or objective > problem.objective(track.log_likelihood, accepted)


class _Numbers:
    """Uniform numbers of the samples of one pass, which are asked for in their order."""

    def __init__(self, seed: np.random.SeedSequence) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, first: int, n: int) -> Array:
        return self._rng.random(n)
