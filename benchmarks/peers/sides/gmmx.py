"""gmmx, on JAX's CPU."""

from __future__ import annotations

import importlib.metadata
import os
import time

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["NPROC"] = os.environ.get("PEER_THREADS", "1")  # XLA sizes its thread pool by it

import gmmx
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.worker import Fitted, Problem, Solved

VERSION = f"{importlib.metadata.version('gmmx')} (jax {jax.__version__})"
SHAPES = ["full", "diag"]
DTYPES = ["float32"]  # it refuses float64
NOTE = ""
_SOLVED: set[tuple[object, ...]] = set()


def fit(problem: Problem, iterations: int) -> Fitted:
    fitter = gmmx.EMFitter(max_iter=iterations, tol=0.0, reg_covar=problem.reg_covar)
    X = jax.block_until_ready(jnp.asarray(problem.X))
    # Compiling is not timed. From weights that are NaN, the same program ends after one iteration.
    jax.block_until_ready(fitter.fit(X, _model(problem, problem.weights * np.nan)))
    model = _model(problem, problem.weights)
    begun = time.perf_counter()
    result = jax.block_until_ready(fitter.fit(X, model))
    seconds = time.perf_counter() - begun
    if int(result.n_iter) != iterations:
        raise RuntimeError(f"it stopped after {int(result.n_iter)} iterations")
    return _fitted(seconds, result.gmm)


def solve(problem: Problem) -> Solved:
    """In the first call, a whole fit that is not timed comes first, so that everything is compiled."""
    key = (problem.shape, problem.X.shape, len(problem.weights))
    if key not in _SOLVED:
        _solve(problem)
        _SOLVED.add(key)
    return _solve(problem)


def _solve(problem: Problem) -> Solved:
    model = gmmx.GaussianMixtureSKLearn(len(problem.weights), covariance_type=problem.shape, random_state=0)
    begun = time.perf_counter()
    jax.block_until_ready(model.fit(problem.X)._gmm)
    return Solved(_fitted(time.perf_counter() - begun, model._gmm), -1)


def _model(problem: Problem, weights: np.ndarray) -> gmmx.GaussianMixtureModelJax:
    model = gmmx.GaussianMixtureModelJax.from_squeezed(
        means=problem.means.astype(np.float32),
        covariances=problem.covariances.astype(np.float32),
        weights=weights.astype(np.float32),
        covariance_type=problem.shape,
    )
    return jax.block_until_ready(model)


def _fitted(seconds: float, model: gmmx.GaussianMixtureModelJax) -> Fitted:
    return Fitted(seconds, model.weights_numpy, model.means_numpy, model.covariances.values_numpy)
