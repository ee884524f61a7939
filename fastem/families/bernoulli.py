"""Components of independent zeros and ones, one probability per feature: latent classes of binary items.

Row of params: log p (d) | log (1 - p) (d) | p (d). Row of statistics: sum r | sum r x (d).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastem.compiled.jit import kernel, rounded, wide
from fastem.compiled.numpys import log1p_into, log_into
from fastem.compiled.squares import weighted_sums
from fastem.families.base import Columns, Family, Frame, Limits, Maximised, Tangent, first_where, identity_frame
from fastem.families.kernels import Kernels, MStep
from fastem.families.parameters import PROBABILITY, Array, Parameter, Parameters
from fastem.families.reduced import Reduction, entrywise


@kernel
def log_prob(tile, params, layout, rows, out, latent, scratch):
    """out[k, t] = sum_j (log p_kj if x_tj is 1, log (1 - p_kj) if 0) (Bishop 2006, eq. 9.44). d choices per entry.

    tile IN (d, T); params IN; out OUT (K, T). It chooses a term and does not compute x log p + (1 - x) log (1 - p),
    because 0 times -inf is NaN.
    """
    wide()
    d, size = layout[0], tile.shape[1]
    blocked, half, zero = d // 4 * 4, tile.dtype.type(0.5), tile.dtype.type(0)
    for i in range(rows.size):
        k = rows[i]
        for t in range(size):
            out[k, t] = zero
        for j in range(0, blocked, 4):
            a0, a1, a2, a3 = params[k, j], params[k, j + 1], params[k, j + 2], params[k, j + 3]
            b0, b1, b2, b3 = params[k, d + j], params[k, d + j + 1], params[k, d + j + 2], params[k, d + j + 3]
            for t in range(size):
                c0 = a0 if tile[j, t] > half else b0
                c1 = a1 if tile[j + 1, t] > half else b1
                c2 = a2 if tile[j + 2, t] > half else b2
                c3 = a3 if tile[j + 3, t] > half else b3
                out[k, t] += (c0 + c1) + (c2 + c3)
        for j in range(blocked, d):
            a0, b0 = params[k, j], params[k, d + j]
            for t in range(size):
                out[k, t] += a0 if tile[j, t] > half else b0


@kernel
def accumulate(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add sum r and sum r x to row k of out. 2 d flops per entry. tile IN (d, T); resp IN (K, T)."""
    weighted_sums(resp, tile, layout[0], rows, out, scratch)


@rounded
def _m_step(statistics, params, constants, layout, rows, scratch, flags):
    """`maximise`. constants (2, d): the smallest and the largest probability."""
    d, n_components = layout[0], layout[1]
    for k in range(n_components):
        for j in range(d):
            mean = statistics[k, 1 + j] / statistics[k, 0]
            mean = constants[0, j] if mean < constants[0, j] else mean
            mean = constants[1, j] if mean > constants[1, j] else mean
            rows[k, j] = mean
            rows[k, d + j] = -mean
            rows[k, 2 * d + j] = mean
        log_into(rows[k, :d], rows[k, :d])
        log1p_into(rows[k, d : 2 * d], rows[k, d : 2 * d])
    flags[1, 0] = False


