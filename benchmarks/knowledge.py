"""What labels, fixed parameters, priors and hard assignments cost: python -m benchmarks.knowledge [PATH]

The time of an iteration, as a ratio to that of a plain one from the same start. The variants take turns. With the path
of mnist_70000x784_u8.npz, a MixtureClassifier besides, against one fit from a k-means start.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastem
from benchmarks.asv.cases import overlapping, start, variants

# shape, n, d, K, and how many iterations are timed.
CASES = (
    ("full", 200_000, 16, 16, 10),
    ("full", 50_000, 32, 8, 20),
    ("diag", 200_000, 16, 16, 20),
    ("diag", 200_000, 4, 8, 60),
)
ROUNDS = 15


def seconds(function: Callable[[], object]) -> float:
    """How long one call takes."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def iterations() -> None:
    """Print a table: for each case and variant the median ratio to plain iterations, and the quartiles."""
    print("| shape, n x d, K | ms, plain | variant | ratio | quartiles |")
    print("|---|---|---|---|---|")
    for shape, n, d, k, timed in CASES:
        X = overlapping(n, d, k)
        mixture = start(shape, X, k)

        def run(max_iter: int, more: dict[str, Any], X: Any = X, mixture: Any = mixture) -> float:
            same: dict[str, Any] = {"start": mixture, "tol": 0, "accelerate": None, "max_iter": max_iter}
            return seconds(lambda: fastem.fit(X, mixture.family, mixture.n_components, **same, **more))

        given = variants(X, mixture)
        for more in given.values():
            run(2, more)  # compiles
        taken = np.array(
            [[-run(2, more) + run(2 + timed, more) for more in given.values()] for _ in range(ROUNDS)], dtype=np.float64
        )
        plain = 1e3 * np.median(taken[:, 0]) / timed
        for name, column in zip(given, taken.T, strict=True):
            low, middle, high = np.quantile(column / taken[:, 0], (0.25, 0.5, 0.75))
            if name != "plain":
                print(f"| {shape}, {n:,} x {d}, {k} | {plain:.2f} | {name} | {middle:.3f} | {low:.2f} to {high:.2f} |")


def classes(path: str) -> None:
    """Print how long the classifier of MNIST takes, against one k-means start of a diagonal mixture."""
    with np.load(path) as data:
        X, y = data["X"].astype(np.float32), data["y"]
    family = fastem.Gaussian("diag", min_variance=100.0)
    classifier = fastem.MixtureClassifier(3, covariance_type="diag", min_variance=100.0, random_state=0)
    ratios = []
    for i in range(4):
        one = seconds(lambda: fastem.fit(X[:60_000], family, 10, start="kmeans", seed=0))
        ratios += [seconds(lambda: classifier.fit(X[:60_000], y[:60_000])) / one] if i else []
    accuracy = classifier.score(X[60_000:], y[60_000:])
    spread = f"{np.median(ratios):.2f} times ({min(ratios):.2f} to {max(ratios):.2f})"
    print("\nMNIST, 60,000 x 784, float32: MixtureClassifier, 3 diagonal components a class, takes")
    print(f"{spread} as long as one k-means start of 10 diagonal components; accuracy on the others: {accuracy:.4f}.")


if __name__ == "__main__":
    iterations()
    for path in sys.argv[1:]:
        classes(path)
