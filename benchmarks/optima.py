"""How often each way to start reaches the likelihoods of R's mclust, and what it costs.

python -m benchmarks.optima [--starts auto,kmeans,...] [--seeds 1] [--missed]

Five data sets (faithful, iris, diabetes, banknote, wine13 with standardised columns), the six covariance shapes that
mclust has too, K = 1 .. 9 (wine13: 6). A cell is reached if its log-likelihood is at least mclust's at convergence
minus 1e-3. A cell is left out if mclust found no fit, or if the smallest eigenvalue of a component of the fit is below
1e-6 of the data's, because a higher likelihood is then only a collapse.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import fastem

MODELS = {"VVV": "full", "EEE": "tied", "VVI": "diag", "VII": "spherical", "EEI": "tied_diag", "EII": "tied_spherical"}
LABELS = {"faithful": None, "iris": "Species", "diabetes": "class", "banknote": "Status", "wine13": "target"}
SLACK, SINGULAR = 1e-3, 1e-6


def read(shared: Path, name: str) -> np.ndarray:
    """The columns of numbers of a data set; those of wine13 standardised."""
    with (shared / "data" / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    X = np.array([[float(value) for key, value in row.items() if key != LABELS[name]] for row in rows])
    return (X - X.mean(axis=0)) / X.std(axis=0, ddof=1) if name == "wine13" else X


def smallest(X: np.ndarray, shape: str, covariances: np.ndarray) -> float:
    """The smallest eigenvalue of a component's covariance, relative to the data's smallest."""
    own = np.linalg.eigvalsh(covariances).min() if shape in ("full", "tied") else np.min(covariances)
    return float(own / np.linalg.eigvalsh(np.cov(X.T)).min())


def core(start: str):
    """A fit by the functional core: log-likelihood and covariances."""

    def fit(X: np.ndarray, shape: str, k: int, seed: int):
        result = fastem.fit(X, fastem.Gaussian(shape), k, start=start, seed=seed)
        return result.log_likelihood, result.parameters["covariances"]

    return fit


def estimator(**settings):
    """A fit by the estimator."""

    def fit(X: np.ndarray, shape: str, k: int, seed: int):
        model = fastem.GaussianMixture(k, covariance_type=shape, random_state=seed, **settings).fit(X)
        return model.lower_bound_ * len(X), model.covariances_

    return fit


def sklearn(**settings):
    """scikit-learn's own estimator; it knows four of the shapes."""

    def fit(X: np.ndarray, shape: str, k: int, seed: int):
        from sklearn.mixture import GaussianMixture

        if shape not in ("full", "tied", "diag", "spherical"):
            return np.nan, np.zeros(1) if shape != "full" else np.zeros((1, 1))
        model = GaussianMixture(k, covariance_type=shape, random_state=seed, **settings).fit(X)
        return model.score(X) * len(X), model.covariances_

    return fit


WAYS = {
    "auto": core("auto"),
    "kmeans": core("kmeans"),
    "splitting": core("splitting"),
    "short-runs": core("short-runs"),
    "hierarchical": core("hierarchical"),
    "estimator": estimator(),
    "estimator10": estimator(n_init=10),
    "estimator-tight": estimator(tol=1e-9, max_iter=20_000),
    "estimator-tight10": estimator(tol=1e-9, max_iter=20_000, n_init=10),
    "sklearn": sklearn(),
    "sklearn10": sklearn(n_init=10),
}


def read_all(shared: Path) -> dict[str, np.ndarray]:
    """The five data sets, by name."""
    return {name: read(shared, name) for name in LABELS}


def compare(way, data: dict[str, np.ndarray], tables: dict, seed: int) -> tuple[int, int, list[str]]:
    """The number of cells reached, that of all cells, and the missed ones with the likelihood that each lacked."""
    reached, missed = 0, []
    for name, X in data.items():
        for model, shape in MODELS.items():
            for k, target in zip(tables[name]["G"], tables[name]["loglik_tight"][model], strict=True):
                if target is None:
                    continue
                log_likelihood, covariances = way(X, shape, k, seed)
                if smallest(X, shape, covariances) < SINGULAR:
                    continue
                if log_likelihood >= target - SLACK:
                    reached += 1
                else:
                    missed.append(f"{name} {model} {k}: {log_likelihood - target:.3f}")
    return reached, reached + len(missed), missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", default=",".join(name for name in WAYS if not name.endswith("10")))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--missed", action="store_true", help="list on standard error the cells that were missed")
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    tables = json.loads((options.shared / "reference" / "mclust_bic_tables.json").read_text())["multivariate"]
    data = read_all(options.shared)
    print("| start | cells reached | of all | s |\n|---|---|---|---|")
    for way in options.starts.split(","):
        WAYS[way](data["faithful"], "full", 2, 0)  # compiles
        begun = time.perf_counter()
        found = [compare(WAYS[way], data, tables, seed) for seed in range(options.seeds)]
        seconds = (time.perf_counter() - begun) / options.seeds
        reached, cells = sum(part[0] for part in found), sum(part[1] for part in found)
        print(f"| {way} | {reached} of {cells} | {reached / cells:.1%} | {seconds:.1f} |", flush=True)
        if options.missed:
            print(f"{way}: " + "; ".join(cell for part in found for cell in part[2]), file=sys.stderr)


if __name__ == "__main__":
    main()
