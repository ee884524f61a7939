"""From components to clusters: how much components overlap, and which of them together are one cluster."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.families.base import Array
from fastem.families.parameters import FloatArray, IntArray
from fastem.model.evaluation import responsibilities
from fastem.model.result import Fitted, Result
from fastem.model.showing import counted

# Differences of precisions below FLAT count as none. Where the log of the integrand has fallen by NEGLIGIBLE, nothing
# is left to integrate. LEANINGS say how far the paths that `_positive` tries lean over; it takes the shortest one.
FLAT, NEGLIGIBLE = 1e-7, 30.0
LEANINGS = (1.0, 0.5, 0.2, 0.1, 0.03, 0.01, 0.0)


def overlap(mixture: Result | Fitted) -> FloatArray:
    """The probability that a sample of one component looks more like one of another (Maitra and Melnykov 2010).

    Parameters
    ----------
    mixture : a Result of Gaussian components, or a fitted estimator.

    Returns
    -------
    (n_components, n_components) float64
        Entry [i, j] is P(weight_j p(x | j) > weight_i p(x | i)) for x from component i, by numerical integration to
        1e-6; the diagonal is 1. The pairwise overlap of MixSim is [i, j] + [j, i].

    Raises
    ------
    TypeError : a family without covariances.

    References
    ----------
    Maitra and Melnykov (2010), J. Comput. Graph. Statist. 19, 354-376. Rice (1980), SIAM J. Sci. Stat. Comput. 1,
    438-448.
    """
    result: Result = validation.check_mixture(mixture)
    matrices, means = result.covariance_matrices(), np.asarray(result.parameters["means"], dtype=np.float64)
    factors = np.linalg.cholesky(matrices)
    with np.errstate(divide="ignore"):
        log_weights = np.log(result.weights)
    log_determinants = 2.0 * np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    found = np.eye(result.n_components)
    for i in range(result.n_components):
        for j in range(result.n_components):
            if i != j:
                whitened = np.linalg.solve(factors[j], factors[i])
                values, vectors = np.linalg.eigh(whitened.T @ whitened)
                between = np.linalg.solve(factors[j], means[i] - means[j])
                apart = vectors.T @ (whitened.T @ between)
                # log of the ratio of j to i at x = mean_i + factor_i V u, u standard normal
                squares, slopes = -0.5 * (values - 1.0), -apart
                constant = log_weights[j] - log_weights[i] - 0.5 * (log_determinants[j] - log_determinants[i])
                found[i, j] = _positive(float(constant - 0.5 * between @ between), squares, slopes)
    return found


def _positive(constant: float, squares: Array, slopes: Array) -> float:
    """P(constant + sum_l squares_l u_l^2 + slopes_l u_l > 0) for standard normal u_l.

    The moment generating function is inverted along a path that begins at a positive number and goes upwards in the
    complex plane. It leans over to a side on which the integrand falls exponentially; upwards it may fall like a power.
    """
    from scipy.integrate import quad
    from scipy.special import ndtr

    if np.isneginf(constant) or np.isnan(constant):  # weight_j is 0
        return 0.0
    if constant + squares.sum() > 0:  # the mean; the integrand would begin high
        return 1.0 - _positive(-constant, -squares, -slopes)
    flat = np.abs(squares) < FLAT
    if flat.all():  # a plane divides them
        deviation = float(np.sqrt((slopes**2).sum()))
        return float(ndtr(constant / deviation)) if deviation > 0 else float(constant > 0)
    bends, bent, rest = squares[~flat], slopes[~flat] ** 2, float((slopes[flat] ** 2).sum())

    def log_moment(s: Any) -> Any:
        inner = 1.0 - 2.0 * np.multiply.outer(s, bends)
        return s * constant + 0.5 * s * s * (rest + (bent / inner).sum(axis=-1)) - 0.5 * np.log(inner).sum(axis=-1)

    deviation = float(np.sqrt((slopes**2).sum() + 2.0 * (bends**2).sum()))
    begin = min(1.0 / deviation, 0.25 / bends.max() if bends.max() > 0 else np.inf)
    # It leans by 45 degrees at most, where no square of s has a positive real part.
    heights = np.concatenate([[0.0], np.geomspace(1e-3 * begin, 1e16 / np.abs(bends).max(), 240)])

    def path(x: Any, lean: float) -> Any:
        return begin + 1j * x + lean * (np.hypot(x, begin) - begin)

    best, leaning = len(heights), 0.0
    for lean in (side * size for size in LEANINGS for side in (1.0, -1.0)):
        logs = log_moment(path(heights, lean)).real - log_moment(begin)
        above = np.flatnonzero(~(logs < -NEGLIGIBLE))
        if (logs < 1.0).all() and above[-1] + 2 < best:
            best, leaning = int(above[-1]) + 2, lean

    def integrand(x: float) -> float:
        s, direction = path(x, leaning), 1j + leaning * x / np.hypot(x, begin)
        return float((np.exp(log_moment(s)) / s * direction).imag)

    total = sum(quad(integrand, a, b, epsabs=1e-11, limit=500)[0] for a, b in pairwise(heights[:best]))
    return float(np.clip(total / np.pi, 0.0, 1.0))


class Merged(NamedTuple):
    """What `merge` returns.

    Attributes
    ----------
    clusters : (n_components,) int64, the cluster of each component, in 0 .. n_clusters - 1.
    labels : (n_samples,) int64, the cluster of each sample.
    resp : (n_samples, n_clusters), its probability.
    entropy : for n_components, ..., 1 clusters the entropy of the probabilities, nats; where it stops falling fast is a
        good number of clusters.
    pairs : for each merge, the two components whose clusters became one.
    """

    clusters: IntArray
    labels: IntArray
    resp: FloatArray
    entropy: FloatArray
    pairs: tuple[tuple[int, int], ...]

    def __repr__(self) -> str:
        n_clusters, n_components = self.resp.shape[1], len(self.clusters)
        return f"Merged({counted(n_components, 'component')} in {counted(n_clusters, 'cluster')})"


def merge(X: Any, mixture: Any, n_clusters: int, *, sample_weight: Any = None) -> Merged:
    """Merge components into clusters, two at a time, so that the entropy of the assignment falls most.

    A cluster that is no Gaussian is fitted by several components; BIC chooses as many as the density needs, and this
    says which of them are one cluster (Baudry et al. 2010, mclust's clustCombi).

    Parameters
    ----------
    X : array-like, (n_samples, n_features), the data of the fit. X and the mixture may change places.
    mixture : a Result, or a fitted estimator.
    n_clusters : int from 1 to n_components.
    sample_weight : (n_samples,) or None

    Returns
    -------
    Merged

    Raises
    ------
    ValueError, TypeError : unusable input.

    References
    ----------
    Baudry, Raftery, Celeux, Lo and Gottardo (2010), J. Comput. Graph. Statist. 19, 332-353.
    """
    X, result = validation.data_and_mixture(X, mixture)
    k = result.n_components
    validation.check_n_clusters(n_clusters, k)
    resp = responsibilities(X, result).astype(np.float64)
    weights = validation.check_sample_weight(sample_weight, len(resp))
    weights = np.ones(len(resp)) if weights is None else weights
    # Clusters are known by their first components.
    columns = {j: resp[:, j] for j in range(k)}
    own = {j: _entropy(column, weights) for j, column in columns.items()}
    entropies, pairs, clusters, shares = [sum(own.values())], [], np.arange(k), resp

    def gain(a: int, b: int) -> float:
        return own[a] + own[b] - _entropy(columns[a] + columns[b], weights)

    gains = {pair: gain(*pair) for pair in combinations(range(k), 2)}
    for n_left in range(k - 1, 0, -1):
        a, b = max(gains, key=lambda pair: (gains[pair], -pair[0], -pair[1]))
        pairs.append((a, b))
        columns[a] = columns[a] + columns.pop(b)
        own[a], _ = _entropy(columns[a], weights), own.pop(b)
        entropies.append(sum(own.values()))
        gains = {pair: value for pair, value in gains.items() if a not in pair and b not in pair}
        gains |= {(min(a, c), max(a, c)): gain(min(a, c), max(a, c)) for c in columns if c != a}
        if n_left >= n_clusters:
            clusters = np.where(clusters == b, a, clusters)
            shares = np.stack(list(columns.values()), axis=1)
    clusters = np.unique(clusters, return_inverse=True)[1]
    return Merged(clusters, shares.argmax(axis=1), shares, np.array(entropies), tuple(pairs))


def _entropy(column: Array, weights: Array) -> float:
    """- sum_i w_i r_i log r_i."""
    return float(-(weights * np.where(column > 0, column * np.log(np.where(column > 0, column, 1.0)), 0.0)).sum())
