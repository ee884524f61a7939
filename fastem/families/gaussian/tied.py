"""Gaussian components that share one full covariance matrix.

Row of params: mean (d) | whitened mean W mean (d) | constant. Shared rows: W in blocks | covariance in blocks. Rows are
padded to a multiple of 16, so that no block lies across two of them.
Row of statistics: sum r | sum r x (d). Shared rows: sum w e e' in blocks | R in blocks, with e_t = x_t - sum_k r_tk
mean_k the residual from the posterior mean and R_kl = sum_t w_t r_tk r_tl.

The pooled scatter sum_tk r_tk (x_t - mean_k)(x_t - mean_k)' is sum w e e' + sum_{k<l} R_kl (mean_k - mean_l)(...)'.
That takes d^2 + 2 K d + K^2 flops per sample instead of K d^2. Unlike the total scatter less the scatter of the means,
it loses no digits when components are far apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastem.compiled.arrays import for_each, some
from fastem.compiled.factors import Factor, factorise
from fastem.compiled.jit import kernel
from fastem.compiled.lanes import staged
from fastem.compiled.squares import from_squares, sum_products
from fastem.compiled.triangular import (
    blocks_of,
    matrix_of,
    n_blocks,
    outer_products,
    padded,
    whitened,
)
from fastem.families.base import Frame, Limits, Maximised
from fastem.families.gaussian import shared as gaussian
from fastem.families.gaussian import tied_step
from fastem.families.kernels import Kernels, MStep
from fastem.families.parameters import COVARIANCE, Array, Parameter, Parameters


@staged
def _log_densities(machine: Any, tile: Any, params: Any, layout: Any, rows: Any, out: Any, scratch: Any) -> None:
    """`log_prob`."""
    d, n_components = layout.number(0, 0), layout.number(0, 1)
    first = (d + 3) // 4 * 4
    white = scratch.cut(first * scratch.width, (scratch.height - first, scratch.width))
    whitened(machine, tile, params, n_components, d, scratch, white)
    from_squares(machine, tile, white, d, params, d, 2 * d, None, rows, out)


@kernel
def log_prob(tile, params, layout, rows, out, latent, scratch):
    """out[k, t] = constant_k - 1/2 |W x_t - W mean_k|^2; x is whitened once. d(d+1) + 3 K d flops a sample.

    tile IN (d, T); params IN; out OUT (K, T); scratch OUT (>= 2 ceil4(d), T). Nothing is checked.
    """
    _log_densities(tile, params, layout, rows, out, scratch)


def _residuals(machine: Any, tile: Any, resp: Any, params: Any, d: Any, residual: Any, share: Any) -> None:
    """share_k = root r_k = resp_k / root and residual = root (x - sum_k r_k mean_k), with root = sqrt(w).

    The outer products of residual and of share with themselves are then the two pooled matrices.
    """
    n, n_components, repeat = 2 * tile.lanes, resp.height, machine.repeat
    whole = n_components // 4 * 4

    def chunk(t: Any) -> None:
        (weight,) = repeat(0, n_components, lambda k, total: [total + resp.vector(k, t, n)], machine.zeros(tile, n))
        root = machine.root(weight)

        def component(k: Any) -> None:
            share.put(k, t, machine.where(root > 0.0, resp.vector(k, t, n) / root, 0.0))

        def feature(j: Any) -> None:
            def four(k: Any, left: Any) -> list[Any]:
                first, *others = (2, 1, 3, 0)  # the order in which LLVM added them before this was written out
                total = machine.product(share.vector(k + first, t, n), params.number(k + first, j))
                for i in others:
                    total = total + params.number(k + i, j) * share.vector(k + i, t, n)
                return [left - total]

            def one(k: Any, left: Any) -> list[Any]:
                return [left - params.number(k, j) * share.vector(k, t, n)]

            (left,) = repeat(0, whole, four, machine.product(root, tile.vector(j, t, n)), step=4)
            residual.put(j, t, repeat(whole, n_components, one, left)[0])

        repeat(0, n_components, component)
        repeat(0, d, feature)

    machine.samples(tile.width, n, chunk)


@staged
def _gathered(machine: Any, tile: Any, resp: Any, params: Any, layout: Any, rows: Any, out: Any, scratch: Any) -> None:
    """`accumulate`."""
    d, n_components = layout.number(0, 0), layout.number(0, 1)
    first, strips = (d + 3) // 4 * 4, (d + 3) // 4
    share = scratch.cut(first * scratch.width, (scratch.height - first, scratch.width))
    sum_products(machine, resp, tile, d, rows, out, scratch)
    _residuals(machine, tile, resp, params, d, scratch, share)
    padded(machine, scratch, d)
    padded(machine, share, n_components)
    outer_products(machine, scratch, scratch, d, out, n_components, machine.integer(0))
    place = 16 * (strips * (strips + 1) // 2)
    outer_products(machine, share, share, n_components, out, n_components, place)


@kernel
def accumulate(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add sum r and sum r x to row k, and the two pooled matrices to the shared rows. d(d+1) + 4Kd + K(K+1) flops.

    tile IN (d, T); resp IN (K, T), times the sample weights w, which are recovered as its column sums; 0 in rows that
    are not listed; out INOUT float64; scratch OUT (>= ceil4(d) + ceil4(K) + 1, T).
    """
    _gathered(tile, resp, params, layout, rows, out, scratch)


