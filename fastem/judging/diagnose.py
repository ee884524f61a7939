"""Is a solution really a maximum? The observed score and information there, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from fastem import validation
from fastem.data.columns import columns
from fastem.data.fold import Mixtures
from fastem.data.samples import Samples, known_of
from fastem.data.sources import InMemory
from fastem.data.threads import Team, team
from fastem.families.base import Array
from fastem.families.parameters import FloatArray
from fastem.judging.information import CHUNK_BYTES, Sums
from fastem.model.evaluation import check_knowledge, mixture_frame, mixture_rows
from fastem.model.problem import problem_of
from fastem.model.result import Result
from fastem.model.showing import arrays_in_words

# With up to this many parameters the information is computed as a matrix; with more, only its smallest eigenvalue is.
DENSE = 5000
# The second derivatives of a component with this many parameters take 200 MB.
LARGEST = 5000
# Eigenvalues are fractions of the complete-data information, at most 1. One that is closer to 0 than this counts as 0:
# rounding errors reach 1e-12, and where EM stops at tol = 1e-6, the solution is still some 1e-4 away from its limit.
ZERO = 1e-5
# A solution from which a Newton step would gain more than this, in nats per sample, has not converged.
CONVERGED = 1e-5
# EM that ended at the fixed point of a ridge, or hangs at a saddle, gains nothing by another step. One that gains this
# fraction of what a Newton step would was stopped on its way.
ON_ITS_WAY = 0.01


class Verdict(Enum):
    """What kind of point a solution is: MAXIMUM, SADDLE, FLAT, BOUNDARY or NOT_CONVERGED.

    The values are sentences for the user.
    """

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
    score : (n_parameters,) the gradient of the log-likelihood, to which the log densities of priors are added
        The coordinates are first the log weights relative to the last weight, then those of the family: for Gaussians
        the entries of the precisions' factors and of factor times mean, in a frame of unit spread; for Poisson
        components the logarithms of the rates; for Bernoulli components the logits of the probabilities. Where
        something is fixed or shared, they are those of them that are free, with means in place of factor times mean.
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
    ValueError, TypeError : unusable input; a component of more than 5,000 parameters; nothing that is free.

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
    sums = Sums(samples, result, tangent, threads, n_bytes)
    validation.check_free(sums.n)
    tangent = sums.tangent
    dense = sums.n <= largest
    score, complete, information = sums.gathered(dense)
    inverse_root = _inverse_root(complete) if alive else None
    if inverse_root is None and alive and dense and result.model.constraints:
        # Where means are shared, what one M-step maximises may have a saddle, too.
        inverse_root = _inverse_root(np.diagonal(complete).copy())
        inverse_root = None if inverse_root is None else np.diag(inverse_root)
    if inverse_root is None:
        return Diagnosis(Verdict.BOUNDARY, np.nan, score, information, np.nan, None)
    if information is not None:
        smallest = float(np.linalg.eigvalsh(inverse_root @ information @ inverse_root.T)[0])
    else:
        smallest = sums.smallest(inverse_root)
    stride = inverse_root @ score if dense else inverse_root * score
    gain = 0.5 * float((stride**2).sum()) / sums.total_weight
    unbounded = result.family.is_unbounded(samples.X.min(axis=0), samples.X.max(axis=0))
    verdict = Verdict.BOUNDARY if unbounded else _verdict(result, samples, threads, gain, smallest)
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


def _verdict(result: Result, samples: Samples, threads: Team, gain: float, smallest: float) -> Verdict:
    report = result.starts[result.best_start] if result.starts else None
    if (report is not None and report.floored) or not np.isfinite(gain):
        return Verdict.BOUNDARY
    if gain > CONVERGED and _gained(result, samples, threads) > ON_ITS_WAY * gain:
        return Verdict.NOT_CONVERGED
    # A ridge that is far too small to matter leaves the gradient at 0.
    if gain > CONVERGED and result.family.is_regularised:
        return Verdict.BOUNDARY
    if smallest < -ZERO:
        return Verdict.SADDLE
    if gain > CONVERGED:
        return Verdict.NOT_CONVERGED
    return Verdict.MAXIMUM if smallest >= ZERO else Verdict.FLAT


def _gained(result: Result, samples: Samples, threads: Team) -> float:
    """What the next step of EM changes in the likelihood, nats per sample; a ridge may let it fall."""
    frame, dtype = mixture_frame(result), validation.working_dtype(samples.X)
    facts = columns(samples.X, samples.sample_weight, dtype, threads)
    assert facts is not None  # the data are finite
    problem = problem_of(result.model, InMemory(samples, result.family, facts, frame, dtype, threads))
    params, log_weights = mixture_rows(result, frame)
    passes, starts = problem.passes(), np.zeros(1, np.int64)
    before, statistics = passes.run(Mixtures(params[None], log_weights[None]), params[None], starts)
    step = result.model.maximise(statistics[0], params, problem.setting)
    after, _ = passes.run(Mixtures(step.params[None], step.log_weights[None]), step.params[None], starts)
    return float(abs(after[0] - before[0])) / samples.total_weight


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
