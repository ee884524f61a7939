"""What one case takes each library: time per iteration from equal starts, or time to its own solution."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fastem
from benchmarks.peers.pool import Peer, PeerError
from benchmarks.peers.problems import Case, Start

# Iterations after which all libraries must have the same likelihood, and by how much it may differ, relatively.
CHECKED = 3
EQUAL = {"float64": 1e-9, "float32": 1e-4}
SHORT = 2
# Seconds that the longer of the two fits should take, and how many iterations it may have.
LONG_ENOUGH = 0.3
FEWEST, MOST = 12, 300
# A library that takes longer for a fit is tried less often.
SLOW = 2.0


@dataclass
class Row:
    """One library in one cell. Times in ms per iteration; `note` says what is wrong, and is "" if nothing is."""

    data: str
    n: int
    d: int
    n_components: int
    shape: str
    dtype: str
    peer: str
    version: str = ""
    threads: int = 0
    median: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    log_likelihood: float = float("nan")
    note: str = ""

    @property
    def ns_per_entry(self) -> float:
        """Nanoseconds per sample x component x feature."""
        return 1e6 * self.median / (self.n * self.n_components * self.d)

    def as_record(self) -> dict[str, Any]:
        """A line of the CSV."""
        return {**asdict(self), "ns_per_sample_component_feature": self.ns_per_entry}


@dataclass
class Solution:
    """One library's own fit: seconds, EM iterations (-1: it does not tell), mean log-likelihood in nats per sample.

    cost: the passes of each start over all of the data, where the library tells them.
    """

    data: str
    shape: str
    n_components: int
    peer: str
    seconds: float = float("nan")
    iterations: int = -1
    log_likelihood: float = float("nan")
    note: str = ""
    cost: str = ""


class Bench:
    """Libraries at several numbers of threads, kept running from cell to cell."""

    def __init__(self, peers: list[str], threads: list[int], limit: float) -> None:
        self.peers, self.threads, self._limit = peers, threads, limit
        self._running: dict[tuple[str, int], Peer] = {}
        self._folder = tempfile.TemporaryDirectory()
        self.result = Path(self._folder.name) / "result.npz"

    def peer(self, name: str, threads: int) -> Peer:
        """A running library."""
        if (name, threads) not in self._running:
            self._running[name, threads] = Peer(name, threads, self._limit)
        return self._running[name, threads]

    def restart(self, name: str) -> None:
        """End a library's processes; the next request starts them again."""
        for key in [key for key in self._running if key[0] == name]:
            self._running.pop(key).close()

    def close(self) -> None:
        """End all."""
        for name in self.peers:
            self.restart(name)
        self._folder.cleanup()

    def write(self, start: Start, dtype: str) -> Path:
        """The problem as a file that the libraries read."""
        path = Path(self._folder.name) / "problem.npz"
        X = start.X.astype(dtype)
        np.savez(path, X=X, weights=start.weights, means=start.means, reg_covar=start.reg_covar)
        return path

    def log_likelihood(self, X: np.ndarray, shape: str) -> float:
        """The mean log-likelihood of X under the parameters that the last fit left, computed in one place for all."""
        with np.load(self.result) as stored:
            weights, means, covariances = (
                stored[name].astype(np.float64) for name in ("weights", "means", "covariances")
            )
        weights = weights / weights.sum()  # float32 weights sum to 1 only nearly
        if shape in ("full", "tied"):  # float32 matrices are symmetric only nearly
            covariances = 0.5 * (covariances + np.swapaxes(covariances, -1, -2))
        mixture = fastem.from_parameters(fastem.Gaussian(shape), weights, means=means, covariances=covariances)
        return float(fastem.log_density(X, mixture).mean())


