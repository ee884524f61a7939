"""fastem itself, through its functional core."""

from __future__ import annotations

import time

import fastem
from benchmarks.peers.worker import Fitted, Problem, Solved

VERSION = fastem.__version__
SHAPES = ["full", "tied", "diag", "spherical"]
DTYPES = ["float64", "float32"]
NOTE = ""


def fit(problem: Problem, iterations: int) -> Fitted:
    start = {"weights": problem.weights, "means": problem.means, "covariances": problem.covariances}
    family = fastem.Gaussian(problem.shape, reg_covar=problem.reg_covar)
    begun = time.perf_counter()
    result = fastem.fit(
        problem.X, family, len(problem.weights), start=start, tol=0, max_iter=iterations, n_threads=problem.threads
    )
    seconds = time.perf_counter() - begun
    return Fitted(seconds, result.weights, result.parameters["means"], result.parameters["covariances"])


def solve(problem: Problem) -> Solved:
    family, k = fastem.Gaussian(problem.shape), len(problem.weights)
    fastem.fit(problem.X[:1000], family, k, seed=0, max_iter=1)  # compiles what is not in the cache
    begun = time.perf_counter()
    result = fastem.fit(problem.X, family, k, seed=0, n_threads=problem.threads)
    seconds = time.perf_counter() - begun
    fitted = Fitted(seconds, result.weights, result.parameters["means"], result.parameters["covariances"])
    return Solved(fitted, result.n_iter, " ".join(_cost(report) for report in result.starts))


def _cost(report: fastem.StartReport) -> str:
    """The passes of a start over all of the data, those over parts included."""
    return f"{report.n_passes + report.passes_on_parts:.3g}"
