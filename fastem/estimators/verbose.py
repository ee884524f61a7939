"""What `verbose` prints, in scikit-learn's words."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from fastem.model.result import Record, Result, Status

_ENDINGS = {
    Status.CONVERGED: "converged",
    Status.DROPPED: "was dropped",
    Status.MERGED: "was on its way to where another one is",
}


class Progress:
    """A callback that prints every `interval` iterations and then asks the user's own callback.

    level 1 prints iterations, level 2 also times and gains. Starts advance together, so with several of them each line
    names its start. If a fit begins on parts of the data, there is a line for each part. One that goes on from a
    checkpoint says so.
    """

    def __init__(
        self, level: int, interval: int, n_init: int, n_samples: int, callback: Callable[[Record], Any] | None
    ) -> None:
        self.level, self.interval, self.n_init, self.callback = level, interval, n_init, callback
        self.n_samples, self.resumed = n_samples, 0
        self.begin = perf_counter()
        self.last = [self.begin] * n_init
        for start in range(n_init):
            print(f"Initialization {start}")

    def __call__(self, record: Record) -> Any:
        if record.resumed != self.resumed:
            self.resumed = record.resumed
            print(f" Resumed from a checkpoint, after {record.resumed} iterations")
        if record.n_samples != self.n_samples:
            self.n_samples = record.n_samples
            print(f" On {record.n_samples} samples")
        if record.iteration % self.interval == 0:
            line = f"  Iteration {record.iteration}"
            if self.n_init > 1:
                line = f"  Initialization {record.start}, iteration {record.iteration}"
            if self.level > 1:
                now = perf_counter()
                line += f"\t time lapse {now - self.last[record.start]:.5f}s\t ll change {record.gain:.5f}"
                self.last[record.start] = now
            print(line)
        return None if self.callback is None else self.callback(record)

    def end(self, result: Result) -> None:
        """Say how each start ended."""
        for index, report in enumerate(result.starts):
            start = f" {index}" if self.n_init > 1 else ""
            ending = _ENDINGS.get(report.status, "did not converge")
            line = f"Initialization{start} {ending}."
            if self.level > 1 and report.n_passes > 0:
                bound = report.log_likelihood / result.total_weight
                line += f" time lapse {perf_counter() - self.begin:.5f}s\t lower bound {bound:.5f}."
            print(line)
