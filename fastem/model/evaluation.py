"""What a mixture says about data: densities, responsibilities, labels, and its likelihood and BIC."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastem import validation
from fastem.compiled.arrays import identify
from fastem.data import evaluate as evaluating
from fastem.data.samples import Known, Samples, known_of
from fastem.data.threads import Team, team
from fastem.families.base import Array, Columns, Family, Frame, Limits
from fastem.families.parameters import FloatArray, IntArray
from fastem.model.packed import Packed
from fastem.model.result import Result


def mixture_frame(mixture: Result) -> Frame:
    """Coordinates that depend on a mixture alone, centred and scaled by its own moments."""
    return mixture.family.frame(*mixture_moments(mixture))


def mixture_moments(mixture: Result) -> tuple[Array, Array]:
    """The mean and the standard deviation of each feature under a mixture, (n_features,)."""
    means, variances = mixture.family.moments(mixture.parameters)
    location = mixture.weights @ means
    # Scaled by the largest, so that squares neither overflow nor vanish.
    size = np.maximum(np.abs(means - location).max(axis=0), np.sqrt(variances.max(axis=0)))
    size = np.where(size > 0, size, 1.0)
    relative = variances / size / size + ((means - location) / size) ** 2
    return location, size * np.sqrt(mixture.weights @ relative)


def density_frame(mixture: Result) -> Frame:
    """`mixture_frame` with scales that are powers of two.

    Dividing by these rounds nothing. Densities need that, because an ill-conditioned covariance magnifies rounding.
    """
    frame = mixture_frame(mixture)
    return Frame(frame.shift, np.exp2(np.clip(np.round(np.log2(frame.scale)), -1022, 1023)))


def mixture_rows(mixture: Result, frame: Frame) -> tuple[Array, Array]:
    """The parameter matrix in the coordinates of `frame`, and the log weights."""
    with np.errstate(divide="ignore"):
        return mixture.family.pack(mixture.parameters, frame), np.log(mixture.weights)


def limits_in(family: Family, frame: Frame, facts: Columns, dtype: Any) -> Limits:
    """The limits of the M-step of a fit of these data, as squares in the coordinates of another frame."""
    own = family.frame(facts.location, facts.spread)
    limits = family.limits(own, facts, dtype)
    factor = (own.scale / frame.scale) ** 2  # 1 for families that leave data as they are, such as Poisson
    bound = None if limits.bound is None else limits.bound * factor
    return limits._replace(floor=limits.floor * factor, ridge=limits.ridge * factor, bound=bound)


def ready(mixture: Result, dtype: Any) -> evaluating.Ready:
    """A mixture ready to be evaluated at data of this dtype, in its own coordinates.

    It is kept with the mixture, and made anew when one of its arrays was replaced or changed in place.
    """
    seen = identify((mixture.weights, *mixture.parameters.values()))
    of_mixture, kept = vars(mixture).get("_ready", (None, {}))
    if seen is None or of_mixture != seen:
        kept = {}
    if dtype not in kept:
        frame = density_frame(mixture)
        params, log_weights = mixture_rows(mixture, frame)
        kept = {**kept, dtype: evaluating.ready(mixture.family, frame, params, log_weights, dtype)}
        if seen is not None:
            vars(mixture)["_ready"] = seen, kept
    return kept[dtype]


def evaluated(X: Array, mixture: Result, threads: Team, want: str, alone: bool = True) -> evaluating.Evaluation:
    """`evaluating.evaluate` of a mixture at checked data, in the mixture's own coordinates."""
    return evaluating.evaluate_ready(X, ready(mixture, validation.working_dtype(X)), threads, want, alone)


def evaluate_at(X: Any, mixture: Any, n_threads: int | None, want: str) -> Array:
    """What is wanted of a mixture, see `evaluating.evaluate`, at a user's data, packed ones too, in either order."""
    return _evaluate_at(*validation.data_and_mixture(X, mixture), n_threads, want)