@dataclass(frozen=True)
class Bernoulli(Family):
    """Independent zeros and ones: p(x | probabilities) = prod_j p_j^x_j (1 - p_j)^(1 - x_j).

    Its one named parameter is `probabilities`, shape (n_components, n_features). Data must be 0 or 1, in any numeric
    dtype or bool.

    Parameters
    ----------
    floor : how far a probability stays from 0 and from 1, in [0, 0.5). The default, 0, gives the maximum of the
        likelihood, where a component that has seen only zeros of a feature cannot explain a one there.

    Raises
    ------
    ValueError : `floor` is out of its range; by the fit: data other than 0 and 1, with the place.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.random.default_rng(0).random((1000, 8)) < np.repeat([[0.1], [0.8]], 500, axis=0)
    >>> result = fastem.fit(X, fastem.Bernoulli(), 2, seed=0).sorted_by("probabilities")
    >>> result.parameters["probabilities"].mean(axis=1).round(1).tolist()
    [0.1, 0.8]

    References
    ----------
    Lazarsfeld and Henry (1968), Latent Structure Analysis (latent classes of binary answers).
    """

    floor: float = 0.0

    name: ClassVar[str] = "bernoulli"
    positive_only: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("probabilities", ("K", "d"), PROBABILITY, has_units=False),
    )

    def __post_init__(self) -> None:
        from fastem.validation import check_fraction

        check_fraction("floor", self.floor, 0.5)

    def kernels(self) -> Kernels:
        return Kernels(log_prob, accumulate)

    def params_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, 3 * n_features

    def scratch_rows(self, n_features: int, n_components: int) -> int:
        return 1

    def statistics_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, 1 + n_features

    def why_impossible(self, X: Array) -> str | None:
        found = first_where(X, lambda x: (x != 0) & (x != 1) & ~np.isnan(x))  # NaN is refused elsewhere
        return None if found is None else f"Bernoulli needs zeros and ones; X[{found[0]}, {found[1]}] is {found[2]}."

    @property
    def is_regularised(self) -> bool:
        return self.floor > 0

    def limits(self, frame: Frame, facts: Columns, dtype: Any) -> Limits:
        return Limits(np.full_like(facts.location, self.floor), np.zeros_like(facts.location))

    def pack(self, parameters: Parameters, frame: Frame) -> Array:
        p = np.asarray(parameters["probabilities"], dtype=np.float64)
        with np.errstate(divide="ignore"):
            return np.concatenate([np.log(p), np.log1p(-p), p], axis=1)

    def located(self, centres: Array) -> Parameters:
        return {"probabilities": np.clip(centres, 0.01, 0.99)}

    def inside(self, params: Array) -> Array:
        d = params.shape[1] // 3
        return self.pack({"probabilities": 0.02 + 0.96 * params[:, 2 * d :]}, identity_frame(d))

    def moments(self, parameters: Parameters) -> tuple[Array, Array]:
        p = np.asarray(parameters["probabilities"], dtype=np.float64)
        return p, p * (1.0 - p)

    def maximise(self, statistics: Array, params: Array, frame: Frame, limits: Limits, starving: Array) -> Maximised:
        means = statistics[:, 1:] / np.where(starving, 1.0, statistics[:, 0])[:, None]
        rows = self.pack({"probabilities": np.clip(means, limits.floor, 1.0 - limits.floor)}, frame)
        # A probability at its floor is an ordinary maximum, not a singularity, so no component counts as floored.
        return Maximised(np.where(starving[:, None], params, rows), starving, np.zeros_like(starving))

    def m_step(self, frame: Frame, limits: Limits, n_components: int) -> MStep | None:
        return MStep(_m_step, np.stack([limits.floor, 1.0 - limits.floor]), 0, 0)

    def moved(
        self, statistics: Array, params: Array, frame: Frame, to_params: Array, to_frame: Frame, n_components: int
    ) -> Array:
        return statistics  # sums of the data themselves

    def tangent(self, params: Array, n_features: int, n_components: int) -> Tangent:
        return BernoulliTangent(params[:, 2 * n_features :])

    def sample(self, rng: np.random.Generator, parameters: Parameters, labels: Array) -> Array:
        p = np.asarray(parameters["probabilities"])[labels]
        return (rng.random(p.shape) < p).astype(np.float64)


class BernoulliTangent:
    """Components with these probabilities (K, d); the free parameters are their logits."""

    def __init__(self, probabilities: Array) -> None:
        self.probabilities, self.n_free = probabilities, probabilities.size

    def columns(self, k: int) -> Array:
        return k * self.probabilities.shape[1] + np.arange(self.probabilities.shape[1])

    def scores(self, k: int, x: Array) -> Array:
        return x - self.probabilities[k]

    def information(self, k: int, x: Array, resp: Array) -> Array:
        return np.diag(resp.sum() * self.probabilities[k] * (1.0 - self.probabilities[k]))

    def standard_errors(self, covariance: Array, scale: Array) -> dict[str, Array]:
        errors = np.sqrt(np.maximum(np.diagonal(covariance), 0.0)).reshape(self.probabilities.shape)
        return {"probabilities": self.probabilities * (1.0 - self.probabilities) * errors}

    def reduced(self, fixed: Mapping[str, Array], shared: tuple[str, ...]) -> Reduction:
        return entrywise({"probabilities": self.probabilities.shape}, fixed, shared)
