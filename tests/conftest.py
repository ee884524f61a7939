"""The tests have a numba cache of their own, keyed by the sources, so that no stale machine code is ever tested."""

import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path

import pytest

_spec = importlib.util.find_spec("fastem")
assert _spec is not None and _spec.origin is not None, "install fastem first: pip install '.[test]'"
_sources = sorted(Path(_spec.origin).parent.rglob("*.py"))
_key = hashlib.sha256(b"".join(source.read_bytes() for source in _sources)).hexdigest()[:16]
os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"fastem-tests-{_key}")

import numpy as np  # noqa: E402

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared"


@pytest.fixture
def rng():
    return np.random.default_rng(20261121)


@pytest.fixture(scope="session")
def faithful():
    return np.loadtxt(HERE / "data" / "faithful.csv", delimiter=",", skiprows=1)