def _evaluate_at(X: Any, mixture: Result, n_threads: int | None, want: str) -> Array:
    validation.check_usable(mixture)
    validation.check_n_threads(n_threads)
    if isinstance(X, Packed):
        X.check(mixture.family, mixture)
        rows = mixture_rows(mixture, X.frame)
        with team(n_threads) as threads:
            return evaluating.evaluate(X.data, mixture.family, X.frame, *rows, X.dtype, threads, want).values
    with validation.naming(X):
        checked = validation.check_data(X, mixture)
        validation.check_support(checked, mixture.family)
        own = ready(mixture, validation.working_dtype(checked))
        if own.work * len(checked) < evaluating.FEW:
            evaluation = evaluating.evaluate_ready(checked, own, None, want)
        else:
            with team(n_threads) as threads:
                evaluation = evaluating.evaluate_ready(checked, own, threads, want)
        if not evaluation.finite:
            validation.check_finite(checked, validation.working_dtype(checked))
    return evaluation.values


def log_density(X: Any, mixture: Any, *, n_threads: int | None = None) -> FloatArray:
    """The log density of a mixture at each sample.

    Parameters
    ----------
    X : array-like, (n_samples, n_features), or what `pack` returns
    mixture : a Result, or a fitted estimator. X and the mixture may change places.
    n_threads : as in `fit`.

    Returns
    -------
    (n_samples,) float64, nats; -inf where no component can have produced the sample. It is computed tile by tile.
    Besides the result it needs memory for one converted piece of X, or for none if X is C-contiguous float32 or
    float64.

    Raises
    ------
    ValueError, TypeError : unusable input, such as NaN, or 2.5 for a Poisson mixture; the message names the place. A
        frame whose columns are not those of `mixture.feature_names` in their order; parameters that are not finite.
    """
    return evaluate_at(X, mixture, n_threads, "log_density")


def responsibilities(X: Any, mixture: Any, *, n_threads: int | None = None) -> NDArray[np.floating[Any]]:
    """Posterior probabilities of the components given each sample.

    Parameters
    ----------
    X : array-like, (n_samples, n_features), or what `pack` returns
    mixture : a Result, or a fitted estimator. X and the mixture may change places.
    n_threads : as in `fit`.

    Returns
    -------
    (n_samples, n_components), rows sum to 1; float32 for float32 data, else float64. A sample that is impossible (or
    beyond the range of floating point) under every component gets the mixing weights, as it favours no component.

    Raises
    ------
    ValueError, TypeError : as for `log_density`.
    """
    X, mixture = validation.data_and_mixture(X, mixture)
    resp = _evaluate_at(X, mixture, n_threads, "resp")
    possible = resp.sum(axis=1) > 0
    if not possible.all():
        resp[~possible] = mixture.weights
    return resp


def predict(X: Any, mixture: Any, *, n_threads: int | None = None) -> IntArray:
    """The likeliest component of each sample.

    Parameters
    ----------
    X : array-like, (n_samples, n_features), or what `pack` returns
    mixture : a Result, or a fitted estimator. X and the mixture may change places.
    n_threads : as in `fit`.

    Returns
    -------
    (n_samples,) int64; of equally likely components, the first. A sample that is impossible under every component gets
    0; its `log_density` is -inf.

    Raises
    ------
    ValueError, TypeError : as for `log_density`.

    Examples
    --------
    >>> import fastem
    >>> mixture = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0], [9.0]])
    >>> fastem.predict([[0], [2], [12]], mixture).tolist()
    [0, 0, 1]
    """
    return evaluate_at(X, mixture, n_threads, "labels")