@dataclass(frozen=True)
class GaussianTied(gaussian.GaussianFamily):
    __doc__ = gaussian.GaussianFamily.__doc__

    name: ClassVar[str] = "gaussian_tied"
    parameters: ClassVar[tuple[Parameter, ...]] = (gaussian.MEANS, Parameter("covariances", ("d", "d"), COVARIANCE))
    matrices: ClassVar[bool] = True
    affine: ClassVar[bool] = True
    pooled: ClassVar[bool] = True

    def kernels(self) -> Kernels:
        return Kernels(log_prob, accumulate, None)

    def params_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        width = (2 * n_features + 16) // 16 * 16
        return n_components - (-32 * n_blocks(n_features) // width), width

    def statistics_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        width = (n_features + 16) // 16 * 16
        return n_components - (-16 * (n_blocks(n_features) + n_blocks(n_components)) // width), width

    def scratch_rows(self, n_features: int, n_components: int) -> int:
        return 2 * ((n_features + 3) // 4 * 4) + (n_components + 3) // 4 * 4 + 1

    def pack(self, parameters: Parameters, frame: Frame) -> Array:
        return self._rows(gaussian.frame_means(parameters, frame), gaussian.factor_of(parameters, frame), frame)

    def unpack(self, params: Array, frame: Frame, n_components: int) -> dict[str, Array]:
        d = len(frame.scale)
        blocks = params[n_components:].reshape(-1)[16 * n_blocks(d) : 32 * n_blocks(d)]
        covariance = gaussian.user_covariances(matrix_of(blocks, d), frame)
        return {"means": gaussian.user_means(params[:n_components, :d], frame), "covariances": covariance}

    def variances(self, parameters: Parameters, n_components: int, n_features: int) -> Array:
        return np.broadcast_to(gaussian.matrix_variances(parameters), (n_components, n_features))

    def maximise(self, statistics: Array, params: Array, frame: Frame, limits: Limits, starving: Array) -> Maximised:
        d, n_components = len(frame.scale), starving.shape[-1]
        if tied_step.in_order(n_components, d):
            return self._maximised(statistics, params, frame, limits, starving)
        means, counts = params[..., :n_components, :d], statistics[..., :n_components, 0]
        pooled = statistics[..., n_components:, :].reshape(*starving.shape[:-1], -1)
        first, size = 16 * n_blocks(d), 16 * n_blocks(n_components)
        scatter = matrix_of(pooled[..., :first], d)
        overlap = matrix_of(pooled[..., first : first + size], n_components)
        # sum_{k<l} R_kl (mean_k - mean_l)(mean_k - mean_l)' = sum_k mean_k (sum_l R_kl (mean_k - mean_l))'.
        pull = overlap.sum(axis=-1)[..., None] * means - overlap @ means
        between = (means - means[..., :1, :]).swapaxes(-1, -2) @ pull
        scatter += 0.5 * (between + between.swapaxes(-1, -2))
        if some(starving):
            divisors = np.where(starving, 1.0, counts)[..., None]
            moved = statistics[..., :n_components, 1 : d + 1] / divisors - means
            shift = np.where(starving[..., None], 0.0, moved)
        else:
            shift = statistics[..., :n_components, 1 : d + 1] / counts[..., None] - means
        shifted = (counts[..., None] * shift).swapaxes(-1, -2) @ shift
        scatter -= shifted
        total = np.maximum(counts.sum(axis=-1, keepdims=True), gaussian.TINY)
        scatter /= total[..., None]
        scatter.reshape(-1, d * d)[:, :: d + 1] += limits.ridge
        spread = np.sqrt(shifted.reshape(-1, d * d)[:, :: d + 1] / total.reshape(-1, 1))
        factor = factorise(
            scatter.reshape(-1, d, d), limits.floor, limits.bound, limits.singular, limits.rounding, (spread, 0.0)
        )
        rows = self._rows(means + shift, factor, frame)
        starts = starving.shape[:-1]
        floored, collapsed = factor.floored.reshape(starts), factor.collapsed.reshape(starts)
        return Maximised(rows, starving, for_each(floored, starving.shape), for_each(collapsed, starving.shape))

    def _maximised(self, statistics: Array, params: Array, frame: Frame, limits: Limits, starving: Array) -> Maximised:
        """`maximise`, start by start, of small mixtures."""
        n_components, d = starving.shape[-1], len(frame.scale)
        nobody, most = starving.reshape(-1, n_components), max(n_components, d)
        n = len(nobody)
        means, scatter, spread = np.empty((n, n_components, d)), np.empty((n, d, d)), np.empty((n, most))
        each = zip(
            statistics.reshape(n, *statistics.shape[-2:]), params.reshape(n, *params.shape[-2:]), nobody, strict=True
        )
        work = np.empty((3, most, most))
        for g, (sums, rows, starved) in enumerate(each):
            tied_step.moments(sums, rows, limits.ridge, starved, means[g], scatter[g], spread[g], work)
        found = factorise(scatter, limits.floor, limits.bound, limits.singular, limits.rounding, (spread[:, :d], 0.0))
        new, log_scales = np.empty((n, *params.shape[-2:])), np.log(frame.scale).sum()
        for g in range(n):
            parts = found.covariances[g], found.inverse_factors[g], float(found.log_determinants[g])
            tied_step.write_rows(means[g], *parts, log_scales, new[g])
        starts = starving.shape[:-1]
        held = (for_each(each.reshape(starts), starving.shape) for each in (found.floored, found.collapsed))
        return Maximised(new.reshape(params.shape), starving, *held)

    def m_step(self, frame: Frame, limits: Limits, n_components: int) -> MStep | None:
        d = len(frame.scale)
        if not tied_step.in_order(n_components, d):
            return None
        numbers = np.full(d, np.log(frame.scale).sum()), np.full(d, limits.singular)
        most = max(n_components, d)
        n_scratch = n_components * d + 3 * most * most + 2 * d * d + most + 1
        return MStep(tied_step.m_step, np.stack([limits.floor, limits.ridge, *numbers]), n_scratch, 0)

    def moved(
        self, statistics: Array, params: Array, frame: Frame, to_params: Array, to_frame: Frame, n_components: int
    ) -> Array:
        d, result = len(frame.scale), statistics.copy()
        means = params[:n_components, :d]
        stretch, offsets, origin = gaussian.move(means, frame, to_params[:n_components, :d], to_frame)
        counts, sums = statistics[:n_components, :1], statistics[:n_components, 1 : d + 1]
        result[:n_components, 1 : d + 1] = sums * stretch + origin * counts
        pooled, first, size = result[n_components:].reshape(-1), 16 * n_blocks(d), 16 * n_blocks(n_components)
        overlap = matrix_of(pooled[first : first + size], n_components)
        # With residuals e, e' = stretch e + sum_k r_k offset_k, and sum w r_k e = sum r_k x - sum_l R_kl mean_l.
        half = ((sums - overlap @ means) * stretch + 0.5 * overlap @ offsets).T @ offsets
        pooled[:first] = blocks_of(matrix_of(pooled[:first], d) * np.outer(stretch, stretch) + half + half.T)
        return result

    def _rows(self, means: Array, factor: Factor, frame: Frame) -> Array:
        """Parameter matrices (..., rows, width) from means (..., K, d) and as many factors as there are starts."""
        *starts, n_components, d = means.shape
        inverse = factor.inverse_factors.reshape(*starts, d, d)
        constants = gaussian.log_constant(factor.log_determinants, frame).reshape(*starts, 1)
        params = np.zeros((*starts, *self.params_shape(d, n_components)))
        params[..., :n_components, :d] = means
        params[..., :n_components, d : 2 * d] = means @ inverse.swapaxes(-1, -2)
        params[..., :n_components, 2 * d] = constants
        flat, first, size = params.reshape(*starts, -1), n_components * params.shape[-1], 16 * n_blocks(d)
        flat[..., first : first + size] = blocks_of(inverse)
        flat[..., first + size : first + 2 * size] = blocks_of(factor.covariances.reshape(*starts, d, d))
        return params

    def sample(self, rng: np.random.Generator, parameters: Parameters, labels: Array) -> Array:
        centres, noise = gaussian.gaussian_draws(rng, np.asarray(parameters["means"]), labels)
        return centres + noise @ gaussian.scaled_cholesky(np.asarray(parameters["covariances"])).T
