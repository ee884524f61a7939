"""Starts that compete: losers end early, and are called back if the winner collapses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastem.em.track import EARLY, Track
from fastem.families.base import Array
from fastem.model.problem import Problem
from fastem.model.result import Status

# Losers are looked for after this many steps.
DROP_FIRST = 5
# A start is leaving a plateau if a gain is this many times the one before.
GROWING = 1.05
# Two starts are on their way to the same optimum if no parameter differs by more than SAME, nor by more than SAME_APART
# times the smallest distance between two components.
SAME, SAME_APART = 0.05, 0.1


def is_time(n_passes: int) -> bool:
    """Whether it is time to look for losers: after DROP_FIRST steps, and whenever the number of steps has doubled."""
    return n_passes > DROP_FIRST and math.log2((n_passes - 1) / DROP_FIRST).is_integer()


def next_time(n_passes: int) -> int:
    """The first number of passes beyond n_passes for which it is time."""
    time = DROP_FIRST
    while time + 1 <= max(n_passes, DROP_FIRST):
        time *= 2
    return time + 1


def drop_losers(problem: Problem, tracks: Sequence[Track], judged: Sequence[Track], margin: float) -> None:
    """End the judged starts that would stay behind the best one, or that are on their way to its optimum.

    A start would stay behind if twice as many steps as so far, each with the gain of the last, would not bring it
    within the margin (nats per sample). That is safe once its gains shrink, as they do on the way to an optimum; a
    start whose last gain was larger than the one before is leaving a plateau, and goes on. A start is on its way to the
    optimum of the best one if it is much closer to it than any two components of the best one are to each other.
    """
    rivals = (track for track in tracks if track.may_win and track.status not in EARLY)
    best = max(rivals, key=lambda track: track.objective, default=None)
    for track in judged:
        if best is None or track is best or track.status in EARLY or not track.may_win or track.n_iter == 0:
            continue
        if track.objective + _hope(track) < best.objective - margin * problem.source.total_weight:
            track.status = Status.DROPPED
            continue
        if np.abs(_shares(best) - _shares(track)).max() >= SAME:
            continue  # their weights alone show that they are not the same; matching parameters takes longer
        if problem.is_same(best.solution, track.solution, SAME, SAME_APART):
            track.status, track.merged = Status.MERGED, best.index


def _hope(track: Track) -> float:
    """How much more a start may gain, in nats."""
    if track.status is not None:
        return 0.0
    gain = track.history[-1] - track.history[-2]
    if track.n_iter > 1 and gain > max(GROWING * (track.history[-2] - track.history[-3]), 0.0):
        return math.inf
    return 2 * track.n_iter * max(gain, 0.0)


def _shares(track: Track) -> Array:
    """The mixing weights in order of size."""
    return np.sort(np.exp(track.solution.log_weights))


def revived(tracks: Sequence[Track]) -> list[Track]:
    """Dropped starts that are ahead of all that ended well, because the leader has collapsed: set on their way again.

    Starts that were dropped on a part of the data come back only if no other start ended well.
    """
    ended = [track for track in tracks if track.status not in (None, *EARLY)]
    best = max((track.objective for track in ended if track.status and track.status.rank == 0), default=-math.inf)
    early = [track for track in tracks if track.status in EARLY]
    back = [track for track in early if track.objective > best or (best == -math.inf and not track.history)]
    for track in back:
        track.status, track.merged = None, None
    return back
