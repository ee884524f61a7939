"""The coordinates of a mixture, and its rows and limits in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastem.families.base import Array, Columns, Family, Frame, Limits
from fastem.model.result import Result


def mixture_frame(mixture: Result) -> Frame:
    """Coordinates that depend on a mixture alone, centred and scaled by its own moments."""
    return mixture.family.frame(*mixture_moments(mixture))


def mixture_moments(mixture: Result) -> tuple[Array, Array]:
    """The mean and the standard deviation of each feature under a mixture, (n_features,)."""
    means, variances = mixture.family.moments(mixture.parameters)
    location = mixture.weights @ means
    # Scaled by the largest, so that squares neither overflow nor vanish.
    size = np.maximum(np.abs(means - location).max(axis=0), np.sqrt(variances.max(axis=0)))
    size = np.where(size > 0, size, 1.0)
    relative = variances / size / size + ((means - location) / size) ** 2
    return location, size * np.sqrt(mixture.weights @ relative)


def density_frame(mixture: Result) -> Frame:
    """`mixture_frame` with scales that are powers of two.

    Dividing by these rounds nothing. Densities need that, because an ill-conditioned covariance magnifies rounding.
    """
    frame = mixture_frame(mixture)
    return Frame(frame.shift, np.exp2(np.clip(np.round(np.log2(frame.scale)), -1022, 1023)))


def mixture_rows(mixture: Result, frame: Frame) -> tuple[Array, Array]:
    """The parameter matrix in the coordinates of `frame`, and the log weights."""
    with np.errstate(divide="ignore"):
        return mixture.family.pack(mixture.parameters, frame), np.log(mixture.weights)


def limits_in(family: Family, frame: Frame, facts: Columns, dtype: Any) -> Limits:
    """The limits of the M-step of a fit of these data, as squares in the coordinates of another frame."""
    own = family.frame(facts.location, facts.spread)
    limits = family.limits(own, facts, dtype)
    factor = (own.scale / frame.scale) ** 2  # 1 for families that leave data as they are, such as Poisson
    bound = None if limits.bound is None else limits.bound * factor
    return limits._replace(floor=limits.floor * factor, ridge=limits.ridge * factor, bound=bound)
