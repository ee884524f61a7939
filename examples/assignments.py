"""What do other assignments than EM's lead to? The table of docs/assignment.md, in about fifteen seconds.

    python examples/assignments.py

Twenty random starts each: the mean and the best log-likelihood per sample of those that did not collapse, how many did,
and the time of a fit.
"""

import time
import warnings
from pathlib import Path

import numpy as np

import fastem

DATA = Path(__file__).parents[1] / "tests" / "data"


def cases():
    """Names, data, covariance shapes and numbers of components."""
    rng = np.random.default_rng(0)
    iris = np.genfromtxt(DATA / "iris.csv", delimiter=",", skip_header=1, usecols=range(4))
    yield "Old Faithful", np.loadtxt(DATA / "faithful.csv", delimiter=",", skiprows=1), "full", 2
    yield "iris", iris, "full", 3
    spots = [rng.normal((i, j), 0.15, (40, 2)) for i in range(5) for j in range(5)]
    yield "25 spots on a grid", np.concatenate(spots), "spherical", 25
    yield "4 overlapping groups", np.concatenate([rng.normal((2 * i, 0), 1, (250, 2)) for i in range(4)]), "diag", 4


def main():
    """Print the table as Markdown."""
    warnings.simplefilter("ignore")
    print("| data, covariance, K | assignment | mean | best | collapsed | ms |\n|---|---|---|---|---|---|")
    for name, X, shape, k in cases():
        for assignment in ("soft", "hard", "stochastic", "annealed"):
            begun, found = time.perf_counter(), []
            for seed in range(20):
                settings = {"start": "random_from_data", "seed": seed, "max_iter": 300, "accelerate": None}
                result = fastem.fit(X, fastem.Gaussian(shape), k, assignment=assignment, **settings)
                found.append(np.nan if result.status.rank else result.log_likelihood / len(X))
            each = 1e3 * (time.perf_counter() - begun) / 20
            cells = f"{np.nanmean(found):.3f} | {np.nanmax(found):.3f} | {np.isnan(found).sum()} | {each:.0f}"
            print(f"| {name}, {shape}, {k} | {assignment} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
