"""Is a solution really a maximum? The observed score and information there, and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from fastem import validation
from fastem.data.samples import Samples, known_of
from fastem.data.threads import Team, team
from fastem.families.base import Array, Tangent
from fastem.families.parameters import FloatArray
from fastem.model.evaluation import check_knowledge, evaluated, mixture_frame, mixture_rows
from fastem.model.result import Result
from fastem.model.showing import arrays_in_words

# With up to this many parameters the information is computed as a matrix; with more, only its smallest eigenvalue is.
DENSE = 5000
# The second derivatives of a component with this many parameters take 200 MB.
LARGEST = 5000
# Bytes of scores that exist at a time.
CHUNK_BYTES = 64 * 2**20
# Eigenvalues are fractions of the complete-data information, at most 1. One that is closer to 0 than this counts as 0:
# rounding errors reach 1e-12, and where EM stops at tol = 1e-6, the solution is still some 1e-4 away from its limit.
ZERO = 1e-5
# A solution from which a Newton step would gain more than this, in nats per sample, has not converged.
CONVERGED = 1e-5


class Verdict(Enum):
    """What kind of point a solution is. The values are sentences for the user."""

    MAXIMUM = "A maximum: the likelihood falls in every direction."
    SADDLE = (
        "A saddle point: the likelihood rises in some direction, so EM only seems to have converged; start elsewhere, "
        "or perturb the parameters."
    )
    FLAT = (
        "Flat: in some direction the likelihood does not change, so the parameters are not identifiable from these "
        "data; lower n_components."
    )
    BOUNDARY = (
        "At a boundary: a floor or a ridge acts, or a component has no samples, so that the likelihood's derivatives "
        "say nothing of a maximum."
    )
    NOT_CONVERGED = (
        "Not converged: the likelihood still rises along its gradient; go on with a smaller tol, or accelerate."
    )


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `diagnose` returns.

    Attributes
    ----------
    verdict : a Verdict.
    gain : what a Newton-like step along the gradient would gain, nats per sample; nearly 0 at a stationary point.
    score : (n_parameters,) the gradient of the log-likelihood
        The coordinates are first the log weights relative to the last weight, then those of the family: for Gaussians
        the entries of the precisions' factors and of factor times mean, in a frame of unit spread; for Poisson
        components the logarithms of the rates; for Bernoulli components the logits of the probabilities.
    information : (n_parameters, n_parameters) minus the second derivatives of the log-likelihood in the same
        coordinates; None with more than 5,000 parameters.
    smallest : the smallest eigenvalue of the information relative to the complete-data information, at most 1
        This is the fraction of the information that is not missing, in the direction where it is least. With more than
        5,000 parameters it is relative to the diagonal of the complete-data information.
    standard_errors : of "weights" and of the family's named parameters, in their shapes and units; None unless the
        solution is a maximum with at most 5,000 parameters.
    """

    verdict: Verdict
    gain: float
    score: FloatArray
    information: FloatArray | None
    smallest: float
    standard_errors: dict[str, FloatArray] | None

    def __repr__(self) -> str:
        return f"Diagnosis({self.verdict.name}, gain {self.gain:.1e} nats per sample, smallest {self.smallest:.3g})"

    def summary(self) -> str:
        """Some lines of text: the verdict, what it stands on, and the standard errors if there are any."""
        least = f"the fraction of information left where it is least is {self.smallest:.3g}"
        lines = [self.verdict.value, f"A Newton step would gain {self.gain:.1e} nats per sample; {least}."]
        if self.standard_errors is not None:
            lines += ["", "Standard errors", *arrays_in_words(self.standard_errors)]
        return "\n".join(lines)


