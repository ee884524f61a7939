"""Gaussian components that share one diagonal covariance matrix: rows as in gaussian.TiedSquares."""

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
class GaussianTiedDiag(gaussian.TiedSquares):
    __doc__ = gaussian.GaussianFamily.__doc__

    name: ClassVar[str] = "gaussian_tied_diag"
    parameters: ClassVar[tuple[Parameter, ...]] = (gaussian.MEANS, Parameter("covariances", ("d",), VARIANCE))

    def pack(self, parameters: Parameters, frame: Frame) -> Array:
        variances = np.asarray(parameters["covariances"]) / frame.scale / frame.scale
        return pooled.tied_rows(gaussian.frame_means(parameters, frame), variances, frame)

    def unpack(self, params: Array, frame: Frame, n_components: int) -> dict[str, Array]:
        d = len(frame.scale)
        variances = params[n_components, d : 2 * d] * frame.scale * frame.scale
        return {"means": gaussian.user_means(params[:n_components, :d], frame), "covariances": variances}

    def variances(self, parameters: Parameters, n_components: int, n_features: int) -> Array:
        return np.broadcast_to(np.asarray(parameters["covariances"]), (n_components, n_features))

    def maximise(self, statistics: Array, params: Array, frame: Frame, limits: Limits, starving: Array) -> Maximised:
        means, mean_squares, squares = pooled.tied_moments(statistics, params, starving)
        variances, floored, collapsed = raise_to_floor(
            mean_squares + limits.ridge, limits.floor, limits.bound, limits.rounding, squares
        )
        rows = pooled.tied_rows(means, variances, frame)
        return Maximised(rows, starving, for_each(floored, starving.shape), for_each(collapsed, starving.shape))

    def m_step(self, frame: Frame, limits: Limits, n_components: int) -> MStep | None:
        return pooled.m_step(frame, limits, n_components, one_variance=False)
