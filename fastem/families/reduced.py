"""Derivatives of log densities by the parameters that constraints leave free.

Under constraints, the free parameters of a family are functions of fewer numbers. The first derivatives of these
functions are a sparse matrix A, and a score s becomes A' s. Where such a function is a product of two of the numbers,
its second derivative by both is 1. So an information B becomes A' B A, less the scores of these products.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fastem.families.base import Array, Tangent

_NO_PRODUCTS = np.empty((0, 3), dtype=np.int64)


class Reduction(NamedTuple):
    """How the free parameters of a `Tangent` follow from the n numbers that constraints leave free.

    rows, columns, values: the entries of the matrix of first derivatives (n_free, n), in any order; entries at the same
    place are added. products (m, 3): the index of a free parameter, and those of two numbers whose product it contains.
    """

    rows: Array
    columns: Array
    values: Array
    n: int
    products: Array = _NO_PRODUCTS


def numbered(free: Array, shared: bool) -> tuple[Array, int]:
    """Numbers from 0 for the entries that are free, in an array of the shape of `free`, and how many; -1 for fixed.

    shared: whether entries that differ in the first axis alone are one.
    """
    own, numbers = (free[:1] if shared else free), np.full(free.shape, -1)
    numbers[...] = np.where(own, np.cumsum(own.ravel()).reshape(own.shape) - 1, -1)
    return numbers, int(np.count_nonzero(own))


def entrywise(shapes: Mapping[str, tuple[int, ...]], fixed: Mapping[str, Array], shared: tuple[str, ...]) -> Reduction:
    """The reduction where each free parameter is a function of one entry of one named parameter, in their order.

    shapes: of the named parameters. fixed: which entries are known, bool, in these shapes.
    """
    columns, n = [], 0
    for name, shape in shapes.items():
        numbers, found = numbered(~np.asarray(fixed.get(name, np.zeros(shape, dtype=np.bool_))), name in shared)
        columns.append(np.where(numbers < 0, -1, numbers + n).ravel())
        n += found
    flat = np.concatenate(columns)
    rows = np.flatnonzero(flat >= 0)
    return Reduction(rows, flat[rows], np.ones(len(rows)), n)


class ReducedTangent:
    """The tangent of a family by what is free under constraints.

    tangent : of the family. reduction : see there. fixed : which entries of named parameters are known.
    """

    def __init__(self, tangent: Tangent, n_components: int, reduction: Reduction, fixed: Mapping[str, Array]) -> None:
        from scipy.sparse import csr_array

        self._inner, self._fixed, self.n_free = tangent, fixed, reduction.n
        places = (np.asarray(reduction.rows), np.asarray(reduction.columns))
        self._matrix = csr_array((reduction.values, places), shape=(tangent.n_free, reduction.n))
        self._columns: list[Array] = []
        self._parts: list[Any] = []
        self._products: list[Array] = []
        for k in range(n_components):
            own = np.asarray(tangent.columns(k))
            rows = self._matrix[own]
            columns = np.unique(rows.indices)
            self._columns.append(columns)
            self._parts.append(rows[:, columns])
            products = reduction.products[np.isin(reduction.products[:, 0], own)]
            where, order = np.searchsorted(columns, products[:, 1:]), np.argsort(own)
            row = order[np.searchsorted(own, products[:, :1], sorter=order)]
            self._products.append(np.concatenate([row, where], axis=1))

    def columns(self, k: int) -> Array:
        return self._columns[k]

    def scores(self, k: int, x: Array) -> Array:
        return np.asarray(self._inner.scores(k, x) @ self._parts[k])

    def information(self, k: int, x: Array, resp: Array) -> Array:
        return self.carried(k, resp @ self._inner.scores(k, x), self._inner.information(k, x, resp))[1]

    def carried(self, k: int, score: Array, information: Array) -> tuple[Array, Array]:
        """The score and the information of component k, by the family's free parameters, by what is free of them."""
        part, (rows, left, right) = self._parts[k], self._products[k].T
        carried = np.asarray(part.T @ (information @ part))
        np.subtract.at(carried, (left, right), score[rows])
        np.subtract.at(carried, (right, left), score[rows])
        return np.asarray(part.T @ score), carried

    def standard_errors(self, covariance: Array, scale: Array) -> dict[str, Array]:
        wide = np.asarray(self._matrix @ covariance @ self._matrix.T)
        found = dict(self._inner.standard_errors(wide, scale))
        for name, known in self._fixed.items():  # exactly 0, without rounding errors
            found[name] = np.where(known, 0.0, found[name])
        return found
