"""How fast fastem is on this machine, beside scikit-learn: `fastem compare`."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import fastem
from fastem.cli.writing import print_json

# Samples, features and components of the data, and the iterations that are timed.
SIZES = ((20_000, 4, 8), (20_000, 16, 16))
SHAPES: Any = ("full", "tied", "diag", "spherical")
FEW, MANY, ROUNDS = 2, 12, 3
HEAD = {"samples": 8, "features": 8, "K": 3, "covariance": 11, "fastem": 9, "scikit-learn": 13, "ratio": 6}


class Compared(NamedTuple):
    """Milliseconds per iteration, of one shape and size."""

    shape: str
    n_samples: int
    n_features: int
    n_components: int
    fastem: float
    sklearn: float

    @property
    def ratio(self) -> float:
        """How many times as long scikit-learn takes."""
        return self.sklearn / self.fastem


def compare(options: argparse.Namespace) -> None:
    """Print a table, a row as soon as it is measured; or JSON."""
    rows = []
    if not options.json:
        print("milliseconds per EM iteration, from the same start; half a minute\n")
        print(" ".join(f"{name:>{width}}" for name, width in HEAD.items()))
    for row in measured():
        rows.append({**row._asdict(), "ratio": row.ratio})
        if not options.json:
            n, d, k = row.n_samples, row.n_features, row.n_components
            times = f"{row.fastem:>9.2f} {row.sklearn:>13.2f} {row.ratio:>6.1f}"
            print(f"{n:>8} {d:>8} {k:>3} {row.shape:>11} {times}", flush=True)
    if options.json:
        print_json(rows)


def measured(sizes: Any = SIZES, shapes: Any = SHAPES) -> Iterator[Compared]:
    """Measure each shape on each size; the two libraries take turns."""
    from sklearn.mixture import GaussianMixture as Theirs

    for n, d, k in sizes:
        rng = np.random.default_rng(0)
        centres = 1.5 * rng.standard_normal((k, d))
        X = centres[rng.integers(k, size=n)] + rng.standard_normal((n, d))
        for shape in shapes:
            start = {"weights": np.full(k, 1.0 / k), "means": centres, "covariances": _unit(shape, k, d)}

            def ours(n_iter: int, shape: Any = shape, start: Any = start, X: Any = X, k: int = k) -> Any:
                return fastem.fit(X, fastem.Gaussian(shape), k, start=start, max_iter=n_iter, tol=0, accelerate=None)

            def theirs(n_iter: int, shape: str = shape, start: Any = start, X: Any = X, k: int = k) -> Any:
                given = {"weights_init": start["weights"], "means_init": start["means"]}
                mixture = Theirs(
                    k, covariance_type=shape, max_iter=n_iter, tol=0, reg_covar=0,
                    precisions_init=start["covariances"], **given,
                )  # fmt: skip
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # it has not converged
                    return mixture.fit(X)

            yield Compared(shape, n, d, k, *_in_turns(ours, theirs))


def _unit(shape: str, k: int, d: int) -> Any:
    """Covariances, and precisions, of one."""
    return {"full": np.array([np.eye(d)] * k), "tied": np.eye(d), "diag": np.ones((k, d))}.get(shape, np.ones(k))


def _in_turns(*fits: Callable[[int], Any]) -> list[float]:
    """The median milliseconds of an iteration of each: the difference of a long and a short fit."""
    for fit in fits:
        fit(FEW)  # compiles
    found: list[list[float]] = [[] for _ in fits]
    for _ in range(ROUNDS):
        for times, fit in zip(found, fits, strict=True):
            seconds = []
            for n_iter in (FEW, MANY):
                begun = time.perf_counter()
                fit(n_iter)
                seconds.append(time.perf_counter() - begun)
            times.append(1e3 * max(seconds[1] - seconds[0], 1e-9) / (MANY - FEW))
    return [float(np.median(times)) for times in found]
