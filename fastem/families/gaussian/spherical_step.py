"""The M-step of components with one variance each, compiled. Rows are as in spherical."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastem.compiled.jit import rounded
from fastem.compiled.lanes import compact
from fastem.compiled.numpys import loop_in, total_in
from fastem.families.gaussian import shared as gaussian


def _moments_of(
    machine: Any,
    statistics: Any,
    params: Any,
    ridge: Any,
    starving: Any,
    means: Any,
    variances: Any,
    squares: Any,
    scratch: Any,
) -> None:
    """Means (K, d), variances with the ridge and the squared lengths of the means' shifts, (K,), all OUT."""
    d = means.width
    n_features = machine.float_of(d, ridge)

    def component(k: Any) -> None:
        count = machine.where(starving.number(0, k) == 0, statistics.number(k, 0), 1.0)

        def feature(j: Any) -> None:
            shift = statistics.number(k, 1 + j) / count
            means.put(k, j, params.number(k, j) + shift)
            scratch.put(0, j, machine.product(shift, shift))

        machine.repeat(0, d, feature)
        square = total_in(machine, scratch)
        squares.put(0, k, square)
        variances.put(0, k, (statistics.number(k, 1 + d) / count - square) / n_features + ridge)

    machine.repeat(0, means.height, component)


def _rows_of(machine: Any, means: Any, variances: Any, log_scales: Any, rows: Any, scratch: Any) -> None:
    """Rows of params, OUT, from their parts. log_scales: the sum of the logs of the frame's scales; scratch (d,)."""
    d, product = means.width, machine.product
    n_features, one = machine.float_of(d, log_scales), scratch.cut(0, (1,))

    def component(k: Any) -> None:
        variance = variances.number(0, k)
        precision = 1.0 / variance
        one.put(0, 0, variance)
        loop_in(machine, np.log, one, one)
        logs = product(n_features, gaussian.LOG_2_PI) + product(n_features, one.number(0, 0))
        rows.put(k, d, precision)
        rows.put(k, d + 1, product(logs, -0.5) - log_scales)
        rows.put(k, d + 2, variance)

        def feature(j: Any) -> None:
            mean = means.number(k, j)
            rows.put(k, j, mean)
            rows.put(k, d + 4 + j, mean * precision)
            scratch.put(0, j, product(mean, mean))

        machine.repeat(0, d, feature)
        rows.put(k, d + 3, total_in(machine, scratch))

    machine.repeat(0, means.height, component)


@compact
def _maximised(
    machine: Any, statistics: Any, params: Any, constants: Any, layout: Any, rows: Any, scratch: Any, flags: Any
) -> None:
    """`m_step`."""
    d, n_components = layout.number(0, 0), layout.number(0, 1)
    size = n_components * d
    means, row = scratch.cut(0, (n_components, d)), scratch.cut(size, (d,))
    variances, squares = (scratch.cut(size + d + i * n_components, (n_components,)) for i in (0, 1))
    floor, ridge, log_scales = (constants.number(0, i) for i in range(3))
    starving = flags.cut(0, (n_components,))
    _moments_of(machine, statistics, params, ridge, starving, means, variances, squares, row)

    def healthy(k: Any, all_are: Any) -> list[Any]:
        return [all_are & (variances.number(0, k) >= floor)]

    (all_are,) = machine.repeat(0, n_components, healthy, n_components > 0)
    flags.put(1, 0, machine.flag(all_are == 0))
    _rows_of(machine, means, variances, log_scales, rows, row)


_staged_moments, _staged_rows = compact(_moments_of), compact(_rows_of)


@rounded
def moments(statistics, params, ridge, starving, means, variances, squares, scratch):
    _staged_moments(statistics, params, ridge, starving, means, variances, squares, scratch)


@rounded
def write_rows(means, variances, log_scales, rows, scratch):
    _staged_rows(means, variances, log_scales, rows, scratch)


@rounded
def m_step(statistics, params, constants, layout, rows, scratch, flags):
    """`maximise` where no variance is below its floor. constants (1, 3): floor, ridge, the sum of log scales."""
    _maximised(statistics, params, constants, layout, rows, scratch, flags)
