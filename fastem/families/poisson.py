"""Components of independent Poisson counts, one rate per feature.

Row of params: log rate (d) | minus the sum of the rates | rate (d). Row of statistics: sum r | sum r x (d).
The derived row of a tile is sum_j log x_j!, which is infinite if x is not a vector of counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastem.compiled.counts import log_counts, log_factorials
from fastem.compiled.jit import kernel, numbers_at, rounded
from fastem.compiled.numpys import LONGEST, log_into, total_of
from fastem.compiled.squares import weighted_sums
from fastem.families.base import Columns, Family, Frame, Limits, Maximised, Tangent, first_where
from fastem.families.kernels import Kernels, MStep
from fastem.families.parameters import NON_NEGATIVE, Array, Parameter, Parameters
from fastem.families.reduced import Reduction, entrywise

# The smallest rate, relative to the mean count of its feature, or to 1 if that is less.
SMALLEST = 1e-12


@kernel
def log_prob(tile, params, layout, rows, out, latent, scratch):
    """out[k, t] = sum_j (x_tj log rate_kj - rate_kj - log x_tj!), with 0 log 0 = 0. 2 d flops per entry.

    tile IN (d + 1, T), its last row derived; params IN; out OUT (K, T); scratch unused.
    """
    log_counts(tile, params, layout[0], -1, 0, layout[0], rows, out)


@kernel
def accumulate(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add sum r and sum r x to row k of out. 2 d flops per entry. tile IN (d + 1, T); resp IN (K, T)."""
    weighted_sums(resp, tile, layout[0], rows, out, scratch)


@kernel
def derive(tile, layout):
    """tile[d, t] = sum_j log x_tj!, the part of the log density that depends on no parameter."""
    log_factorials(tile, layout[0])


@rounded
def _write_rows(rates, rows, scratch):
    """Rows of params, OUT, of these rates (K, d). scratch OUT (d,)."""
    n_components, d = rates.shape
    for k in range(n_components):
        for j in range(d):
            scratch[j] = rates[k, j]
            rows[k, d + 1 + j] = rates[k, j]
        rows[k, d] = -total_of(scratch)
        log_into(scratch, rows[k, :d])


@rounded
def _m_step(statistics, params, constants, layout, rows, scratch, flags):
    """`maximise`. constants: the floor, (1, d)."""
    d, n_components = layout[0], layout[1]
    rates = numbers_at(scratch.ctypes.data, (n_components, d))
    for k in range(n_components):
        for j in range(d):
            rate = statistics[k, 1 + j] / statistics[k, 0]
            rates[k, j] = rate if rate > constants[0, j] or rate != rate else constants[0, j]  # noqa: PLR0124
    flags[1, 0] = False
    _write_rows(rates, rows, scratch[n_components * d : n_components * d + d])


