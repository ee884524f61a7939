"""scikit-learn's GaussianMixture."""

from __future__ import annotations

import time
import warnings

import sklearn
from sklearn.mixture import GaussianMixture

from benchmarks.peers.worker import Fitted, Problem, Solved

VERSION = sklearn.__version__
SHAPES = ["full", "tied", "diag", "spherical"]
DTYPES = ["float64", "float32"]
NOTE = ""
warnings.simplefilter("ignore")


def _fit(model: GaussianMixture, problem: Problem) -> Fitted:
    begun = time.perf_counter()
    model.fit(problem.X)
    return Fitted(time.perf_counter() - begun, model.weights_, model.means_, model.covariances_)


def fit(problem: Problem, iterations: int) -> Fitted:
    dtype = problem.X.dtype
    model = GaussianMixture(
        len(problem.weights),
        covariance_type=problem.shape,
        tol=0,
        reg_covar=problem.reg_covar,
        max_iter=iterations,
        init_params="random_from_data",
        weights_init=problem.weights.astype(dtype),
        means_init=problem.means.astype(dtype),
        precisions_init=problem.covariances.astype(dtype),  # identities
    )
    return _fit(model, problem)


def solve(problem: Problem) -> Solved:
    model = GaussianMixture(len(problem.weights), covariance_type=problem.shape, random_state=0)
    fitted = _fit(model, problem)
    return Solved(fitted, model.n_iter_)
