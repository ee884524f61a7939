"""Passes that the loop need not look at: they are made in bursts where the family's M-step is a kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from fastem.data.bursts import passes as burst
from fastem.data.fold import Plan
from fastem.data.sources import Passes
from fastem.em import crawling, rivals
from fastem.em.stopping import Stopping
from fastem.em.track import Plain, Track
from fastem.families.base import Array
from fastem.model.model import Step
from fastem.model.problem import Problem

# Bursts that end at once, as where gains are small but the start has not arrived, are tried again after so many passes
# at most.
LONGEST_PAUSE = 31
# A burst of fewer passes takes as long as they do one by one.
FEWEST = 2


class Bursts:
    """The bursts of one loop."""

    def __init__(self, problem: Problem, passes: Plan, stopping: Stopping, tracks: Sequence[Track]) -> None:
        self._problem, self._passes, self._stopping, self._tracks = problem, passes, stopping, tracks
        self._m_step, self._mixing = problem.m_step(), problem.model.mixing.m_step
        self._shortest = crawling.shortest(problem)
        self._rest, self._pause = 0, 0  # passes until the next burst, and after the next one that ends at once
        self._nobody = np.zeros(problem.n_components, dtype=np.bool_)
        self._rules = rules_of(problem, stopping)

    def room(self, active: Sequence[Track], n_passes: int) -> int:
        """How many passes may be made before the loop has to look: 0 if it has to look at each."""
        if self._rest > 0:
            self._rest -= 1
            return 0
        if self._m_step is None or any(type(track.proposal) is not Plain for track in active):
            return 0
        steps = [len(track.history) for track in active]
        most = room(self._stopping, self._shortest, max(steps), max(t.n_passes for t in active), n_passes)
        most = min([most, *(track.accelerator.n_plain for track in active if track.accelerator is not None)])
        if most >= FEWEST:
            most = min(most, burst.longest(self._passes, len(active), len(self._nobody)))
        return most if most >= FEWEST else 0

    def run(self, active: Sequence[Track], room: int) -> tuple[Array, Array, int]:
        """What Passes.run returns for the pass that comes after the ordinary ones, and how many of these there were.

        The tracks know about the ordinary ones.
        """
        assert self._m_step is not None
        histories = [[math.nan] * burst.BEFORE + track.history[-burst.BEFORE :] for track in active]
        before = np.array([history[-burst.BEFORE :] for history in histories]).T
        params = np.stack([track.proposal.step.params for track in active])
        log_weights = np.stack([track.proposal.step.log_weights for track in active])
        rules = self._rules._replace(ahead=ahead_of(self._stopping, self._tracks))
        n_kept = burst.KEPT if all(track.accelerator is None for track in active) else room + 1
        ready = burst.prepare(self._passes, self._m_step, self._mixing, len(active), room, rules, n_kept)
        return self.told(active, burst.burst(self._passes, ready, params, log_weights, before))

    def told(self, active: Sequence[Track], done: burst.Outcome) -> tuple[Array, Array, int]:
        """What `run` returns, for a burst that has been made."""
        self._pause = 0 if done.n_done else min(2 * self._pause + 1, LONGEST_PAUSE)
        self._rest = self._pause
        if done.n_done:
            for g, track in enumerate(active):
                self._told(track, g, done)
        return done.totals, done.statistics, done.n_done

    def _told(self, track: Track, g: int, done: burst.Outcome) -> None:
        """Write the ordinary passes of a burst into a track."""
        track.n_passes += done.n_done
        track.history.extend(done.history[:, g].tolist())
        track.log_likelihood, track.n_small, track.jumped = track.history[-1], 0, False
        if len(track.history) > 1:
            track.value = (track.history[-1] - track.history[-2]) / self._rules.total_weight
        first = 1 if track.accelerator is not None else max(done.n_done - 1, 1)
        steps = (Step(*done.parameters(i, g), *3 * [self._nobody]) for i in range(first, done.n_done + 1))
        points = [track.proposal, *map(Plain, steps)]
        track.accepted, track.proposal = points[-2].step, points[-1]
        if track.accelerator is not None:
            vectors = self._problem.vectors([point.step for point in points])
            for vector, image in pairwise(vectors):
                track.accelerator.tell(vector, image)
            track.proposal = Plain(track.proposal.step, vectors[-1])


def ahead_of(stopping: Stopping, tracks: Sequence[Track]) -> float:
    """The largest objective of a start that has ended and may win; infinity if no start is to be `thorough`."""
    if not stopping.thorough or stopping.tol <= 0:
        return math.inf
    return max((track.objective for track in tracks if track.status is not None and track.may_win), default=-math.inf)


def rules_of(problem: Problem, stopping: Stopping) -> burst.Rules:
    """What is ordinary in a pass over the data of a problem."""
    source = problem.source
    least = problem.model.policy.least(source.total_weight, source.n_samples)
    return burst.Rules(stopping.tol, source.total_weight, least)


def room(stopping: Stopping, shortest: int, n_steps: int, most_passes: int, n_passes: int) -> int:
    """How many passes may be made before the loop has to look.

    shortest: as from `crawling.shortest`. n_steps: the length of the longest history; most_passes: the most that one
    start has made; n_passes: what the loop has made.
    """
    # A history grows by one in each pass of a burst.
    left = stopping.max_iter - n_steps
    if stopping.max_passes is not None:
        left = min(left, stopping.max_passes - 1 - most_passes)
    if stopping.drop_losers:
        left = min(left, rivals.next_time(n_passes) - 1 - n_passes)
    if stopping.hasten:
        left = min(left, crawling.next_time(n_passes, shortest - n_steps) - 1 - n_passes)
    return left


def bursts(
    problem: Problem, passes: Passes, stopping: Stopping, tracks: Sequence[Track], looked_at: bool
) -> Bursts | None:
    """The bursts of a loop; None if it has to look at each pass. looked_at: whether somebody else looks at each."""
    ordinary = stopping.criterion == "gain" and stopping.deadline == math.inf and not looked_at
    return Bursts(problem, passes, stopping, tracks) if ordinary and isinstance(passes, Plan) else None
