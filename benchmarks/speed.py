"""Time per EM iteration against scikit-learn: equal data, start and iterations. Prints a Markdown table.

    python -m benchmarks.speed [--shapes 200000x4x8,...] [--covariance full,tied,diag,spherical] [--dtype float64]

Each side runs at its best number of threads; `OPENBLAS_*` is unset (a core type that is set by the environment can
halve OpenBLAS). The time per iteration is the difference between two runs of different length, so that packing,
checks and the start cancel. Sides are interleaved; medians over rounds. The final log-likelihoods must agree to 1e-9
(1e-4 in float32) before a time is shown. KMP and OpenMP settings stay as they are.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
import warnings

for _name in [name for name in os.environ if name.startswith("OPENBLAS_")]:
    del os.environ[_name]

import numba  # noqa: E402
import numpy as np  # noqa: E402
import sklearn  # noqa: E402
from sklearn.mixture import GaussianMixture  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

import fastem  # noqa: E402

SHAPES = "200000x4x8,200000x16x16,100000x32x16,50000x64x16"
ITERATIONS = {"fastem": (2, 22), "sklearn": (1, 4)}


def machine() -> str:
    """The processor, as the operating system calls it."""
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def problem(n, d, k, dtype):
    """Overlapping clusters, a start at samples, identity covariances."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(k, d)) * 1.5
    X = (centres[rng.integers(k, size=n)] + rng.normal(size=(n, d))).astype(dtype)
    return X, np.full(k, 1 / k), X[rng.choice(n, k, replace=False)].astype(np.float64)


def identity(shape, k, d):
    """Identity covariances in scikit-learn's shape."""
    return {"full": np.tile(np.eye(d), (k, 1, 1)), "tied": np.eye(d), "diag": np.ones((k, d)), "spherical": np.ones(k)}[
        shape
    ]


def run_fastem(X, weights, means, shape, iterations, n_threads):
    """Seconds, and the final log-likelihood per sample."""
    start = {"weights": weights, "means": means, "covariances": identity(shape, *means.shape)}
    begun = time.perf_counter()
    family, k = fastem.Gaussian(shape), len(weights)
    result = fastem.fit(X, family, k, start=start, tol=0, max_iter=iterations, n_threads=n_threads)
    return time.perf_counter() - begun, result.log_likelihood / len(X)


def run_sklearn(X, weights, means, shape, iterations, n_threads):
    """The same for scikit-learn's GaussianMixture."""
    model = GaussianMixture(
        len(weights),
        covariance_type=shape,
        tol=0,
        reg_covar=0,
        max_iter=iterations,
        weights_init=weights,
        means_init=means.astype(X.dtype),
        precisions_init=identity(shape, *means.shape).astype(X.dtype),
    )
    with threadpool_limits(n_threads):
        begun = time.perf_counter()
        model.fit(X)
        elapsed = time.perf_counter() - begun
    return elapsed, float(model.score(X))


def cell(n, d, k, shape, dtype, rounds, threads):
    """Median milliseconds per iteration of both sides at their best number of threads."""
    X, weights, means = problem(n, d, k, dtype)
    sides = {"fastem": run_fastem, "sklearn": run_sklearn}
    check = {side: run(X, weights, means, shape, 4, threads[-1])[1] for side, run in sides.items()}
    tolerance = 1e-9 if dtype == "float64" else 1e-4
    if not np.isclose(check["fastem"], check["sklearn"], rtol=tolerance, atol=0):
        return None, check
    found: dict[tuple[str, int], list[float]] = {(side, n): [] for side in sides for n in threads}
    for _ in range(rounds):
        for side, run in sides.items():
            short, long = ITERATIONS[side]
            for n_threads in threads:
                times = [run(X, weights, means, shape, iterations, n_threads)[0] for iterations in (short, long)]
                found[side, n_threads].append(1e3 * (times[1] - times[0]) / (long - short))
    return {side: min(statistics.median(found[side, n]) for n in threads) for side in sides}, check


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", default=SHAPES)
    parser.add_argument("--covariance", default="full,tied,diag,spherical")
    parser.add_argument("--dtype", default="float64", choices=("float64", "float32"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    cores = len(os.sched_getaffinity(0))
    threads = sorted({1, cores})
    print(f"{machine()}, {cores} cores; fastem {fastem.__version__}, numba {numba.__version__},", end=" ")
    print(f"scikit-learn {sklearn.__version__}, numpy {np.__version__}, {options.dtype}; ms per iteration\n")
    print("| n x d, K | shape | fastem | scikit-learn | ratio |\n|---|---|---|---|---|")
    for text in options.shapes.split(","):
        n, d, k = (int(number) for number in text.split("x"))
        for shape in options.covariance.split(","):
            times, check = cell(n, d, k, shape, options.dtype, options.rounds, threads)
            name = f"| {n:,} x {d}, {k} | {shape} |"
            if times is None:
                print(f"{name} log-likelihoods differ: {check} | | |", flush=True)
            else:
                ratio = times["sklearn"] / times["fastem"]
                print(f"{name} {times['fastem']:.2f} | {times['sklearn']:.1f} | {ratio:.1f}x |", flush=True)


if __name__ == "__main__":
    main()
