"""Gaussian components, each with its own diagonal covariance matrix.

Row of params: mean (d) | 1/sd (d) | constant | variance (d).
Row of statistics: sum r | sum r z (d) | sum r z^2 (d), with z = x - mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastem.compiled.factors import raise_to_floor
from fastem.compiled.jit import kernel, rounded
from fastem.compiled.lanes import compact, staged
from fastem.compiled.numpys import LONGEST, loop_in, total_in
from fastem.compiled.squares import GROUP, in_groups, weighted_squares
from fastem.families.base import Frame, Limits, Maximised
from fastem.families.gaussian import shared as gaussian
from fastem.families.kernels import Kernels, MStep
from fastem.families.parameters import VARIANCE, Array, Parameter, Parameters


@staged
def _log_densities(machine: Any, tile: Any, params: Any, d: Any, rows: Any, out: Any) -> None:
    """`log_prob`, of two components and a group of features at a time."""
    n, repeat = 2 * tile.lanes, machine.repeat
    n_pairs, n_groups = rows.width // 2, (d + (GROUP - 1)) // GROUP

    def coefficients(j: Any, k: Any) -> Any:
        return params.number(k, j), params.number(k, d + j)

    def deviation(x: Any, own: Any) -> Any:
        return (x - own[0]) * own[1]

    def lone(z: Any, slope: Any) -> Any:
        return (slope * z) * z

    def group_of(group: Any) -> None:
        def pair_of(i: Any) -> None:
            pair, sweep = (rows.number(0, 2 * i), rows.number(0, 2 * i + 1)), (group * n_pairs + i, n_groups * n_pairs)
            constants, slopes = [params.number(k, 2 * d) for k in pair], (0.5, 0.5)
            functions = lone, coefficients, deviation
            in_groups(machine, tile, tile, d, GROUP * group, pair, constants, slopes, *functions, out, sweep)

        repeat(0, n_pairs, pair_of)

    def left(i: Any) -> None:
        k = rows.number(0, i)

        def chunk(t: Any) -> None:
            def one(j: Any, total: Any) -> list[Any]:
                return [total - lone(deviation(tile.vector(j, t, n), coefficients(j, k)), 0.5)]

            out.put(k, t, repeat(0, d, one, machine.zeros(tile, n) + params.number(k, 2 * d))[0])

        machine.samples(tile.width, n, chunk)

    repeat(0, n_groups, group_of)
    repeat(2 * n_pairs, rows.width, left)


@kernel
def log_prob(tile, params, layout, rows, out, latent, scratch):
    """out[k, t] = constant_k - 1/2 sum_j ((x_tj - mean_kj) / sd_kj)^2. 4 d flops per entry.

    tile IN (d, T); params IN; out OUT (K, T); scratch unused. Nothing is checked.
    """
    _log_densities(tile, params, layout[0], rows, out)


@staged
def _gathered(machine: Any, tile: Any, resp: Any, params: Any, d: Any, rows: Any, out: Any) -> None:
    """`accumulate`."""
    weighted_squares(machine, tile, resp, params, d, rows, out)


@kernel
def accumulate(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add sum r, sum r z and sum r z^2, z = x - mean_k, to row k of out. 5 d flops per entry.

    tile IN (d, T); resp IN (K, T); out INOUT float64; scratch unused.
    """
    _gathered(tile, resp, params, layout[0], rows, out)


def _moments_of(
    machine: Any, statistics: Any, params: Any, ridge: Any, starving: Any, means: Any, variances: Any, squares: Any
) -> None:
    """Means, variances with the ridge, and the squares of the means' shifts, all OUT (K, d). As that of full."""
    d = means.width

    def component(k: Any) -> None:
        count = machine.where(starving.number(0, k) == 0, statistics.number(k, 0), 1.0)

        def feature(j: Any) -> None:
            shift = statistics.number(k, 1 + j) / count
            square = machine.product(shift, shift)
            means.put(k, j, params.number(k, j) + shift)
            squares.put(k, j, square)
            variances.put(k, j, statistics.number(k, 1 + d + j) / count - square + ridge.number(0, j))

        machine.repeat(0, d, feature)

    machine.repeat(0, means.height, component)


def _rows_of(machine: Any, means: Any, variances: Any, log_scales: Any, rows: Any, scratch: Any) -> None:
    """Rows of params, OUT, from their parts. log_scales: the sum of the logs of the frame's scales; scratch (d,)."""
    d = means.width
    constant = machine.product(machine.float_of(d, log_scales), gaussian.LOG_2_PI)

    def component(k: Any) -> None:
        def feature(j: Any) -> None:
            variance = variances.number(k, j)
            rows.put(k, j, means.number(k, j))
            rows.put(k, d + j, 1.0 / machine.root(variance))
            rows.put(k, 2 * d + 1 + j, variance)
            scratch.put(0, j, variance)

        machine.repeat(0, d, feature)
        loop_in(machine, np.log, scratch, scratch)
        rows.put(k, 2 * d, machine.product(constant + total_in(machine, scratch), -0.5) - log_scales)

    machine.repeat(0, means.height, component)


