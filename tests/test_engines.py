"""Engines, caches and processes: each engine loads its own binary, in fresh processes, in both orders."""

import os
import subprocess
import sys
import threading

import numba
import numpy as np
import pytest
from conftest import HERE

import fastem
from fastem.data import threads
from fastem.fitting.fit import fitted
from fastem.fitting.search import Search
from fastem.fitting.survey import samples_or_stream, survey
from fastem.model.model import Model

RUN = """
import sys
import numpy as np
from fastem.data import threads
import fastem
from fastem.data.threads import _work, _work_in_parallel
sys.path.insert(0, sys.argv[2])
import driving
X = np.random.default_rng(0).poisson(3.0, (5000, 3))
start = {"weights": [0.5, 0.5], "rates": [[1.0] * 3, [5.0] * 3]}  # given, so that little is compiled
original = threads.team
digests = []
for engine in sys.argv[1].split(","):
    settings = dict(start=start, tol=0, max_iter=5, n_threads=2, engine=engine, small=0)
    result = driving.fit(X, fastem.Poisson(), 2, **settings)
    digests.append(result.history.tobytes().hex())
assert len(set(digests)) == 1
hits = {f.py_func.__name__: (sum(f.stats.cache_hits.values()), sum(f.stats.cache_misses.values()))
        for f in (_work, _work_in_parallel)}

# Which of numba's threads ran each span: a binary of the other engine would have used one.
from numba import get_thread_id
from fastem.compiled.jit import INTEGER, address, carray, kernel, pointer

@kernel
def who(job, span, worker):
    x = 0.5
    for i in range(3_000_000):
        x = x * 3.7 * (1.0 - x)
    carray(pointer(job), 8, np.int64)[span] = get_thread_id() if x < 2.0 else -1

def thread_ids(engine):
    ids = np.full(8, -1)
    with original(2, engine) as team:
        team.run(address(who, INTEGER, INTEGER, INTEGER), ids.ctypes.data, 8, 1e9)
    return len(set(ids))

print(digests[0], hits["_work"], hits["_work_in_parallel"], thread_ids("parallel"), thread_ids("pool"), sep="|")
"""


def python(code, *arguments, cache=None, **environment):
    """Run code in a fresh process; returns its output."""
    env = {**os.environ, **environment}
    if cache is not None:
        env["NUMBA_CACHE_DIR"] = str(cache)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


@pytest.mark.parametrize("order", ["parallel,pool", "pool,parallel"])
def test_each_engine_loads_its_own_binary_from_a_cold_and_a_warm_cache(order, tmp_path):
    backwards = ",".join(reversed(order.split(",")))
    cold, warm, other = (
        python(RUN, engines, str(HERE), cache=tmp_path, NUMBA_NUM_THREADS="2").split("|")
        for engines in (order, order, backwards)
    )
    assert cold[0] == warm[0] == other[0]
    for run in (warm, other):  # both entries hit, nothing is compiled again
        assert run[2] == "(1, 0)", run
    for run in (cold, warm, other):
        assert run[3:] == ["2", "1"], run


def test_the_cache_key_sees_every_source_file(tmp_path):
    """After an edit in another file of the package, cached machine code is stale and must not be loaded."""
    code = """
import fastem.compiled.caching as caching, sys
caching.SOURCES = sys.argv[1]
import fastem.compiled.jit as j
from fastem.compiled.vectorised import exp
import numpy as np
@j.kernel
def f(x):
    return exp(x)
f(-1.0)
"""
    script = tmp_path / "s.py"
    script.write_text(code + "print(sum(f.stats.cache_hits.values()))\n")
    run = [sys.executable, str(script)]
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    hits = [
        subprocess.run([*run, stamp], env=env, capture_output=True, text=True, check=True, timeout=900).stdout.strip()
        for stamp in ("a", "a", "b", "b", "a")
    ]
    assert hits == ["0", "1", "0", "1", "1"]


def test_an_unwritable_cache_folder_falls_back_to_none(tmp_path):
    (tmp_path / "file").write_text("")
    code = """
import numpy as np, fastem
X = np.random.default_rng(0).poisson(3.0, (300, 2))
print(fastem.fit(X, fastem.Poisson(), 2, start={"weights": [0.5, 0.5], "rates": [[1, 1], [5, 5]]}).status.name)
"""
    assert python(code, cache=tmp_path / "file" / "below") == "CONVERGED"


