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
    print("| family | s, start and 4 iterations | s per iteration | log-likelihood per sample | status |")
    print("|---|---|---|---|---|")
    shapes = ("full", "tied", "diag", "spherical")
    families = [*(fastem.Gaussian(shape, ridge=0.1) for shape in shapes), fastem.Poisson()]
    for family in families:
        fastem.fit(X[:3000], family, 10, seed=0, max_iter=1)  # compiles
        times = []
        for iterations in (1, 4):
            begun = time.perf_counter()
            result = fastem.fit(X, family, 10, seed=0, tol=0, max_iter=iterations)
            times.append(time.perf_counter() - begun)
        per_iteration = (times[1] - times[0]) / 3
        mean = result.log_likelihood / len(X)
        print(
            f"| {family.name} | {times[1]:.1f} | {per_iteration:.2f} | {mean:.2f} | {result.status.name.lower()} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
