"""Passes over the data with and without acceleration, on heavily overlapping Gaussian mixtures.

python -m benchmarks.acceleration [--orders 3,5,8]

Data are drawn from mixtures whose components overlap: unit covariances (or random ones), means drawn with a standard
deviation of `spread`. From the same k-means start, plain and accelerated EM run until Aitken's estimate says that 1e-9
nats per sample are left to gain, or for 20,000 passes. For each method it prints the median ratio of passes to plain
EM's, the worst ratio, and how often the final likelihood is at least plain EM's less 1e-6 nats per sample; the cases
where it is not go to standard error.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import fastem
from fastem.em import accelerate

CASES = [
    (shape, n, d, k, spread, seed)
    for shape in ("full", "tied", "diag", "spherical")
    for n, d, k, spread in (
        (2000, 2, 3, 1.0),
        (2000, 2, 3, 1.5),
        (5000, 4, 4, 0.8),
        (5000, 4, 4, 1.2),
        (5000, 8, 3, 0.6),
    )
    for seed in range(6)
]


def draw(n: int, d: int, k: int, spread: float, seed: int) -> np.ndarray:
    """Overlapping components of unlike sizes and covariances."""
    rng = np.random.default_rng([n, d, k, int(100 * spread), seed])
    labels = rng.choice(k, n, p=rng.dirichlet(np.full(k, 5.0)))
    means = spread * rng.standard_normal((k, d))
    factors = np.eye(d) + 0.3 * rng.standard_normal((k, d, d))
    return means[labels] + np.einsum("nij,nj->ni", factors[labels], rng.standard_normal((n, d)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", default=str(accelerate.ORDER), help="window sizes of Anderson's method")
    parser.add_argument("--tol", type=float, default=1e-9)
    parser.add_argument("--criterion", default="aitken")
    options = parser.parse_args()
    methods = [("anderson", int(order)) for order in options.orders.split(",")] + [("squarem", 0)]
    ratios = {method: [] for method in methods}
    losses = {method: [] for method in methods}
    for shape, n, d, k, spread, seed in CASES:
        X = draw(n, d, k, spread, seed)
        settings = {"tol": options.tol, "criterion": options.criterion, "max_iter": 20_000}
        start = fastem.fit(X, fastem.Gaussian(shape), k, start="kmeans", seed=seed, max_iter=0)
        plain = fastem.fit(X, fastem.Gaussian(shape), k, start=start, **settings)
        for name, order in methods:
            accelerate.Anderson.__init__.__defaults__ = (order,)
            fast = fastem.fit(X, fastem.Gaussian(shape), k, start=start, accelerate=name, **settings)
            ratios[name, order].append(fast.n_passes / plain.n_passes)
            losses[name, order].append((plain.log_likelihood - fast.log_likelihood) / n)
    print("| method | times fewer passes, median | worst, of plain EM's passes | end no lower than plain EM |")
    print("|---|---|---|---|")
    for (name, order), found in ratios.items():
        low = [f"{CASES[i]} {loss:.1e}" for i, loss in enumerate(losses[name, order]) if loss > 1e-6]
        ends = f"{1 - len(low) / len(found):.1%} of {len(found)}"
        print(f"| {f'{name} {order}' if order else name} | {1 / np.median(found):.1f} | {max(found):.2f} | {ends} |")
        print(*low, sep="\n", file=sys.stderr)


if __name__ == "__main__":
    main()
