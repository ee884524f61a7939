"""Gaussian components that share one variance, the same for all features: rows as in gaussian.TiedSquares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastem.compiled.arrays import for_each
from fastem.compiled.factors import raise_to_floor
from fastem.families.base import Frame, Limits, Maximised
from fastem.families.gaussian import pooled
from fastem.families.gaussian import shared as gaussian
from fastem.families.kernels import MStep
from fastem.families.parameters import VARIANCE, Array, Parameter, Parameters


@dataclass(frozen=True)
class GaussianTiedSpherical(gaussian.TiedSquares):
    __doc__ = gaussian.GaussianFamily.__doc__

    name: ClassVar[str] = "gaussian_tied_spherical"
    parameters: ClassVar[tuple[Parameter, ...]] = (gaussian.MEANS, Parameter("covariances", (), VARIANCE))
    common_scale: ClassVar[bool] = True

    def pack(self, parameters: Parameters, frame: Frame) -> Array:
        variance = np.asarray(parameters["covariances"]) / frame.scale[0] / frame.scale[0]
        means = gaussian.frame_means(parameters, frame)
        return pooled.tied_rows(means, np.full(len(frame.scale), variance), frame)

    def unpack(self, params: Array, frame: Frame, n_components: int) -> dict[str, Array]:
        d = len(frame.scale)
        variance = np.asarray(params[n_components, d] * frame.scale[0] * frame.scale[0])
        return {"means": gaussian.user_means(params[:n_components, :d], frame), "covariances": variance}

    def variances(self, parameters: Parameters, n_components: int, n_features: int) -> Array:
        return np.full((n_components, n_features), np.asarray(parameters["covariances"]))

    def maximise(self, statistics: Array, params: Array, frame: Frame, limits: Limits, starving: Array) -> Maximised:
        means, mean_squares, squares = pooled.tied_moments(statistics, params, starving)
        mean_square = (mean_squares.sum(axis=-1, keepdims=True) + limits.ridge.sum()) / mean_squares.shape[-1]
        moved = squares.mean(axis=-1, keepdims=True)
        variances, floored, collapsed = raise_to_floor(
            np.broadcast_to(mean_square, mean_squares.shape), limits.floor, limits.bound, limits.rounding, moved
        )
        rows = pooled.tied_rows(means, variances, frame)
        return Maximised(rows, starving, for_each(floored, starving.shape), for_each(collapsed, starving.shape))

    def m_step(self, frame: Frame, limits: Limits, n_components: int) -> MStep | None:
        return pooled.m_step(frame, limits, n_components, one_variance=True)
