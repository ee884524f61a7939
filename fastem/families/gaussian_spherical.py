"""Gaussian components, each with one variance for all features.

Row of params: mean (d) | precision | constant | variance. Row of statistics: sum r | sum r z (d) | sum r |z|^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastem._jit import kernel, wide
from fastem.families import gaussian
from fastem.families.base import Array, Frame, Kernels, Limits, Maximised, Parameters, Specification
from fastem.families.squares import squared_distances
from fastem.guards import raise_to_floor


@kernel
def log_prob(tile, params, layout, rows, out, scratch):
    """out[k, t] = constant_k - 1/2 precision_k |x_t - mean_k|^2. 3 d flops per entry.

    tile IN (d, T); params IN; out OUT (K, T); scratch unused. Nothing is checked.
    """
    wide()
    d = layout[0]
    squared_distances(tile, d, params, 0, rows, out)
    for i in range(rows.size):
        k = rows[i]
        slope, constant = tile.dtype.type(0.5) * params[k, d], params[k, d + 1]
        for t in range(tile.shape[1]):
            out[k, t] = constant - slope * out[k, t]


@kernel
def accumulate(tile, resp, params, layout, rows, out, scratch):
    """Add sum r, sum r z and sum r |z|^2, z = x - mean_k, to row k of out. 5 d flops per entry.

    tile IN (d, T); resp IN (K, T); out INOUT float64; scratch unused.
    """
    wide()
    d = layout[0]
    size = tile.shape[1]
    whole = d // 4 * 4
    zero = tile.dtype.type(0)
    for i in range(rows.size):
        k = rows[i]
        total = zero
        for t in range(size):
            total += resp[k, t]
        out[k, 0] += total
        for j in range(0, whole, 4):
            m0 = params[k, j]
            m1 = params[k, j + 1]
            m2 = params[k, j + 2]
            m3 = params[k, j + 3]
            s0 = s1 = s2 = s3 = q = zero
            for t in range(size):
                r = resp[k, t]
                z0 = tile[j, t] - m0
                z1 = tile[j + 1, t] - m1
                z2 = tile[j + 2, t] - m2
                z3 = tile[j + 3, t] - m3
                s0 += r * z0
                s1 += r * z1
                s2 += r * z2
                s3 += r * z3
                q += r * (z0 * z0 + z1 * z1 + z2 * z2 + z3 * z3)
            out[k, 1 + j] += s0
            out[k, 2 + j] += s1
            out[k, 3 + j] += s2
            out[k, 4 + j] += s3
            out[k, 1 + d] += q
        for j in range(whole, d):
            m0 = params[k, j]
            s0 = q = zero
            for t in range(size):
                z0 = tile[j, t] - m0
                s0 += resp[k, t] * z0
                q += resp[k, t] * z0 * z0
            out[k, 1 + j] += s0
            out[k, 1 + d] += q


@dataclass(frozen=True)
class GaussianSpherical(gaussian.GaussianFamily):
    __doc__ = gaussian.GaussianFamily.__doc__

    name: ClassVar[str] = "gaussian_spherical"
    common_scale: ClassVar[bool] = True

    def kernels(self) -> Kernels:
        return Kernels(log_prob, accumulate, None)

    def params_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, n_features + 3

    def statistics_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, n_features + 2

    def scratch_rows(self, n_features: int, n_components: int) -> int:
        return 0

    def specification(self, n_features: int, n_components: int) -> dict[str, Specification]:
        variances = Specification((n_components,), "positive")
        return {**self.mean_specification(n_features, n_components), "covariances": variances}

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
        d, anyone = len(frame.scale), starving.any()
        counts = statistics[:, 0] if not anyone else np.where(starving, 1.0, statistics[:, 0])
        shift = statistics[:, 1 : d + 1] / counts[:, None]
        mean_squares = (statistics[:, d + 1] / counts - (shift * shift).sum(axis=1)) / d + limits.ridge.sum() / d
        variances, floored = raise_to_floor(mean_squares[:, None], limits.floor[:1])
        # A starving component's statistics are next to nothing, and may leave no variance to take a logarithm of.
        rows = self._rows(params[:, :d] + shift, np.where(starving, 1.0, variances[:, 0]), frame)
        if anyone:
            rows[starving] = params[starving]
        return Maximised(rows, starving, floored & ~starving)

    def _rows(self, means: Array, variances: Array, frame: Frame) -> Array:
        constant = gaussian.log_constant(len(frame.scale) * np.log(variances), frame)
        rows = np.empty((len(means), means.shape[1] + 3))
        rows[:, :-3], rows[:, -3], rows[:, -2], rows[:, -1] = means, 1.0 / variances, constant, variances
        return rows

    def n_parameters(self, n_features: int, n_components: int) -> int:
        return n_components * (n_features + 1)

    def sample(self, rng: np.random.Generator, parameters: Parameters, labels: Array) -> Array:
        centres, noise = gaussian.gaussian_draws(rng, np.asarray(parameters["means"]), labels)
        return centres + noise * np.sqrt(np.asarray(parameters["covariances"]))[labels, None]
