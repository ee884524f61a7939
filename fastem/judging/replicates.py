"""Replicates of a bootstrap: of large data several run at a time, each by itself, and a callback hears of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, NamedTuple

import numpy as np

from fastem.data.threads import SMALL, resolve
from fastem.model.telling import expect


class Replicate(NamedTuple):
    """What the callback of `bootstrap` and of `likelihood_ratio_test` gets after each replicate.

    Attributes
    ----------
    n_done, n_replicates : how many are done, and of how many.
    ended_well : whether this one's fit did; for the test, both its fits.
    """

    n_done: int
    n_replicates: int
    ended_well: bool


Callback = Callable[[Replicate], Any]


def each(
    task: Callable[[np.random.SeedSequence], Any],
    children: Sequence[np.random.SeedSequence],
    n_threads: int | None,
    callback: Callback | None,
    well: Callable[[Any], bool],
    work: float,
) -> list[Any]:
    """The task's answers in the order of `children`; only those that were ready, if the callback wanted to end it.

    Several tasks run at a time; the callback is called in the thread of the caller. well: whether an answer is of a
    replicate that ended well. work: flops of a pass of one task. Those of small data run one after the other, as they
    would wait for each other's interpreter: two at a time took 1.1 to 1.65 times as long.
    """
    n, answers = 1 if work < SMALL else min(resolve(n_threads), len(children)), dict[int, Any]()
    expect(callback, len(children))

    def told(i: int, answer: Any) -> bool:
        answers[i] = answer
        return callback is not None and bool(callback(Replicate(len(answers), len(children), well(answer))))

    if n == 1:
        for i, child in enumerate(children):
            if told(i, task(child)):
                break
    else:
        pool = ThreadPoolExecutor(n, thread_name_prefix="fastem-bootstrap")
        try:
            places = {pool.submit(task, child): i for i, child in enumerate(children)}
            for done in as_completed(places):
                if told(places[done], done.result()):
                    break
        finally:
            pool.shutdown(cancel_futures=True)
    return [answers[i] for i in sorted(answers)]


def integers(child: np.random.SeedSequence) -> list[int]:
    """A seed in the form that `sample` takes."""
    return [int(word) for word in child.generate_state(4)]
