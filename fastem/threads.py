"""Which engine runs a step over its spans, and with how many threads. Nothing here knows what a step computes.

A step is a compiled kernel step(job, span, worker): `job` the address of a record, `span` the piece of work, `worker`
the private scratch. Both engines are moved by the same loop, in which workers claim spans until none is left, so both
give the same bits: what a span computes depends on the span alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

import numba
import numpy as np
from numba import config, prange
from numba.np.ufunc import parallel as numba_parallel

from fastem._jit import JIT, call, fetch_add, parallel_engine, serial_engine
from fastem.memory import Arena

# Numba's threads were started before this module was first imported: perhaps in a parent process, where GNU OpenMP
# would kill or hang this one at its first parallel region. The pool of threads is safe everywhere.
_STARTED_ELSEWHERE = bool(getattr(numba_parallel, "_is_initialized", False))
_process = {"forked": False}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _process.update(forked=True))

# Below this many floating-point operations a step runs in the calling thread: starting a thread takes 25 to 50 us.
SMALL = 2_000_000


@serial_engine
def _work(step, job, counter, n_spans, worker):
    """Claim spans, one after the other, until none is left."""
    while True:
        span = fetch_add(counter, 1)
        if span >= n_spans:
            break
        call(step, job, span, worker)


@parallel_engine
def _work_in_parallel(step, job, counter, n_spans, n_workers):
    """The same loop in each of numba's threads."""
    for worker in prange(n_workers):
        _work(step, job, counter, n_spans, worker)


def available_threads() -> int:
    """Threads that this process may use: its processor affinity, and numba's own limit."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    return max(1, min(cores, config.NUMBA_NUM_THREADS))


def resolve(n_threads: int | None) -> int:
    """The number of threads of one call: as given, or all on the main thread and 1 elsewhere.

    A worker thread (of Dask, joblib or a web server) is already one of many; it gets more only when it asks.
    """
    if n_threads is not None:
        return n_threads
    return available_threads() if threading.current_thread() is threading.main_thread() else 1


def _numba_is_safe() -> bool:
    """Whether numba's own threads may be entered from here."""
    if not JIT or _process["forked"] or _STARTED_ELSEWHERE:
        return False
    if threading.current_thread() is not threading.main_thread():
        return False
    numba_parallel._launch_threads()
    # workqueue aborts the process when two threads enter it.
    return numba.threading_layer() in ("omp", "tbb")


class Team:
    """The threads of one call. `run` may be called many times; `engine` is "serial", "parallel" or "pool".

    arena: memory that the passes of the call share, one after the other.
    """

    def __init__(self, n_threads: int, engine: str, pool: ThreadPoolExecutor | None) -> None:
        self.n_threads = n_threads
        self.engine = engine
        self._pool = pool
        self._counter = np.zeros(16, dtype=np.int64)  # two cache lines to itself
        self._location = self._counter.ctypes.data
        self.arena = Arena()

    def run(self, step: int, job: int, n_spans: int, work: float) -> None:
        """Run step(job, span, worker) for each span; returns when all are done. `work` is in flops."""
        counter, location = self._counter, self._location
        counter[0] = 0
        n_workers = min(self.n_threads, n_spans)
        if n_workers <= 1 or work < SMALL or self.engine == "serial":
            _work(step, job, location, n_spans, 0)
        elif self._pool is None:
            before = numba.get_num_threads()
            numba.set_num_threads(min(n_workers, config.NUMBA_NUM_THREADS))
            try:
                _work_in_parallel(step, job, location, n_spans, n_workers)
            finally:
                numba.set_num_threads(before)
        else:
            futures = [self._pool.submit(_work, step, job, location, n_spans, w) for w in range(1, n_workers)]
            try:
                _work(step, job, location, n_spans, 0)
            finally:
                counter[0] = n_spans  # after an interrupt, workers stop at the end of their span
                wait(futures)
            for future in futures:
                future.result()


@contextmanager
def team(n_threads: int | None = None, engine: str | None = None) -> Iterator[Team]:
    """Threads for the length of one call: numba's where they are safe, else a pool that ends with the call."""
    n = resolve(n_threads)
    if n == 1:
        yield Team(1, "serial", None)
        return
    if engine is None:
        engine = "parallel" if n <= config.NUMBA_NUM_THREADS and _numba_is_safe() else "pool"
    if engine == "pool":
        with ThreadPoolExecutor(n - 1, thread_name_prefix="fastem") as pool:
            yield Team(n, engine, pool)
    else:
        yield Team(n, engine, None)
