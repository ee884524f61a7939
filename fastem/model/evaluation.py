"""What a mixture says about data that it was not fitted to: the densities of its components, its likelihood and BIC."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastem import validation
from fastem.data.samples import Samples
from fastem.families.parameters import FloatArray
from fastem.model.evidence import evaluate_at
from fastem.model.packed import Packed
from fastem.model.result import Result


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


def evaluate(X: Any, mixture: Any, *, sample_weight: Any = None, n_threads: int | None = None) -> Result:
    """A mixture with the likelihood of some data, so that its BIC is that of these data.

    Parameters
    ----------
    X : array-like, (n_samples, n_features), or what `pack` returns
    mixture : a Result, such as one from `from_parameters`, from `maximise`, or fitted to other data; or a fitted
        estimator. X and the mixture may change places.
    sample_weight : (n_samples,) or None
    n_threads : as in `fit`.

    Returns
    -------
    Result : the same mixture with `log_likelihood`, `objective`, `n_samples` and `total_weight` of these data; and with
        them `bic` and `aic`. All other fields, such as `status` and `history`, stay what they were.

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
    density = evaluate_at(X, mixture, n_threads, "log_density")
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
        objective=mixture.model.objective(log_likelihood, None),
        n_samples=samples.n_samples,
        total_weight=samples.total_weight,
    )
