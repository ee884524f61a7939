"""EM that crawls: gains that hardly shrink, or grow, for a long time. The best start is then accelerated."""

from __future__ import annotations

from collections.abc import Sequence

from fastem.em.accelerate import Acceleration, accelerator
from fastem.em.track import Track
from fastem.model.problem import Problem

# A start is looked at after FIRST passes, and then every EVERY passes. Where samples x features x components are fewer
# than BRIEF, a leap takes longer than a pass, and fits that end soon are faster without: there it is LATER.
FIRST, LATER, EVERY, BRIEF = 60, 200, 20, 100_000
# It crawls if ten gains together are more than this fraction of the ten before; Aitken's rate is then 0.93 or more.
CRAWL = 0.5
# The method that is turned on, and the number of parameters up to which it is: it remembers 16 vectors of them.
METHOD: Acceleration = "anderson"
LARGEST = 500_000


def is_time(n_passes: int) -> bool:
    """Whether to look for a start that crawls."""
    return n_passes >= FIRST and n_passes % EVERY == 0


def next_time(n_passes: int, wait: int = 0) -> int:
    """The first number of passes beyond n_passes for which to look, if nobody can crawl within `wait` passes."""
    return max(FIRST, (n_passes // EVERY + 1) * EVERY, -(-(n_passes + wait) // EVERY) * EVERY)


def shortest(problem: Problem) -> int:
    """The length of a history that may show that its start crawls."""
    return shortest_of(problem.source.n_samples, problem.source.n_features, problem.n_components)


def shortest_of(n_samples: int, n_features: int, n_components: int) -> int:
    """The same, by the sizes of a problem."""
    return LATER if n_samples * n_features * n_components < BRIEF else FIRST


def hasten(problem: Problem, tracks: Sequence[Track]) -> None:
    """Accelerate the best start if it is on its way, crawls, and is not accelerated already."""
    leader = max((track for track in tracks if track.may_win), key=lambda track: track.objective, default=None)
    if leader is None or leader.status is not None or leader.accelerator is not None:
        return
    if len(leader.history) < shortest(problem):
        return
    if problem.n_parameters <= LARGEST and crawls(leader):
        leader.accelerator, leader.crawled = accelerator(METHOD), True


def crawls(track: Track) -> bool:
    """Whether the last ten gains of a start are not much smaller than the ten before."""
    history = track.history
    now, before = history[-1] - history[-11], history[-11] - history[-21]
    return now > max(CRAWL * before, 0.0)  # with a ridge, the likelihood may fall
