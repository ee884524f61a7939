"""fastem's GaussianMixture, with scikit-learn's names and defaults."""

from __future__ import annotations

import time
import warnings

import fastem
from benchmarks.peers.worker import Fitted, Problem, Solved

VERSION = fastem.__version__
SHAPES = ["full", "tied", "diag", "spherical"]
DTYPES = ["float64", "float32"]
NOTE = ""
warnings.simplefilter("ignore")


def fit(problem: Problem, iterations: int) -> Fitted:
    model = fastem.GaussianMixture(
        len(problem.weights),
        covariance_type=problem.shape,
        tol=0,
        reg_covar=problem.reg_covar,
        max_iter=iterations,
        weights_init=problem.weights,
        means_init=problem.means,
        precisions_init=problem.covariances,  # identities
    )
    return _fit(model, problem)


def solve(problem: Problem) -> Solved:
    model = fastem.GaussianMixture(len(problem.weights), covariance_type=problem.shape, random_state=0)
    model.fit(problem.X[:1000])  # compiles what is not in the cache
    return Solved(_fit(model, problem), model.n_iter_)


def _fit(model: fastem.GaussianMixture, problem: Problem) -> Fitted:
    begun = time.perf_counter()
    model.fit(problem.X)
    return Fitted(time.perf_counter() - begun, model.weights_, model.means_, model.covariances_)
