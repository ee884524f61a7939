"""The fixed point of any map: EM's acceleration, guard, stopping and records for maps that fastem did not write."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.em.accelerate import NAMES, Acceleration, Accelerator, Array, accelerator
from fastem.em.stopping import deadline as deadline_of
from fastem.families.parameters import FloatArray

Map = Callable[[FloatArray], Any]

# Without an objective, a leap is refused if the change has grown by more than a factor. The factor is GROWTH at first,
# as the change grows now and then on the way of Anderson's method. Each accepted growth multiplies it by DECAY, down
# to 1.
GROWTH, DECAY = 100.0, 0.7
# A fall of the objective by less than this fraction of it may be rounding.
ROUNDING = 1e-14


class FixedPointStatus(Enum):
    """How `fixed_point` ended. The values are sentences for the user."""

    CONVERGED = "Converged: no entry of theta differs from that of its image by as much as tol."
    MAX_ITER = "Made max_steps steps without converging to tol; to converge, raise max_steps or tol, or accelerate."
    TIME_LIMIT = "The time limit was over before it converged to tol."
    STOPPED = "Stopped by the callback."
    NOT_FINITE = (
        "The map or the objective is not finite; the last point where both were is returned, if there is one. Begin "
        "elsewhere, or check the map."
    )


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """Where a sequence of steps has ended.

    Attributes
    ----------
    theta : array of the shape of theta0, the last point that was evaluated and not refused.
    image : step(theta).
    change : the largest absolute difference between theta and its image.
    objective : at theta; NaN without one.
    history : the objective at each accepted point, the first at theta0; without one, the changes.
    n_steps : evaluations of the map, those at refused leaps included.
    n_refused : leaps that were refused.
    status : a FixedPointStatus.
    """

    theta: FloatArray
    image: FloatArray
    change: float
    objective: float
    history: FloatArray
    n_steps: int
    n_refused: int
    status: FixedPointStatus


def fixed_point(
    step: Map,
    theta0: Any,
    objective: Callable[[FloatArray], Any] | None = None,
    *,
    accelerate: Acceleration | None = "anderson",
    project: Map | None = None,
    tol: float = 1e-8,
    max_steps: int = 10_000,
    time_limit: float | None = None,
    callback: Callable[[FloatArray, float], Any] | None = None,
) -> FixedPoint:
    """Find theta = step(theta), for an EM, MM or any other map that contracts near its fixed point.

    Parameters
    ----------
    step : callable(theta) -> array of the same shape
        One step, a Python function or one compiled by numba. It gets a float64 array of its own.
    theta0 : array-like of numbers, of any shape
        Where to begin.
    objective : callable(theta) -> float, or None
        What the steps increase, such as a log-likelihood. A leap that lowers it is refused. Without an objective, a
        leap is refused if it lies much farther from its image than the point before lies from its own. "Much" is 100
        times at first, and less after each accepted leap that lies farther.
    accelerate : "anderson", "squarem" or None
        The acceleration works best in coordinates without bounds, such as logarithms of rates.
    project : callable(theta) -> array, or None
        Puts a leap that has left the set of valid points back into it; without it, such a point reaches `step`. If this
        takes away more than half of the leap, the leap is not made.
    tol : float >= 0
        It has converged when no entry of theta changes by this much in a step. With 0 it makes exactly max_steps steps.
    max_steps : int >= 1
        Evaluations of `step` at most.
    time_limit : float > 0 or None
        Seconds after which no further step begins.
    callback : callable(theta, change) or None
        Called after each accepted step; it ends with the status STOPPED when it returns something true.

    Returns
    -------
    FixedPoint

    Raises
    ------
    ValueError, TypeError : unusable arguments, or a step or projection of another shape. Whatever the given functions
        raise is passed on.

    References
    ----------
    Walker and Ni (2011), SIAM J. Numer. Anal. 49, 1715-1735. Varadhan and Roland (2008), Scand. J. Statist. 35,
    335-353.

    Examples
    --------
    Rao's genetic linkage: cells (2 + t)/4, (1 - t)/4, (1 - t)/4 and t/4, counts 125, 18, 20 and 34.

    >>> import fastem
    >>> def step(t):
    ...     hidden = 125 * t / (2 + t)
    ...     return (hidden + 34) / (hidden + 34 + 18 + 20)
    >>> round(float(fastem.fixed_point(step, 0.5).theta), 7)
    0.6268215
    """
    validation.check_choice("accelerate", accelerate, (None, *NAMES))
    validation.check_fixed_point(step, objective, project, tol, max_steps, callback)
    validation.check_limits(None, time_limit)
    point: Array = validation.check_theta("theta0", theta0, None)
    sequence, deadline = accelerator(accelerate), deadline_of(time_limit)
    plain: Array | None = None  # if `point` is a leap, the image to go on from should it be refused
    end = _End(point, np.full_like(point, math.nan), math.nan, math.nan)
    history: list[float] = []
    n_steps = n_refused = 0
    growth = GROWTH
    status: FixedPointStatus | None = None
    while status is None:
        image = validation.check_theta("step(theta)", step(point.copy()), point.shape)
        change = float(np.abs(image - point).max(initial=0.0))
        value = math.nan if objective is None else float(objective(point.copy()))
        n_steps += 1
        if plain is not None and _is_worse(change, value, end, objective is not None, growth):
            n_refused += 1
            assert sequence is not None
            sequence.refuse()
            point, plain = plain, None
        elif not math.isfinite(change):
            status = FixedPointStatus.NOT_FINITE
        else:
            if plain is not None and change > end.change:
                growth = max(1.0, DECAY * growth)
            end = _End(point, image, change, value)
            history.append(change if objective is None else value)
            if change < tol:
                status = FixedPointStatus.CONVERGED
            elif callback is not None and n_steps > 1 and callback(point.copy(), change):
                status = FixedPointStatus.STOPPED
            else:
                point, plain = _next(sequence, project, point, image)
        if status is None and n_steps >= max_steps:
            status = FixedPointStatus.MAX_ITER
        elif status is None and time.perf_counter() >= deadline:
            status = FixedPointStatus.TIME_LIMIT
    return FixedPoint(*end, np.array(history), n_steps, n_refused, status)


class _End(NamedTuple):
    """The last accepted point, its image, the change between them, and the objective there."""

    theta: Array
    image: Array
    change: float
    objective: float


def _is_worse(change: float, value: float, end: _End, has_objective: bool, growth: float) -> bool:
    """Whether a leap is to be refused."""
    if not math.isfinite(change):
        return True
    if has_objective:
        return not value >= end.objective - ROUNDING * abs(end.objective)
    return change > growth * end.change


def _next(sequence: Accelerator | None, project: Map | None, point: Array, image: Array) -> tuple[Array, Array | None]:
    """The next point, and the image to fall back to if that point is a leap."""
    if sequence is None:
        return image, None
    leap = sequence.tell(point.reshape(-1), image.reshape(-1))
    if leap is None:
        return image, None
    leap = leap.reshape(point.shape)
    if project is None:
        return leap, image
    valid: Array = validation.check_theta("project(theta)", project(leap.copy()), point.shape)
    if np.abs(valid - leap).max() <= 0.5 * np.abs(leap - image).max():
        return valid, image
    # The projection has taken most of the leap, and the rest leads to the border, not to a fixed point.
    sequence.forget()
    return image, None
