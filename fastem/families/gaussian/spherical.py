"""Gaussian components, each with one variance for all features.

Row of params: mean (d) | precision | constant | variance | |mean|^2 | precision mean (d).
Row of statistics: sum r | sum r z (d) | sum r |z|^2, with z = x - mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastem.compiled.arrays import some
from fastem.compiled.factors import raise_to_floor
from fastem.compiled.jit import inline, kernel, wide
from fastem.compiled.lanes import fetching, staged
from fastem.compiled.numpys import LONGEST
from fastem.compiled.squares import GROUP, from_squares, sums_of_16
from fastem.families.base import Frame, Limits, Maximised
from fastem.families.gaussian import shared as gaussian
from fastem.families.gaussian import spherical_step
from fastem.families.kernels import Kernels, MStep
from fastem.families.parameters import VARIANCE, Array, Parameter, Parameters

# If |mean|^2 / (d variance) of the current parameters is at most this, |x - mean|^2 is computed from |x|^2, which all
# components share. That takes 2 flops per entry instead of 3, and 2 instead of 5 for the sums. It costs this many units
# in the last place of a log density of the size of d, or of a tile's sum.
RAW_64, RAW_32 = 256.0, 8.0


def _is_raw(machine: Any, params: Any, k: Any, d: Any) -> Any:
    """Whether the squares of component k are taken about the origin."""
    product = params.number(k, d + 3) * params.number(k, d)
    most = machine.float_of(d, machine.double(product)) * (RAW_32 if machine.is_single(product) else RAW_64)
    return machine.double(product) <= most


def _squares(machine: Any, tile: Any, d: Any, out: Any) -> None:
    """out[0, t] = |x_t|^2."""
    n = 2 * tile.lanes

    def feature(j: Any) -> None:
        def chunk(t: Any) -> None:
            x = tile.vector(j, t, n)
            out.put(0, t, out.vector(0, t, n) + x * x)

        machine.samples(tile.width, n, chunk)

    machine.repeat(0, tile.width, lambda t: out.put(0, t, machine.zero(out)))
    machine.repeat(0, d, feature)


def _add_products(machine: Any, tile: Any, params: Any, four: Any, d: Any, j: Any, out: Any, sweep: Any) -> None:
    """Add precision_k mean_k' x_t of a group of features to out[k, t] for four components. sweep: as in `fetching`."""
    n, fetch = 2 * tile.lanes, fetching(machine, tile, sweep)

    def chunk(t: Any) -> None:
        def one(j: Any, *totals: Any) -> list[Any]:
            x = tile.vector(j, t, n)
            return [total + params.number(k, d + 4 + j) * x for k, total in zip(four, totals, strict=True)]

        for k, total in zip(
            four,
            machine.repeat(j, machine.at_most(j + GROUP, d), one, *(out.vector(k, t, n) for k in four)),
            strict=True,
        ):
            out.put(k, t, total)
        fetch(t)

    machine.samples(tile.width, n, chunk)


@staged
def _log_densities(machine: Any, tile: Any, params: Any, layout: Any, rows: Any, out: Any, scratch: Any) -> None:
    """`log_prob`."""
    d, when, repeat = layout.number(0, 0), machine.when, machine.repeat
    n, n_fours, n_groups = 2 * tile.lanes, rows.width // 4, (d + (GROUP - 1)) // GROUP
    few = d < 4
    step = machine.choose(few, rows.width, 4)

    def raw(i: Any, four: list[Any]) -> None:
        """Four components, from the squares that all share."""
        for k in four:
            constant, slope, length = params.number(k, d + 1), 0.5 * params.number(k, d), params.number(k, d + 3)

            def chunk(t: Any, k: Any = k, constant: Any = constant, slope: Any = slope, length: Any = length) -> None:
                out.put(k, t, constant - slope * (scratch.vector(0, t, n) + length))

            machine.samples(tile.width, n, chunk)

        def products(group: Any) -> None:
            sweep = i // 4 * n_groups + group, n_fours * n_groups
            _add_products(machine, tile, params, four, d, GROUP * group, out, sweep)

        repeat(0, n_groups, products)

    def some(first: Any) -> list[Any]:
        """Four components, or all of them where there are few features."""
        count = machine.at_most(step, rows.width - first)
        four = [rows.number(0, machine.at_most(first + a, rows.width - 1)) for a in range(4)]
        is_raw = (count == 4) & (few == 0)
        for k in four:
            is_raw = is_raw & _is_raw(machine, params, k, d)

        def apart() -> None:
            from_squares(machine, tile, tile, d, params, 0, d + 1, d, rows.cut(first, (count,)), out)

        when(is_raw, lambda: raw(first, four))
        when(is_raw == 0, apart)
        return [first + count >= rows.width, first + count]

    when(few == 0, lambda: _squares(machine, tile, d, scratch))
    machine.until(some, machine.integer(0))


