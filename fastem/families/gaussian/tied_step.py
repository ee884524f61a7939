"""The M-step of small mixtures that share one full covariance matrix, compiled. Rows are as in tied."""

from __future__ import annotations

import numpy as np

from fastem.compiled.factors import factorise_small
from fastem.compiled.jit import exact, numbers_at, rounded
from fastem.compiled.numpys import total_of
from fastem.compiled.triangular import block_column, block_row
from fastem.families.gaussian import shared as gaussian


@exact
def _products(a, b, out):
    """out = a' b, each entry a sum of fused products in the order of the rows: (K, n), (K, m) -> (n, m)."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total = 0.0
            for k in range(a.shape[0]):
                total += a[k, i] * b[k, j]
            out[i, j] = total


@rounded
def moments(statistics, params, ridge, starving, means, scatter, spread, work):
    """What `maximise` factorises, OUT: the new means (K, d), the covariance with the ridge (d, d), and spread (d,).

    spread: how far the means have moved, as `factorise` wants to know it. work OUT (3, max(K, d), max(K, d)).
    """
    n_components, d = means.shape
    width = statistics.shape[1]
    pooled = numbers_at(statistics.ctypes.data + 8 * n_components * width, (statistics.shape[0] - n_components) * width)
    strips = (d + 3) // 4
    first = 16 * (strips * (strips + 1) // 2)
    overlap, pull, moved = work[0, :n_components], work[1, :n_components], work[2, :n_components]
    for k in range(n_components):
        for m in range(n_components):
            overlap[k, m] = pooled[first + block_row(max(k, m)) + block_column(min(k, m))]
        for j in range(d):
            pull[k, j] = params[k, j]
    # sum_{k<l} R_kl (mean_k - mean_l)(mean_k - mean_l)' = sum_k mean_k (sum_l R_kl (mean_k - mean_l))'.
    _products(overlap[:, :n_components], pull[:, :d], moved[:, :d])
    for k in range(n_components):
        share = total_of(overlap[k, :n_components])
        for j in range(d):
            pull[k, j] = share * params[k, j] - moved[k, j]
    for k in range(n_components):
        for j in range(d):
            moved[k, j] = params[k, j] - params[0, j]
    _products(moved[:, :d], pull[:, :d], work[0, :d, :d])
    for i in range(d):
        for j in range(d):
            between = 0.5 * (work[0, i, j] + work[0, j, i])
            scatter[i, j] = pooled[block_row(max(i, j)) + block_column(min(i, j))] + between
    for k in range(n_components):
        count = statistics[k, 0]
        for j in range(d):
            shift = 0.0 if starving[k] else statistics[k, 1 + j] / count - params[k, j]
            moved[k, j] = shift
            pull[k, j] = count * shift
            means[k, j] = params[k, j] + shift
    _products(pull[:, :d], moved[:, :d], work[0, :d, :d])
    for k in range(n_components):
        spread[k] = statistics[k, 0]
    total = max(total_of(spread[:n_components]), gaussian.TINY)
    for i in range(d):
        for j in range(d):
            scatter[i, j] = (scatter[i, j] - work[0, i, j]) / total
    for j in range(d):
        scatter[j, j] += ridge[j]
        spread[j] = np.sqrt(work[0, j, j] / total)


@exact
def _whitened_means(means, inverse, d, rows):
    """The columns W mean of the rows, OUT, each entry a sum of fused products."""
    for k in range(means.shape[0]):
        for j in range(d):
            total = 0.0
            for i in range(d):
                total += means[k, i] * inverse[j, i]
            rows[k, d + j] = total


@rounded
def write_rows(means, covariance, inverse, log_determinant, log_scales, rows):
    """Rows of params, OUT, from their parts. log_scales: the sum of the logs of the frame's scales."""
    n_components, d = means.shape
    n_rows, width = rows.shape
    for i in range(n_rows):
        for j in range(width):
            rows[i, j] = 0.0
    constant = -0.5 * (d * gaussian.LOG_2_PI + log_determinant) - log_scales
    for k in range(n_components):
        for j in range(d):
            rows[k, j] = means[k, j]
        rows[k, 2 * d] = constant
    _whitened_means(means, inverse, d, rows)
    flat = numbers_at(rows.ctypes.data + 8 * n_components * width, (n_rows - n_components) * width)
    strips = (d + 3) // 4
    first = 16 * (strips * (strips + 1) // 2)
    for i in range(d):
        for j in range(i + 1):
            place = block_row(i) + block_column(j)
            flat[place], flat[first + place] = inverse[i, j], covariance[i, j]


@rounded
def m_step(statistics, params, constants, layout, rows, scratch, flags):
    """`maximise` where the matrix needs no floor. constants (4, d): floor, ridge, the sum of log scales, `singular`."""
    d, n_components = layout[0], layout[1]
    most, place = max(d, n_components), scratch.ctypes.data
    means = numbers_at(place, (n_components, d))
    place += 8 * n_components * d
    work = numbers_at(place, (3, most, most))
    place += 24 * most * most
    covariance, inverse = numbers_at(place, (1, d, d)), numbers_at(place + 8 * d * d, (1, d, d))
    place += 16 * d * d
    spread, log_determinant = numbers_at(place, most), numbers_at(place + 8 * most, 1)
    moments(statistics, params, constants[1], flags[0], means, covariance[0], spread, work)
    for i in range(d):
        for j in range(d):
            inverse[0, i, j] = 0.0
    factor = numbers_at(work.ctypes.data, (d, d))
    factorise_small(covariance, constants[0], constants[3, 0], factor, spread[:d], inverse, log_determinant, flags[1])
    flags[1, 0] = not flags[1, 0]
    write_rows(means, covariance[0], inverse[0], log_determinant[0], constants[2, 0], rows)


def in_order(n_components: int, d: int) -> bool:
    """Whether OpenBLAS adds up products of matrices of this size one after the other, as `_products` does.

    Its kernels for AVX2 and for AVX-512 were tried. Then `maximise` has the bits that NumPy's products would give.
    """
    return 2 <= d <= 7 and 2 <= n_components <= (8 if d <= 4 else 7)
