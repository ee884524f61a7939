"""Gaussian components, each with its own full covariance matrix.

Row of params: mean (d) | constant | W in blocks | covariance in blocks, with W' W = C^-1, W lower triangular.
Row of statistics: sum r | sum r z (d) | sum r z z' in blocks, with z = x - mean, the current one. Raw moments would
lose all digits at an offset of 1e8 standard deviations; these err by 2e-16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastem.compiled.factors import BLOCKED_ORDER, Factor, factorise, factorise_small
from fastem.compiled.jit import exact, kernel, numbers_at, wide
from fastem.compiled.triangular import (
    block_column,
    block_row,
    blocks_of,
    deviations,
    matrix_of,
    n_blocks,
    pad,
    small_outer,
    weighted_outer,
    whitened_squares,
)
from fastem.families.base import Frame, Limits, Maximised
from fastem.families.gaussian import shared as gaussian
from fastem.families.kernels import Kernels, MStep
from fastem.families.parameters import COVARIANCE, Array, Parameter, Parameters


@kernel
def log_prob(tile, params, layout, rows, out, latent, scratch):
    """out[k, t] = constant_k - 1/2 |W_k (x_t - mean_k)|^2 (Bishop 2006, eq. 2.43). d(d+1) flops per entry.

    tile IN (d, T); params IN; out OUT (K, T); scratch OUT (>= d, T). Nothing is checked.
    """
    for i in range(rows.size):
        whitened_squares(tile, params, rows[i], layout[0], scratch, out, (i, rows.size))


@kernel
def accumulate(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add sum r, sum r z and sum r z z', z = x - mean_k, to row k of out. d(d+1) flops per entry.

    tile IN (d, T); resp IN (K, T); out INOUT float64; scratch OUT (>= 2 ceil4(d), T).
    """
    wide()
    d = layout[0]
    weighted = scratch[(d + 3) // 4 * 4 :]
    if d > 4:
        pad(scratch, d, tile.shape[1])
        pad(weighted, d, tile.shape[1])
    for k in rows:
        deviations(tile, resp, params, k, d, scratch, weighted, out)
        if d > 4:
            weighted_outer(weighted, scratch, d, out, k, 1 + d)
        else:
            small_outer(tile, resp, params, k, d, out, 1 + d)


@exact
def _moments(statistics, params, ridge, starving, means, covariances):
    """Means and covariances, ridge included, from statistics. Those of a starving component mean nothing.

    statistics IN, params IN, ridge IN (d,), starving IN (K,); means OUT (K, d); covariances OUT (K, d, d). It is
    compiled because these few operations on small arrays take five times as long in NumPy.
    """
    n_components, d = means.shape
    for k in range(n_components):
        count = 1.0 if starving[k] else statistics[k, 0]
        for i in range(d):
            means[k, i] = params[k, i] + statistics[k, 1 + i] / count
            row = d + 1 + block_row(i)
            for j in range(i + 1):
                value = statistics[k, row + block_column(j)] / count
                value -= (statistics[k, 1 + i] / count) * (statistics[k, 1 + j] / count)
                covariances[k, i, j] = value
                covariances[k, j, i] = value
            covariances[k, i, i] += ridge[i]


@exact
def _write_rows(means, covariances, inverse_factors, log_determinants, scale, rows):
    """Write rows of params, OUT and zeroed before, from their parts. The head of this file says what lies where."""
    n_components, d = means.shape
    constant = -0.5 * d * gaussian.LOG_2_PI
    for j in range(d):
        constant -= np.log(scale[j])
    offset = block_row((d + 3) // 4 * 4)
    for k in range(n_components):
        rows[k, d] = constant - 0.5 * log_determinants[k]
        for i in range(d):
            rows[k, i] = means[k, i]
            row = d + 1 + block_row(i)
            for j in range(i + 1):
                rows[k, row + block_column(j)] = inverse_factors[k, i, j]
                rows[k, row + offset + block_column(j)] = covariances[k, i, j]


@exact
def _m_step(statistics, params, constants, layout, rows, scratch, flags):
    """`maximise` where no matrix needs a floor. constants: floor, ridge, scale, and `singular` as in Limits, (4, d)."""
    d, n_components = layout[0], layout[1]
    place, square = scratch.ctypes.data, 8 * d * d
    means = numbers_at(place, (n_components, d))
    place += 8 * n_components * d
    covariances = numbers_at(place, (n_components, d, d))
    inverse = numbers_at(place + n_components * square, (n_components, d, d))
    place += 2 * n_components * square
    work = numbers_at(place, (d, d))
    least = numbers_at(place + square, d)
    log_determinants = numbers_at(place + square + 8 * d, n_components)
    floor, ridge, scale, singular = constants[0], constants[1], constants[2], constants[3, 0]
    _moments(statistics, params, ridge, flags[0], means, covariances)
    for k in range(n_components):
        for i in range(d):
            for j in range(d):
                inverse[k, i, j] = 0.0
        for j in range(rows.shape[1]):
            rows[k, j] = 0.0
    factorise_small(covariances, floor, singular, work, least, inverse, log_determinants, flags[1])
    healthy = True
    for k in range(n_components):
        healthy = healthy and flags[1, k]
    flags[1, 0] = not healthy
    _write_rows(means, covariances, inverse, log_determinants, scale, rows)


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
        _moments(statistics, params, limits.ridge, starving, means, covariances)
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
        _write_rows(means, factor.covariances, factor.inverse_factors, factor.log_determinants, frame.scale, rows)
        return rows

    def sample(self, rng: np.random.Generator, parameters: Parameters, labels: Array) -> Array:
        centres, noise = gaussian.gaussian_draws(rng, np.asarray(parameters["means"]), labels)
        covariances = np.asarray(parameters["covariances"])
        for k in np.unique(labels):
            chosen = labels == k
            noise[chosen] = noise[chosen] @ gaussian.scaled_cholesky(covariances[k]).T
        return centres + noise
