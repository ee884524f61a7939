"""Gaussian components, each with its own full covariance matrix.

Row of params: mean (d) | constant | W in blocks | covariance in blocks, with W' W = C^-1, W lower triangular.
Row of statistics: sum r | sum r z (d) | sum r z z' in blocks, with z = x - mean, the current one. Raw moments would
lose all digits at an offset of 1e8 standard deviations; these err by 2e-16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastem.compiled.factors import BLOCKED_ORDER, Factor, factorise, factorise_each
from fastem.compiled.jit import exact, kernel
from fastem.compiled.lanes import compact, staged
from fastem.compiled.triangular import (
    blocks_of,
    column_of,
    deviations,
    matrix_of,
    n_blocks,
    outer_products,
    padded,
    row_of,
    small_outer,
    whitened_squares,
)
from fastem.families.base import Frame, Limits, Maximised
from fastem.families.gaussian import shared as gaussian
from fastem.families.kernels import Kernels, MStep
from fastem.families.parameters import COVARIANCE, Array, Parameter, Parameters


@staged
def _log_densities(machine: Any, tile: Any, params: Any, layout: Any, rows: Any, out: Any, scratch: Any) -> None:
    """`log_prob`."""
    d, n = layout.number(0, 0), rows.width

    def component(i: Any) -> None:
        whitened_squares(machine, tile, params, rows.number(0, i), d, scratch, out, (i, n))

    machine.repeat(0, n, component)


@kernel
def log_prob(tile, params, layout, rows, out, latent, scratch):
    """out[k, t] = constant_k - 1/2 |W_k (x_t - mean_k)|^2 (Bishop 2006, eq. 2.43). d(d+1) flops per entry.

    tile IN (d, T); params IN; out OUT (K, T); scratch OUT (>= d, T). Nothing is checked.
    """
    _log_densities(tile, params, layout, rows, out, scratch)


@staged
def _gathered(machine: Any, tile: Any, resp: Any, params: Any, layout: Any, rows: Any, out: Any, scratch: Any) -> None:
    """`accumulate`."""
    d, when = layout.number(0, 0), machine.when
    first = (d + 3) // 4 * 4
    weighted = scratch.cut(first * scratch.width, (scratch.height - first, scratch.width))

    def component(i: Any) -> None:
        k = rows.number(0, i)
        deviations(machine, tile, resp, params, k, d, scratch, weighted, out)
        when(d > 4, lambda: outer_products(machine, weighted, scratch, d, out, k, 1 + d))
        when(d <= 4, lambda: small_outer(machine, tile, resp, params, k, d, out, 1 + d))

    def pad() -> None:
        padded(machine, scratch, d)
        padded(machine, weighted, d)

    when(d > 4, pad)
    machine.repeat(0, rows.width, component)


@kernel
def accumulate(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add sum r, sum r z and sum r z z', z = x - mean_k, to row k of out. d(d+1) flops per entry.

    tile IN (d, T); resp IN (K, T); out INOUT float64; scratch OUT (>= 2 ceil4(d), T).
    """
    _gathered(tile, resp, params, layout, rows, out, scratch)


def _moments_of(
    machine: Any, statistics: Any, params: Any, ridge: Any, starving: Any, means: Any, covariances: Any
) -> None:
    """Means and covariances, ridge included, from statistics. Those of a starving component mean nothing.

    statistics IN, params IN, ridge IN (d,), starving IN (K,) bool; means OUT (K, d); covariances OUT (K, d, d). It is
    compiled because these few operations on small arrays take five times as long in NumPy.
    """
    d = means.width

    def component(k: Any) -> None:
        held = statistics.number(k, 0)
        count = machine.where(starving.number(0, k) == 0, held, 1.0)

        def row(i: Any) -> None:
            shift = statistics.number(k, 1 + i) / count
            means.put(k, i, params.number(k, i) + shift)

            def entry(j: Any) -> None:
                value = statistics.number(k, d + 1 + row_of(i) + column_of(j)) / count
                value = value - shift * (statistics.number(k, 1 + j) / count)
                covariances.put(k * d + i, j, value)
                covariances.put(k * d + j, i, value)

            machine.repeat(0, i + 1, entry)
            covariances.add(k * d + i, i, ridge.number(0, i))

        machine.repeat(0, d, row)

    machine.repeat(0, means.height, component)


