"""Digests of everything that fastem computes, to see whether a change of the code changes any bit of it.

    python -m benchmarks.golden write FILE     # before the change
    python -m benchmarks.golden check FILE     # after it; ends with 1 and names the cases that differ

Digests depend on the processor and on the versions of numba and NumPy, so a file is good for one machine and one day.
The cases use public names alone, so that they run on any commit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import fastem

SHAPES = ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical")
DATA = Path(__file__).parents[1] / "tests" / "data"
Case = Callable[[], Any]


def digest(value: Any) -> str:
    """A digest of nested records, arrays, numbers and text."""
    found = hashlib.blake2b(digest_size=10)

    def feed(item: Any) -> None:
        if isinstance(item, np.ndarray):
            found.update(f"{item.shape}{item.dtype.str}".encode())
            found.update(np.ascontiguousarray(item).tobytes())
        elif isinstance(item, dict):
            for name in sorted(item):
                found.update(name.encode())
                feed(item[name])
        elif isinstance(item, fastem.Result):
            feed(_of_result(item))
        elif isinstance(item, list | tuple):
            for part in item:
                feed(part)
        else:
            found.update(repr(item).encode())

    feed(value)
    return found.hexdigest()


def _of_result(result: Any) -> list[Any]:
    starts = [(report.status.name, *report[1:]) for report in result.starts]
    numbers = [result.log_likelihood, result.n_iter, result.n_passes, result.best_start, result.criterion_value]
    return [result.weights, dict(result.parameters), result.history, result.status.name, starts, numbers]


def _families() -> dict[str, Any]:
    families = {**{shape: fastem.Gaussian(shape) for shape in SHAPES}, "poisson": fastem.Poisson()}
    if hasattr(fastem, "Bernoulli"):  # not on every commit
        families["bernoulli"] = fastem.Bernoulli()
    return families


def _data(name: str, n: int, d: int = 3, dtype: str = "float64") -> np.ndarray:
    """Four overlapping clusters of unequal spread, or four rates."""
    rng = np.random.default_rng(7)
    labels = rng.integers(4, size=n)
    if name == "bernoulli":
        return (rng.random((n, d)) < rng.uniform(0.1, 0.9, (4, d))[labels]).astype(dtype)
    if name == "poisson":
        return rng.poisson(rng.gamma(3.0, 2.0, (4, d))[labels]).astype(dtype)
    means, scales = 2.0 * rng.standard_normal((4, d)), rng.uniform(0.4, 1.5, (4, d))
    return (means[labels] + scales[labels] * rng.standard_normal((n, d))).astype(dtype)


def _fits(name: str, family: Any, dtype: str) -> Iterator[tuple[str, Case]]:
    X, large = _data(name, 2000, dtype=dtype), _data(name, 40_000, 2, dtype)
    weights = np.random.default_rng(3).uniform(0.0, 2.0, len(X))
    labels = np.random.default_rng(4).integers(4, size=len(X))
    wide = _data(name, 700, 21, dtype)

    def fit(data: np.ndarray, k: int, **settings: Any) -> Case:
        return lambda: fastem.fit(data, family, k, **{"seed": 5, **settings})

    yield "auto", fit(X, 4)
    yield "kmeans, three starts", fit(X, 4, start="kmeans", n_init=3, tol=0, max_iter=12)
    yield "random, weights", fit(X, 4, start="random", n_init=2, sample_weight=weights, max_iter=30)
    yield "labels", fit(X, 4, start=labels, max_iter=5, tol=0)
    yield "centres", fit(X, 4, start="random_from_data", max_iter=40)
    yield "wide", fit(wide, 3, start="k-means++", tol=0, max_iter=6)
    yield "anderson", fit(X, 4, start="kmeans", n_init=2, accelerate="anderson", tol=1e-8)
    yield "squarem", fit(X, 4, start="kmeans", accelerate="squarem", tol=1e-8, criterion="parameters")
    yield "in parts", fit(large, 4, progressive=True, accelerate="anderson")
    yield (
        "in parts, weights",
        fit(large, 3, progressive=True, start="kmeans", sample_weight=np.resize(weights, len(large)) + 0.1),
    )
    yield "dropped", fit(X, 6, start="random_from_data", starving="drop", min_samples=150.0)
    yield "reseeded", fit(X, 5, start="random_from_data", min_samples=100.0, max_iter=60)
    yield "stopped", fit(X, 6, start="random_from_data", n_init=2, starving="stop", min_samples=150.0)
    yield "given and found", lambda: _with_given(X, family)
    if hasattr(fastem, "stream"):
        yield "in chunks", lambda: fastem.fit([X[:700], X[700:]], family, 3, start="kmeans", seed=1, max_iter=5)
    yield "one and large", lambda: [fastem.fit(large, family, k, seed=0, max_iter=8) for k in (1, 3)]


def _with_given(X: np.ndarray, family: Any) -> Any:
    first = fastem.fit(X, family, 4, seed=1, start="kmeans", max_iter=2)
    name = next(iter(first.parameters))
    start = {name: first.parameters[name][::-1], "method": "kmeans"}
    return fastem.fit(X, family, 4, start=start, seed=2, max_iter=5)


def _answers(name: str, family: Any, dtype: str) -> Iterator[tuple[str, Case]]:
    X = _data(name, 1500, dtype=dtype)

    def mixture() -> Any:
        return fastem.fit(X, family, 3, seed=2, start="kmeans", max_iter=6)

    def answers() -> Any:
        fitted = mixture()
        evidence = fastem.fold(X, fitted, sample_weight=np.linspace(0, 2, len(X)))
        after = fastem.maximise(evidence)
        sums = [evidence.statistics, evidence.log_likelihood, after.weights, dict(after.parameters)]
        values = [f(X, fitted) for f in (fastem.log_density, fastem.responsibilities, fastem.predict)]
        return [values, sums, list(fastem.sample(fitted, 50, seed=1))]

    def diagnosed() -> Any:
        found = fastem.diagnose(mixture(), X, n_threads=1)
        # BLAS makes these sums of products, and their last bits may change from call to call.
        return [found.verdict.name, np.round(found.smallest, 8), np.round(found.score, 4)]

    def resumed() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "fit"
            settings = {"checkpoint": path, "checkpoint_interval": 0.0, "seed": 3, "accelerate": "anderson"}
            settings |= {"start": "kmeans", "n_init": 2}
            fastem.fit(X, family, 4, callback=lambda record: record.iteration == 4, **settings)
            assert path.exists()
            return fastem.fit(X, family, 4, **settings)

    def saved() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            fastem.save(mixture(), Path(folder) / "model")
            return fastem.load(Path(folder) / "model")

    def replicates() -> Any:
        found = []
        for kind in ("nonparametric", "weighted", "parametric"):
            boot = fastem.bootstrap(mixture(), X, kind=kind, n_replicates=3, seed=1, tol=1e-5, n_threads=1)
            found.append([boot.weights, boot.parameters, boot.n_failed])
        return found

    yield "answers", answers
    yield "diagnose", diagnosed
    yield "resumed", resumed
    yield "saved", saved
    yield "bootstrap", replicates


def _grids() -> Iterator[tuple[str, Case]]:
    faithful = np.loadtxt(DATA / "faithful.csv", delimiter=",", skiprows=1)
    counts, families = _data("poisson", 800), _families()
    gaussians = [families[shape] for shape in SHAPES]

    def table(chosen: Any) -> Any:
        rows = [[*row[: row._fields.index("status")], row.status.name] for row in chosen.table]
        return [chosen.best_index, rows, list(chosen.models)]

    yield "grid, bic", lambda: table(fastem.select(faithful, gaussians, range(1, 6), seed=0))
    yield "grid, icl", lambda: table(fastem.select(faithful, gaussians, [2, 3], criterion="icl", seed=1, n_init=2))
    yield "grid, cv", lambda: table(fastem.select(faithful, gaussians[:3], [1, 2], criterion="cv", seed=0))
    mixed = [families["poisson"], families["diag"]]
    yield "grid, poisson", lambda: table(fastem.select(counts, mixed, [1, 2, 4], start="hierarchical", seed=0))

    def tested(X: np.ndarray, family: Any) -> Any:
        found = fastem.likelihood_ratio_test(X, family, 1, n_replicates=4, seed=0, n_threads=1)
        return [found.statistic, found.p_value, found.replicates, found.null, found.alternative]

    yield "ratio test, full", lambda: tested(faithful, families["full"])
    yield "ratio test, poisson", lambda: tested(counts, families["poisson"])


def _estimators() -> Iterator[tuple[str, Case]]:
    faithful = np.loadtxt(DATA / "faithful.csv", delimiter=",", skiprows=1)
    counts = _data("poisson", 800)

    def attributes(estimator: Any, X: np.ndarray) -> Any:
        found = {name: value for name, value in vars(estimator).items() if name.endswith("_")}
        found["fit_report_"] = [(r.status.name, *r[1:]) for r in found.get("fit_report_", ())]
        more = [estimator.predict(X)]
        if hasattr(estimator, "bic"):
            more += [estimator.bic(X), estimator.predict_proba(X), *estimator.sample(5)]
        return [found, more]

    def gaussian(shape: str, dtype: str) -> Case:
        X = faithful.astype(dtype)
        return lambda: attributes(fastem.GaussianMixture(3, covariance_type=shape, random_state=0, n_init=2).fit(X), X)

    for shape in SHAPES:
        for dtype in ("float64", "float32"):
            yield f"estimator {shape} {dtype}", gaussian(shape, dtype)
    yield "estimator poisson", lambda: attributes(fastem.PoissonMixture(3, random_state=0).fit(counts), counts)
    yield "estimator kmeans", lambda: attributes(fastem.KMeans(4, random_state=0).fit(faithful), faithful)


def cases() -> Iterator[tuple[str, Case]]:
    """Every case by name."""
    for name, family in _families().items():
        for dtype in ("float64", "float32"):
            for kind in (_fits, _answers):
                for case, run in kind(name, family, dtype):
                    yield f"{name} {dtype}: {case}", run
    yield from _grids()
    yield from _estimators()


def main() -> int:
    """Write or check a file of digests; 1 if something differs, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("write", "check"))
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    begun, found = time.perf_counter(), {}
    for name, run in cases():
        try:
            found[name] = digest(run())
        except Exception as error:  # the message is the result
            found[name] = f"{type(error).__name__}: {error}"
    print(f"{len(found)} digests of {Path(fastem.__file__).parent} in {time.perf_counter() - begun:.0f} s")
    errors = [f"{name}: {value}" for name, value in found.items() if ": " in value]
    print(*errors, sep=os.linesep)
    if options.action == "write":
        options.file.write_text(json.dumps(found, indent=1))
        return 0
    before = json.loads(options.file.read_text(encoding="utf-8"))
    different = [name for name in {**before, **found} if before.get(name) != found.get(name)]
    print(*(f"differs: {name}" for name in different), sep=os.linesep)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
