"""The process that times cases on each side: it imports fastem from PYTHONPATH and reads names of cases, one per line.

It answers each with seconds, the least of three, or with "missing" if that commit cannot run the case.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fastem

SHAPES = ("full", "tied", "diag", "spherical")
Case = Callable[[], Any]


def _data(n: int, d: int, k: int, dtype: str = "float64") -> tuple[np.ndarray, dict[str, Any]]:
    rng = np.random.default_rng(0)
    X = (1.5 * rng.standard_normal((k, d)))[rng.integers(k, size=n)] + rng.standard_normal((n, d))
    return X.astype(dtype), {"weights": np.full(k, 1 / k), "means": X[:k]}


def _iterations(shape: str, n: int, d: int, k: int, iterations: int, dtype: str = "float64") -> Case:
    X, start = _data(n, d, k, dtype)
    eye = np.eye(d)
    start["covariances"] = {
        "full": np.tile(eye, (k, 1, 1)), "tied": eye, "diag": np.ones((k, d)), "spherical": np.ones(k)
    }[shape]  # fmt: skip
    family = fastem.Gaussian(shape)
    return lambda: fastem.fit(X, family, k, start=start, tol=0, max_iter=iterations)


def _small_fits() -> Case:
    X, family = _data(100, 2, 2)[0], fastem.Gaussian("full")
    return lambda: [fastem.fit(X, family, 2, start="kmeans", seed=seed, n_threads=1) for seed in range(50)]


def _start() -> Case:
    X, family = _data(50_000, 8, 8)[0], fastem.Gaussian("diag")
    return lambda: fastem.fit(X, family, 8, start="kmeans", seed=0, max_iter=0)


def _predict() -> Case:
    X = _data(100_000, 16, 16)[0]
    mixture = fastem.fit(X[:2_000], fastem.Gaussian("full"), 16, start="kmeans", seed=0, max_iter=3)
    return lambda: fastem.predict(X, mixture)


def _estimator() -> Case:
    X = _data(150, 4, 3)[0]
    return lambda: [fastem.GaussianMixture(3, random_state=seed).fit(X) for seed in range(20)]


FIRST_FIT = """
import numpy as np
X = np.random.default_rng(0).standard_normal((20_000, 2))
import fastem
fastem.fit(X, fastem.Gaussian("full"), 2, start="START", seed=0, max_iter=10)
"""


def _startup(start: str) -> Case:
    """Import and first fit in a new process, with a warm cache of machine code."""
    return lambda: subprocess.run([sys.executable, "-W", "ignore", "-c", FIRST_FIT.replace("START", start)], check=True)


CASES: dict[str, Callable[[], Case]] = {
    "full": lambda: _iterations("full", 20_000, 16, 16, 20),
    "tied": lambda: _iterations("tied", 20_000, 16, 16, 40),
    "diag": lambda: _iterations("diag", 20_000, 16, 16, 60),
    "spherical": lambda: _iterations("spherical", 20_000, 16, 16, 60),
    "full_wide": lambda: _iterations("full", 5_000, 64, 8, 15),
    "diag_wide": lambda: _iterations("diag", 10_000, 64, 16, 40),
    "full_float32": lambda: _iterations("full", 20_000, 16, 16, 30, "float32"),
    "driver": lambda: _iterations("full", 200, 4, 8, 1_000),
    "small_fits": _small_fits,
    "start": _start,
    "predict": _predict,
    "estimator": _estimator,
    "startup": lambda: _startup("kmeans"),
    "startup_auto": lambda: _startup("auto"),
}


def main() -> None:
    """Answer until standard input ends."""
    warnings.simplefilter("ignore")
    if not Path(fastem.__file__).is_relative_to(os.environ["PYTHONPATH"]):
        raise SystemExit(f"{fastem.__file__} is not the commit in {os.environ['PYTHONPATH']}")
    ready: dict[str, Case] = {}
    for line in sys.stdin:
        name = line.strip()
        try:
            if name not in ready:
                ready[name] = CASES[name]()
                ready[name]()  # compile it before it is timed
            times = []
            for _ in range(3):
                begun = time.perf_counter()
                ready[name]()
                times.append(time.perf_counter() - begun)
            print(min(times), flush=True)
        except (AttributeError, TypeError):  # not there yet, or with other arguments
            print("missing", flush=True)


if __name__ == "__main__":
    main()
