"""A numba cache of the tests' own, keyed by the sources, so that no stale machine code is ever tested.

What is set here is inherited by the processes that tests start, and by pytest-xdist's workers: all share the cache, and
all import the very package that is tested here.
"""

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

import pytest

_spec = importlib.util.find_spec("fastem")
assert _spec is not None and _spec.origin is not None, "install fastem first: pip install '.[test]'"
PACKAGE = Path(_spec.origin).parent
# The folders that may hold compiled code: an edit of any other compiles nothing anew.
COMPILED = ("compiled", "data", "families")
_sources = [PACKAGE / "jit.py", *(path for folder in COMPILED for path in sorted((PACKAGE / folder).rglob("*.py")))]
_key = hashlib.sha256(b"".join(source.read_bytes() for source in _sources)).hexdigest()[:16]
os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"fastem-tests-{_key}")
os.environ["PYTHONPATH"] = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
# OpenBLAS's threads spin while they wait: where other processes hold the cores, as xdist's workers do, a Cholesky
# factor of 784 x 784 takes 1.4 s of processor time with two threads and 19 ms with one. Read when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np  # noqa: E402

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared"


@pytest.fixture
def rng():
    return np.random.default_rng(20261121)


@pytest.fixture(scope="session")
def faithful():
    return np.loadtxt(HERE / "data" / "faithful.csv", delimiter=",", skiprows=1)


def pytest_configure(config):
    """Accelerate, which NumPy uses on macOS, raises flags of floating point in products whose results are right."""
    if sys.platform == "darwin":
        config.addinivalue_line("filterwarnings", "ignore:.* encountered in matmul:RuntimeWarning")
