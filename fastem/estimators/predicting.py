"""What a fitted estimator can tell: labels, probabilities, scores, criteria, draws."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from fastem import validation
from fastem.families.base import Array
from fastem.families.parameters import FloatArray, IntArray
from fastem.model import evaluation as functional
from fastem.model.result import Result
from fastem.validation import estimators as checks


class Predicting:
    """The methods that read the fitted attributes and change nothing."""

    n_threads: int | None
    random_state: Any
    weights_: Array

    @abstractmethod
    def _checked(self, X: Any, reset: bool) -> Array:
        """X as an array of numbers, by scikit-learn's rules."""

    @abstractmethod
    def _check_fitted(self) -> None:
        """Refuse an estimator that is not fitted."""

    @abstractmethod
    def _mixture(self) -> Result:
        """The fitted attributes as a Result, which the functional core takes."""

    @abstractmethod
    def _draw(self, rng: np.random.RandomState, labels: Array) -> Array:
        """One sample from the component of each label; labels are in order. (len(labels), n_features), float64."""

    def predict(self, X: Any) -> IntArray:
        """The likeliest component of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64

        Raises
        ------
        NotFittedError : before `fit`. ValueError, TypeError : unusable X; the message names the place.
        """
        self._check_fitted()
        with validation.naming(X):
            return functional.predict(self._checked(X, reset=False), self._mixture(), n_threads=self.n_threads)

    def predict_proba(self, X: Any) -> NDArray[np.floating[Any]]:
        """The posterior probability of each component given each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        resp : ndarray of shape (n_samples, n_components), rows sum to 1
            float32 if X is float32 or float16 and the model was fitted to such data, else float64.

        Raises
        ------
        NotFittedError : before `fit`. ValueError, TypeError : unusable X; the message names the place.
        """
        self._check_fitted()
        with validation.naming(X):
            return functional.responsibilities(self._checked(X, reset=False), self._mixture(), n_threads=self.n_threads)

    def score_samples(self, X: Any) -> NDArray[np.floating[Any]]:
        """The log-likelihood of each sample, nats.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_prob : ndarray of shape (n_samples,)
            float32 if X is float32 or float16 and the model was fitted to such data, else float64.

        Raises
        ------
        NotFittedError : before `fit`. ValueError, TypeError : unusable X; the message names the place.
        """
        self._check_fitted()
        with validation.naming(X):
            checked = self._checked(X, reset=False)
            log_prob = functional.log_density(checked, self._mixture(), n_threads=self.n_threads)
        return log_prob.astype(validation.working_dtype(checked), copy=False)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """The mean log-likelihood per sample, nats.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), default=None
            The mean is weighted by it.

        Returns
        -------
        log_likelihood : float

        Raises
        ------
        NotFittedError : before `fit`. ValueError, TypeError : unusable input; the message names the place.
        """
        total, weight = self._log_likelihood(X, sample_weight)
        return total / weight

    def bic(self, X: Any, sample_weight: Any = None) -> float:
        """Bayesian information criterion, the lower the better: -2 log-likelihood + n_parameters log n.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the log-likelihood; n is their sum.

        Returns
        -------
        bic : float

        Raises
        ------
        NotFittedError : before `fit`. ValueError, TypeError : unusable input; the message names the place.
        """
        total, weight = self._log_likelihood(X, sample_weight)
        return -2.0 * total + self._n_parameters() * math.log(weight)

    def aic(self, X: Any, sample_weight: Any = None) -> float:
        """Akaike information criterion, the lower the better: -2 log-likelihood + 2 n_parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the log-likelihood.

        Returns
        -------
        aic : float

        Raises
        ------
        NotFittedError : before `fit`. ValueError, TypeError : unusable input; the message names the place.
        """
        return -2.0 * self._log_likelihood(X, sample_weight)[0] + 2.0 * self._n_parameters()

    def _log_likelihood(self, X: Any, sample_weight: Any) -> tuple[float, float]:
        """The total log-likelihood of X and the total weight."""
        self._check_fitted()
        with validation.naming(X, sample_weight):
            checked = self._checked(X, reset=False)
            weights = validation.check_sample_weight(sample_weight, len(checked))
            log_prob = functional.log_density(checked, self._mixture(), n_threads=self.n_threads)
        if weights is None:
            return float(log_prob.sum()), float(len(checked))
        counted = weights > 0
        return float(weights[counted] @ log_prob[counted]), float(weights.sum())

    def _n_parameters(self) -> int:
        """Free parameters, the mixing weights' included."""
        mixture, kept = self._mixture(), vars(self).get("_result")
        if kept is not None and kept.model.is_held and kept.n_components == mixture.n_components:
            return int(kept.n_parameters)  # what is known is not estimated
        return mixture.n_parameters

    def summary(self) -> str:
        """Some lines of text about the fit, as of its Result: sizes, criteria, a table of the components.

        Raises
        ------
        NotFittedError : before `fit`.
        """
        self._check_fitted()
        kept = vars(self).get("_result")
        return (self._mixture() if kept is None else kept).summary()

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[FloatArray, IntArray]:
        """Draw from the fitted mixture.

        With an integer as `random_state`, every call draws the same samples. A GaussianMixture draws the same samples
        as scikit-learn does from the same parameters and `random_state`.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
            Instead of the estimator's own; None leaves that.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features), float64, grouped by component
        y : ndarray of shape (n_samples,), int64, the component of each

        Raises
        ------
        NotFittedError : before `fit`. ValueError : n_samples below 1, an unusable random_state, or attributes that do
            not fit each other.
        """
        self._check_fitted()
        checks.check_sample_size(n_samples)
        weights = self._mixture().weights  # making the mixture checks all attributes
        rng = check_random_state(self.random_state if random_state is None else random_state)
        counts = rng.multinomial(n_samples, weights / weights.sum())
        labels = np.repeat(np.arange(len(counts)), counts)
        return self._draw(rng, labels), labels
