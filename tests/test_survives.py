"""Threads, forks, other people's numba, missing libraries, odd environments: each in a process of its own.

A crash, a deadlock or a slow death here would take the tests down with it, so every case has a time limit.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

import fastem
from fastem.compiled.caching import SOURCES

HERE = Path(__file__).parent
# Seconds after which a child hangs: many times what the slowest processor needs to compile what it runs.
LONGEST = 900
KINDS = pytest.mark.parametrize("kind", ["core", "estimator"])
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# fit(n_threads) fits by the core and by an estimator, and returns the bits of both; `expected` are a quiet process's.
PRELUDE = """
import os, sys, threading, warnings
import numpy as np
import fastem

X = np.random.default_rng(0).standard_normal((50_000, 4))
warnings.filterwarnings("ignore", "Best performing initialization did not converge")

def fit(n_threads=None):
    settings = dict(tol=0, max_iter=4, n_threads=n_threads)
    result = fastem.fit(X, fastem.Gaussian("diag"), 3, start="random_from_data", seed=0, **settings)
    mixture = fastem.GaussianMixture(
        3, covariance_type="diag", init_params="random_from_data", random_state=0, **settings
    ).fit(X)
    labels = fastem.predict(X, result, n_threads=n_threads), mixture.predict(X)
    bits = result.history, labels[0][:99], mixture.means_, labels[1][:99]
    return "".join(array.tobytes().hex() for array in bits)