def _rows_of(
    machine: Any, means: Any, covariances: Any, inverse_factors: Any, log_determinants: Any, scale: Any, rows: Any
) -> None:
    """Write rows of params, OUT and zeroed before, from their parts. The head of this file says what lies where."""
    d = means.width
    first = machine.float_of(d, scale.number(0, 0)) * -0.5 * gaussian.LOG_2_PI
    (constant,) = machine.repeat(0, d, lambda j, total: [total - machine.log(scale.number(0, j))], first)
    offset = row_of((d + 3) // 4 * 4)

    def component(k: Any) -> None:
        rows.put(k, d, constant - 0.5 * log_determinants.number(0, k))

        def row(i: Any) -> None:
            rows.put(k, i, means.number(k, i))

            def entry(j: Any) -> None:
                place = d + 1 + row_of(i) + column_of(j)
                rows.put(k, place, inverse_factors.number(k * d + i, j))
                rows.put(k, place + offset, covariances.number(k * d + i, j))

            machine.repeat(0, i + 1, entry)

        machine.repeat(0, d, row)

    machine.repeat(0, means.height, component)


@compact
def _maximised(
    machine: Any, statistics: Any, params: Any, constants: Any, layout: Any, rows: Any, scratch: Any, flags: Any
) -> None:
    """`_m_step`."""
    d, n_components = layout.number(0, 0), layout.number(0, 1)
    n_entries, place = n_components * d * d, n_components * d
    means = scratch.cut(0, (n_components, d))
    covariances, inverse = (scratch.cut(place + i * n_entries, (n_components * d, d)) for i in (0, 1))
    place = place + 2 * n_entries
    work, least = scratch.cut(place, (d, d)), scratch.cut(place + d * d, (d,))
    log_determinants = scratch.cut(place + d * d + d, (n_components,))
    floor, ridge, scale = (constants.cut(i * d, (d,)) for i in (0, 1, 2))
    starving, healthy = (flags.cut(i * n_components, (n_components,)) for i in (0, 1))
    _moments_of(machine, statistics, params, ridge, starving, means, covariances)
    machine.repeat(0, n_entries, lambda i: inverse.put(0, i, machine.zero(inverse)))
    machine.repeat(0, n_components * rows.width, lambda i: rows.put(0, i, machine.zero(rows)))
    singular = constants.number(3, 0)
    factorise_each(machine, covariances, floor, singular, work, least, inverse, log_determinants, healthy)
    (all_are,) = machine.repeat(
        0, n_components, lambda k, found: [found & (healthy.number(0, k) != 0)], n_components > 0
    )
    flags.put(1, 0, machine.flag(all_are == 0))
    _rows_of(machine, means, covariances, inverse, log_determinants, scale, rows)


_staged_moments, _staged_rows = compact(_moments_of), compact(_rows_of)


@exact
def _moments(statistics, params, ridge, starving, means, covariances):
    _staged_moments(statistics, params, ridge, starving, means, covariances)


@exact
def _write_rows(means, covariances, inverse_factors, log_determinants, scale, rows):
    _staged_rows(means, covariances, inverse_factors, log_determinants, scale, rows)


@exact
def _m_step(statistics, params, constants, layout, rows, scratch, flags):
    """`maximise` where no matrix needs a floor. constants: floor, ridge, scale, and `singular` as in Limits, (4, d)."""
    _maximised(statistics, params, constants, layout, rows, scratch, flags)


@dataclass(frozen=True)
class GaussianFull(gaussian.GaussianFamily):
    __doc__ = gaussian.GaussianFamily.__doc__

    name: ClassVar[str] = "gaussian_full"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        gaussian.MEANS,
        Parameter("covariances", ("K", "d", "d"), COVARIANCE),
    )
    matrices: ClassVar[bool] = True
    affine: ClassVar[bool] = True

    def kernels(self) -> Kernels:
        return Kernels(log_prob, accumulate, None)

    def params_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, n_features + 1 + 32 * n_blocks(n_features)

    def statistics_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, 1 + n_features + 16 * n_blocks(n_features)

    def scratch_rows(self, n_features: int, n_components: int) -> int:
        return 2 * ((n_features + 3) // 4 * 4) + 4

    def reference(self, centres: Array) -> Array:
        n_components, d = centres.shape
        rows = np.empty(self.params_shape(d, n_components))
        rows[:, :d], rows[:, d] = centres, -0.5 * d * gaussian.LOG_2_PI
        rows[:, d + 1 :] = np.tile(blocks_of(np.eye(d)), 2)  # the factor of the identity, and the identity
        return rows

    def pack(self, parameters: Parameters, frame: Frame) -> Array:
        return self._rows(gaussian.frame_means(parameters, frame), gaussian.factor_of(parameters, frame), frame)

    def unpack(self, params: Array, frame: Frame, n_components: int) -> dict[str, Array]:
        d = len(frame.scale)
        covariances = gaussian.user_covariances(matrix_of(params[:, d + 1 + 16 * n_blocks(d) :], d), frame)
        return {"means": gaussian.user_means(params[:, :d], frame), "covariances": covariances}

    def variances(self, parameters: Parameters, n_components: int, n_features: int) -> Array:
        return gaussian.matrix_variances(parameters)

    def maximise(self, statistics: Array, params: Array, frame: Frame, limits: Limits, starving: Array) -> Maximised:
        n_components, d = len(starving), len(frame.scale)
        means, covariances = np.empty((n_components, d)), np.empty((n_components, d, d))
        statistics, ridge = np.ascontiguousarray(statistics), np.ascontiguousarray(limits.ridge)
        _moments(statistics, np.ascontiguousarray(params), ridge, starving, means, covariances)
        factor = factorise(
            covariances, limits.floor, limits.bound, limits.singular, limits.rounding, (means, params[:, :d])
        )
        rows = self._rows(means, factor, frame)
        return gaussian.spared(rows, params, starving, factor.floored, factor.collapsed)

    def m_step(self, frame: Frame, limits: Limits, n_components: int) -> MStep | None:
        d = len(frame.scale)
        if d >= BLOCKED_ORDER:
            return None
        constants = np.stack([limits.floor, limits.ridge, frame.scale, np.full(d, limits.singular)])
        return MStep(_m_step, constants, n_components * (d + 2 * d * d + 1) + d * d + d, 0)

    def moved(
        self, statistics: Array, params: Array, frame: Frame, to_params: Array, to_frame: Frame, n_components: int
    ) -> Array:
        d = len(frame.scale)
        stretch, offsets, _ = gaussian.move(params[:, :d], frame, to_params[:, :d], to_frame)
        counts, sums = statistics[:, :1], statistics[:, 1 : d + 1] * stretch
        products = matrix_of(statistics[:, d + 1 :], d) * np.outer(stretch, stretch)
        # sum r (z + b)(z + b)' = sum r z z' + (sum r z + b sum r / 2) b' + its transpose
        half = (sums + 0.5 * offsets * counts)[:, :, None] * offsets[:, None, :]
        return np.hstack([counts, sums + offsets * counts, blocks_of(products + half + half.swapaxes(1, 2))])

    def _rows(self, means: Array, factor: Factor, frame: Frame) -> Array:
        rows = np.zeros(self.params_shape(means.shape[1], len(means)))
        covariances, inverse = np.ascontiguousarray(factor.covariances), np.ascontiguousarray(factor.inverse_factors)
        scale = np.ascontiguousarray(frame.scale)
        _write_rows(np.ascontiguousarray(means), covariances, inverse, factor.log_determinants, scale, rows)
        return rows

    def sample(self, rng: np.random.Generator, parameters: Parameters, labels: Array) -> Array:
        centres, noise = gaussian.gaussian_draws(rng, np.asarray(parameters["means"]), labels)
        covariances = np.asarray(parameters["covariances"])
        for k in np.unique(labels):
            chosen = labels == k
            noise[chosen] = noise[chosen] @ gaussian.scaled_cholesky(covariances[k]).T
        return centres + noise
