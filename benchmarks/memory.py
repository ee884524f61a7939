"""Peak memory of a fit beyond the data: python -m benchmarks.memory (Linux)."""

from __future__ import annotations

import resource
import subprocess
import sys

import numpy as np

import fastem

N, D, K = 2_000_000, 16, 32


def peak() -> float:
    """Peak resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(n_init: int, tol: float) -> None:
    """Fit once in this process and print the memory beyond X and one packed copy of it; in parts if tol > 0."""
    rng = np.random.default_rng(0)
    X = np.empty((N, D))
    centres = rng.normal(size=(K, D)) * 3
    for first in range(0, N, 100_000):
        X[first : first + 100_000] = centres[rng.integers(K, size=100_000)] + rng.normal(size=(100_000, D))
    fastem.fit(X[:5000].copy(), fastem.Gaussian("full"), 4, max_iter=2, seed=0)
    before = peak()
    fastem.fit(X, fastem.Gaussian("full"), K, start="kmeans", seed=0, max_iter=3, tol=tol, n_init=n_init)
    packed = X.nbytes / 2**20
    print(f"| {'yes' if tol else 'no'} | {n_init} | {peak() - before - packed:.1f} | {packed:.0f} |")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(int(sys.argv[1]), float(sys.argv[2]))
    else:
        print(f"n = {N:,}, d = {D}, K = {K}, full, float64.\n")
        print("| in parts | starts | MB beyond X and one packed copy of it | MB of each of these two |")
        print("|---|---|---|---|", flush=True)
        for n_init, tol in ((1, "0"), (4, "0"), (1, "1e-6")):
            subprocess.run([sys.executable, "-m", "benchmarks.memory", str(n_init), tol], check=True)
