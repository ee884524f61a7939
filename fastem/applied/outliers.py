"""`fastem.MixtureOutlierDetector`: samples of low density under a Gaussian mixture."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from fastem import validation
from fastem.applied.keeping import Settings
from fastem.em.accelerate import Acceleration
from fastem.estimators.keeping import checked_array
from fastem.families import SHAPES
from fastem.families.gaussian import CovarianceShape
from fastem.families.parameters import FloatArray, IntArray
from fastem.model.evaluation import log_density
from fastem.starts.names import StartMethod


class MixtureOutlierDetector(Settings, OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Outliers as the samples of lowest density under a Gaussian mixture.

    Parameters
    ----------
    n_components : int, default=1
    contamination : float in (0, 0.5], default=0.1
        The share of the training samples that are called outliers.
    covariance_type, tol, reg_covar, max_iter, n_init, init_params, random_state, n_threads, accelerate, floor,
    min_variance, ridge
        As those of ``fastem.GaussianMixture``.

    Attributes
    ----------
    offset_ : float, the log density, nats, below which a sample is an outlier.
    result_ : ``fastem.Result``, the mixture.
    n_features_in_, feature_names_in_ : as everywhere in scikit-learn.
    converged_, n_iter_ : as those of ``fastem.GaussianMixture``.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.concatenate([np.random.default_rng(0).standard_normal((99, 2)), [[9.0, 9.0]]])
    >>> detector = fastem.MixtureOutlierDetector(contamination=0.01).fit(X)
    >>> np.flatnonzero(detector.predict(X) == -1).tolist()
    [99]

    References
    ----------
    Tarassenko, Hayton, Cerneaz and Brady (1995), Novelty detection for the identification of masses in mammograms,
    Fourth Int. Conf. on Artificial Neural Networks, 442-447.
    """

    _parameter_constraints = Settings._constraints(
        covariance_type=set(SHAPES), contamination=[Interval(Real, 0.0, 0.5, closed="right")]
    )

    def __init__(
        self,
        n_components: int = 1,
        *,
        contamination: float = 0.1,
        covariance_type: CovarianceShape = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: StartMethod = "kmeans",
        random_state: Any = None,
        n_threads: int | None = None,
        accelerate: Acceleration | None = None,
        floor: float | None = None,
        min_variance: float = 0.0,
        ridge: float = 0.0,
    ) -> None:
        self._keep(locals())

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the mixture, and find the density below which the `contamination` of the samples lies.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : the fitted estimator.

        Raises
        ------
        ValueError, TypeError : unusable input.

        Warns
        -----
        ConvergenceWarning : as in the fit of a ``fastem.GaussianMixture``.
        """
        with validation.naming(X, sample_weight):
            checked = checked_array(self, X, reset=True)
            weights = validation.check_sample_weight(sample_weight, len(checked))
            self._fit_mixture(checked, weights)
        scores = log_density(checked, self.result_, n_threads=self.n_threads)
        order = np.argsort(scores, kind="stable")
        reached = np.cumsum(np.ones(len(scores)) if weights is None else weights[order])
        # The first score above those of the outliers, so that weight 2 is the same as the sample twice.
        place = np.searchsorted(reached, self.contamination * reached[-1] * (1 + 1e-12), side="right")
        self.offset_ = float(scores[order[min(int(place), len(order) - 1)]])
        return self

    def score_samples(self, X: Any) -> FloatArray:
        """The log density of each sample: the higher, the more usual.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), float64, in nats

        Raises
        ------
        NotFittedError : before `fit`. ValueError : unusable input; the message names the place.
        """
        check_is_fitted(self, "result_")
        with validation.naming(X):
            return log_density(checked_array(self, X, reset=False), self.result_, n_threads=self.n_threads)

    def decision_function(self, X: Any) -> FloatArray:
        """`score_samples` less `offset_`: below 0 for outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), float64, in nats

        Raises
        ------
        NotFittedError : before `fit`. ValueError : unusable input; the message names the place.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> IntArray:
        """Which samples are outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), int64: -1 for outliers and 1 for all others

        Raises
        ------
        NotFittedError : before `fit`. ValueError : unusable input; the message names the place.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)
