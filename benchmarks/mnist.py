"""All 70,000 MNIST images, 784 pixels: python -m benchmarks.mnist PATH/mnist_70000x784_u8.npz"""

from __future__ import annotations

import sys
import time

import numpy as np

import fastem


def main() -> None:
    """Fit each shape for a few iterations and print what it took."""
    X = np.load(sys.argv[1])["X"]
    print(f"{X.shape[0]:,} x {X.shape[1]}, {X.dtype}, K = 10; ridge 0.1\n")
    print("| family | s, start and 4 iterations | log-likelihood per sample | status |")
    print("|---|---|---|---|")
    shapes = ("full", "tied", "diag", "spherical")
    for family in (*(fastem.Gaussian(shape, ridge=0.1) for shape in shapes), fastem.Poisson()):
        fastem.fit(X[:3000], family, 10, seed=0, max_iter=1)  # compiles
        begun = time.perf_counter()
        result = fastem.fit(X, family, 10, start="kmeans", seed=0, tol=0, max_iter=4)
        elapsed, mean = time.perf_counter() - begun, result.log_likelihood / len(X)
        print(f"| {family.name} | {elapsed:.1f} | {mean:.2f} | {result.status.name.lower()} |", flush=True)


if __name__ == "__main__":
    main()
