"""OpenCV's ml.EM."""

from __future__ import annotations

import os
import time

import cv2
import numpy as np

from benchmarks.peers.worker import Fitted, Problem, Solved

VERSION = cv2.__version__
SHAPES = ["full", "diag"]  # its spherical model counts the logarithm of the variance once, not d times
DTYPES = ["float64"]  # it makes float64 of anything else
NOTE = "stops where rounding lowers the likelihood"
_TYPE = {"full": cv2.ml.EM_COV_MAT_GENERIC, "diag": cv2.ml.EM_COV_MAT_DIAGONAL}
cv2.setNumThreads(int(os.environ.get("PEER_THREADS", "1")))


def fit(problem: Problem, iterations: int) -> Fitted:
    """It counts E-steps, the last of which has no M-step. One of its stop rules cannot be switched off."""
    if problem.reg_covar != 0:
        raise ValueError("OpenCV adds nothing to the variances")
    n_components, n_features = problem.means.shape
    model = _model(problem)
    model.setTermCriteria((cv2.TERM_CRITERIA_COUNT, iterations + 1, 0.0))
    # Its binding takes several matrices only as this kind of array.
    covariances = cv2.Mat(np.tile(np.eye(n_features), (n_components, 1, 1)), wrap_channels=False)
    begun = time.perf_counter()
    trained, *_ = model.trainE(problem.X, problem.means, covariances, problem.weights)
    seconds = time.perf_counter() - begun
    if not trained:
        raise RuntimeError("trainE returned false")
    return _fitted(seconds, problem, model)


def solve(problem: Problem) -> Solved:
    model = _model(problem)
    cv2.setRNGSeed(0)
    begun = time.perf_counter()
    trained, *_ = model.trainEM(problem.X)
    seconds = time.perf_counter() - begun
    if not trained:
        raise RuntimeError("trainEM returned false")
    return Solved(_fitted(seconds, problem, model), -1)


def _model(problem: Problem) -> cv2.ml.EM:
    model = cv2.ml.EM_create()
    model.setClustersNumber(len(problem.weights))
    model.setCovarianceMatrixType(_TYPE[problem.shape])
    return model


def _fitted(seconds: float, problem: Problem, model: cv2.ml.EM) -> Fitted:
    covariances = np.array(model.getCovs())
    if problem.shape != "full":
        covariances = np.diagonal(covariances, axis1=1, axis2=2)
    return Fitted(seconds, np.ravel(model.getWeights()), model.getMeans(), covariances)
