"""Seconds until the likelihood is within 1e-6 nats per sample of the limit of plain EM from the same start.

python -m benchmarks.limit [--cases overlapping,mfcc] [--starts kmeans,samples]

Full covariances, K = 16: overlapping clusters (1M x 16) and MFCC frames (125,237 x 39). The start "samples" has random
samples as means, identities and equal weights; "kmeans" is fastem's. The limit is where plain EM converges by Aitken's
estimate to 1e-8. A callback stops fastem. The time of scikit-learn, whose iterations are those of plain EM, is the
number of iterations that plain EM needs times its seconds per iteration, which are measured over a few iterations, on
one thread and on all; the better counts. Random parts depend on the seed, so all seeds are shown.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import fastem
from benchmarks.peers import problems

CASES = {"overlapping": problems.Case("overlapping", 1_000_000, 16, 16), "mfcc": problems.Case("mfcc", 0, 39, 16)}
NEAR = 1e-6
# progressive and accelerate, by the title of their column.
WAYS: dict[str, tuple[bool, str | None]] = {
    "on parts, Anderson": (True, "anderson"),
    "on parts": (True, None),
    "all samples, Anderson": (False, "anderson"),
    "all samples": (False, None),
}
SKLEARN_ITERATIONS = 6


def limit(X: np.ndarray, start: object) -> tuple[float, int]:
    """The likelihood at which plain EM converges, nats per sample, and its iterations until it is close enough."""
    family = fastem.Gaussian("full")
    settings = {"criterion": "aitken", "tol": 1e-8, "max_iter": 5000, "progressive": False}
    history = fastem.fit(X, family, 16, start=start, **settings).history / len(X)
    return history[-1], int((history >= history[-1] - NEAR).argmax())


def ours(X: np.ndarray, start: object, enough: float, settings: dict[str, object]) -> tuple[float, float, float]:
    """Seconds, likelihood per sample and passes until the likelihood is high enough, or the fit ends."""
    begun = time.perf_counter()
    result = fastem.fit(
        X,
        fastem.Gaussian("full"),
        16,
        start=start,
        criterion="aitken",
        tol=1e-8,
        max_iter=3000,
        callback=lambda record: record.n_samples == len(X) and record.log_likelihood >= enough * len(X),
        **settings,
    )
    seconds, report = time.perf_counter() - begun, result.starts[0]
    return seconds, result.log_likelihood / len(X), report.n_passes + report.passes_on_parts


def sklearn_iteration(X: np.ndarray, start: fastem.Result) -> float:
    """Seconds of one iteration of scikit-learn's EM, at its better number of threads."""
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    def seconds(n_iter: int) -> float:
        mixture = GaussianMixture(
            16,
            tol=0.0,
            max_iter=n_iter,
            reg_covar=0.0,
            weights_init=start.weights,
            means_init=start.parameters["means"],
            precisions_init=np.linalg.inv(start.parameters["covariances"]),
        )
        begun = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mixture.fit(X)
        return time.perf_counter() - begun

    found = []
    for n_threads in (1, None):
        with threadpool_limits(n_threads):
            found.append((seconds(1 + SKLEARN_ITERATIONS) - seconds(1)) / SKLEARN_ITERATIONS)
    return min(found)


def cell(found: list[tuple[float, float, float]], goal: float, theirs: float) -> str:
    """Seconds over the seeds, how many times as fast as scikit-learn that is, and how far below the limit one ended."""
    fastest, slowest = min(row[0] for row in found), max(row[0] for row in found)
    below = goal - min(row[1] for row in found)
    ends = f", ends {below:.0e} below" if below > NEAR else ""
    if len(found) == 1:
        return f"{fastest:.1f} s ({theirs / fastest:.0f}x){ends}"
    return f"{fastest:.1f} to {slowest:.1f} s ({theirs / slowest:.0f} to {theirs / fastest:.0f}x){ends}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--starts", default="kmeans,samples")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print("| data, start | scikit-learn | " + " | ".join(WAYS) + " |\n" + "|---" * (2 + len(WAYS)) + "|", flush=True)
    for name in options.cases.split(","):
        begun = problems.begin(CASES[name], options.shared)
        X, n_features = begun.X, begun.X.shape[1]
        identities = np.broadcast_to(np.eye(n_features), (16, n_features, n_features))
        samples = {"weights": begun.weights, "means": begun.means, "covariances": identities}
        for kind in options.starts.split(","):
            start = fastem.fit(
                X, fastem.Gaussian("full"), 16, start=samples if kind == "samples" else kind, seed=0, max_iter=0
            )
            goal, n_iter = limit(X, start)
            theirs = sklearn_iteration(X, start) * n_iter
            cells = [f"{name} {X.shape[0]:,} x {n_features}, {kind}", f"{n_iter} it., {theirs:.0f} s"]
            for title, (progressive, accelerate) in WAYS.items():
                found = []
                for seed in range(options.seeds if progressive else 1):
                    settings = {"progressive": progressive, "accelerate": accelerate, "seed": seed}
                    found.append(ours(X, start, goal - NEAR, settings))
                    print(f"{cells[0]}, {title}, seed {seed}: %.2f s, %.7f, %.1f passes" % found[-1], file=sys.stderr)
                cells.append(cell(found, goal, theirs))
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
