"""The data sets, and one start for each that every library is given: weights 1 / K, means at samples, identities."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fastem

GRID = ((200_000, 4, 8), (200_000, 16, 16), (100_000, 32, 16), (50_000, 64, 16), (1_000_000, 8, 64))
# Sizes that vary one of n, d and K at a time, for the plot.
SWEEP = (
    *((n, 16, 16) for n in (500, 5_000, 50_000, 500_000)),
    *((50_000, d, 16) for d in (2, 4, 8, 32, 128)),
    *((50_000, 16, k) for k in (2, 4, 8, 32, 64)),
)
# Components, and reg_covar where components would collapse without it.
REAL = {"mfcc": (16, 0.0), "kddcup99": (16, 1e-3), "china": (5, 0.0), "mnist": (10, 1e-3)}
ONLY_DIAG = ("mnist",)
# Small data on which defaults were slow: they collapse, or EM crawls on them. They are made by shared/cases/cases.py.
HARD = {"few_rows_many_features": 6, "returns": 3, "long_clusters": 3}
ONLY_FULL = tuple(HARD)
# Mean largest responsibility that an overlapping case must have.
OVERLAP = (0.6, 0.8)


class Case(NamedTuple):
    """One data set to fit. data: "overlapping", "separated", or a name of REAL or of HARD."""

    data: str
    n: int
    d: int
    n_components: int

    def __str__(self) -> str:
        return f"{self.data} {self.n:,} x {self.d}, {self.n_components}"


class Start(NamedTuple):
    """X (n, d), weights (K,), means (K, d) float64, and the ridge to add."""

    X: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    reg_covar: float


def _draw(case: Case, distance: float, n: int) -> tuple[np.ndarray, fastem.Result]:
    """Clusters of unit variance whose centres are `distance` from the origin along each axis, on average."""
    rng = np.random.default_rng(0)
    centres = distance * rng.standard_normal((case.n_components, case.d))
    X = rng.standard_normal((n, case.d))
    X += centres[rng.integers(case.n_components, size=n)]
    weights = np.full(case.n_components, 1 / case.n_components)
    truth = fastem.from_parameters(
        fastem.Gaussian("spherical"), weights, means=centres, covariances=np.ones(case.n_components)
    )
    return X, truth


def _overlapping_distance(case: Case) -> float:
    """The distance at which the mean largest responsibility under the truth is in the middle of OVERLAP."""
    low, high = 0.0, 10.0
    for _ in range(30):
        distance = 0.5 * (low + high)
        X, truth = _draw(case, distance, 5_000)
        overlap = fastem.responsibilities(X, truth).max(axis=1).mean()
        low, high = (distance, high) if overlap < sum(OVERLAP) / 2 else (low, distance)
    return distance


def real_data(name: str, shared: Path) -> np.ndarray:
    """Float64 samples, standardised, without constant columns."""
    files = {
        "mfcc": ("fsdd_mfcc_125237x39_f32.npz", "X", 125_237),
        "kddcup99": ("kddcup99_10pct_494021x38_f32.npz", "X", 494_021),
        "china": ("china_427x640x3_u8.npz", "img", 427),
        "mnist": ("mnist_70000x784_u8.npz", "X", 60_000),
    }
    file, key, n = files[name]
    with np.load(shared / "data" / file) as stored:
        X = stored[key][:n].astype(np.float64)
    X = X.reshape(-1, X.shape[-1])
    X = X[:, X.std(axis=0) > 0]
    return np.ascontiguousarray((X - X.mean(axis=0)) / X.std(axis=0))


def hard_data(name: str, shared: Path) -> np.ndarray:
    """Small data that are hard for defaults; those that take a seed get 5."""
    spec = importlib.util.spec_from_file_location("cases", shared / "cases" / "cases.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.long_clusters(5)[0] if name == "long_clusters" else getattr(module, name)()


def cases(names: list[str], shared: Path) -> list[Case]:
    """The cases of "grid", "sweep", "real" and "hard", or of one shape such as 200000x4x8."""
    found = []
    for name in names:
        if name == "real":
            for real, (k, _) in REAL.items():
                n, d = real_data(real, shared).shape
                found.append(Case(real, n, d, k))
        elif name == "hard":
            found += [Case(hard, *hard_data(hard, shared).shape, k) for hard, k in HARD.items()]
        elif name == "sweep":
            found += [Case("overlapping", *shape) for shape in SWEEP]
        else:
            shapes = GRID if name == "grid" else (tuple(int(number) for number in name.split("x")),)
            found += [Case(kind, *shape) for shape in shapes for kind in ("overlapping", "separated")]
    return found


def begin(case: Case, shared: Path) -> Start:
    """The data of a case with its start."""
    if case.data in REAL:
        X, reg_covar = real_data(case.data, shared), REAL[case.data][1]
    elif case.data in HARD:
        X, reg_covar = hard_data(case.data, shared), 0.0
    else:
        distance = _overlapping_distance(case) if case.data == "overlapping" else 5.0
        X, reg_covar = _draw(case, distance, case.n)[0], 0.0
    means = np.unique(X[np.random.default_rng(1).choice(len(X), 50 * case.n_components)], axis=0)
    means = means[np.random.default_rng(2).choice(len(means), case.n_components, replace=False)]
    return Start(X, np.full(case.n_components, 1 / case.n_components), means, reg_covar)


def shapes(case: Case) -> tuple[str, ...]:
    """The covariance shapes with which a case is solved."""
    if case.data in ONLY_DIAG:
        return ("diag",)
    return ("full",) if case.data in ONLY_FULL else ("full", "diag")
