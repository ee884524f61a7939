"""Which engine runs a step over its spans, and with how many threads. Nothing here knows what a step computes.

A step is a compiled kernel step(job, span, worker): `job` is the address of a record, `span` the piece of work,
`worker` the private scratch. Both engines run the same loop, in which workers claim spans until none is left. What a
span computes depends on the span alone, so both give the same bits.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import config, prange
from numba.np.ufunc import parallel as numba_parallel
from numpy.typing import NDArray

from fastem.compiled.arrays import Arena
from fastem.compiled.jit import JIT, call, carray, fetch_add, parallel_engine, pointer, raises, serial_engine

# Numba's threads were started before this module was first imported: perhaps in a parent process, where GNU OpenMP
# would kill or hang this one at its first parallel region. The pool of threads is safe everywhere.
_STARTED_ELSEWHERE = bool(getattr(numba_parallel, "_is_initialized", False))
_process = {"forked": False, "launched": False}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _process.update(forked=True))

# Below this many floating-point operations a step runs in the calling thread: starting a thread takes 25 to 50 us.
SMALL = 2_000_000
# A launch has stalled if it takes STALL seconds more than three times what its work should take, at the best pace of
# its job so far or at SLOWEST flops per second. A launch below BRIEF flops takes 2 to 4 ms; if it is the only one, it
# is not worth the risk of a stall.
STALL, SLOWEST, BRIEF = 2e-3, 5e9, 50_000_000
# The variables that set OpenBLAS's number of threads. Without them it has one for each core, but no more than it was
# built for, which is 24 in some of NumPy's wheels and 64 in others.
OPENBLAS, FEW = ("OPENBLAS_NUM_THREADS", "OPENBLAS_DEFAULT_NUM_THREADS", "GOTO_NUM_THREADS"), 24
# Where a control group of Linux says how much of the processors a container may use: microseconds, and of how many.
QUOTAS = (
    ("/sys/fs/cgroup/cpu.max",),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)
# threadpoolctl's controllers of the libraries that were loaded when there were so many modules.
_libraries: dict[str, Any] = {"n_modules": 0, "controllers": []}


# Where, behind the counter of spans, workers write 1 + the number of a span in which a kernel has raised something.
FAILED = 8


@serial_engine
def _work(step, job, counter, n_spans, worker):
    """Claim spans, one after the other, until none is left or a kernel raises something."""
    while True:
        span = fetch_add(counter, 1)
        if span >= n_spans:
            break
        if raises(step, job, span, worker):
            fetch_add(counter, n_spans)
            carray(pointer(counter + 8 * FAILED), 1, np.int64)[0] = span + 1


@serial_engine
def _again(step, job, span, worker):
    """Do one span again, in order to raise what its kernel has raised: numba's own threads could not."""
    call(step, job, span, worker)


@parallel_engine
def _work_in_parallel(step, job, counter, n_spans, n_workers):
    """The loop of `_work` in each of numba's threads."""
    for worker in prange(n_workers):
        _work(step, job, counter, n_spans, np.int64(worker))  # another type would be compiled for


def run_here(step: int, job: int, counter: NDArray[np.int64], n_spans: int) -> None:
    """Run step(job, span, worker) for each span in the calling thread. counter: FAILED + 1 words, all 0.

    What a kernel raises, this raises.
    """
    _work(step, job, counter.ctypes.data, n_spans, 0)
    _check_raised(step, job, counter)


def _check_raised(step: int, job: int, counter: NDArray[np.int64]) -> None:
    """Raise what a kernel has raised, if one has."""
    if counter[FAILED]:
        span, counter[FAILED] = int(counter[FAILED]) - 1, 0
        _again(step, job, span, 0)
        raise RuntimeError("a kernel raised an error, but not when it was called again with the same arguments.")


