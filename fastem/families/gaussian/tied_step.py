"""The M-step of small mixtures that share one full covariance matrix, compiled. Rows are as in tied."""

from __future__ import annotations

from typing import Any

from fastem.compiled.factors import factorise_each
from fastem.compiled.jit import rounded
from fastem.compiled.lanes import compact
from fastem.compiled.numpys import total_in
from fastem.compiled.triangular import column_of, row_of
from fastem.families.gaussian import shared as gaussian


def _products(machine: Any, a: Any, b: Any, sizes: tuple[Any, Any, Any], out: Any) -> None:
    """out = a' b, each entry a sum of fused products in the order of the rows. sizes: rows, columns of b, and of a."""
    n_rows, columns, n = sizes

    def row(i: Any) -> None:
        def entry(j: Any) -> None:
            def more(k: Any, total: Any) -> list[Any]:
                return [total + a.number(k, i) * b.number(k, j)]

            out.put(i, j, machine.repeat(0, n_rows, more, machine.zero(out))[0])

        machine.repeat(0, columns, entry)

    machine.repeat(0, n, row)


def moments_of(
    machine: Any,
    statistics: Any,
    params: Any,
    ridge: Any,
    starving: Any,
    means: Any,
    scatter: Any,
    spread: Any,
    work: Any,
) -> None:
    """What `maximise` factorises, OUT: the new means (K, d), the covariance with the ridge (d, d), and spread (d,).

    spread: how far the means have moved, as `factorise` wants to know it. work OUT (3, max(K, d), max(K, d)).
    """
    n_components, d, repeat, product = means.height, means.width, machine.repeat, machine.product
    most, width = work.width, statistics.width
    pooled = statistics.cut(n_components * width, ((statistics.height - n_components) * width,))
    strips = (d + 3) // 4
    first = 16 * (strips * (strips + 1) // 2)
    overlap, pull, moved = (work.cut(i * most * most, (most, most)) for i in range(3))

    def place(i: Any, j: Any) -> Any:
        """Where an entry of a symmetric matrix is among its blocks."""
        return row_of(machine.choose(i < j, j, i)) + column_of(machine.at_most(i, j))

    def pairs(last: Any, other: Any, body: Any) -> None:
        repeat(0, last, lambda i: repeat(0, other, lambda j: body(i, j)))

    pairs(n_components, n_components, lambda k, m: overlap.put(k, m, pooled.number(0, first + place(k, m))))
    pairs(n_components, d, lambda k, j: pull.put(k, j, params.number(k, j)))
    # sum_{k<l} R_kl (mean_k - mean_l)(mean_k - mean_l)' = sum_k mean_k (sum_l R_kl (mean_k - mean_l))'.
    _products(machine, overlap, pull, (n_components, d, n_components), moved)

    def pulled(k: Any) -> None:
        share = total_in(machine, overlap.cut(k * most, (n_components,)))
        repeat(0, d, lambda j: pull.put(k, j, product(share, params.number(k, j)) - moved.number(k, j)))

    repeat(0, n_components, pulled)
    pairs(n_components, d, lambda k, j: moved.put(k, j, params.number(k, j) - params.number(0, j)))
    _products(machine, moved, pull, (n_components, d, d), overlap)

    def scattered(i: Any, j: Any) -> None:
        between = product(overlap.number(i, j) + overlap.number(j, i), 0.5)
        scatter.put(i, j, pooled.number(0, place(i, j)) + between)

    pairs(d, d, scattered)

    def component(k: Any) -> None:
        count, rests = statistics.number(k, 0), starving.number(0, k) != 0

        def feature(j: Any) -> None:
            shift = machine.where(rests, 0.0, statistics.number(k, 1 + j) / count - params.number(k, j))
            moved.put(k, j, shift)
            pull.put(k, j, product(count, shift))
            means.put(k, j, params.number(k, j) + shift)

        repeat(0, d, feature)
        spread.put(0, k, count)

    repeat(0, n_components, component)
    _products(machine, pull, moved, (n_components, d, d), overlap)
    total = total_in(machine, spread.cut(0, (n_components,)))
    total = machine.where(total < gaussian.TINY, gaussian.TINY, total)
    pairs(d, d, lambda i, j: scatter.put(i, j, (scatter.number(i, j) - overlap.number(i, j)) / total))

    def finish(j: Any) -> None:
        scatter.put(j, j, scatter.number(j, j) + ridge.number(0, j))
        spread.put(0, j, machine.root(overlap.number(j, j) / total))

    repeat(0, d, finish)


def rows_of(
    machine: Any, means: Any, covariance: Any, inverse: Any, log_determinant: Any, log_scales: Any, rows: Any
) -> None:
    """Rows of params, OUT, from their parts. log_scales: the sum of the logs of the frame's scales."""
    n_components, d, repeat = means.height, means.width, machine.repeat
    n_rows, width = rows.height, rows.width
    repeat(0, rows.size, lambda i: rows.put(0, i, machine.zero(rows)))
    logs = machine.product(machine.float_of(d, log_scales), gaussian.LOG_2_PI) + log_determinant
    constant = machine.product(logs, -0.5) - log_scales

    def component(k: Any) -> None:
        def feature(j: Any) -> None:
            def more(i: Any, total: Any) -> list[Any]:
                return [total + means.number(k, i) * inverse.number(j, i)]

            rows.put(k, j, means.number(k, j))
            # W mean, each entry a sum of fused products
            rows.put(k, d + j, repeat(0, d, more, machine.zero(rows))[0])

        repeat(0, d, feature)
        rows.put(k, 2 * d, constant)

    repeat(0, n_components, component)
    flat, strips = rows.cut(n_components * width, ((n_rows - n_components) * width,)), (d + 3) // 4
    first = 16 * (strips * (strips + 1) // 2)

    def entry(i: Any, j: Any) -> None:
        place = row_of(i) + column_of(j)
        flat.put(0, place, inverse.number(i, j))
        flat.put(0, first + place, covariance.number(i, j))

    repeat(0, d, lambda i: repeat(0, i + 1, lambda j: entry(i, j)))


@compact
def _maximised(
    machine: Any, statistics: Any, params: Any, constants: Any, layout: Any, rows: Any, scratch: Any, flags: Any
) -> None:
    """`m_step`."""
    d, n_components = layout.number(0, 0), layout.number(0, 1)
    most = machine.choose(d < n_components, n_components, d)
    place, square = n_components * d, d * d
    means, work = scratch.cut(0, (n_components, d)), scratch.cut(place, (3 * most, most))
    place = place + 3 * most * most
    covariance, inverse = scratch.cut(place, (d, d)), scratch.cut(place + square, (d, d))
    place = place + 2 * square
    spread, log_determinant = scratch.cut(place, (most,)), scratch.cut(place + most, (1,))
    floor, ridge = constants.cut(0, (d,)), constants.cut(d, (d,))
    starving, healthy = flags.cut(0, (n_components,)), flags.cut(n_components, (1,))
    moments_of(machine, statistics, params, ridge, starving, means, covariance, spread, work)
    machine.repeat(0, square, lambda i: inverse.put(0, i, machine.zero(inverse)))
    factor, singular = work.cut(0, (d, d)), constants.number(3, 0)
    least = spread.cut(0, (d,))
    factorise_each(machine, covariance, floor, singular, factor, least, inverse, log_determinant, healthy)
    flags.put(1, 0, machine.flag(healthy.number(0, 0) == 0))
    rows_of(machine, means, covariance, inverse, log_determinant.number(0, 0), constants.number(2, 0), rows)


_staged_moments, _staged_rows = compact(moments_of), compact(rows_of)


@rounded
def moments(statistics, params, ridge, starving, means, scatter, spread, work):
    _staged_moments(statistics, params, ridge, starving, means, scatter, spread, work)


@rounded
def write_rows(means, covariance, inverse, log_determinant, log_scales, rows):
    _staged_rows(means, covariance, inverse, log_determinant, log_scales, rows)


@rounded
def m_step(statistics, params, constants, layout, rows, scratch, flags):
    """`maximise` where the matrix needs no floor. constants (4, d): floor, ridge, the sum of log scales, `singular`."""
    _maximised(statistics, params, constants, layout, rows, scratch, flags)


def in_order(n_components: int, d: int) -> bool:
    """Whether OpenBLAS adds up products of matrices of this size one after the other, as `_products` does.

    Its kernels for AVX2 and for AVX-512 were tried. Then `maximise` has the bits that NumPy's products would give.
    """
    return 2 <= d <= 7 and 2 <= n_components <= (8 if d <= 4 else 7)
