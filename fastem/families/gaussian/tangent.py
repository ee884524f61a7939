"""Derivatives of Gaussian log densities, of any shape."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fastem.families.base import Array
from fastem.families.reduced import Reduction, numbered


class GaussianTangent:
    """Gaussian components with means (K, d) and the inverse Cholesky factors of their covariances (K, d, d).

    They are written with the factor W of the precision, W' W = C^-1, and nu = W mean:
    log p = sum_i log W_ii - 1/2 |W x - nu|^2 + constant. Its second derivatives are sums of products of x for any shape
    of the covariances: a shape only says which entries of W are free, and which of them are one parameter.

    spread: "matrix" (W lower triangular), "diagonal" or "number" (a multiple of I). shared: whether all have one W.
    """

    def __init__(self, means: Array, factors: Array, spread: str, shared: bool) -> None:
        self._means, self._factors, self._spread, self._shared = means, factors, spread, shared
        n_components, d = means.shape
        self._nus = np.einsum("kij,kj->ki", factors, means)
        diagonal = np.arange(d)
        self._rows, self._places = np.tril_indices(d) if spread == "matrix" else (diagonal, diagonal)
        self._n_slots = 1 if spread == "number" else len(self._rows)
        self._n_w = self._n_slots * (1 if shared else n_components)
        self.n_free = self._n_w + n_components * d

    def columns(self, k: int) -> Array:
        d = self._means.shape[1]
        first = 0 if self._shared else k * self._n_slots
        return np.concatenate([first + np.arange(self._n_slots), self._n_w + k * d + np.arange(d)])

    def scores(self, k: int, x: Array) -> Array:
        residuals = x @ self._factors[k].T - self._nus[k]
        entries = -residuals[:, self._rows] * x[:, self._places]
        diagonal = self._rows == self._places
        entries[:, diagonal] += 1.0 / np.diagonal(self._factors[k])
        if self._spread == "number":
            entries = entries.sum(axis=1, keepdims=True)
        return np.concatenate([entries, residuals], axis=1)

    def information(self, k: int, x: Array, resp: Array) -> Array:
        count = resp.sum()
        return self._information(k, count, count, resp @ x, (resp[:, None] * x).T @ x)

    def _information(self, k: int, logs: float, count: float, first: Array, second: Array) -> Array:
        """Minus the second derivatives of logs sum_i log W_ii - 1/2 sum |W x - nu|^2, by the moments of the x."""
        d = len(first)
        rows, places = self._rows, self._places
        entries = np.where(rows[:, None] == rows, second[places[:, None], places], 0.0)
        diagonal = np.flatnonzero(rows == places)
        entries[diagonal, diagonal] += logs / np.diagonal(self._factors[k]) ** 2
        cross = np.zeros((len(rows), d))
        cross[np.arange(len(rows)), rows] = -first[places]
        if self._spread == "number":
            entries, cross = entries.sum(keepdims=True), cross.sum(axis=0, keepdims=True)
        return np.block([[entries, cross], [cross.T, count * np.eye(d)]])

    def of_prior(self, k: int, logs: float, count: float, place: Array, scatter: Array) -> tuple[Array, Array]:
        """First and minus second derivatives of a term of a log prior, by the free parameters of component k.

        The term is logs sum_i log W_ii - 1/2 trace(W scatter W') - count / 2 |W place - nu|^2.
        """
        factor, rows, places = self._factors[k], self._rows, self._places
        residual = factor @ place - self._nus[k]
        entries = -(factor @ scatter)[rows, places] - count * residual[rows] * place[places]
        entries[rows == places] += logs / np.diagonal(factor)
        if self._spread == "number":
            entries = entries.sum(keepdims=True)
        second = scatter + count * np.outer(place, place)
        information = self._information(k, logs, count, count * place, second)
        return np.concatenate([entries, count * residual]), information

    def reduced(self, fixed: Mapping[str, Array], shared: tuple[str, ...]) -> Reduction:
        """By the free entries of W and of the means, of which nu = W mean is a function."""
        n_components, d = self._means.shape
        # A matrix is known as a whole; a variance is known where its entry of W is.
        known = np.asarray(fixed.get("covariances", np.False_))
        if known.ndim and self._spread == "matrix":
            known = known.reshape(-1, d * d)[:, :1].repeat(self._n_slots, axis=1)
        of_w, n_w = numbered(~np.broadcast_to(known.ravel(), self._n_w), False)
        means = ~np.broadcast_to(np.asarray(fixed.get("means", False)), (n_components, d))
        of_means, n_means = numbered(means, "means" in shared)
        of_means = np.where(of_means < 0, -1, of_means + n_w)
        is_free = of_w >= 0
        rows, columns, values = [np.flatnonzero(is_free)], [of_w[is_free]], [np.ones(n_w)]
        products = []
        for k in range(n_components):
            nu = self._n_w + k * d + self._rows
            slots = np.broadcast_to(np.arange(self._n_slots), self._rows.shape)
            w = of_w[slots + (0 if self._shared else k * self._n_slots)]
            mean = of_means[k, self._places]
            by_w, by_mean = w >= 0, mean >= 0
            rows += [nu[by_w], nu[by_mean]]
            columns += [w[by_w], mean[by_mean]]
            values += [self._means[k, self._places][by_w], self._factors[k][self._rows, self._places][by_mean]]
            products.append(np.stack([nu, w, mean], axis=1)[by_w & by_mean])
        n = n_w + n_means
        entries = np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
        return Reduction(*entries, n, np.concatenate(products))

    def standard_errors(self, covariance: Array, scale: Array) -> dict[str, Array]:
        n_components, d = self._means.shape
        means, spreads = np.empty((n_components, d)), []
        for k in range(n_components):
            own = self.columns(k)
            block = covariance[np.ix_(own, own)]
            root = np.linalg.inv(self._factors[k])
            sigma = root @ root.T
            # d mean = root (d nu - dW mean) and dC = -(root dW C + its transpose).
            by_entry = -root[:, self._rows] * self._means[k][self._places]
            by_w = by_entry.sum(axis=1, keepdims=True) if self._spread == "number" else by_entry
            jacobian = np.concatenate([by_w, root], axis=1)
            means[k] = np.sqrt(diagonal_of_product(jacobian, block)) * scale
            if k == 0 or not self._shared:
                spreads.append(self._spread_errors(root, sigma, block, scale))
        covariances = np.array(spreads)
        return {"means": means, "covariances": covariances[0] if self._shared else covariances}

    def _spread_errors(self, root: Array, sigma: Array, block: Array, scale: Array) -> Array:
        d = len(scale)
        block = block[: self._n_slots, : self._n_slots]
        if self._spread == "matrix":
            entries = -root[:, None, self._rows] * sigma[None, :, :][:, :, self._places]
            entries = entries + entries.swapaxes(0, 1)
            variances = diagonal_of_product(entries.reshape(d * d, -1), block).reshape(d, d)
            return np.sqrt(variances) * np.outer(scale, scale)
        jacobian = -2.0 * np.diagonal(root) ** 3
        if self._spread == "number":
            return np.asarray(np.abs(jacobian[0]) * np.sqrt(max(block[0, 0], 0.0)) * scale[0] ** 2)
        return np.abs(jacobian) * np.sqrt(np.maximum(np.diagonal(block), 0.0)) * scale**2


def diagonal_of_product(jacobian: Array, covariance: Array) -> Array:
    """The diagonal of J C J'."""
    return np.maximum(np.einsum("ai,ij,aj->a", jacobian, covariance, jacobian, optimize=True), 0.0)