def available_threads() -> int:
    """Threads that this process may use: its processor affinity, its container's quota, and numba's own limit."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    return max(1, min(cores, config.NUMBA_NUM_THREADS, _quota() or cores))


@cache
def _quota() -> int | None:
    """How many processors' time the control group of this container allows, rounded up; None if there is no limit."""
    for names in QUOTAS:
        try:
            words = " ".join(Path(name).read_text() for name in names).split()
            quota, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):  # no such file, or "max"
            continue
        if quota > 0 and period > 0:  # -1 is no limit
            return -(-quota // period)
    return None


def resolve(n_threads: int | None) -> int:
    """The number of threads of one call: as given, or all that are allowed on the main thread and 1 elsewhere.

    A worker thread (of Dask, joblib or a web server) is already one of many; it gets more only when it asks.
    """
    if n_threads is not None:
        return n_threads
    if threading.current_thread() is not threading.main_thread():
        return 1
    allowed = available_threads(), _from_environment("OMP_NUM_THREADS"), _limit()
    return min(n for n in allowed if n is not None)


def _from_environment(name: str) -> int | None:
    """The number of threads that a variable asks for, the first of a list as in OpenMP; None if it is not valid."""
    first = os.environ.get(name, "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def _limit() -> int | None:
    """To how many threads threadpoolctl may have limited this process; None if nobody has imported it, or no limit.

    threadpoolctl keeps no record: it tells the libraries that are loaded, so these are asked. OpenMP's runtimes would
    not do, because the first of them may be loaded later, and knows of no limit then. Finding the libraries takes 3 ms,
    and is repeated only when modules have been imported since; asking them takes 1 us each.
    """
    threadpoolctl: Any = sys.modules.get("threadpoolctl")
    if not hasattr(threadpoolctl, "ThreadpoolController"):  # not imported, or only half
        return None
    if _libraries["n_modules"] != len(sys.modules):
        with warnings.catch_warnings():  # of two OpenMP runtimes that do not agree, which is not for us to say
            warnings.simplefilter("ignore")
            _libraries["controllers"] = threadpoolctl.ThreadpoolController().lib_controllers
        _libraries["n_modules"] = len(sys.modules)
    by_default = min(n for n in (FEW, *map(_from_environment, OPENBLAS)) if n is not None)
    counts = []
    for library in _libraries["controllers"]:
        n = library.num_threads
        # An OpenBLAS that was built without threads always says 1.
        is_blas = library.internal_api == "openblas" and getattr(library, "threading_layer", None) == "pthreads"
        if n is not None and (library.user_api == "openmp" or (is_blas and n < by_default)):
            counts.append(n)
    return min(counts, default=None)


def _numba_is_safe() -> bool:
    """Whether numba's own threads may be entered from here."""
    if not JIT or _process["forked"] or _STARTED_ELSEWHERE:
        return False
    if threading.current_thread() is not threading.main_thread():
        return False
    # Numba tells OpenMP a number of threads when it starts its own, which would undo a limit of threadpoolctl's.
    limit = None if numba_parallel._is_initialized else _limit()
    if limit is not None and limit < available_threads():
        return False
    numba_parallel._launch_threads()
    # workqueue aborts the process when two threads enter it.
    return numba.threading_layer() in ("omp", "tbb")


class Team:
    """The threads of one call. `run` may be called many times; `engine` is "serial", "parallel" or "pool".

    If `may_change`, a parallel engine gives way to the pool for good after a launch that stalled. A launch stalls when
    something else holds a core: another process, or OpenBLAS's threads, which spin for a tenth of a second after a
    product of matrices. The barrier at the end of numba's parallel region then waits for the scheduler, 4 to 8 ms per
    launch. In the pool, nobody waits for a worker that has not begun, as the others do its spans. On a quiet machine
    the pool costs 0.1 ms more per launch.

    arena: memory that the passes of the call use, one after the other.
    """

    def __init__(
        self, n_threads: int, engine: str, may_change: bool = False, small: float = SMALL, stall: float = STALL
    ) -> None:
        self.n_threads = n_threads
        self.engine = engine
        self._may_change = may_change
        self._small, self._stall = small, stall
        self._pool: ThreadPoolExecutor | None = None
        self._pace: dict[int, float] = {}  # the fewest seconds per flop of each job so far
        self._counter = np.zeros(16, dtype=np.int64)  # two cache lines to itself
        self._location = self._counter.ctypes.data
        self.arena = Arena()

    def run(self, step: int, job: int, n_spans: int, work: float, alone: bool = False) -> None:
        """Run step(job, span, worker) for each span; returns when all are done. `work` is in flops.

        `alone`: no other launch follows. A brief one then goes to the pool, because no later one makes up for a stall.
        What a kernel raises, this raises.
        """
        counter, location = self._counter, self._location
        counter[0] = 0
        n_workers = min(self.n_threads, n_spans)
        if self.runs_here(n_spans, work):
            _work(step, job, location, n_spans, 0)
        elif self.engine == "parallel" and not (alone and work < BRIEF and self._may_change):
            before = numba.get_num_threads()
            try:
                numba.set_num_threads(min(n_workers, config.NUMBA_NUM_THREADS))
                if not _process["launched"]:  # loading or compiling the engine is no stall
                    _work_in_parallel(step, job, location, 0, n_workers)
                    _process["launched"], counter[0] = True, 0
                begun = time.perf_counter()
                _work_in_parallel(step, job, location, n_spans, n_workers)
            finally:
                numba.set_num_threads(before)
            self._judge(job, work, time.perf_counter() - begun)
        else:
            self._run_in_pool(step, job, n_spans, n_workers)
        _check_raised(step, job, counter)

    def runs_here(self, n_spans: int, work: float) -> bool:
        """Whether a step of so much work would run in the calling thread."""
        return min(self.n_threads, n_spans) <= 1 or work < self._small or self.engine == "serial"

    def _judge(self, job: int, work: float, seconds: float) -> None:
        """Leave the parallel engine after a launch that took much longer than it should, or than others of its job."""
        pace = self._pace.get(job, 1.0 / SLOWEST)
        if self._may_change and seconds > self._stall + 3.0 * pace * work:
            self.engine = "pool"
        self._pace[job] = min(pace, seconds / work)

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """function(item) for each item, in their order, by all threads. What one raises, this raises.

        It is for work that holds the interpreter's lock for a small part of the time.
        """
        if self.n_threads == 1 or len(items) < 2:
            return [function(item) for item in items]
        settings = np.geterr()

        def run(item: Any) -> Any:
            with np.errstate(**settings):
                return function(item)

        pool = self._threads()
        futures: list[Any] = []
        with contextlib.suppress(RuntimeError):  # while the interpreter ends, no thread can be started
            for item in items:
                futures.append(pool.submit(run, item))  # noqa: PERF401
        try:
            # The others begin with the first item, this thread with the last; what nobody has begun, it does itself.
            done = {
                i: function(items[i]) for i in reversed(range(len(items))) if i >= len(futures) or futures[i].cancel()
            }
            return [done[i] if i in done else futures[i].result() for i in range(len(items))]
        finally:
            wait([future for future in futures if not future.cancel()])

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.n_threads - 1, thread_name_prefix="fastem")
        return self._pool

    def _run_in_pool(self, step: int, job: int, n_spans: int, n_workers: int) -> None:
        pool = self._threads()
        counter, location = self._counter, self._location
        futures = []
        try:
            # While the interpreter ends, no thread can be started, and the caller's own does all spans.
            with contextlib.suppress(RuntimeError):
                for worker in range(1, n_workers):
                    futures.append(pool.submit(_work, step, job, location, n_spans, worker))  # noqa: PERF401
            _work(step, job, location, n_spans, 0)
        finally:
            counter[0] = n_spans  # after an interrupt, workers stop at the end of their span
            begun = [future for future in futures if not future.cancel()]
            wait(begun)
        for future in begun:
            future.result()

    def close(self) -> None:
        """End the pool's threads."""
        if self._pool is not None:
            self._pool.shutdown()


@contextmanager
def team(
    n_threads: int | None = None, engine: str | None = None, small: float = SMALL, stall: float = STALL
) -> Iterator[Team]:
    """Threads for the length of one call: numba's where they are safe, else a pool that ends with the call.

    small: steps of less work, in flops, run in the calling thread. stall: seconds beyond its work's own after which a
    launch was held up.
    """
    n, may_change = resolve(n_threads), engine is None
    if n == 1:
        engine = "serial"
    elif engine is None:
        engine = "parallel" if n <= config.NUMBA_NUM_THREADS and _numba_is_safe() else "pool"
    threads = Team(n, engine, may_change, small, stall)
    try:
        yield threads
    finally:
        threads.close()