def in_child(work):
    '''True where work() is true in a forked child.'''
    pid = os.fork()
    if pid == 0:
        os._exit(0 if work() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

def in_threads(n, work):
    found = []
    threads = [threading.Thread(target=lambda: found.append(work())) for _ in range(n)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return found

if len(sys.argv) > 1:
    expected = sys.argv[1]
"""


def with_path(folder):
    """The path of modules with one more folder."""
    return os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])


def python(code, *arguments, options=(), **environment):
    """The last line that code prints in a fresh process; an environment variable of None is taken away."""
    # Of OpenBLAS's threads, which conftest.py does without, a child may have as many as it likes.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": None, **environment}
    env = {name: value for name, value in environment.items() if value is not None}
    done = subprocess.run(
        [sys.executable, *options, "-c", code, *arguments],
        env=env, capture_output=True, text=True, timeout=LONGEST, check=False, cwd=tempfile.gettempdir(),
    )  # fmt: skip
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-3000:]}"
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def expected():
    return python(PRELUDE + "print(fit())")


SCENES = {
    "six threads at once": "print(in_threads(6, fit) == [expected] * 6)",
    "six threads of two threads each": "print(in_threads(6, lambda: fit(2)) == [expected] * 6)",
    "threads beside the main thread": """
worker = threading.Thread(target=lambda: found.append(fit()))
found = []
worker.start()
mine = [fit() for _ in range(3)]
worker.join()
print(mine == [expected] * 3 and found == [expected])
""",
    "more threads than cores": "print(fit(3 * os.cpu_count() + 1) == fit(100) == expected)",
    "one core by affinity": "print(fit() == expected)",
    "a fork after a fit, and a fork in it": """
fit()
print(in_child(lambda: fit() == expected and fit(2) == expected and in_child(lambda: fit() == expected)))
""",
    "a fork before any fit": "print(in_child(lambda: fit() == expected) and fit() == expected)",
    "a fork from a thread": """
fit()
print(in_threads(1, lambda: in_child(lambda: fit() == expected)) == [True])
""",
    "a fork, and threads in the child": """
fit()
print(in_child(lambda: in_threads(4, fit) == [expected] * 4))
""",
    "a limit of threadpoolctl's": """
from threadpoolctl import threadpool_limits
with threadpool_limits(1):
    inside = [fit(), fit(2)]
print(inside == [expected] * 2 and fit() == expected)
""",
    "spawn": """
import multiprocessing
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(pool.map(spawned.fit, [None] * 3) == [expected] * 3)
""",
    "joblib, loky": """
from joblib import Parallel, delayed
print(Parallel(2, "loky")(delayed(fit)() for _ in range(3)) == [expected] * 3)
""",
    "joblib, threads": """
from joblib import Parallel, delayed
fit()
print(Parallel(3, "threading")(delayed(fit)() for _ in range(6)) == [expected] * 6)
""",
    "Dask's worker threads": """
import dask
found = dask.compute(*[dask.delayed(fit)() for _ in range(6)], scheduler="threads", num_workers=3)
print(list(found) == [expected] * 6)
""",
}
ENVIRONMENT = {"six threads of two threads each": {"NUMBA_NUM_THREADS": "2"}}
BEFORE = {"one core by affinity": "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"}


@pytest.mark.parametrize("layer", [None, "workqueue"])
@pytest.mark.parametrize("scene", SCENES)
def test_a_fit_survives(scene, layer, expected, tmp_path):
    """And gives the bits of a quiet process, with numba's own choice of threading layer and with the unsafe one."""
    if "fork" in scene and not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    if "affinity" in scene and not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no affinity")
    if scene == "Dask's worker threads":
        pytest.importorskip("dask")
    (tmp_path / "spawned.py").write_text(PRELUDE)
    code = BEFORE.get(scene, "") + PRELUDE + ("import spawned\n" if scene == "spawn" else "") + SCENES[scene]
    environment = {"NUMBA_THREADING_LAYER": layer, "PYTHONPATH": with_path(tmp_path), **ENVIRONMENT.get(scene, {})}
    assert python(code, expected, **environment) == "True"


FOREIGN = """
import numba, numpy, sys
@numba.njit(parallel=True)
def foreign(x):
    total = 0.0
    for i in numba.prange(x.size):
        total += x[i]
    return total
foreign(numpy.ones(1000))
assert "fastem" not in sys.modules
"""


@forks
def test_a_forked_child_whose_parent_ran_other_peoples_parallel_code(expected):
    """GNU OpenMP kills such a child at its first parallel region."""
    child = f"exec({PRELUDE!r})\nok = fit() == expected and fit(2) == expected\n"
    code = (
        FOREIGN
        + f"""
import os
pid = os.fork()
if pid == 0:
    scope = {{}}
    exec({child!r}, scope)
    os._exit(0 if scope["ok"] else 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    )
    assert python(code, expected) == "0"


def test_other_peoples_parallel_code_goes_on_working(expected):
    code = FOREIGN + PRELUDE + "print(fit() == expected and foreign(np.ones(1000)) == 1000 and fit() == expected)"
    assert python(code, expected) == "True"


def test_a_machine_without_libgomp(expected):
    """numba's OpenMP layer cannot be imported there, nor TBB's: what is left is workqueue."""
    code = """
import sys
sys.modules["numba.np.ufunc.omppool"] = None
sys.modules["numba.np.ufunc.tbbpool"] = None
"""
    code += PRELUDE + "import numba\nprint(in_threads(3, fit) == [expected] * 3 and fit() == expected)"
    assert python(code, expected) == "True"


@KINDS
@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_in_the_middle_of_a_fit(kind):
    """KeyboardInterrupt arrives, the estimator is as before, and the next fit works."""
    code = (
        PRELUDE
        + """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background of a script ignores
expected = fit()
big = np.random.default_rng(1).standard_normal((400_000, 8))
mixture = fastem.GaussianMixture(8, tol=0, max_iter=10**6, random_state=0)
before = dict(vars(mixture))
def callback(record):
    if record.iteration == 3:  # of many: the interrupt comes in one of the next
        print("ready", flush=True)
try:
    if sys.argv[1] == "core":
        settings = dict(start="kmeans", tol=0, max_iter=10**6, seed=0)
        fastem.fit(big, fastem.Gaussian("full"), 8, callback=callback, **settings)
    else:
        mixture.fit(big, callback=callback)
except KeyboardInterrupt:
    threads = threading.active_count()
    print(vars(mixture) == before and threads == 1 and fit() == expected)
"""
    )
    process = subprocess.Popen([sys.executable, "-c", code, kind], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=LONGEST)
    finally:
        process.kill()
    assert out == "True\n"


def test_a_call_leaves_everything_as_it_was():
    """numba's configuration and threads, the environment, NumPy's errors, Python's threads, the random state."""
    code = (
        PRELUDE
        + """
import gc, locale, numba, signal
def state():
    config = {name: getattr(numba.config, name) for name in dir(numba.config) if name.isupper()}
    return (config, numba.get_num_threads(), dict(os.environ), np.geterr(), threading.active_count(),
            np.random.get_state()[1].tobytes(), warnings.filters[:], gc.isenabled(), signal.getsignal(signal.SIGINT),
            os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None, np.get_printoptions(),
            locale.getlocale())
fit()
np.seterr(over="raise", divide="raise", invalid="raise")
numba.set_num_threads(1)
before = state()
for n in (None, 1, 2, 7):
    fit(n)
    in_threads(2, lambda: fit(n))
print(state() == before)
"""
    )
    assert python(code) == "True"


ENVIRONMENTS = {
    "no change": {},
    "an unwritable cache folder": {"NUMBA_CACHE_DIR": "{file}/below"},
    "python -O": {"options": ("-O",)},
    "python -OO": {"options": ("-OO",)},
    "python -W error": {"options": ("-W", "error")},
    "python -I": {"options": ("-I",)},
    "no affinity for a locale": {"LC_ALL": "C"},
    "no thread to spare": {"NUMBA_NUM_THREADS": "1"},
    "a limit on OpenMP": {"OMP_NUM_THREADS": "1"},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_odd_environments(name, expected, tmp_path):
    (tmp_path / "file").write_text("")
    settings = {
        key: value.format(file=tmp_path / "file") if isinstance(value, str) else value
        for key, value in ENVIRONMENTS[name].items()
    }
    options = settings.pop("options", ())
    # With -I, PYTHONPATH is not read, and another fastem may be installed.
    here = f"import sys\nsys.path.insert(0, {str(Path(fastem.__file__).parents[1])!r})\n"
    assert python(here + PRELUDE + "print(fit() == expected)", expected, options=options, **settings) == "True"


def test_no_folder_at_all_can_be_written(expected, tmp_path):
    """Neither the package's, nor the home. As root permissions prove nothing: files stand where folders would be."""
    package = tmp_path / "site" / "fastem"
    shutil.copytree(Path(fastem.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (package, *(path for path in package.rglob("*") if path.is_dir())):
        (folder / "__pycache__").write_text("")
    code = PRELUDE + f"print(fit() == expected and fastem.__file__.startswith({str(tmp_path)!r}))"
    environment = {
        "NUMBA_CACHE_DIR": None, "HOME": str(package / "__pycache__"), "PYTHONPATH": str(tmp_path / "site"),
        "XDG_CACHE_HOME": str(package / "__pycache__" / "below"), "PYTHONDONTWRITEBYTECODE": "1",
        "LOCALAPPDATA": str(package / "__pycache__"),
    }  # fmt: skip
    assert python(code, expected, **environment) == "True"


@pytest.mark.parametrize("home", ["missing", "writable"])
def test_the_package_in_a_zip(home, expected, tmp_path):
    """Numba keeps machine code in the user's cache folder then, and finds out late that it cannot be written."""
    package, archive = Path(fastem.__file__).parent, tmp_path / "site.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(package.rglob("*.py")):
            file.write(path, path.relative_to(package.parent))
    (tmp_path / "file").write_text("")
    where = tmp_path if home == "writable" else tmp_path / "file" / "below"
    code = (
        PRELUDE
        + f"""
from fastem.compiled.caching import SOURCES
assert fastem.__file__.startswith({str(archive)!r}), fastem.__file__
print(fit() == expected and SOURCES == {SOURCES!r})
"""
    )
    environment = {
        "NUMBA_CACHE_DIR": None, "HOME": str(where), "XDG_CACHE_HOME": str(where), "PYTHONPATH": str(archive),
        "LOCALAPPDATA": str(where),
    }  # fmt: skip
    assert python(code, expected, **environment) == "True"


def test_a_cache_folder_that_can_no_longer_be_written(tmp_path):
    """The disk is full, say, or was mounted for reading only, after the package was imported."""
    code = f"""
import numpy as np, pathlib, shutil
import fastem.data.fold
folder = pathlib.Path({str(tmp_path / "cache")!r})
assert folder.is_dir()
shutil.rmtree(folder)
folder.write_text("")
X = np.random.default_rng(0).poisson(3.0, (300, 2))
print(fastem.fit(X, fastem.Poisson(), 2, start={{"weights": [0.5, 0.5], "rates": [[1, 1], [5, 5]]}}).status.name)
"""
    assert python(code, NUMBA_CACHE_DIR=str(tmp_path / "cache")) == "CONVERGED"


@KINDS
def test_without_a_just_in_time_compiler(kind):
    code = """
import sys, warnings
import numpy as np, fastem
X = np.random.default_rng(0).standard_normal((60, 2))
if sys.argv[1] == "core":
    print(repr(float(fastem.fit(X, fastem.Gaussian("full"), 2, seed=0, tol=0, max_iter=3).log_likelihood)))
else:
    warnings.simplefilter("ignore")
    print(repr(fastem.GaussianMixture(2, random_state=0, tol=0, max_iter=3).fit(X).score(X)))
"""
    compiled, plain = (float(python(code, kind, NUMBA_DISABLE_JIT=flag)) for flag in ("0", "1"))
    assert plain == pytest.approx(compiled, rel=1e-12)


@pytest.mark.parametrize("name", sorted(path.stem for path in (HERE / "isolated").glob("*.py")))
def test_isolated(name):
    """Tests of inputs, run by a pytest of their own."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        str(HERE / "isolated" / f"{name}.py"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False, cwd=HERE.parent)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout, json.dumps(done.stdout[-500:])