@dataclass(frozen=True)
class Poisson(Family):
    """Independent Poisson counts: p(x | rates) = prod_j rates_j^x_j exp(-rates_j) / x_j!.

    Its one named parameter is `rates`, shape (n_components, n_features). Data must be non-negative integers, stored in
    any numeric dtype. A rate never falls below 1e-12 of its feature's mean count (1e-12, if that is above 1), so that a
    component which has seen only zeros can still explain a one. float32 data are computed in float32, whose
    rounding of x log x reaches 0.01 nats for counts of 1e4 and 1 nat for 1e6: give large counts as float64 or integers.

    Raises
    ------
    ValueError : by the fit: data that are negative or no integers; the message names the place.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.concatenate([np.random.default_rng(0).poisson(rate, (500, 1)) for rate in (2.0, 9.0)])
    >>> fastem.fit(X, fastem.Poisson(), 2, seed=0).sorted_by("rates").parameters["rates"].round().ravel().tolist()
    [2.0, 9.0]

    References
    ----------
    Hasselblad (1969), J. Amer. Statist. Assoc. 64, 1459-1471.
    """

    name: ClassVar[str] = "poisson"
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("rates", ("K", "d"), NON_NEGATIVE, has_units=False),)
    positive_only: ClassVar[bool] = True

    def why_impossible(self, X: Array) -> str | None:
        if X.dtype.kind in "bu":
            return None
        found = first_where(X, lambda x: (x < 0) | ((x != np.floor(x)) & ~np.isnan(x)))  # NaN is refused elsewhere
        if found is None:
            return None
        i, j, value = found
        negative = "Negative values in data: " if value < 0 else ""  # scikit-learn's phrase
        return f"{negative}Poisson needs non-negative integers; X[{i}, {j}] is {value}."

    def points(self, X: Array) -> Array:
        # The square roots of counts have about the same variance at any rate.
        return np.sqrt(X)

    def kernels(self) -> Kernels:
        return Kernels(log_prob, accumulate, derive)

    def n_derived(self, n_features: int) -> int:
        return 1

    def params_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, 2 * n_features + 1

    def scratch_rows(self, n_features: int, n_components: int) -> int:
        return 1

    def statistics_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, 1 + n_features

    def limits(self, frame: Frame, facts: Columns, dtype: Any) -> Limits:
        # The likelihood of a rate of 0 is that of any tiny one, but its logarithm is infinite.
        return Limits(SMALLEST * np.minimum(facts.location, 1.0), np.zeros_like(facts.location))

    def pack(self, parameters: Parameters, frame: Frame) -> Array:
        return self._rows(np.asarray(parameters["rates"], dtype=np.float64))

    def moved(
        self, statistics: Array, params: Array, frame: Frame, to_params: Array, to_frame: Frame, n_components: int
    ) -> Array:
        return statistics  # sums of the data themselves

    def tangent(self, params: Array, n_features: int, n_components: int) -> Tangent:
        return PoissonTangent(params[:, n_features + 1 :])

    def located(self, centres: Array) -> Parameters:
        return {"rates": np.where(centres > 0, centres, 1.0)}

    def moments(self, parameters: Parameters) -> tuple[Array, Array]:
        rates = np.asarray(parameters["rates"], dtype=np.float64)
        return rates, rates

    def maximise(self, statistics: Array, params: Array, frame: Frame, limits: Limits, starving: Array) -> Maximised:
        counts = np.where(starving, 1.0, statistics[:, 0])[:, None]
        rates = np.maximum(statistics[:, 1:] / counts, limits.floor)
        rows = np.where(starving[:, None], params, self._rows(rates))
        # A rate of zero is an ordinary maximum, not a singularity, as the likelihood is bounded there. So no component
        # counts as floored.
        return Maximised(rows, starving, np.zeros(len(rates), dtype=np.bool_))

    def m_step(self, frame: Frame, limits: Limits, n_components: int) -> MStep | None:
        d = len(frame.scale)
        return None if d > LONGEST else MStep(_m_step, limits.floor[None].copy(), (n_components + 1) * d, 0)

    def _rows(self, rates: Array) -> Array:
        n_components, d = rates.shape
        if d <= LONGEST and rates.flags.c_contiguous:  # NumPy adds up others in another order
            rows = np.empty((n_components, 2 * d + 1))
            _write_rows(rates, rows, np.empty(d))
            return rows
        with np.errstate(divide="ignore"):
            log_rates = np.log(rates)
        return np.concatenate([log_rates, -rates.sum(axis=1)[:, None], rates], axis=1)

    def sample(self, rng: np.random.Generator, parameters: Parameters, labels: Array) -> Array:
        return rng.poisson(np.asarray(parameters["rates"])[labels]).astype(np.float64)


class PoissonTangent:
    """Poisson components with these rates (K, d); the free parameters are their logarithms."""

    def __init__(self, rates: Array) -> None:
        self.rates, self.n_free = rates, rates.size

    def columns(self, k: int) -> Array:
        d = self.rates.shape[1]
        return k * d + np.arange(d)

    def scores(self, k: int, x: Array) -> Array:
        return x - self.rates[k]

    def information(self, k: int, x: Array, resp: Array) -> Array:
        return np.diag(resp.sum() * self.rates[k])

    def standard_errors(self, covariance: Array, scale: Array) -> dict[str, Array]:
        errors = np.sqrt(np.maximum(np.diagonal(covariance), 0.0)).reshape(self.rates.shape)
        return {"rates": self.rates * errors}

    def reduced(self, fixed: Mapping[str, Array], shared: tuple[str, ...]) -> Reduction:
        return entrywise({"rates": self.rates.shape}, fixed, shared)