def diagnose(
    result: Any,
    X: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    prior_resp: Any = None,
    n_threads: int | None = None,
) -> Diagnosis:
    """Whether a fit ended at a maximum of the likelihood, and how certain its parameters are.

    Parameters
    ----------
    result : the Result of a fit to X, or the fitted estimator. It and X may change places.
    X, sample_weight, labels, prior_resp : the data of that fit.
    n_threads : as in `fit`, for the densities. The sums of products run in as many threads as NumPy uses.

    Returns
    -------
    Diagnosis

    Raises
    ------
    ValueError, TypeError : unusable input; a component of more than 5,000 parameters; fixed or shared parameters.

    Notes
    -----
    The observed information is E[B | X] - cov[s | X], summed over samples, with s and B the score and the information
    of a sample whose component is known (Louis 1982). It takes O(n K m^2) operations for m parameters of a component.
    Standard errors come from the inverse of the information and the delta method, and assume that the model is true. A
    sample weight counts as a number of samples.

    References
    ----------
    Louis (1982), J. R. Statist. Soc. B 44, 226-233, section 3. McLachlan and Peel (2000), Finite Mixture Models,
    section 2.15.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.random.default_rng(0).poisson([[2.0]] * 300 + [[12.0]] * 300)
    >>> result = fastem.fit(X, fastem.Poisson(), 2, seed=0, tol=1e-9)
    >>> found = fastem.diagnose(X, result)
    >>> found.verdict.name, sorted(found.standard_errors["rates"].round(1).ravel().tolist())
    ('MAXIMUM', [0.1, 0.2])
    """
    X, result = validation.data_and_mixture(result, X)
    validation.check_usable(result)
    validation.check_free(bool(result.model.constraints))
    with validation.naming(X, sample_weight):
        checked = validation.check_data(X, result)
        weights = validation.check_sample_weight(sample_weight, len(checked))
        validation.check_finite(checked, validation.working_dtype(checked))
        validation.check_support(checked, result.family)
    validation.check_n_threads(n_threads)
    validation.check_same_data(float(len(checked) if weights is None else weights.sum()), result)
    known = known_of(labels, prior_resp, len(checked), result.n_components)
    check_knowledge(result, known)
    with team(n_threads) as threads:
        return diagnosed(result, Samples(checked, weights, known), threads)


def diagnosed(
    result: Result, samples: Samples, threads: Team, largest: int = DENSE, n_bytes: int = CHUNK_BYTES
) -> Diagnosis:
    """The diagnosis of a result on checked data.

    largest: up to so many parameters the information is a matrix. n_bytes: of the scores that exist at a time.
    """
    frame = mixture_frame(result)
    params, log_weights = mixture_rows(result, frame)
    alive = np.isfinite(log_weights).all()
    tangent = result.family.tangent(params, result.n_features, result.n_components)
    _check_size(len(tangent.columns(0)))
    sums = _Sums(samples, result, tangent, threads, n_bytes)
    dense = sums.n <= largest
    score, complete = sums.score_and_complete(dense)
    information = sums.information(complete) if dense else None
    inverse_root = _inverse_root(complete) if alive else None
    if inverse_root is None:
        return Diagnosis(Verdict.BOUNDARY, np.nan, score, information, np.nan, None)
    if information is not None:
        smallest = float(np.linalg.eigvalsh(inverse_root @ information @ inverse_root.T)[0])
    else:
        smallest = sums.smallest(inverse_root)
    stride = inverse_root @ score if dense else inverse_root * score
    gain = 0.5 * float((stride**2).sum()) / sums.total_weight
    unbounded = result.family.is_unbounded(samples.X.min(axis=0), samples.X.max(axis=0))
    verdict = Verdict.BOUNDARY if unbounded else _verdict(result, gain, smallest)
    errors = None
    if verdict is Verdict.MAXIMUM and information is not None:
        covariance = inverse_root.T @ np.linalg.inv(inverse_root @ information @ inverse_root.T) @ inverse_root
        n = sums.mixing.n_free
        errors = {"weights": sums.mixing.standard_errors(covariance[:n, :n])}
        errors |= tangent.standard_errors(covariance[n:, n:], frame.scale)
    return Diagnosis(verdict, gain, score, information, smallest, errors)


def _check_size(n_parameters: int) -> None:
    """Refuse components whose second derivatives would not fit into memory."""
    if n_parameters > LARGEST:
        raise ValueError(
            f"a component has {n_parameters} parameters; diagnose takes {LARGEST} at most. Diagnose a fit of fewer "
            "features, or of diagonal covariances."
        )


def _verdict(result: Result, gain: float, smallest: float) -> Verdict:
    report = result.starts[result.best_start] if result.starts else None
    # A ridge that is far too small to matter leaves the gradient at 0.
    regularised = result.family.is_regularised and gain > CONVERGED
    if regularised or (report is not None and report.floored) or not np.isfinite(gain):
        return Verdict.BOUNDARY
    if smallest < -ZERO:
        return Verdict.SADDLE
    if gain > CONVERGED:
        return Verdict.NOT_CONVERGED
    return Verdict.MAXIMUM if smallest >= ZERO else Verdict.FLAT


def _inverse_root(complete: Array) -> Array | None:
    """A matrix W such that W' W is the inverse of `complete`; None if `complete` is not positive definite.

    A vector stands for a diagonal matrix, in the argument and in the answer.
    """
    scale = np.sqrt(complete if complete.ndim == 1 else np.diagonal(complete))
    if not (np.isfinite(complete).all() and (scale > 0).all()):
        return None
    if complete.ndim == 1:
        return np.asarray(1.0 / scale)
    values, vectors = np.linalg.eigh(complete / scale / scale[:, None])
    if not values[0] > 1e-14:
        return None
    inverse_root: Array = (vectors / np.sqrt(values)).T / scale
    return inverse_root


