"""pomegranate's GeneralMixtureModel of Normal distributions, on PyTorch's CPU."""

from __future__ import annotations

import importlib.metadata
import os
import time

import numpy as np
import torch
from pomegranate.distributions import Normal
from pomegranate.gmm import GeneralMixtureModel

from benchmarks.peers.worker import Fitted, Problem, Solved

VERSION = f"{importlib.metadata.version('pomegranate')} (torch {torch.__version__})"
SHAPES = ["full", "diag", "spherical"]
DTYPES = ["float64", "float32"]
NOTE = ""
_TYPE = {"full": "full", "diag": "diag", "spherical": "sphere"}
torch.set_num_threads(int(os.environ.get("PEER_THREADS", "1")))


def fit(problem: Problem, iterations: int) -> Fitted:
    if problem.reg_covar != 0:
        raise ValueError("pomegranate adds nothing to the variances")
    X = torch.from_numpy(problem.X)
    torch.set_default_dtype(X.dtype)  # otherwise the sums behind the weights are float32 for any X
    means = torch.from_numpy(problem.means).to(X.dtype)
    covariances = torch.from_numpy(problem.covariances).to(X.dtype)
    if problem.shape == "spherical":  # a single number is refused here; it is copied to every place later
        covariances = covariances[:, None].repeat(1, X.shape[1])
    model = GeneralMixtureModel(
        [
            Normal(mean.clone(), covariance.clone(), covariance_type=_TYPE[problem.shape])
            for mean, covariance in zip(means, covariances, strict=True)
        ],
        priors=torch.from_numpy(problem.weights).to(X.dtype),
        max_iter=iterations,
        tol=-float("inf"),
    )
    return _fit(problem, model, X)


def solve(problem: Problem) -> Solved:
    X = torch.from_numpy(problem.X)
    torch.set_default_dtype(torch.float32)  # its k-means fails with another
    distributions = [Normal(covariance_type=_TYPE[problem.shape]) for _ in problem.weights]
    model = GeneralMixtureModel(distributions, random_state=0)
    return Solved(_fit(problem, model, X), -1)


def _fit(problem: Problem, model: GeneralMixtureModel, X: torch.Tensor) -> Fitted:
    begun = time.perf_counter()
    model.fit(X)
    seconds = time.perf_counter() - begun
    means = np.stack([each.means.numpy() for each in model.distributions])
    covariances = np.stack([each.covs.numpy() for each in model.distributions])
    if problem.shape == "spherical" and covariances.ndim > 1:
        covariances = covariances[:, 0]
    return Fitted(seconds, model.priors.numpy(), means, covariances)
