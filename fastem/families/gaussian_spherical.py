"""Gaussian components, each with one variance for all features.

Row of params: mean (d) | precision | constant | variance | |mean|^2.
Row of statistics: sum r | sum r z (d) | sum r |z|^2, with z = x - mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastem._jit import inline, kernel, wide
from fastem.families import gaussian
from fastem.families.base import Array, Frame, Kernels, Limits, Maximised, Parameters, Specification
from fastem.families.squares import from_squares
from fastem.guards import raise_to_floor, some


@kernel
def log_prob(tile, params, layout, rows, out, scratch):
    """out[k, t] = constant_k - 1/2 precision_k |x_t - mean_k|^2. 3 d flops per entry.

    tile IN (d, T); params IN; out OUT (K, T); scratch unused. Nothing is checked.
    """
    d = layout[0]
    from_squares(tile, tile, d, params, 0, d + 1, d, rows, out)


# Up to this |mean|^2 / (d variance), the variance being that of the current parameters, sum r |x - mean|^2 comes from
# sum r |x|^2: 2 flops an entry instead of 5, and this many units in the last place of a tile's sum at stake.
RAW_64, RAW_32 = 256.0, 8.0


@inline
def _raw(params, k, d):
    """Whether the squares of component k are gathered about the origin."""
    return params[k, d + 3] * params[k, d] <= d * (RAW_32 if params.itemsize == 4 else RAW_64)


@kernel
def accumulate(tile, resp, params, layout, rows, out, scratch):
    """Add sum r, sum r z and sum r |z|^2, z = x - mean_k, to row k of out. 2 d flops per entry, or 5 d: see RAW_64.

    tile IN (d, T); resp IN (K, T); out INOUT float64; scratch OUT (>= 1, T). Blocked as `weighted_sums` is, which does
    not serve: its sums of one tile vanish in out, and the cross term needs them. 0.060 to 0.035 ns an entry at d = 64
    on a Zen 5.
    """
    wide()
    d = layout[0]
    size = tile.shape[1]
    blocked = d // 4 * 4
    paired = rows.size // 2 * 2
    zero = tile.dtype.type(0)
    for t in range(size):
        scratch[0, t] = zero
    for j in range(d):
        for t in range(size):
            scratch[0, t] += tile[j, t] * tile[j, t]
    for i in range(rows.size):
        k = rows[i]
        count = q = zero
        raw = _raw(params, k, d)
        for t in range(size):
            count += resp[k, t]
        out[k, 0] += count
        if raw:
            for t in range(size):
                q += resp[k, t] * scratch[0, t]
            square = 0.0  # of the mean as it is here: params[k, d + 3] is rounded on its own
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
    for i in range(0, paired, 2):
        k = rows[i]
        m = rows[i + 1]
        twice_k = 2.0 if _raw(params, k, d) else 0.0
        twice_m = 2.0 if _raw(params, m, d) else 0.0
        for j in range(0, blocked, 4):
            s0 = s1 = s2 = s3 = zero
            u0 = u1 = u2 = u3 = zero
            for t in range(size):
                r = resp[k, t]
                q = resp[m, t]
                s0 += r * tile[j, t]
                s1 += r * tile[j + 1, t]
                s2 += r * tile[j + 2, t]
                s3 += r * tile[j + 3, t]
                u0 += q * tile[j, t]
                u1 += q * tile[j + 1, t]
                u2 += q * tile[j + 2, t]
                u3 += q * tile[j + 3, t]
            out[k, 1 + j] += s0
            out[k, 2 + j] += s1
            out[k, 3 + j] += s2
            out[k, 4 + j] += s3
            out[k, 1 + d] -= twice_k * (params[k, j] * s0 + params[k, j + 1] * s1)
            out[k, 1 + d] -= twice_k * (params[k, j + 2] * s2 + params[k, j + 3] * s3)
            out[m, 1 + j] += u0
            out[m, 2 + j] += u1
            out[m, 3 + j] += u2
            out[m, 4 + j] += u3
            out[m, 1 + d] -= twice_m * (params[m, j] * u0 + params[m, j + 1] * u1)
            out[m, 1 + d] -= twice_m * (params[m, j + 2] * u2 + params[m, j + 3] * u3)
    for i in range(rows.size):
        k = rows[i]
        twice_k = 2.0 if _raw(params, k, d) else 0.0
        for j in range(blocked if i < paired else 0, d):
            s0 = zero
            for t in range(size):
                s0 += resp[k, t] * tile[j, t]
            out[k, 1 + j] += s0
            out[k, 1 + d] -= twice_k * params[k, j] * s0


@dataclass(frozen=True)
class GaussianSpherical(gaussian.GaussianFamily):
    __doc__ = gaussian.GaussianFamily.__doc__

    name: ClassVar[str] = "gaussian_spherical"
    common_scale: ClassVar[bool] = True

    def kernels(self) -> Kernels:
        return Kernels(log_prob, accumulate, None)

    def params_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, n_features + 4

    def statistics_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, n_features + 2

    def scratch_rows(self, n_features: int, n_components: int) -> int:
        return 1

    def specification(self, n_features: int, n_components: int) -> dict[str, Specification]:
        variances = Specification((n_components,), "positive")
        return {**self.mean_specification(n_features, n_components), "covariances": variances}

    def reference(self, centres: Array) -> Array:
        """Squares are gathered about the centres, whatever RAW_64 says: the unit variances here are nobody's."""
        rows = super().reference(centres)
        rows[:, -1] = np.inf
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
        d, anyone = len(frame.scale), some(starving)
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
        rows = np.empty((len(means), means.shape[1] + 4))
        rows[:, :-4], rows[:, -4], rows[:, -3], rows[:, -2] = means, 1.0 / variances, constant, variances
        rows[:, -1] = (means * means).sum(axis=1)
        return rows

    def n_parameters(self, n_features: int, n_components: int) -> int:
        return n_components * (n_features + 1)

    def sample(self, rng: np.random.Generator, parameters: Parameters, labels: Array) -> Array:
        centres, noise = gaussian.gaussian_draws(rng, np.asarray(parameters["means"]), labels)
        return centres + noise * np.sqrt(np.asarray(parameters["covariances"]))[labels, None]
