"""Armadillo's gmm_full and gmm_diag, through a driver in C++ that is compiled on first use."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.peers.worker import Fitted, Problem, Solved

SHAPES = ["full", "diag"]
DTYPES = ["float64", "float32"]
NOTE = "no defaults: solve is 10 iterations of k-means, then 10 of EM"
_COMPILE = ["g++", "-std=c++17", "-O3", "-march=native", "-fopenmp"]


def _driver() -> Path:
    """The compiled driver, named by its source and by how it is compiled."""
    source = Path(__file__).with_suffix(".cpp")
    name = hashlib.sha256(" ".join(_COMPILE).encode() + source.read_bytes()).hexdigest()[:16]
    folder = Path(os.environ.get("PEER_CACHE", "/tmp/fastem-peers"))
    driver = folder / f"armadillo-{name}"
    if not driver.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / "driver"
            subprocess.run([*_COMPILE, "-o", str(made), str(source), "-larmadillo"], check=True)
            made.rename(driver)
    return driver


_DRIVER = _driver()
VERSION = subprocess.run([_DRIVER, "version"], check=True, capture_output=True, text=True).stdout.strip()


def fit(problem: Problem, iterations: int) -> Fitted:
    if problem.reg_covar != 0:
        raise ValueError("Armadillo adds nothing to the variances")
    return _run(problem, "fit", iterations).fitted


def solve(problem: Problem) -> Solved:
    """learn() has no defaults: maha_dist, random_subset and the floor of 1e-10 are those of its manual's example."""
    return _run(problem, "solve", 10)


def _run(problem: Problem, what: str, iterations: int) -> Solved:
    dtype, n_components = problem.X.dtype, len(problem.weights)
    n_samples, n_features = problem.X.shape
    start = [problem.weights, problem.means, problem.covariances]
    numbers = [str(number) for number in (n_samples, n_features, n_components, iterations)]
    with tempfile.TemporaryDirectory(dir=_DRIVER.parent) as folder:
        problem.X.tofile(f"{folder}/X")
        np.concatenate([part.ravel() for part in start]).astype(dtype).tofile(f"{folder}/start")
        ran = subprocess.run(
            [_DRIVER, problem.shape, dtype.name, what, *numbers, folder],
            env={**os.environ, "OMP_NUM_THREADS": str(problem.threads)},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 0:
            raise RuntimeError(f"the driver ended with {ran.returncode}: {ran.stderr.strip()}")
        result = np.fromfile(f"{folder}/result", dtype)
    seconds, done = ran.stdout.split()
    splits = np.cumsum([part.size for part in start])[:-1]
    parts = [part.reshape(like.shape) for part, like in zip(np.split(result, splits), start, strict=True)]
    return Solved(Fitted(float(seconds), *parts), int(done))
