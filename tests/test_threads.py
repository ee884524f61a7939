"""How many threads a call takes by default: the cores, and whoever sets a limit. Each case in a process of its own."""

import os
import threading
from pathlib import Path

import pytest
import threadpoolctl
from test_survives import PRELUDE, python

from fastem.data import threads

# `fit` of the prelude with numba's threads, and default() for what a call would take by default now.
BEGIN = PRELUDE + "from fastem.data.threads import available_threads, resolve\ndefault = lambda: resolve(None)\n"
LIMITS = "from threadpoolctl import threadpool_limits\n"


def found(code, **environment):
    return python(BEGIN + code, **environment)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", 1), (" 1 ", 1), ("1,4", 1), *((bad, None) for bad in ("1000", "0", "-1", "", "many", "1.5"))],
)
def test_the_environment_variable_of_openmp_is_the_most_that_a_call_takes_by_default(value, expected, monkeypatch):
    """And what is not valid says nothing."""
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    monkeypatch.setattr(threads, "_limit", lambda: None)
    monkeypatch.setattr(threads, "available_threads", lambda: 8)
    assert threads.resolve(None) == (expected or 8)
    assert threads.resolve(5) == 5


def test_two_limits_leave_the_smaller_one(monkeypatch):
    monkeypatch.setattr(threads, "available_threads", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    for limit, expected in ((None, 6), (3, 3), (7, 6), (20, 6)):
        monkeypatch.setattr(threads, "_limit", lambda limit=limit: limit)
        assert threads.resolve(None) == expected


def test_off_the_main_thread_the_default_is_one_whatever_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    answers = []
    worker = threading.Thread(target=lambda: answers.extend([threads.resolve(None), threads.resolve(3)]))
    worker.start()
    worker.join()
    assert answers == [1, 3]


ONE_CORE = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="this system has no affinity, or one core, on which libraries have one thread",
)
# Apple's Accelerate cannot be limited, so that threadpoolctl has nothing to tell before an OpenMP runtime is loaded.
NO_BLAS = pytest.mark.skipif(
    not any(each["user_api"] == "blas" for each in threadpoolctl.threadpool_info()),
    reason="threadpoolctl knows no BLAS here",
)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"}, 1),
        ({"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_a_container_has_as_many_threads_as_its_quota_allows(files, expected, tmp_path, monkeypatch):
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    places = [[str(tmp_path / Path(name).name) for name in names] for names in threads.QUOTAS]
    monkeypatch.setattr(threads, "QUOTAS", places)
    threads._quota.cache_clear()
    try:
        assert threads._quota() == expected
        assert threads.available_threads() <= (expected or 10**6)
    finally:
        threads._quota.cache_clear()


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "NUMBA_NUM_THREADS"])
def test_a_process_with_the_variable_takes_one_thread(name):
    assert found("print(default(), resolve(3))", **{name: "1"}) == "1 3"


def test_the_core_does_not_import_threadpoolctl():
    assert found("fastem.fit(X, fastem.Gaussian('diag'), 2, start='random_from_data', max_iter=2)\n"
                 "print('threadpoolctl' in sys.modules)") == "False"  # fmt: skip


@NO_BLAS
def test_a_limit_of_threadpoolctl_holds_from_the_first_call_to_the_end_of_its_block():
    """Before the first call no OpenMP runtime is loaded; within it scikit-learn loads one, which knows no limit."""
    code = """
every = available_threads()
with threadpool_limits(1):
    inside = [default(), fit() and default(), fit() and default(), resolve(3)]
assert default() == every
before = fit()
with threadpool_limits(limits=1):
    again = [default(), fit() == before and default()]
    with threadpool_limits(limits=None):
        again.append(default())
lasting = threadpool_limits(1)
again.append(default())
lasting.restore_original_limits()
print(inside, again, default() == every)
"""
    assert found(LIMITS + code) == "[1, 1, 1, 3] [1, 1, 1, 1] True"


@ONE_CORE
def test_a_limit_of_more_than_one_thread_holds_too():
    """Four cores are pretended. Numba's threads, had they been started, would have told OpenMP to use four again."""
    code = """
import numba.np.ufunc.parallel as numba_parallel
os.sched_getaffinity = lambda pid: {0, 1, 2, 3}
with threadpool_limits(2):
    found = [available_threads(), default(), fit() and default(), fit(3) and default()]
    print(found, numba_parallel._is_initialized)
"""
    environment = {"NUMBA_NUM_THREADS": "4"}
    assert found(LIMITS + code, **environment) == "[4, 2, 2, 2] False"


@NO_BLAS
def test_a_limit_on_one_kind_of_library_holds_too():
    """scikit-learn loads an OpenMP runtime."""
    code = """
import sklearn.cluster
found = []
for kind in ("blas", "openmp"):
    with threadpool_limits(1, user_api=kind):
        found.append(default())
print(found, default() == available_threads())
"""
    assert found(LIMITS + code) == "[1, 1] True"


@pytest.mark.parametrize("name", threads.OPENBLAS)
def test_few_threads_of_openblas_by_its_own_variable_are_no_limit(name):
    assert found(LIMITS + "print(default() == available_threads())", **{name: "1"}) == "True"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_keeps_the_limit():
    code = """
fit()
with threadpool_limits(1):
    print(default(), in_child(lambda: default() == 1 and in_threads(2, default) == [1, 1]))
"""
    assert found(LIMITS + code) == "1 True"


def test_workers_of_joblib_share_the_cores():
    """loky tells its workers by OMP_NUM_THREADS how many threads each may have."""
    code = """
from joblib import Parallel, delayed
from joblib.externals.loky import cpu_count
def default():
    from fastem.data.threads import resolve
    return resolve(None)
each = max(1, cpu_count() // 2)
print(set(Parallel(2, "loky")(delayed(default)() for _ in range(4))) == {each})
"""
    assert found(code) == "True"


def test_libraries_are_looked_for_only_after_an_import(monkeypatch):
    """Looking takes 3 ms, too long for each call."""
    looked = []

    class Counting(threadpoolctl.ThreadpoolController):
        def __init__(self):
            looked.append(1)
            super().__init__()

    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", Counting)
    monkeypatch.setitem(threads._libraries, "n_modules", 0)
    for _ in range(100):
        threads.resolve(None)
    assert len(looked) == 1
