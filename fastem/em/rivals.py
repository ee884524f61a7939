"""Starts beside each other: losers end early, and are called back where the winner has collapsed."""

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
# Two starts are on their way to the same optimum if no parameter differs by more than this, nor by more than this part
# of the distance between two components.
SAME, SAME_APART = 0.05, 0.1


def is_time(n_passes: int) -> bool:
    """Whether losers are to be looked for: after DROP_FIRST steps, and again whenever their number has doubled."""
    return n_passes > DROP_FIRST and math.log2((n_passes - 1) / DROP_FIRST).is_integer()


def drop_losers(problem: Problem, tracks: Sequence[Track], judged: Sequence[Track], margin: float) -> None:
    """End the judged starts that are behind the best one and would stay there, or are on their way to its optimum.

    The former, on their way, would not come within the margin (nats per sample) in twice the steps so far, each with
    the gain of the last: gains shrink on the way to an optimum, and a start on a plateau, which is about to gain more,
    is behind by little. The latter are much closer to the best one than any two of its components are to each other.
    """
    rivals = (track for track in tracks if track.may_win and track.status not in EARLY)
    best = max(rivals, key=lambda track: track.objective, default=None)
    for track in judged:
        if best is None or track is best or track.status in EARLY or not track.may_win or track.n_iter == 0:
            continue
        hope = 2 * track.n_iter * max(track.history[-1] - track.history[-2], 0.0) if track.status is None else 0.0
        if track.objective + hope < best.objective - margin * problem.source.total_weight:
            track.status = Status.DROPPED
            continue
        if np.abs(_shares(best) - _shares(track)).max() >= SAME:
            continue  # so their parameters, which take longer to match, differ by as much
        if problem.is_same(best.solution, track.solution, SAME, SAME_APART):
            track.status, track.merged = Status.MERGED, best.index


def _shares(track: Track) -> Array:
    """The mixing weights in order of size."""
    return np.sort(np.exp(track.solution.log_weights))


def revived(tracks: Sequence[Track]) -> list[Track]:
    """Dropped starts ahead of all that ended well, as the one that led has collapsed: on their way again.

    Those that were dropped on a part of the data, only where no other ended well.
    """
    ended = [track for track in tracks if track.status not in (None, *EARLY)]
    best = max((track.objective for track in ended if track.status and track.status.rank == 0), default=-math.inf)
    early = [track for track in tracks if track.status in EARLY]
    back = [track for track in early if track.objective > best or (best == -math.inf and not track.history)]
    for track in back:
        track.status, track.merged = None, None
    return back
