"""mlpack's gmm_train.

Its binding takes a start, `input_model`, but then overwrites it by k-means: it calls GMM::Train() with useExistingModel
false. So it cannot fit from a given start, and `fit` says so.
"""

from __future__ import annotations

import time

import mlpack
import numpy as np

from benchmarks.peers.worker import Fitted, Problem, Solved

VERSION = mlpack.__version__
SHAPES = ["full", "diag"]
DTYPES = ["float64"]  # it makes float64 of anything else
NOTE = "ignores a given start, so it is only solved"


def fit(problem: Problem, iterations: int) -> Fitted:
    raise ValueError("mlpack's gmm_train ignores a given start")


def solve(problem: Problem) -> Solved:
    X, options = np.ascontiguousarray(problem.X, np.float64), {"diagonal_covariance": problem.shape == "diag"}
    begun = time.perf_counter()
    result = mlpack.gmm_train(input_=X, gaussians=len(problem.weights), seed=1, **options)
    seconds = time.perf_counter() - begun
    model = result["output_model"].get_cpp_params()["GMM"]
    means = np.concatenate([each["mean"] for each in model["dists"]])
    covariances = np.stack([each["covariance"] for each in model["dists"]])
    if problem.shape == "diag":
        covariances = np.diagonal(covariances, axis1=1, axis2=2)
    return Solved(Fitted(seconds, np.ravel(model["weights"]), means, covariances), -1)