def test_without_a_just_in_time_compiler_every_family_still_fits():
    code = """
import numpy as np, fastem
X = np.random.default_rng(0).poisson(3.0, (20, 2)).astype(float)
families = [fastem.Gaussian(s) for s in ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical")]
for family in (*families, fastem.Poisson()):
    result = fastem.fit(X, family, 2, seed=0, tol=0, max_iter=2)
    print(repr(float(result.log_likelihood)))
    fastem.responsibilities(X, result)
    print(repr(float(fastem.fit(X, family, 2, start="kmeans", seed=1, max_iter=3).log_likelihood)))
    print(repr(float(fastem.fit_many([X], family, 2, sample_weight=[X[:, 0]], seed=1, max_iter=3).log_likelihood[0])))
"""
    compiled = [float(line) for line in python(code).split()]
    plain = [float(line) for line in python(code, NUMBA_DISABLE_JIT="1").split()]
    np.testing.assert_allclose(plain, compiled, rtol=1e-12)


def test_a_call_leaves_numba_and_its_threads_as_they_were(rng):
    X = rng.standard_normal((50_000, 4))
    fastem.fit(X, fastem.Gaussian("full"), 3, seed=0, max_iter=2)
    before = (numba.get_num_threads(), threading.active_count(), dict(os.environ), np.geterr())
    for n in (None, 1, 2, 5):
        fastem.fit(X, fastem.Gaussian("full"), 3, seed=0, max_iter=2, n_threads=n)
    assert (numba.get_num_threads(), threading.active_count(), dict(os.environ), np.geterr()) == before


def test_a_worker_thread_uses_the_pool_or_itself_and_gives_the_same_bits(rng):
    X = rng.standard_normal((50_000, 4))
    expected = fastem.fit(X, fastem.Gaussian("full"), 3, seed=0, max_iter=5).history.tobytes()
    found = {}

    def work(n):
        found[n] = fastem.fit(X, fastem.Gaussian("full"), 3, seed=0, max_iter=5, n_threads=n).history.tobytes()

    workers = [threading.Thread(target=work, args=(n,)) for n in (None, 1, 2, 3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == dict.fromkeys((None, 1, 2, 3), expected)


def test_which_engine_is_chosen(monkeypatch):
    with threads.team(1) as team:
        assert team.engine == "serial"
    with threads.team(2, "pool") as team:
        assert team.engine == "pool"
    monkeypatch.setitem(threads._process, "forked", True)
    with threads.team(2) as team:
        assert team.engine == "pool"
    with threads.team(1000) as team:
        assert team.engine == "pool"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_fits_after_its_parent_has():
    code = """
import os, sys, warnings
import numpy as np, fastem
warnings.simplefilter("ignore")
X = np.random.default_rng(0).standard_normal((50_000, 4))
expected = fastem.fit(X, fastem.Gaussian("full"), 3, seed=0, max_iter=3).history.tobytes()
def child(depth):
    pid = os.fork()
    if pid == 0:
        same = fastem.fit(X, fastem.Gaussian("full"), 3, seed=0, max_iter=3).history.tobytes() == expected
        if same and depth > 1:
            same = child(depth - 1) == 0
        os._exit(0 if same else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(child(2))
"""
    assert python(code) == "0"


def test_a_parallel_engine_that_stalls_turns_to_the_pool_and_computes_the_same():
    """The bits are the same however long launches take, and no matter which of them are the only ones."""
    X = np.random.default_rng(0).standard_normal((30_000, 6))
    family = fastem.Gaussian("diag")
    quiet = fastem.fit(X, family, 8, seed=0, max_iter=5, tol=0, n_threads=2)
    labels = fastem.predict(X, quiet, n_threads=2)
    with threads.team(2, stall=-1.0) as team:  # every launch looks as if it had stalled
        stalled = fitted(
            survey(samples_or_stream(X, None), [family], team), Model(family, 8), Search(max_iter=5, tol=0), 0
        )
        assert team.engine == "pool"
    assert np.array_equal(quiet.parameters["means"], stalled.parameters["means"])
    assert np.array_equal(labels, fastem.predict(X, stalled, n_threads=2))


def test_a_launch_that_takes_too_long_is_the_last_of_its_engine():
    team = threads.Team(2, "parallel", may_change=True)
    asked_for = threads.Team(2, "parallel")
    for each in (team, asked_for):
        each._judge(job=1, work=1e7, seconds=2e-3)  # 5 GFLOP/s, as fast as it should be
        each._judge(job=1, work=1e7, seconds=7e-3)  # less than three times that plus STALL
        assert each.engine == "parallel"
        each._judge(job=1, work=1e7, seconds=9e-3)
    assert (team.engine, asked_for.engine) == ("pool", "parallel")
