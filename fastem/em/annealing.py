"""Deterministic annealing EM (Ueda and Nakano 1998, Neural Networks 11).

Samples are given to components by powers of their posterior probabilities. The powers begin small, where components
that are near each other become one and the start counts less, and rise to 1. As components that are equal would stay
so, each is moved a little before EM goes on at the next power (Rose 1998, Proc. IEEE 86, section II).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from fastem.em.loop import Callback, loop
from fastem.em.stopping import Stopping
from fastem.em.track import Track
from fastem.model.model import Step
from fastem.model.problem import Problem

# From powers below 0.7 on, and with more iterations, components that share a variance all became one for good: a wide
# variance takes the place of the temperature. On four kinds of data, these led to the best ends of eight choices.
# The powers before 1, which are inverse temperatures, and the iterations at each and at 1, where gains may be small for
# a while. Entries of the vector of a mixture, in standard deviations of the data, move by MOVE times a normal number.
POWERS = (0.7, 0.8, 0.9)
ITERATIONS, MOVE = 5, 0.02
N_STAGES = len(POWERS) + 1


def anneal(
    problem: Problem,
    tracks: Sequence[Track],
    stopping: Stopping,
    seed: np.random.SeedSequence,
    callback: Callback | None = None,
    keep: Callable[[int, int], None] | None = None,
    done: tuple[int, int] = (0, 0),
    share: float = 1.0,
) -> bool:
    """Move every start through the temperatures; they are then ready for EM.

    Returns whether the callback ended them. keep: called between any two passes with the stage, which is a temperature,
    and the number of passes made in it. done: what it was told last. share: what part of all samples the problem has.
    """
    plain = Stopping("gain", 0.0, min(ITERATIONS, stopping.max_iter), None, stopping.deadline, clock=stopping.clock)
    stopped = False
    for stage in range(done[0], N_STAGES):
        at = replace(problem, inverse_temperature=(*POWERS, 1.0)[stage])
        n_passes = done[1] if stage == done[0] else 0
        if n_passes == 0:
            for track in tracks:
                child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, track.index, stage))
                track.restart(_moved(problem, track.solution, child))
        stopped = loop(at, tracks, plain, callback, None if keep is None else partial(keep, stage), n_passes)
        for track in tracks:
            track.passes_on_parts += share * track.n_passes
        if stopped or stopping.late():
            break
    for track in tracks:
        track.restart(track.solution)
    return stopped


def _moved(problem: Problem, step: Step, seed: np.random.SeedSequence) -> Step:
    """A step near another one."""
    vector = problem.vector(step)
    numbers = np.random.default_rng(seed).standard_normal(len(vector))
    moved = problem.step_at(vector + MOVE * numbers, np.isfinite(step.log_weights))
    return moved if np.isfinite(moved.params).all() else step
