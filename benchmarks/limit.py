"""Seconds until the likelihood is within 1e-6 nats per sample of the limit of plain EM from the same start.

python -m benchmarks.limit [--cases overlapping,mfcc] [--starts kmeans,samples]

Full covariances, K = 16: overlapping clusters (1M x 16) and MFCC frames (125,237 x 39). The start "samples" has random
samples as means, identities and equal weights; "kmeans" is fastem's. The limit is where plain EM converges by Aitken's
estimate to 1e-8. fastem is stopped by a callback; scikit-learn, whose iterations are those of plain EM, takes its
seconds per iteration, measured over a few of them on one thread and on all and the better taken, times the iterations
that plain EM needs. Random parts differ by
seed: all seeds are shown.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np

import fastem
from benchmarks.peers import problems

CASES = {"overlapping": problems.Case("overlapping", 1_000_000, 16, 16), "mfcc": problems.Case("mfcc", 0, 39, 16)}
NEAR = 1e-6
SKLEARN_ITERATIONS = 6


def limit(X: np.ndarray, start: object) -> tuple[float, int]:
    """Where plain EM converges, nats per sample, and the iterations until it is near."""
    family = fastem.Gaussian("full")
    settings = {"criterion": "aitken", "tol": 1e-8, "max_iter": 5000, "progressive": False}
    history = fastem.fit(X, family, 16, start=start, **settings).history / len(X)
    return history[-1], int((history >= history[-1] - NEAR).argmax())


def ours(X: np.ndarray, start: object, enough: float, settings: dict[str, object]) -> tuple[float, float, float]:
    """Seconds, likelihood per sample and passes until it is enough, or the fit ends."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--starts", default="kmeans,samples")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
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
            print(f"{name}, {kind}: limit {goal:.7f}; scikit-learn {n_iter} iterations, {theirs:.0f} s", flush=True)
            for progressive in (True, False):
                for accelerate in ("anderson", None):
                    for seed in range(options.seeds if progressive else 1):
                        settings = {"progressive": progressive, "accelerate": accelerate, "seed": seed}
                        seconds, reached, passes = ours(X, start, goal - NEAR, settings)
                        below = "" if reached >= goal - NEAR else f", ends {goal - reached:.1e} BELOW"
                        print(
                            f"  progressive {progressive!s:5} {accelerate or 'plain':8} seed {seed}: {seconds:6.2f} s, "
                            f"{theirs / seconds:5.0f}x, {passes:5.1f} passes{below}",
                            flush=True,
                        )


if __name__ == "__main__":
    main()
