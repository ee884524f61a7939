"""Covariance matrices above a floor, and their Cholesky factors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastem.compiled.arrays import some
from fastem.compiled.jit import exact
from fastem.compiled.lanes import compact, staged

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)


class Raised(NamedTuple):
    """Variances above a floor. floored: rows held at one; collapsed: those held at a floor that no user chose."""

    values: Array
    floored: Array
    collapsed: Array


def raise_to_floor(
    values: Array,
    floor: Array,
    bound: Array | None = None,
    rounding: float = 0.0,
    squares: Array | float = 0.0,
) -> Raised:
    """Values (..., n_features) no smaller than floor (n_features,), and which rows were touched.

    For diagonal covariances this is the exact maximiser under the constraint value >= floor. bound, rounding: as in
    Limits. squares (..., n_features): the squared distances of the means from the points about which the values were
    found. A value that is too small because of rounding alone is raised to that, and does not count as touched, because
    the next M-step will know better.
    """
    below = values < floor
    if not some(below):
        nobody = np.zeros(values.shape[:-1], dtype=np.bool_)
        return Raised(values, nobody, nobody)
    doubt = rounding * squares
    below &= doubt <= floor
    floored = np.asarray(below.any(axis=-1))
    collapsed = floored if bound is None else np.asarray((below & (floor > bound)).any(axis=-1))
    return Raised(np.where(values < floor, np.maximum(floor, doubt), values), floored, collapsed)


class Factor(NamedTuple):
    """Covariance matrices above a floor, and what a density needs from them.

    covariances: (m, d, d); inverse_factors: (m, d, d) lower triangular W with W' W = inverse covariance;
    log_determinants: (m,) of the covariances; floored, collapsed: (m,) bool, as in Raised.
    """

    covariances: Array
    inverse_factors: Array
    log_determinants: Array
    floored: Array
    collapsed: Array


def factorise_each(
    machine: Any,
    covariances: Any,
    floor: Any,
    singular: Any,
    work: Any,
    least: Any,
    inverse: Any,
    log_determinants: Any,
    healthy: Any,
) -> None:
    """For staged functions: Cholesky, inverse factor and log determinant of each matrix.

    covariances IN (m, d, d); floor IN (d,); singular as in Limits; work OUT (d, d), the upper factor of the last;
    least OUT (d,); inverse OUT (m, d, d), zeroed; log_determinants OUT (m,); healthy OUT (m,) bool, whether there is a
    factor and the bound on the smallest eigenvalue holds. 2/3 d^3 flops each (Golub and Van Loan, sections 4.2.5 and
    3.1.2). Rows are added to rows, because sums of products along a row must not be reassociated and took four times as
    long at 128.
    """
    d, repeat, zero, n = floor.width, machine.repeat, machine.zero(work), work.lanes

    def along(first: Any, last: Any, body: Any) -> None:
        """Call body(t) for the entries first <= t < last of a row, n at a time."""
        machine.samples(last - first, n, lambda t: body(first + t))

    def one(m: Any) -> None:
        first = m * d  # of the rows of this matrix

        def eliminate(j: Any, log_determinant: Any, positive: Any) -> list[Any]:
            pivot = work.number(j, j)
            positive = positive & (pivot > 0.0) & (pivot < np.inf)
            diagonal = machine.where(positive, machine.root(pivot), 1.0)
            factor = 1.0 / diagonal
            along(j, d, lambda t: work.put(j, t, work.vector(j, t, n) * factor))

            def below(i: Any) -> None:
                own = work.number(j, i)
                along(i, d, lambda t: work.put(i, t, work.vector(i, t, n) - own * work.vector(j, t, n)))

            repeat(j + 1, d, below)
            return [log_determinant + machine.log(diagonal), positive]

        def smallest(j: Any) -> None:
            relative = singular * covariances.number(first + j, j)
            least.put(0, j, machine.where(floor.number(0, j) < relative, relative, floor.number(0, j)))

        def invert(i: Any, bound: Any) -> list[Any]:
            row = first + i

            def above(k: Any) -> None:
                own = work.number(k, i)

                def less(t: Any) -> None:
                    inverse.put(row, t, inverse.vector(row, t, n) - own * inverse.vector(first + k, t, n))

                along(machine.integer(0), k + 1, less)

            def scale(t: Any, bound: Any) -> list[Any]:
                value = inverse.number(row, t) * factor
                inverse.put(row, t, value)
                return [bound + value * value * least.number(0, t)]

            repeat(0, i, above)
            inverse.put(row, i, zero + 1.0)
            factor = 1.0 / work.number(i, i)
            return list(repeat(0, i + 1, scale, bound))

        repeat(0, d * d, lambda t: work.put(0, t, covariances.number(first, t)))
        log_determinant, positive = repeat(0, d, eliminate, zero, d > 0)
        repeat(0, d, smallest)
        (bound,) = repeat(0, d, invert, zero)
        log_determinants.put(0, m, 2.0 * log_determinant)
        healthy.put(0, m, machine.flag(positive & (bound <= 1.0)))

    repeat(0, log_determinants.width, one)


_each = compact(factorise_each)


@exact
def _factorise_small(covariances, floor, singular, work, least, inverse, log_determinants, healthy):
    _each(covariances, floor, singular, work, least, inverse, log_determinants, healthy)


# From the first of these orders on, rows are made four at a time: each entry goes through the same operations in the
# same order, but stays in a register. On a Zen 4, a matrix of order 64 takes 12 us instead of 29, and one of 512 3 ms
# instead of 9. Beyond the second order LAPACK is used. At 128, it takes 0.2 ms on one thread of OpenBLAS, and 8 ms on
# two, which wait for each other while numba's threads still spin.
BLOCKED_ORDER, _LARGE_ORDER = 48, 512


@staged
def _subtract_products(
    machine: Any, target: Any, i: Any, first: Any, last: Any, factors: Any, source: Any, begin: Any
) -> None:
    """target[i + r, t] -= sum_j factors[j, i + r] source[j, t] for four rows r, first <= t < last, and j < i.

    begin: 0 or 1; with 1, source is 0 where t > j. Up to 15 entries behind the last are changed, too.
    """
    n = 2 * target.lanes

    def chunk(t: Any) -> None:
        def one(j: Any, *rows: Any) -> list[Any]:
            x = source.vector(j, t, n)
            return [rows[r] - factors.number(j, i + r) * x for r in range(4)]

        rows = [target.vector(i + r, t, n) for r in range(4)]
        for r, row in enumerate(machine.repeat(begin * t, i, one, *rows)):
            target.put(i + r, t, row)

    machine.repeat(first, last, chunk, step=n)


@exact
def _factorise_blocked(covariances, least, work, inverse, log_determinants, healthy):
    """What `factorise_each` does, for large matrices. least IN (m, d); work OUT (2, d, d + 16)."""
    d = least.shape[1]
    upper, lower = work[0], work[1]
    for m in range(log_determinants.size):
        log_determinant = 0.0
        positive = True
        for i in range(d):
            for j in range(d):
                upper[i, j] = covariances[m, i, j]
            for j in range(lower.shape[1]):
                lower[i, j] = 0.0
        for i in range(0, d, 4):
            first = i if i + 4 <= d else 0  # up to which row a row has been subtracted from already
            if first > 0:
                _subtract_products(upper, i, i, d, upper, upper, 0)
            for row in range(i, min(i + 4, d)):
                target = upper[row, row:d]
                for j in range(first, row):
                    source = upper[j, row:d]
                    factor = source[0]
                    for t in range(target.size):
                        target[t] -= factor * source[t]
                pivot = target[0]
                positive = positive and pivot > 0.0 and pivot < np.inf
                diagonal = np.sqrt(pivot) if positive else 1.0
                log_determinant += np.log(diagonal)
                factor = 1.0 / diagonal
                for t in range(target.size):
                    target[t] *= factor
        bound = 0.0
        for i in range(0, d, 4):
            first = i if i + 4 <= d else 0
            if first > 0:
                _subtract_products(lower, i, 0, i, upper, lower, 1)
            for row in range(i, min(i + 4, d)):
                target = lower[row]
                for k in range(first, row):
                    factor = upper[k, row]
                    source = lower[k]
                    for t in range(k + 1):
                        target[t] -= factor * source[t]
                target[row] = 1.0
                factor = 1.0 / upper[row, row]
                for t in range(row + 1):
                    target[t] *= factor
                    inverse[m, row, t] = target[t]
                    bound += target[t] * target[t] * least[m, t]
        log_determinants[m] = 2.0 * log_determinant
        healthy[m] = positive and bound <= 1.0


def _factorise_large(covariances: Array, least: Array, inverse: Array, log_determinants: Array, healthy: Array) -> None:
    """What `factorise_each` does, by LAPACK."""
    from scipy.linalg import lapack  # takes 90 ms, so fits with smaller matrices do not import it

    for m, covariance in enumerate(covariances):
        factor, info = lapack.dpotrf(covariance, lower=1, clean=1)
        if info == 0:
            inverse[m] = lapack.dtrtri(factor, lower=1)[0]
            scaled = inverse[m] * np.sqrt(least[m])
            healthy[m] = np.vdot(scaled, scaled) <= 1.0
            log_determinants[m] = 2.0 * np.log(np.diagonal(factor)).sum()


def factorise(
    covariances: Array,
    floor: Array,
    bound: Array | None = None,
    singular: float = 0.0,
    rounding: float = 0.0,
    moved: tuple[Array, Array | float] | None = None,
) -> Factor:
    """Cholesky factors of covariances (m, d, d), eigenvalues below a floor raised to it.

    With D^2 the diagonal matrix of the floors, which are floor (d,) or `singular` times the variances if that is more,
    eigenvalues of D^-1 C D^-1 below 1 become 1. That is the exact M-step under C >= D^2. 1 / ||W D||_F^2 bounds the
    smallest such eigenvalue from below, so the eigenvalues are computed only if that bound fails. A floor of 0 changes
    only matrices that rounding has left without a Cholesky factor. A matrix that is not finite comes back as NaN.
    bound, singular and rounding are as in Limits; moved: the means (m, d), and the points about which the covariances
    were found, as for `raise_to_floor`.
    """
    covariances, floor = np.ascontiguousarray(covariances, dtype=np.float64), np.ascontiguousarray(floor)
    inverse, log_determinants = np.zeros(covariances.shape), np.empty(len(covariances))
    healthy = np.zeros(len(covariances), dtype=np.bool_)
    d = len(floor)
    if d < BLOCKED_ORDER:
        work, least = np.empty((d, d)), np.empty(d)
        _factorise_small(covariances, floor, singular, work, least, inverse, log_determinants, healthy)
    elif d > _LARGE_ORDER:
        _factorise_large(covariances, _least(covariances, floor, singular), inverse, log_determinants, healthy)
    else:
        # Rows of a power of two of entries would push each other out of the first-level cache.
        work, least = np.empty((2, d, d + 16)), _least(covariances, floor, singular)
        _factorise_blocked(covariances, least, work, inverse, log_determinants, healthy)
    floored = np.zeros(len(covariances), dtype=np.bool_)
    if not some(~healthy):
        return Factor(covariances, inverse, log_determinants, floored, floored)
    covariances, collapsed = covariances.copy(), floored.copy()
    least = _least(covariances, floor, singular)
    doubts = np.zeros(least.shape) if moved is None else rounding * (moved[0] - moved[1]) ** 2
    for m in np.flatnonzero(~healthy):
        covariance, size = covariances[m], np.maximum(least[m], doubts[m])
        if not size.all():
            size = len(floor) * _EPS * np.abs(np.diagonal(covariance))
        covariances[m], inverse[m], factor, floored[m] = _clip(covariance, np.sqrt(size))
        floored[m] &= not (doubts[m] > least[m]).any()
        collapsed[m] = floored[m] and (bound is None or bool((least[m] > bound).any()))
        log_determinants[m] = 2.0 * np.log(np.diagonal(factor)).sum()
    return Factor(covariances, inverse, log_determinants, floored, collapsed)


def _least(covariances: Array, floor: Array, singular: float) -> Array:
    """The smallest variance of each feature in each component, (m, d)."""
    return np.maximum(floor, singular * np.diagonal(covariances, axis1=1, axis2=2))


def _clip(covariance: Array, root: Array) -> tuple[Array, Array, Array, bool]:
    if not np.isfinite(covariance).all():
        return (
            np.full_like(covariance, np.nan),
            np.full_like(covariance, np.nan),
            np.full_like(covariance, np.nan),
            True,
        )
    from scipy.linalg import lapack

    scales = np.outer(root, root)
    values, vectors = np.linalg.eigh(covariance / scales)
    if values[0] >= 1.0:
        # Only the bound failed, as with several features that are constant. The matrix stays, because rebuilding it
        # would lose the digits of small variances beside large ones.
        plain, info = lapack.dpotrf(covariance, lower=1, clean=1)
        if info == 0:
            return covariance, np.tril(lapack.dtrtri(plain, lower=1)[0]), plain, False
    clipped = np.maximum(values, 1.0)
    # The covariance is B B' with B = D V sqrt(values); B' = Q R makes R' its Cholesky factor without ever forming
    # (and rounding) the product.
    triangle: Array = np.asarray(np.linalg.qr((root[:, None] * vectors * np.sqrt(clipped)).T, mode="r"))
    factor = (triangle * np.where(np.diagonal(triangle) < 0, -1.0, 1.0)[:, None]).T
    inverse = lapack.dtrtri(factor, lower=1)[0]
    return factor @ factor.T, np.tril(inverse), factor, bool(values[0] < 1.0)