class _Sums:
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
        self._samples, self._result, self._tangent = samples, result, tangent
        self._threads, self._frame = threads, mixture_frame(result)
        self.mixing = result.model.mixing.tangent(result.weights)
        first = self.mixing.n_free
        self.n = first + tangent.n_free
        self._columns = [first + tangent.columns(k) for k in range(result.n_components)]
        self.total_weight = samples.total_weight

    def _pieces(self) -> Iterator[tuple[Array, Array, Array]]:
        """Samples in the frame, their weights, and their responsibilities."""
        size, (X, sample_weight, known) = max(256, self._n_bytes // (8 * self.n)), self._samples
        for first in range(0, len(X), size):
            piece = np.ascontiguousarray(X[first : first + size], dtype=np.float64)
            resp = evaluated(piece, self._result, self._threads, "resp", alone=False).values
            if known is not None:
                resp = known.take(slice(first, first + size)).imposed(resp)
            weights = np.ones(len(piece)) if sample_weight is None else sample_weight[first : first + size]
            yield (piece - self._frame.shift) / self._frame.scale, weights, resp

    def _scores(self, k: int, x: Array) -> Array:
        """The scores of samples that are known to be of component k: columns of the mixing, then of the component."""
        return np.concatenate([self.mixing.scores(k, len(x)), self._tangent.scores(k, x)], axis=1)

    def _places(self, k: int) -> Array:
        return np.concatenate([np.arange(self.mixing.n_free), self._columns[k]])

    def _mean_scores(self, x: Array, resp: Array) -> Array:
        """The scores of the observed samples, (n, self.n)."""
        mean = np.zeros((len(x), self.n))
        for k in range(resp.shape[1]):
            mean[:, self._places(k)] += resp[:, k, None] * self._scores(k, x)
        return mean

    def score_and_complete(self, dense: bool) -> tuple[Array, Array]:
        """The gradient of the log-likelihood, and the expected complete-data information, or its diagonal."""
        logits, m = self.mixing.information(self.total_weight), self.mixing.n_free
        score = np.zeros(self.n)
        complete = np.zeros((self.n, self.n) if dense else self.n)
        if dense:
            complete[:m, :m] = logits
        else:
            complete[:m] = np.diagonal(logits)
        for x, w, resp in self._pieces():
            score += w @ self._mean_scores(x, resp)
            for k in range(resp.shape[1]):
                own, block = self._columns[k], self._tangent.information(k, x, w * resp[:, k])
                if dense:
                    complete[np.ix_(own, own)] += block
                else:
                    complete[own] += np.diagonal(block)
        return score, complete

    def information(self, complete: Array) -> Array:
        """The observed information: the complete-data information less what is missing."""
        observed = complete.copy()
        for x, w, resp in self._pieces():
            for k in range(resp.shape[1]):
                scores, places = self._scores(k, x), self._places(k)
                observed[np.ix_(places, places)] -= scores.T @ ((w * resp[:, k])[:, None] * scores)
            mean = self._mean_scores(x, resp)
            observed += mean.T @ (w[:, None] * mean)
        return 0.5 * (observed + observed.T)

    def smallest(self, inverse_root: Array) -> float:
        """The smallest eigenvalue of the information relative to the complete-data diagonal, by Lanczos' method."""
        from scipy.sparse.linalg import LinearOperator, eigsh

        m = self.mixing.n_free

        def product(vector: Array) -> Array:
            direction = inverse_root * vector.reshape(-1)
            result = np.zeros(self.n)
            result[:m] = self.mixing.product(self.total_weight, direction[:m])
            for x, w, resp in self._pieces():
                for k in range(resp.shape[1]):
                    own, scores, places = self._columns[k], self._scores(k, x), self._places(k)
                    result[own] += self._tangent.information(k, x, w * resp[:, k]) @ direction[own]
                    result[places] -= scores.T @ (w * resp[:, k] * (scores @ direction[places]))
                mean = self._mean_scores(x, resp)
                result += mean.T @ (w * (mean @ direction))
            return np.asarray(inverse_root * result)

        operator = LinearOperator((self.n, self.n), matvec=product, dtype=np.float64)
        start = np.random.default_rng(0).standard_normal(self.n)
        # Lanczos' method is best at finding eigenvalues far from 0; the smallest of x is the largest of 1 - x.
        flipped = LinearOperator(
            (self.n, self.n), matvec=lambda v: v.reshape(-1) - operator.matvec(v), dtype=np.float64
        )
        return 1.0 - float(eigsh(flipped, k=1, which="LA", v0=start, tol=1e-4, return_eigenvectors=False)[0])
