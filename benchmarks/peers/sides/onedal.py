"""Intel oneDAL's em_gmm, through daal4py."""

from __future__ import annotations

import importlib.metadata
import os
import time
from typing import Any

import daal4py
import numpy as np

from benchmarks.peers.worker import Fitted, Problem, Solved

VERSION = importlib.metadata.version("daal4py")
SHAPES = ["full", "diag"]
DTYPES = ["float64", "float32"]
NOTE = "restarted where it stops because the likelihood does not rise"
_STORAGE = {"full": "full", "diag": "diagonal"}
_FPTYPE = {"float64": "double", "float32": "float"}
daal4py.daalinit(int(os.environ.get("PEER_THREADS", "1")))


def fit(problem: Problem, iterations: int) -> Fitted:
    """The threshold is 0, the least that it takes; it still stops when rounding lowers the likelihood."""
    if problem.reg_covar != 0:
        raise ValueError("oneDAL adds nothing to the variances")
    dtype, n_components = problem.X.dtype, len(problem.weights)
    weights, means = problem.weights.astype(dtype)[np.newaxis], problem.means.astype(dtype)
    covariances = [np.atleast_2d(each) for each in problem.covariances.astype(dtype)]
    seconds, left = 0.0, iterations
    while left > 0:
        algorithm = daal4py.em_gmm(
            nComponents=n_components, maxIterations=left, accuracyThreshold=0.0, **_options(problem)
        )
        begun = time.perf_counter()
        result = algorithm.compute(problem.X, weights, means, covariances)
        seconds += time.perf_counter() - begun
        weights, means, covariances = result.weights, result.means, result.covariances
        left -= int(result.nIterations[0, 0])
    return _fitted(seconds, problem, weights, means, covariances)


def solve(problem: Problem) -> Solved:
    n_components, options = len(problem.weights), _options(problem)
    begun = time.perf_counter()
    start = daal4py.em_gmm_init(nComponents=n_components, **options).compute(problem.X)
    algorithm = daal4py.em_gmm(nComponents=n_components, **options)
    result = algorithm.compute(problem.X, start.weights, start.means, start.covariances)
    seconds = time.perf_counter() - begun
    fitted = _fitted(seconds, problem, result.weights, result.means, result.covariances)
    return Solved(fitted, int(result.nIterations[0, 0]))


def _options(problem: Problem) -> dict[str, str]:
    return {"fptype": _FPTYPE[problem.X.dtype.name], "covarianceStorage": _STORAGE[problem.shape]}


def _fitted(seconds: float, problem: Problem, weights: Any, means: Any, covariances: Any) -> Fitted:
    stacked = np.array(covariances)
    return Fitted(seconds, np.ravel(weights), np.asarray(means), stacked if problem.shape == "full" else stacked[:, 0])