@kernel
def log_prob(tile, params, layout, rows, out, latent, scratch):
    """out[k, t] = constant_k - 1/2 precision_k |x_t - mean_k|^2. 2 d flops per entry, or 3 d: see RAW_64.

    tile IN (d, T); params IN; out OUT (K, T); scratch OUT (>= 1, T). Nothing is checked. Four components and four
    features at a time take 0.020 ns per entry at d = 64 on a Zen 5 and 0.030 at d = 4; otherwise 0.038 and 0.043.
    """
    _log_densities(tile, params, layout, rows, out, scratch)


_staged_squares = staged(_squares)


@inline
def _raw(params, k, d):
    """Whether the squares of component k are taken about the origin."""
    return params[k, d + 3] * params[k, d] <= d * (RAW_32 if params.itemsize == 4 else RAW_64)


_sums_of_16 = staged(sums_of_16)


@kernel
def accumulate(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add sum r, sum r z and sum r |z|^2, z = x - mean_k, to row k of out. 2 d flops per entry, or 5 d: see RAW_64.

    tile IN (d, T); resp IN (K, T); out INOUT float64; scratch OUT (>= 1, T). `weighted_sums` cannot be used, because it
    adds the sums of a tile to out, and the cross term needs them by themselves.
    """
    wide()
    d = layout[0]
    size = tile.shape[1]
    last, end = rows.size - 1, d - 1
    zero = tile.dtype.type(0)
    _staged_squares(tile, d, scratch)
    for i in range(rows.size):
        k = rows[i]
        count = q = zero
        for t in range(size):
            count += resp[k, t]
        out[k, 0] += count
        if _raw(params, k, d):
            for t in range(size):
                q += resp[k, t] * scratch[0, t]
            square = 0.0  # of the mean as it is rounded here; params[k, d + 3] was rounded separately
            for j in range(d):
                square += np.float64(params[k, j]) * np.float64(params[k, j])
            out[k, 1 + d] += q + square * count
        else:
            for j in range(d):
                mean = params[k, j]
                q = zero
                for t in range(size):
                    z = tile[j, t] - mean
                    q += resp[k, t] * z * z
                out[k, 1 + d] += q
        for j in range(d):
            out[k, 1 + j] -= np.float64(params[k, j]) * count
    for i in range(0, rows.size, 4):
        four = rows[i], rows[min(i + 1, last)], rows[min(i + 2, last)], rows[min(i + 3, last)]
        for j in range(0, d, 4):
            _sums_of_16(resp, tile, four, (j, min(j + 1, end), min(j + 2, end), min(j + 3, end)), scratch)
            for a in range(min(4, rows.size - i)):
                k = rows[i + a]
                twice = 2.0 if _raw(params, k, d) else 0.0
                cross = 0.0
                for b in range(min(4, d - j)):
                    out[k, 1 + j + b] += scratch[0, 4 * a + b]
                    cross += params[k, j + b] * scratch[0, 4 * a + b]
                out[k, 1 + d] -= twice * cross


@dataclass(frozen=True)
class GaussianSpherical(gaussian.GaussianFamily):
    __doc__ = gaussian.GaussianFamily.__doc__

    name: ClassVar[str] = "gaussian_spherical"
    parameters: ClassVar[tuple[Parameter, ...]] = (gaussian.MEANS, Parameter("covariances", ("K",), VARIANCE))
    common_scale: ClassVar[bool] = True

    def kernels(self) -> Kernels:
        return Kernels(log_prob, accumulate, None)

    def params_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, 2 * n_features + 4

    def statistics_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, n_features + 2

    def scratch_rows(self, n_features: int, n_components: int) -> int:
        return 1

    def reference(self, centres: Array) -> Array:
        """Squares are gathered about the centres. RAW_64 must not decide: unit variances are only placeholders here."""
        rows = super().reference(centres)
        rows[:, centres.shape[1] + 3] = np.inf
        return rows

    def pack(self, parameters: Parameters, frame: Frame) -> Array:
        variances = np.asarray(parameters["covariances"]) / frame.scale[0] / frame.scale[0]
        return self._rows(gaussian.frame_means(parameters, frame), variances, frame)

    def unpack(self, params: Array, frame: Frame, n_components: int) -> dict[str, Array]:
        d = len(frame.scale)
        variances = params[:, d + 2] * frame.scale[0] * frame.scale[0]
        return {"means": gaussian.user_means(params[:, :d], frame), "covariances": variances}

    def variances(self, parameters: Parameters, n_components: int, n_features: int) -> Array:
        return np.repeat(np.asarray(parameters["covariances"])[:, None], n_features, axis=1)

    def maximise(self, statistics: Array, params: Array, frame: Frame, limits: Limits, starving: Array) -> Maximised:
        d = len(frame.scale)
        if d <= LONGEST:
            means, (mean_squares, squares) = np.empty((len(starving), d)), np.empty((2, len(starving)))
            own, ridge = (np.ascontiguousarray(statistics), np.ascontiguousarray(params)), limits.ridge.sum() / d
            spherical_step.moments(*own, ridge, starving, means, mean_squares, squares, np.empty(d))
        else:
            counts = statistics[:, 0] if not some(starving) else np.where(starving, 1.0, statistics[:, 0])
            shift = statistics[:, 1 : d + 1] / counts[:, None]
            means, squares = params[:, :d] + shift, (shift * shift).sum(axis=1)
            mean_squares = (statistics[:, d + 1] / counts - squares) / d + limits.ridge.sum() / d
        variances, floored, collapsed = raise_to_floor(
            mean_squares[:, None], limits.floor[:1], limits.bound, limits.rounding, squares[:, None] / d
        )
        # A starving component's statistics are next to nothing, and may leave no variance to take a logarithm of.
        rows = self._rows(means, np.where(starving, 1.0, variances[:, 0]), frame)
        return gaussian.spared(rows, params, starving, floored, collapsed)

    def m_step(self, frame: Frame, limits: Limits, n_components: int) -> MStep | None:
        d = len(frame.scale)
        if d > LONGEST:
            return None
        constants = np.array([[limits.floor[0], limits.ridge.sum() / d, np.log(frame.scale).sum()]])
        return MStep(spherical_step.m_step, constants, n_components * (d + 2) + d, 0)

    def moved(
        self, statistics: Array, params: Array, frame: Frame, to_params: Array, to_frame: Frame, n_components: int
    ) -> Array:
        d = len(frame.scale)
        stretch, offsets, _ = gaussian.move(params[:, :d], frame, to_params[:, :d], to_frame)
        counts, sums = statistics[:, :1], statistics[:, 1 : d + 1] * stretch
        cross = (2.0 * offsets * sums + offsets * offsets * counts).sum(axis=1, keepdims=True)
        # All features have one scale, in both frames.
        return np.hstack([counts, sums + offsets * counts, statistics[:, d + 1 :] * stretch[0] ** 2 + cross])

    def _rows(self, means: Array, variances: Array, frame: Frame) -> Array:
        n_components, d = means.shape
        rows = np.empty((n_components, 2 * d + 4))
        if d <= LONGEST and means.flags.c_contiguous and variances.flags.c_contiguous:
            # NumPy adds up others in another order.
            spherical_step.write_rows(means, variances, np.log(frame.scale).sum(), rows, np.empty(d))
            return rows
        constant = gaussian.log_constant(len(frame.scale) * np.log(variances), frame)
        rows[:, :d], rows[:, d], rows[:, d + 1], rows[:, d + 2] = means, 1.0 / variances, constant, variances
        rows[:, d + 3] = (means * means).sum(axis=1)
        np.multiply(means, rows[:, d, None], out=rows[:, d + 4 :])
        return rows

    def sample(self, rng: np.random.Generator, parameters: Parameters, labels: Array) -> Array:
        centres, noise = gaussian.gaussian_draws(rng, np.asarray(parameters["means"]), labels)
        return centres + noise * np.sqrt(np.asarray(parameters["covariances"]))[labels, None]
