"""The score of a mixture and its information: sums over the samples, by the parameters that are free."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastem import validation
from fastem.data.samples import Samples
from fastem.data.threads import Team
from fastem.families.base import Array, Tangent
from fastem.families.priors import Derivatives
from fastem.families.reduced import ReducedTangent
from fastem.model.evaluation import evaluated, mixture_frame
from fastem.model.result import Result

# Bytes of scores that exist at a time: as many as stay in a cache (with 64 MB it took twice as long), or as pay for the
# addition of a matrix of all parameters, if these are many.
CACHED, CHUNK_BYTES = 4 * 2**20, 64 * 2**20


class Sums:
    """Sums over the samples, a bounded piece at a time. The log weights come first, then the family's parameters."""

    def __init__(
        self,
        samples: Samples,
        result: Result,
        tangent: Tangent,
        threads: Team,
        n_bytes: int = CHUNK_BYTES,
    ) -> None:
        self._n_bytes = n_bytes
        self._samples, self._result, self._own = samples, result, tangent
        self.tangent: Tangent | ReducedTangent = tangent
        self._threads, self._frame = threads, mixture_frame(result)
        known = result.model.constraints
        if known:
            fixed = {name: ~np.isnan(value) for name, value in known.fixed.items()}
            reduced = validation.check_derivatives(tangent, "reduced", result.family)(fixed, known.shared)
            self.tangent = ReducedTangent(tangent, result.n_components, reduced, fixed)
        self.mixing = result.model.mixing.tangent(result.weights)
        first = self.mixing.n_free
        self.n = first + self.tangent.n_free
        self._columns = [first + self.tangent.columns(k) for k in range(result.n_components)]
        self.total_weight = samples.total_weight
        # What the priors of the weights are worth.
        counts = [prior.pseudo_counts(result.n_components) for prior in result.model.priors]
        self._pseudo = np.sum(counts, axis=0) if counts else np.zeros(result.n_components)
        self._n_mixed = self.total_weight + float(self._pseudo.sum())

    def _pieces(self) -> Iterator[tuple[Array, Array, Array]]:
        """Samples in the frame, their weights, and their responsibilities."""
        size = max(256, min(CACHED, self._n_bytes) // (8 * self.n), min(self.n // 4, self._n_bytes // (8 * self.n)))
        X, sample_weight, known = self._samples
        for first in range(0, len(X), size):
            piece = np.ascontiguousarray(X[first : first + size], dtype=np.float64)
            resp = evaluated(piece, self._result, self._threads, "resp", alone=False).values
            if known is not None:
                resp = known.take(slice(first, first + size)).imposed(resp)
            weights = np.ones(len(piece)) if sample_weight is None else sample_weight[first : first + size]
            yield (piece - self._frame.shift) / self._frame.scale, weights, resp

    def _scores(self, k: int, x: Array) -> Array:
        """The scores of samples that are known to be of component k: columns of the mixing, then of the component."""
        return np.concatenate([self.mixing.scores(k, len(x)), self.tangent.scores(k, x)], axis=1)

    def _places(self, k: int) -> Array:
        return np.concatenate([np.arange(self.mixing.n_free), self._columns[k]])

    def _of_priors(self, k: int) -> Iterator[Derivatives]:
        """What the priors of the components add to the score and to the information of component k."""
        for prior in self._result.model.priors:
            found = prior.derivatives(self._result.family, self._own, k, self._result.n_components, self._frame)
            if found is not None:
                yield self.tangent.carried(k, *found) if isinstance(self.tangent, ReducedTangent) else found

    def _weighted_scores(self, x: Array, resp: Array) -> Iterator[tuple[Array, Array, Array]]:
        """For each component the places of its parameters, the scores of samples (n, m), and these times resp."""
        for k in range(resp.shape[1]):
            scores = self._scores(k, x)
            yield self._places(k), scores, resp[:, k, None] * scores

    def gathered(self, dense: bool) -> tuple[Array, Array, Array | None]:
        """The gradient of the log-likelihood, the expected complete-data information, and the observed information.

        The last is the complete-data information less what is missing. If not `dense`, the second is a diagonal and the
        last None.
        """
        logits, m = self.mixing.information(self._n_mixed), self.mixing.n_free
        score, missing = np.zeros(self.n), np.zeros((self.n, self.n) if dense else 0)
        score[:m] = self._pseudo @ np.concatenate([self.mixing.scores(k, 1) for k in range(len(self._pseudo))])
        complete = np.zeros((self.n, self.n) if dense else self.n)
        if dense:
            complete[:m, :m] = logits
        else:
            complete[:m] = np.diagonal(logits)
        for k, own in enumerate(self._columns):
            for first, block in self._of_priors(k):
                score[own] += first
                _add(complete, own, block)
        for x, w, resp in self._pieces():
            mean = np.zeros((len(x), self.n))
            for places, scores, weighted in self._weighted_scores(x, resp):
                mean[:, places] += weighted
                if dense:
                    missing[np.ix_(places, places)] += scores.T @ (w[:, None] * weighted)
            score += w @ mean
            if dense:
                missing -= mean.T @ (w[:, None] * mean)
            for k in range(resp.shape[1]):
                own, block = self._columns[k], self.tangent.information(k, x, w * resp[:, k])
                _add(complete, own, block)
        observed = complete - missing if dense else None
        return score, complete, None if observed is None else 0.5 * (observed + observed.T)

    def smallest(self, inverse_root: Array) -> float:
        """The smallest eigenvalue of the information relative to the complete-data diagonal, by Lanczos' method."""
        from scipy.sparse.linalg import LinearOperator, eigsh

        m = self.mixing.n_free

        def product(vector: Array) -> Array:
            direction = inverse_root * vector.reshape(-1)
            result = np.zeros(self.n)
            result[:m] = self.mixing.product(self._n_mixed, direction[:m])
            for k, own in enumerate(self._columns):
                for _, block in self._of_priors(k):
                    result[own] += block @ direction[own]
            for x, w, resp in self._pieces():
                mean = np.zeros((len(x), self.n))
                for k, (places, scores, weighted) in enumerate(self._weighted_scores(x, resp)):
                    own = self._columns[k]
                    result[own] += self.tangent.information(k, x, w * resp[:, k]) @ direction[own]
                    result[places] -= weighted.T @ (w * (scores @ direction[places]))
                    mean[:, places] += weighted
                result += mean.T @ (w * (mean @ direction))
            return np.asarray(inverse_root * result)

        operator = LinearOperator((self.n, self.n), matvec=product, dtype=np.float64)
        start = np.random.default_rng(0).standard_normal(self.n)
        # Lanczos' method is best at finding eigenvalues far from 0; the smallest of x is the largest of 1 - x.
        flipped = LinearOperator(
            (self.n, self.n), matvec=lambda v: v.reshape(-1) - operator.matvec(v), dtype=np.float64
        )
        return 1.0 - float(eigsh(flipped, k=1, which="LA", v0=start, tol=1e-4, return_eigenvectors=False)[0])


def _add(total: Array, places: Array, block: Array) -> None:
    """Add a block to a matrix, or its diagonal to a diagonal."""
    if total.ndim == 2:
        total[np.ix_(places, places)] += block
    else:
        total[places] += np.diagonal(block)
