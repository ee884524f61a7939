"""`fastem.MixtureRegressor`: Gaussian mixture regression."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.validation import check_is_fitted

from fastem import validation
from fastem.applied.keeping import Settings
from fastem.em.accelerate import Acceleration
from fastem.estimators.keeping import checked_array
from fastem.families.gaussian import CovarianceShape
from fastem.families.parameters import FloatArray
from fastem.starts.names import StartMethod
from fastem.using.parts import regress
from fastem.validation import estimators as checks

COLUMN = "A column-vector y was passed when a 1d array was expected; predictions are 1d, too."


class MixtureRegressor(Settings, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Regression by a Gaussian mixture of features and targets: the targets' law, given the features.

    The curve is a smooth blend of as many lines as there are components, and comes with its spread at each point.
    Features may be predicted from the target as well: see ``fastem.regress`` with the mixture `result_`.

    Parameters
    ----------
    n_components : int, default=1. One component with full covariance is linear regression.
    covariance_type : {"full", "tied"}, default="full". With others, targets would not depend on the features.
    tol, reg_covar, max_iter, n_init, init_params, random_state, n_threads, accelerate, floor, min_variance, ridge
        As those of ``fastem.GaussianMixture``.

    Attributes
    ----------
    result_ : ``fastem.Result``, the mixture of features and targets, in this order.
    n_features_in_, feature_names_in_ : as everywhere in scikit-learn.
    n_targets_ : int
    converged_, n_iter_ : as those of ``fastem.GaussianMixture``.

    References
    ----------
    Ghahramani and Jordan (1994), Advances in Neural Information Processing Systems 6, 120-127.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> x = np.linspace(-3, 3, 200)[:, None]
    >>> model = fastem.MixtureRegressor(6, random_state=0).fit(x, np.abs(x[:, 0]))
    >>> model.predict([[-2.0], [2.0]]).round(1).tolist()
    [2.0, 2.0]
    """

    _parameter_constraints = Settings._constraints(covariance_type={"full", "tied"})

    def __init__(
        self,
        n_components: int = 1,
        *,
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
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the mixture of features and targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
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
        checks.check_target(self, y)
        with validation.naming(X, sample_weight):
            checked = checked_array(self, X, reset=True)
            validation.check_finite(checked, validation.working_dtype(checked))
        targets = checks.check_targets(y, len(checked))
        if targets.ndim == 2 and targets.shape[1] == 1:
            warnings.warn(COLUMN, DataConversionWarning, stacklevel=2)
            targets = targets[:, 0]
        joint = np.concatenate([checked.astype(np.float64), targets.reshape(len(checked), -1)], axis=1)
        self._fit_mixture(joint, sample_weight)
        self.n_targets_, self._flat = joint.shape[1] - checked.shape[1], targets.ndim == 1
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The expectation of the targets, given the features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        return_std : bool, default=False, whether to return the targets' standard deviations, too.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets), float64
        std : ndarray of the same shape, only with return_std

        Raises
        ------
        NotFittedError : before `fit`. ValueError : unusable input; the message names the place.
        """
        check_is_fitted(self, "result_")
        with validation.naming(X):
            checked = checked_array(self, X, reset=False)
            found = regress(checked, self.result_)
        mean: FloatArray = found.mean
        deviation = np.sqrt(np.diagonal(found.covariance, axis1=1, axis2=2))
        if self._flat:
            mean, deviation = mean[:, 0], deviation[:, 0]
        return (mean, deviation) if return_std else mean
