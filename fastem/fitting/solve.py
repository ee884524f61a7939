"""Move starts to their ends, over parts of the data and then over all of it, and make a result from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastem.em.accelerate import Hastening, accelerator
from fastem.em.loop import Callback
from fastem.em.stopping import Stopping
from fastem.em.track import Plain, Track
from fastem.fitting.best import best
from fastem.fitting.parts import Parts, Progress, move, random_parts
from fastem.fitting.search import Search
from fastem.model.model import Step
from fastem.model.problem import Problem
from fastem.model.result import Result
from fastem.starts import auto as starts


def begin(steps: Sequence[Step], accelerate: Hastening | None) -> Progress:
    """Starts before their first pass."""
    return Progress(0, 0, [Track(index, Plain(step), accelerator(accelerate)) for index, step in enumerate(steps)])


def solve(
    problem: Problem,
    progress: Progress,
    stopping: Stopping,
    callback: Callback | None = None,
    parts: Parts | None = None,
) -> Result:
    """Move starts until each has ended; the best one is the result."""
    move(problem, parts, progress, stopping, callback)
    return best(problem, progress.tracks, stopping)


def search_for(problem: Problem, search: Search, seed: np.random.SeedSequence, more: Sequence[Step] = ()) -> Result:
    """Look for the best solution from the starts of a method, and from some more."""
    # A fresh sequence, as spawning changes a sequence: the same model must get the same starts in every call.
    seed = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)
    in_parts = search.is_in_parts(problem.source.n_samples)
    parts = random_parts(problem, seed, search.smallest_part) if in_parts else None
    assert isinstance(search.start, str)  # see Search.by_method
    steps = starts.from_method(parts.part(0) if parts else problem, search.start, search.n_init, seed)
    return solve(problem, begin([*steps, *more], search.accelerate), search.stopping(search.start), None, parts)
