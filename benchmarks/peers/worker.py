"""One library in one process: reads requests as lines of JSON, answers each with one line.

    python -m benchmarks.peers.worker sklearn

hello                                     -> {"version", "shapes", "dtypes", "note"}
load  {"problem": path of .npz, "shape"}  -> {}
fit   {"iterations", "result": path}      -> {"seconds"}, parameters in the .npz at `result`
solve {"result": path}                    -> {"seconds", "iterations"}, likewise

An error is answered as {"error": ...}; what a library prints goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any, NamedTuple

import numpy as np


class Problem(NamedTuple):
    """X (n, d) C-contiguous float32 or float64; the start, float64: weights (K,), means (K, d), covariances.

    covariances: identities, in scikit-learn's layout for `shape`: full (K, d, d), tied (d, d), diag (K, d), spherical
    (K,). reg_covar is added to every variance after each M-step.
    """

    X: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    shape: str
    reg_covar: float
    threads: int


class Fitted(NamedTuple):
    """Parameters laid out as in Problem, and the seconds of the fit alone, without the making of its input arrays."""

    seconds: float
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


class Solved(NamedTuple):
    """A fit with the library's defaults: EM iterations, -1 if the library does not tell, and what each start cost."""

    fitted: Fitted
    iterations: int
    cost: str = ""


def identity(shape: str, n_components: int, n_features: int) -> np.ndarray:
    """Identity covariances in scikit-learn's layout."""
    eye = np.eye(n_features)
    return {
        "full": np.tile(eye, (n_components, 1, 1)),
        "tied": eye,
        "diag": np.ones((n_components, n_features)),
        "spherical": np.ones(n_components),
    }[shape]


def _answer(side: Any, problem: Problem | None, request: dict[str, Any]) -> tuple[Problem | None, dict[str, Any]]:
    if request["do"] == "hello":
        return None, {"version": side.VERSION, "shapes": side.SHAPES, "dtypes": side.DTYPES, "note": side.NOTE}
    if request["do"] == "load":
        with np.load(request["problem"]) as stored:
            X, weights, means = stored["X"], stored["weights"], stored["means"]
            reg_covar = float(stored["reg_covar"])
        shape, threads = request["shape"], int(os.environ["PEER_THREADS"])
        return Problem(X, weights, means, identity(shape, *means.shape), shape, reg_covar, threads), {}
    assert problem is not None
    if request["do"] == "fit":
        fitted, reply = side.fit(problem, request["iterations"]), {}
    else:
        fitted, iterations, cost = side.solve(problem)
        reply = {"iterations": int(iterations), "cost": cost}
    np.savez(request["result"], weights=fitted.weights, means=fitted.means, covariances=fitted.covariances)
    return problem, {"seconds": float(fitted.seconds), **reply}


def main() -> None:
    """Answer until standard input ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    side = importlib.import_module(f"benchmarks.peers.sides.{sys.argv[1]}")
    problem: Problem | None = None
    for line in sys.stdin:
        try:
            problem, reply = _answer(side, problem, json.loads(line))
        except Exception as error:  # any error of a library is its answer
            reply = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