@compact
def _maximised(
    machine: Any, statistics: Any, params: Any, constants: Any, layout: Any, rows: Any, scratch: Any, flags: Any
) -> None:
    """`_m_step`."""
    d, n_components = layout.number(0, 0), layout.number(0, 1)
    size, shape = n_components * d, (n_components, d)
    means, variances, squares = (scratch.cut(i * size, shape) for i in range(3))
    floor, ridge = constants.cut(0, (d,)), constants.cut(d, (d,))
    _moments_of(machine, statistics, params, ridge, flags.cut(0, (n_components,)), means, variances, squares)

    def healthy(i: Any, all_are: Any) -> list[Any]:
        return [all_are & (variances.number(0, i) >= floor.number(0, i % d))]

    (all_are,) = machine.repeat(0, size, healthy, n_components > 0)
    flags.put(1, 0, machine.flag(all_are == 0))
    _rows_of(machine, means, variances, constants.number(2, 0), rows, scratch.cut(3 * size, (d,)))


_staged_moments, _staged_rows = compact(_moments_of), compact(_rows_of)


@rounded
def _moments(statistics, params, ridge, starving, means, variances, squares):
    _staged_moments(statistics, params, ridge, starving, means, variances, squares)


@rounded
def _write_rows(means, variances, log_scales, rows, scratch):
    _staged_rows(means, variances, log_scales, rows, scratch)


@rounded
def _m_step(statistics, params, constants, layout, rows, scratch, flags):
    """`maximise` where no variance is below its floor. constants: floor, ridge, and the sum of log scales, (3, d)."""
    _maximised(statistics, params, constants, layout, rows, scratch, flags)


@dataclass(frozen=True)
class GaussianDiag(gaussian.GaussianFamily):
    __doc__ = gaussian.GaussianFamily.__doc__

    name: ClassVar[str] = "gaussian_diag"
    parameters: ClassVar[tuple[Parameter, ...]] = (gaussian.MEANS, Parameter("covariances", ("K", "d"), VARIANCE))

    def kernels(self) -> Kernels:
        return Kernels(log_prob, accumulate, None)

    def params_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, 3 * n_features + 1

    def statistics_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, 1 + 2 * n_features

    def scratch_rows(self, n_features: int, n_components: int) -> int:
        return 0

    def pack(self, parameters: Parameters, frame: Frame) -> Array:
        variances = np.asarray(parameters["covariances"]) / frame.scale / frame.scale
        return self._rows(gaussian.frame_means(parameters, frame), variances, frame)

    def unpack(self, params: Array, frame: Frame, n_components: int) -> dict[str, Array]:
        d = len(frame.scale)
        variances = params[:, 2 * d + 1 :] * frame.scale * frame.scale
        return {"means": gaussian.user_means(params[:, :d], frame), "covariances": variances}

    def variances(self, parameters: Parameters, n_components: int, n_features: int) -> Array:
        return np.asarray(parameters["covariances"])

    def maximise(self, statistics: Array, params: Array, frame: Frame, limits: Limits, starving: Array) -> Maximised:
        means, mean_squares, squares = np.empty((3, len(starving), len(frame.scale)))
        statistics, ridge = np.ascontiguousarray(statistics), np.ascontiguousarray(limits.ridge)
        _moments(statistics, np.ascontiguousarray(params), ridge, starving, means, mean_squares, squares)
        variances, floored, collapsed = raise_to_floor(
            mean_squares, limits.floor, limits.bound, limits.rounding, squares
        )
        rows = self._rows(means, variances, frame)
        return gaussian.spared(rows, params, starving, floored, collapsed)

    def m_step(self, frame: Frame, limits: Limits, n_components: int) -> MStep | None:
        d = len(frame.scale)
        if d > LONGEST:
            return None
        constants = np.stack([limits.floor, limits.ridge, np.full(d, np.log(frame.scale).sum())])
        return MStep(_m_step, constants, (3 * n_components + 1) * d, 0)

    def moved(
        self, statistics: Array, params: Array, frame: Frame, to_params: Array, to_frame: Frame, n_components: int
    ) -> Array:
        d = len(frame.scale)
        stretch, offsets, _ = gaussian.move(params[:, :d], frame, to_params[:, :d], to_frame)
        counts, sums = statistics[:, :1], statistics[:, 1 : d + 1] * stretch
        squares = statistics[:, d + 1 :] * stretch * stretch + 2.0 * offsets * sums + offsets * offsets * counts
        return np.hstack([counts, sums + offsets * counts, squares])

    def _rows(self, means: Array, variances: Array, frame: Frame) -> Array:
        d = means.shape[1]
        rows = np.empty((len(means), 3 * d + 1))
        if d <= LONGEST and means.flags.c_contiguous and variances.flags.c_contiguous:
            # NumPy adds up others in another order.
            _write_rows(means, variances, np.log(frame.scale).sum(), rows, np.empty(d))
            return rows
        rows[:, :d] = means
        np.divide(1.0, np.sqrt(variances), out=rows[:, d : 2 * d])
        rows[:, 2 * d] = gaussian.log_constant(np.log(variances).sum(axis=1), frame)
        rows[:, 2 * d + 1 :] = variances
        return rows

    def sample(self, rng: np.random.Generator, parameters: Parameters, labels: Array) -> Array:
        centres, noise = gaussian.gaussian_draws(rng, np.asarray(parameters["means"]), labels)
        return centres + noise * np.sqrt(np.asarray(parameters["covariances"]))[labels]
