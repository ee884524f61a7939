"""The functional core beside `fit`: one E-step, one M-step, densities, draws. Plain arrays in, frozen records out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.data.columns import columns, merged
from fastem.data.fold import Mixtures
from fastem.data.samples import Samples
from fastem.data.sources import InMemory
from fastem.data.threads import Team, team
from fastem.families.base import Array, Columns, Family, Frame
from fastem.families.parameters import FloatArray, IntArray
from fastem.model.evaluation import limits_in, mixture_frame, mixture_rows
from fastem.model.model import Model, Setting
from fastem.model.packed import Packed
from fastem.model.problem import problem_of
from fastem.model.result import Fitted, Result
from fastem.model.showing import counted


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one E-step gathers from data: it can be added, and multiplied by a number >= 0.

    Evidence of parts of the data, gathered at the same mixture, adds up to the evidence of all of it, up to rounding.
    The sum of evidence of two mixtures, of the same family and size, is about the second: the statistics of the first
    are moved to it, with their old responsibilities. Multiplied by c, it is as if weights were c times as large.

    Attributes
    ----------
    mixture : the Result at which it was gathered. Of a sum, the last one.
    log_likelihood : total over the (weighted) samples, nats. Of a sum over mixtures, the sum of what each of them gave.
        NaN if the responsibilities were given.
    total_weight : the sum of the sample weights.
    n_samples : rows of data, times the numbers that it was multiplied by.
    statistics : (rows, width) float64, the family's sums in the coordinates of `frame`; statistics[k, 0] is the sum of
        component k's responsibilities.
    frame : the coordinates; they depend on the mixture alone, or are those of packed data.
    dtype : the type in which it was computed, float32 or float64.
    facts : where the columns lie and how they spread, which floors and ridges are relative to.
    """

    mixture: Result
    log_likelihood: float
    total_weight: float
    n_samples: float
    statistics: FloatArray
    frame: Frame
    dtype: Any
    facts: Columns

    # NumPy's scalars leave multiplication to `__rmul__`.
    __array_ufunc__ = None

    def __repr__(self) -> str:
        about = f"{self.mixture.family.name}, {counted(self.mixture.n_components, 'component')}"
        held = counted(round(self.n_samples), "sample")
        return f"Evidence({about}, {held}, log-likelihood {self.log_likelihood:.1f})"

    def __add__(self, other: Evidence) -> Evidence:
        if not isinstance(other, Evidence):
            return NotImplemented
        in_place = validation.is_same_mixture(self.mixture, other.mixture) and all(
            np.array_equal(*pair) for pair in zip(self.frame, other.frame, strict=True)
        )
        own = self.statistics if in_place else self._moved_to(other)
        return replace(
            other,
            log_likelihood=self.log_likelihood + other.log_likelihood,
            total_weight=self.total_weight + other.total_weight,
            n_samples=self.n_samples + other.n_samples,
            statistics=own + other.statistics,
            dtype=np.promote_types(self.dtype, other.dtype),
            facts=merged(self.facts, self.total_weight, other.facts, other.total_weight),
        )

    def _moved_to(self, other: Evidence) -> Array:
        """The statistics as if they had been gathered at the mixture of the other, in its frame."""
        rows, to_rows = (mixture_rows(each.mixture, each.frame)[0] for each in (self, other))
        n_components = self.mixture.n_components
        return self.mixture.family.moved(self.statistics, rows, self.frame, to_rows, other.frame, n_components)

    def __mul__(self, factor: Any) -> Evidence:
        if isinstance(factor, Evidence):
            return NotImplemented
        c = validation.check_factor(factor)
        return replace(
            self,
            log_likelihood=c * self.log_likelihood if c else 0.0,  # 0 times -inf is NaN
            total_weight=c * self.total_weight,
            n_samples=c * self.n_samples,
            statistics=c * self.statistics,
        )

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Evidence:
        return self * (1.0 / validation.check_factor(divisor))

    def __radd__(self, other: object) -> Evidence:
        """Evidence added to 0, with which sum() begins."""
        return self if other == 0 else NotImplemented


def from_parameters(family: Family, weights: Any, **parameters: Any) -> Result:
    """A mixture from given parameters.

    Parameters
    ----------
    family : a Family.
    weights : (n_components,) mixing proportions, >= 0, sum 1.
    **parameters : the family's named parameters, such as ``means=`` and ``covariances=``, or ``rates=``.

    Returns
    -------
    Result : with status GIVEN and log_likelihood NaN.

    Raises
    ------
    ValueError : a wrong name or shape, a covariance that is not positive definite, weights that do not sum to 1.

    Examples
    --------
    >>> import fastem
    >>> mixture = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0], [5.0]])
    >>> mixture.n_parameters
    3
    """
    validation.check_family(family)
    checked_weights, checked = validation.check_parameters(weights, parameters, family)
    return Result(model=Model(family, len(checked_weights)), weights=checked_weights, parameters=checked)


