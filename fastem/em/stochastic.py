"""Stochastic EM: each sample goes to one component, drawn by its posterior probabilities (Celeux and Diebolt 1985).

The sequence does not converge. It leaves saddles and poor optima by chance, and the likeliest of the mixtures that it
has visited is its result. The numbers that draw come from the seed, the start, the iteration and the sample's place, so
that the result has the same bits on any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastem.data.fold import Mixtures, Task, shape_of
from fastem.em.loop import Callback, told
from fastem.em.reseed import reseed
from fastem.em.stopping import Stopping
from fastem.em.track import Plain, Track
from fastem.em.verdicts import ended
from fastem.families.base import Array
from fastem.model.problem import Problem
from fastem.model.result import Status
from fastem.model.starving import RESEED, STOP


def wander(
    problem: Problem,
    tracks: Sequence[Track],
    stopping: Stopping,
    seed: np.random.SeedSequence,
    callback: Callback | None = None,
) -> bool:
    """Move every start for max_iter iterations; each ends at the best mixture that it has visited.

    Returns whether the callback ended them.
    """
    family, source = problem.family, problem.source
    own = family.kernels(), shape_of(family, source.n_features, problem.n_components)
    layout = family.layout(source.n_features, problem.n_components)
    visited = [(-np.inf, -np.inf, track.proposal.step) for track in tracks]
    # Few samples that are drawn together may lie on a line; their likelihood is then as high as it means little.
    least = 2 * (source.n_features + 1 if family.affine else 1) * source.total_weight / source.n_samples
    sound = [True] * len(tracks)
    stop = False
    for iteration in range(stopping.max_iter + 1):
        active = [track for track in tracks if track.status is None]
        if not active or stop:
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
            track.accept(objective, total)
            if objective > visited[track.index][0] and not step.collapsed.any() and sound[track.index]:
                visited[track.index] = objective, total, step
            image = problem.maximise(statistics[0], step.params)
            counts = statistics[0][: problem.n_components, 0]
            sound[track.index] = bool((counts[~image.starving] > least).all())
            if image.starving.any():
                if problem.model.policy.starving == STOP:
                    track.status = Status.STARVED
                    continue
                if problem.model.policy.starving == RESEED and track.reseeded < problem.n_components:
                    image, track.reseeded = reseed(problem, step, image, statistics[0]), track.reseeded + 1
            track.proposal = Plain(image)
        stop = callback is not None and told(problem, tracks, active, before, stopping.tol, callback)
        stop = stop or stopping.late()
    for track in tracks:
        objective, total, step = visited[track.index]
        if np.isfinite(objective):
            track.accepted, track.log_likelihood = step, total
            track.history.append(objective)  # the last entry is that of the solution
            track.status = ended(track, Status.STOPPED if stop else Status.MAX_ITER).status
        elif track.status is None:
            track.status = Status.NOT_FINITE
    return stop


class _Numbers:
    """Uniform numbers of the samples of one pass, which are asked for in their order."""

    def __init__(self, seed: np.random.SeedSequence) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, first: int, n: int) -> Array:
        return self._rng.random(n)