def cell(bench: Bench, case: Case, start: Start, shape: str, dtype: str, rounds: int) -> list[Row]:
    """Every library in one cell."""
    problem = bench.write(start, dtype)
    rows = [Row(*case, shape, dtype, name) for name in bench.peers]
    lengths: dict[tuple[str, int], int] = {}
    for row in rows:
        try:
            hello = bench.peer(row.peer, bench.threads[0]).ask(do="hello")
            row.version = hello["version"]
            if shape not in hello["shapes"] or dtype not in hello["dtypes"]:
                row.note = "has no such covariance" if shape not in hello["shapes"] else f"has no {dtype}"
                continue
            for threads in bench.threads:
                lengths[row.peer, threads] = _prepare(bench, row, threads, problem, start, shape)
        except PeerError as error:
            row.note = str(error)
            bench.restart(row.peer)
    reference = rows[0].log_likelihood
    for row in rows:
        if not row.note and not np.isclose(row.log_likelihood, reference, rtol=EQUAL[dtype], atol=0):
            row.note = f"log-likelihood {row.log_likelihood:.8f}, not {reference:.8f}"
    _time(bench, [row for row in rows if not row.note], lengths, rounds)
    return rows


def _prepare(bench: Bench, row: Row, threads: int, problem: Path, start: Start, shape: str) -> int:
    """Load the problem, check the likelihood, and find how long the long fit should be."""
    peer = bench.peer(row.peer, threads)
    peer.ask(do="load", problem=str(problem), shape=shape)
    seconds = peer.fit(CHECKED, bench.result)
    row.log_likelihood = bench.log_likelihood(start.X, shape)
    if seconds > SLOW:
        return 2 * CHECKED
    # The first fit may have compiled or started threads, which happens once and is no part of an iteration.
    short, long = (peer.fit(iterations, bench.result) for iterations in (CHECKED, 4 * CHECKED))
    per_iteration = max((long - short) / (3 * CHECKED), LONG_ENOUGH / MOST)
    return int(np.clip(round(LONG_ENOUGH / per_iteration), FEWEST, MOST))


def _time(bench: Bench, rows: list[Row], lengths: dict[tuple[str, int], int], rounds: int) -> None:
    """Fill in the times, round by round over all libraries. Slow ones keep only their better number of threads."""
    found: dict[tuple[str, int], list[float]] = {}
    best: dict[str, list[int]] = {row.peer: list(bench.threads) for row in rows}
    for _ in range(rounds):
        for row in rows:
            try:
                for threads in best[row.peer]:
                    peer, length = bench.peer(row.peer, threads), lengths[row.peer, threads]
                    short, long = (peer.fit(iterations, bench.result) for iterations in (SHORT, length))
                    found.setdefault((row.peer, threads), []).append(1e3 * (long - short) / (length - SHORT))
            except PeerError as error:
                row.note, best[row.peer] = str(error), []
                bench.restart(row.peer)
                continue
            if best[row.peer] and long > SLOW:
                fastest = min(best[row.peer], key=lambda threads: statistics.median(found[row.peer, threads]))
                best[row.peer] = [fastest]
    for row in rows:
        if not row.note:
            row.threads = min(best[row.peer], key=lambda threads: statistics.median(found[row.peer, threads]))
            times = found[row.peer, row.threads]
            row.median, row.low, row.high = statistics.median(times), min(times), max(times)
            if row.low <= 0:
                row.note = f"too noisy: {row.low:.3g} to {row.high:.3g}"


def solutions(bench: Bench, case: Case, start: Start, shape: str) -> list[Solution]:
    """Every library's own fit of float64 data with its defaults, on all cores."""
    problem, found = bench.write(start, "float64"), []
    for name in bench.peers:
        row = Solution(case.data, shape, case.n_components, name)
        found.append(row)
        try:
            peer = bench.peer(name, bench.threads[-1])
            if shape not in peer.ask(do="hello")["shapes"]:
                row.note = "has no such covariance"
                continue
            peer.ask(do="load", problem=str(problem), shape=shape)
            with contextlib.suppress(PeerError):  # mlpack takes no start
                peer.fit(1, bench.result)  # a library that compiles does so before the clock starts
            reply = peer.ask(do="solve", result=str(bench.result))
            row.seconds, row.iterations, row.cost = reply["seconds"], reply["iterations"], reply["cost"]
            row.log_likelihood = bench.log_likelihood(start.X, shape)
        except PeerError as error:
            row.note = str(error)
            bench.restart(name)
        except ValueError as error:
            row.note = f"parameters that are none: {error}"[:120]
    return found