def component_log_density(X: Any, mixture: Any, *, n_threads: int | None = None) -> FloatArray:
    """The log density of each component at each sample, without the mixing proportions.

    Parameters
    ----------
    X : array-like, (n_samples, n_features), or what `pack` returns
    mixture : a Result, or a fitted estimator. X and the mixture may change places.
    n_threads : as in `fit`.

    Returns
    -------
    (n_samples, n_components) float64, log p(x | k) in nats; -inf where the component cannot have produced the sample.
    Of float32 data it is computed in float32.

    Raises
    ------
    ValueError, TypeError : as for `log_density`.

    Examples
    --------
    >>> import fastem
    >>> mixture = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0], [5.0]])
    >>> fastem.component_log_density([[0], [5]], mixture).round(2).tolist()
    [[-1.0, -5.0], [-5.79, -1.74]]
    """
    values: FloatArray = evaluate_at(X, mixture, n_threads, "log_prob").astype(np.float64, copy=False)
    return values


def check_knowledge(result: Result, known: Known | None) -> None:
    """Refuse what is known about the data of a fit if it is not what the fit knew."""
    found = 0 if known is None else int(np.count_nonzero(known.informative(result.n_components)))
    if result.n_samples:
        validation.check_same_knowledge(result.n_labelled, found)


def evaluate(
    X: Any,
    mixture: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    prior_resp: Any = None,
    n_threads: int | None = None,
) -> Result:
    """A mixture with the likelihood of some data, so that its BIC is that of these data.

    Parameters
    ----------
    X : array-like, (n_samples, n_features), or what `pack` returns
    mixture : a Result, such as one from `from_parameters`, from `maximise`, or fitted to other data; or a fitted
        estimator. X and the mixture may change places.
    sample_weight : (n_samples,) or None
    labels, prior_resp : as in `fit`; the likelihood is then of the samples and their labels.
    n_threads : as in `fit`.

    Returns
    -------
    Result : the same mixture with `log_likelihood`, `objective`, `n_samples`, `total_weight` and `n_labelled` of these
        data; and with them `bic` and `aic`; `icl` is NaN. All other fields, such as `status` and `history`, stay what
        they were.

    Raises
    ------
    ValueError, TypeError : as for `log_density`, and unusable weights.

    Examples
    --------
    >>> import fastem
    >>> mixture = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0], [5.0]])
    >>> round(fastem.evaluate([[0], [5], [2]], mixture).bic, 2)
    15.5
    """
    X, mixture = validation.data_and_mixture(X, mixture)
    known = None
    if labels is not None or prior_resp is not None:
        known = known_of(labels, prior_resp, len(X.samples.X if isinstance(X, Packed) else X), mixture.n_components)
    density = _evaluate_at(X, mixture, n_threads, "log_density" if known is None else "log_prob")
    if known is not None:
        density = _joint(density, mixture, known)
    if isinstance(X, Packed):
        validation.check_weights_are_packed(sample_weight)
        samples = X.samples
    else:
        with validation.naming(X, sample_weight):
            checked = validation.check_data(X, mixture)
            samples = Samples(checked, validation.check_sample_weight(sample_weight, len(checked)))
    if samples.sample_weight is not None:
        # A sample of weight 0 does not count, even if it is impossible.
        density = density[samples.sample_weight > 0] * samples.sample_weight[samples.sample_weight > 0]
    log_likelihood = float(density.sum())
    return replace(
        mixture,
        log_likelihood=log_likelihood,
        objective=mixture.model.objective(log_likelihood, mixture.weights, mixture.parameters),
        n_samples=samples.n_samples,
        total_weight=samples.total_weight,
        entropy=float("nan"),
        n_labelled=0 if known is None else int(np.count_nonzero(known.informative(mixture.n_components))),
    )


def _joint(log_prob: Array, mixture: Result, known: Known) -> Array:
    """The log densities (n,) of samples and what is known of them, from those of the components, (n, K)."""
    factors = known.shares(mixture.n_components) > 0 if known.prior is None else known.prior
    with np.errstate(divide="ignore"):
        terms = log_prob.astype(np.float64) + np.log(mixture.weights) + np.log(factors)
    largest = terms.max(axis=1, keepdims=True)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray((shift + np.log(np.exp(terms - shift).sum(axis=1, keepdims=True)))[:, 0])
