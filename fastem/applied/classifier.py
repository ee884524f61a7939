"""`fastem.MixtureClassifier`: a mixture for each class, and Bayes' rule."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from fastem import validation
from fastem.applied.classes import Classes, fit_classes
from fastem.applied.keeping import Settings
from fastem.data.samples import Samples
from fastem.em.accelerate import Acceleration
from fastem.estimators.keeping import checked_array, entropy_of
from fastem.families import SHAPES, Gaussian
from fastem.families.base import Array, Family
from fastem.families.gaussian import CovarianceShape
from fastem.families.parameters import FloatArray
from fastem.fitting.search import Search
from fastem.model.evaluation import component_log_density
from fastem.model.result import Result, Status
from fastem.model.starving import Policy
from fastem.starts.names import StartMethod
from fastem.validation import estimators as checks


class MixtureClassifier(Settings, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A mixture for each class, and Bayes' rule: each sample goes to the class that most probably produced it.

    Parameters
    ----------
    n_components : int, sequence or mapping, default=1
        Components of each class: the same for all, or one number for each in the order of `classes_`, or by class. With
        one Gaussian component it is quadratic discriminant analysis ("full"), Gaussian naive Bayes ("diag") or linear
        discriminant analysis ("tied").
    covariance_type : {"full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"}, default="full"
        A covariance that components share is shared by those of all classes.
    family : Family or None, default=None
        Components of another family, such as ``fastem.Poisson()``; the arguments about covariances then do not count.
    class_prior : array-like of shape (n_classes,), default=None
        Probabilities of the classes, in the order of `classes_`. None estimates them by the classes' shares.
    unlabeled : int or None, default=-1
        The label that means that a sample's class is unknown: EM then finds it, too (semi-supervised learning). Where
        fewer than two other labels are left, it is a class like all others, such as in labels -1 and 1. None means that
        every label is a class.
    tol, reg_covar, max_iter, n_init, init_params, random_state, n_threads, accelerate, floor, min_variance, ridge
        As those of ``fastem.GaussianMixture``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    class_prior_ : ndarray of shape (n_classes,)
    n_components_ : ndarray of shape (n_classes,), the components of each class.
    result_ : ``fastem.Result``, a mixture of the components of all classes, those of a class side by side.
        Its likelihood is that of the samples and their classes.
    class_results_ : dict of ``fastem.Result``, the fit of each class; empty if all classes were fitted together.
    converged_ : bool, whether every fit converged.
    n_iter_ : int, the most steps that a fit made.
    n_features_in_, feature_names_in_ : as everywhere in scikit-learn.

    Notes
    -----
    If every class is known, its samples are fitted by themselves. Otherwise there is one fit of all samples, in which a
    known class is a known group of components. Unlabelled samples help where classes are what the components find, and
    harm where they are not: see docs/classifier.md.

    References
    ----------
    Hastie and Tibshirani (1996), J. R. Statist. Soc. B 58, 155-176 (mixture discriminant analysis). Nigam, McCallum,
    Thrun and Mitchell (2000), Machine Learning 39, 103-134 (EM with labelled and unlabelled samples).

    Examples
    --------
    >>> import fastem, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-3, 1, (100, 2)), rng.normal(3, 1, (100, 2))])
    >>> y = np.repeat(["a", "b"], 100)
    >>> classifier = fastem.MixtureClassifier(random_state=0).fit(X, y)
    >>> classifier.predict([[-2.0, -3.0], [4.0, 1.0]]).tolist()
    ['a', 'b']
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Settings._constraints(covariance_type=set(SHAPES)),
        "n_components": [Interval(Integral, 1, None, closed="left"), "array-like", dict],
        "family": [Family, None],
        "class_prior": ["array-like", None],
        "unlabeled": [Integral, None],
    }

    def __init__(
        self,
        n_components: Any = 1,
        *,
        covariance_type: CovarianceShape = "full",
        family: Family | None = None,
        class_prior: Any = None,
        unlabeled: int | None = -1,
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

    def _family(self) -> Family:
        if self.family is not None:
            return self.family
        floor = None if self.floor is None else float(self.floor)
        bounds = {name: float(getattr(self, name)) for name in ("reg_covar", "ridge", "min_variance")}
        return Gaussian(self.covariance_type, floor=floor, **bounds)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = bool(getattr(self.family, "positive_only", False))
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit a mixture to the samples of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), the classes; `unlabeled` where one is unknown.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative. Weight 2 is the same as the sample twice.

        Returns
        -------
        self : the fitted estimator.

        Raises
        ------
        ValueError, TypeError : unusable input; a class with fewer samples than components.

        Warns
        -----
        ConvergenceWarning : a fit ran out of iterations, or a component collapsed; the text names the class.
        """
        with validation.naming(X, sample_weight):
            X = checked_array(self, X, reset=True)
            weights = validation.check_sample_weight(sample_weight, len(X))
            classes, codes = self._classes(y, len(X))
            checks.check_classes(codes, classes, weights, sizes := self._sizes(classes))
            prior = checks.check_class_prior(self.class_prior, len(classes))
            search = Search(
                start=self.init_params,
                n_init=self.n_init,
                tol=self.tol,
                max_iter=self.max_iter,
                accelerate=self.accelerate,
                progressive=False,
            )
            seed = self.random_state
            if not isinstance(seed, Integral):
                seed = entropy_of(check_random_state(seed))
            samples = Samples(X, weights)
            found = fit_classes(samples, codes, sizes, self._family(), Policy(), search, seed, self.n_threads)
        self._adopt(found, classes, prior)
        self._warn(found)
        return self

    def _classes(self, y: Any, n_samples: int) -> tuple[Array, Array]:
        """The classes, and the place among them of each sample's, -1 for unknown."""
        checks.check_target(self, y)
        labels = column_or_1d(y, warn=True)
        checks.check_same_lengths(n_samples, len(labels))
        check_classification_targets(labels)
        classes, codes = np.unique(labels, return_inverse=True)
        unknown = np.zeros(len(classes), dtype=np.bool_)
        if self.unlabeled is not None and labels.dtype.kind in "iufb":
            unknown = classes == self.unlabeled
        if not unknown.any() or len(classes) < 3:
            return classes, codes
        places = np.cumsum(~unknown) - 1
        return classes[~unknown], np.where(unknown, -1, places)[codes]

    def _sizes(self, classes: Array) -> tuple[int, ...]:
        """How many components each class has."""
        return checks.check_sizes(self.n_components, classes)

    def _adopt(self, found: Classes, classes: Array, prior: Array | None) -> None:
        """Set the fitted attributes."""
        mixture, sizes = found.mixture, found.sizes
        self.classes_ = classes
        self.class_prior_ = found.shares if prior is None else prior
        if prior is not None:
            weights = mixture.weights * np.repeat(prior / found.shares, sizes)
            mixture = Result(mixture.model, weights / weights.sum(), mixture.parameters)
        self.n_components_ = np.array(sizes)
        self.result_ = mixture
        self.class_results_ = dict(zip(classes.tolist(), found.fits, strict=True)) if len(found.fits) > 1 else {}
        self.converged_ = all(fit.status is Status.CONVERGED for fit in found.fits)
        self.n_iter_ = max(1, *(fit.n_iter for fit in found.fits))

    def _warn(self, found: Classes) -> None:
        for place, fit in enumerate(found.fits):
            if self.max_iter > 0 and self.tol > 0 and fit.status is not Status.CONVERGED:
                which = f"class {self.classes_.tolist()[place]!r}: " if len(found.fits) > 1 else ""
                said = " ".join(fit.notes) or fit.status.value
                warnings.warn(f"{which}{said}", ConvergenceWarning, stacklevel=3)

    def _joint(self, X: Any) -> FloatArray:
        """The log of the joint density of each sample and each class, (n_samples, n_classes)."""
        check_is_fitted(self, "classes_")
        with validation.naming(X):
            X = checked_array(self, X, reset=False)
            terms = component_log_density(X, self.result_, n_threads=self.n_threads)
        firsts = np.cumsum((0, *self.n_components_[:-1]))
        with np.errstate(divide="ignore"):
            terms = terms + np.log(self.result_.weights)
        joint: FloatArray = np.logaddexp.reduceat(terms, firsts, axis=1)
        return joint

    def predict_log_proba(self, X: Any) -> FloatArray:
        """The log of `predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float64, in nats

        Raises
        ------
        NotFittedError : before `fit`. ValueError : unusable input; the message names the place.
        """
        joint = self._joint(X)
        impossible = np.isneginf(joint).all(axis=1)
        if impossible.any():  # of what no class can have produced, nothing is known but the prior
            with np.errstate(divide="ignore"):
                joint[impossible] = np.log(self.class_prior_)
        return np.asarray(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))

    def predict_proba(self, X: Any) -> FloatArray:
        """The probability of each class, given the sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float64; rows sum to 1.

        Raises
        ------
        NotFittedError : before `fit`. ValueError : unusable input; the message names the place.
        """
        return np.exp(self.predict_log_proba(X))

    def decision_function(self, X: Any) -> FloatArray:
        """The log of the joint density of samples and classes; with two classes, that of the second less the first's.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) with two classes, float64, in nats

        Raises
        ------
        NotFittedError : before `fit`. ValueError : unusable input; the message names the place.
        """
        joint = self._joint(X)
        if len(self.classes_) != 2:
            return joint
        with np.errstate(invalid="ignore"):
            difference = joint[:, 1] - joint[:, 0]
        return np.where(np.isnan(difference), 0.0, difference)

    def predict(self, X: Any) -> Array:
        """The most probable class of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), of the type of `classes_`

        Raises
        ------
        NotFittedError : before `fit`. ValueError : unusable input; the message names the place.
        """
        places = self.predict_log_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[places])