def fold(
    X: Any, mixture: Any, *, resp: Any = None, sample_weight: Any = None, n_threads: int | None = None
) -> Evidence:
    """One E-step: the evidence of X at a mixture.

    Parameters
    ----------
    X : array-like, (n_samples, n_features), or what `pack` returns
    mixture : a Result, or a fitted estimator. X and the mixture may change places.
    resp : array-like, (n_samples, n_components), or None
        Responsibilities that some other model has found, such as the posterior of a hidden Markov model; finite and
        >= 0, and rows need not sum to 1. The statistics are then gathered from these. None takes those of the mixture.
    sample_weight : (n_samples,) or None
        They multiply given responsibilities, too.
    n_threads : as in `fit`.

    Returns
    -------
    Evidence : add up the Evidence of parts of the data with ``+``; ``maximise`` turns it into the next mixture.

    Raises
    ------
    ValueError, TypeError : unusable input, or a frame with other columns than the mixture; the message names the place.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.array([[0.2], [-0.9], [-1.0], [1.2], [1.8]])
    >>> mixture = fastem.from_parameters(
    ...     fastem.Gaussian("diag"), [0.5, 0.5], means=[[-3.0], [2.0]], covariances=[[4.0], [4.0]])
    >>> evidence = fastem.fold(X[:2], mixture) + fastem.fold(X[2:], mixture)
    >>> fastem.maximise(evidence).weights.round(5).tolist()
    [0.34562, 0.65438]
    """
    X, mixture = validation.data_and_mixture(X, mixture)
    validation.check_usable(mixture)
    validation.check_n_threads(n_threads)
    with team(n_threads) as threads:
        source = source_of(X, mixture, sample_weight, threads)
        frame, problem = source.frame, problem_of(mixture.model, source)
        params, log_weights = mixture_rows(mixture, frame)
        if resp is None:
            mixtures = Mixtures(params[None], log_weights[None])
            totals, all_statistics = problem.passes().run(mixtures, params[None], np.zeros(1, np.int64))
            total, statistics = float(totals[0]), all_statistics[0]
        else:
            given = validation.check_given_resp(resp, source.n_samples, mixture.n_components)
            total, statistics = float("nan"), problem.gather(lambda first, last: given[first:last], params)
    sizes = source.total_weight, source.n_samples
    return Evidence(mixture, total, *sizes, statistics, frame, source.dtype, source.facts)


def source_of(X: Any, mixture: Result, sample_weight: Any, threads: Team) -> InMemory:
    """Checked data in the coordinates of a mixture, or packed data in their own."""
    if isinstance(X, Packed):
        validation.check_weights_are_packed(sample_weight)
        X.check(mixture.family, mixture)
        return X.source(threads)
    with validation.naming(X, sample_weight):
        checked = validation.check_data(X, mixture)
        samples = Samples(checked, validation.check_sample_weight(sample_weight, len(checked)))
    family, dtype = mixture.family, validation.working_dtype(checked)
    facts = columns(checked, samples.sample_weight, dtype, threads)
    with validation.naming(X):
        validation.check_columns(checked, facts, family, dtype)
    assert facts is not None
    return InMemory(samples, family, facts, mixture_frame(mixture), dtype, threads)


def maximise(evidence: Evidence) -> Result:
    """One M-step: the mixture that maximises the expected complete-data log-likelihood under `evidence`.

    Parameters
    ----------
    evidence : Evidence of all of the data. If it was gathered in parts, add them up first.

    Returns
    -------
    Result : with status GIVEN; its own log_likelihood, bic and aic are unknown (NaN) until `evaluate`. A component
        without samples keeps its parameters and has weight 0. Floors and ridges are relative to the spread of the data,
        as in `fit`.

    Raises
    ------
    TypeError : `evidence` is no Evidence. ValueError : every sample in it is impossible under its mixture.
    """
    validation.check_evidence(evidence)
    mixture, frame = evidence.mixture, evidence.frame
    family = mixture.family
    limits = limits_in(family, frame, evidence.facts, evidence.dtype)
    setting = Setting(frame, limits, evidence.total_weight, evidence.n_samples)
    step = mixture.model.maximise(evidence.statistics, family.pack(mixture.parameters, frame), setting)
    with np.errstate(over="ignore", under="ignore"):
        parameters = family.unpack(step.params, frame, mixture.n_components)
    return Result(
        model=mixture.model,
        weights=np.exp(step.log_weights),
        parameters=parameters,
        feature_names=mixture.feature_names,
        n_samples=round(evidence.n_samples),
        total_weight=evidence.total_weight,
    )


class Draws(NamedTuple):
    """What `sample` returns.

    Attributes
    ----------
    X : (n_samples, n_features) float64.
    labels : (n_samples,) int64, the component of each draw.
    """

    X: FloatArray
    labels: IntArray


def sample(mixture: Result | Fitted, n_samples: int, *, seed: Any = None) -> Draws:
    """Independent draws from a mixture.

    Parameters
    ----------
    mixture : a Result, or a fitted estimator.
    n_samples : int >= 1
    seed : int >= 0, a sequence of them, or None.

    Returns
    -------
    Draws : X (n_samples, n_features) float64 and labels (n_samples,) int64.

    Raises
    ------
    ValueError, TypeError : unusable arguments.

    Examples
    --------
    >>> import fastem
    >>> mixture = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0], [9.0]])
    >>> X, labels = fastem.sample(mixture, 10_000, seed=0)
    >>> X.shape, X[labels == 1].mean().round().item()
    ((10000, 1), 9.0)
    """
    result: Result = validation.check_mixture(mixture)
    validation.check_usable(result)
    validation.check_n_draws(n_samples)
    rng = np.random.default_rng(validation.check_seed(seed))
    labels = rng.choice(result.n_components, size=n_samples, p=result.weights)
    return Draws(result.family.sample(rng, result.parameters, labels), labels)
