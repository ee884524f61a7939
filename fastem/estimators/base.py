"""What the estimators share: scikit-learn's names and habits over `em.fit` and the functional core."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from fastem import validation
from fastem.compiled.arrays import identify
from fastem.em.accelerate import NAMES as ACCELERATORS
from fastem.estimators import files
from fastem.estimators.keeping import Keeping, Remembering, entropy_of
from fastem.estimators.predicting import Predicting
from fastem.estimators.verbose import Progress
from fastem.families.base import Array, Family
from fastem.families.parameters import IntArray
from fastem.families.priors import Prior
from fastem.fitting import fit as em
from fastem.fitting.search import Search
from fastem.fitting.survey import Knowledge
from fastem.model.model import Model
from fastem.model.result import Fitted, Result, Status
from fastem.model.starving import ASSIGNMENTS, DROP, POLICIES, STOCHASTIC, Policy
from fastem.model.telling import FitWarning
from fastem.starts.auto import NAMES, n_starts
from fastem.validation import estimators as checks

NOT_CONVERGED = (
    "Best performing initialization did not converge. Try different init parameters, or increase max_iter, tol, or "
    "check for degenerate data."
)
# What `fit` is told as `labels` and `prior_resp`.
Known = tuple[Any, Any]
# The text of a warning, or None where there is nothing to tell, and its class.
Told = tuple[str | None, type[Warning]]


class BaseMixture(Remembering, Keeping, Predicting, files.Saving, DensityMixin, BaseEstimator):  # type: ignore[misc]
    """A mixture as a scikit-learn estimator. A subclass is a docstring, a constructor and a family.

    The constructors' common arguments are declared here, and handed on from here, once. Only the signatures repeat
    them, because scikit-learn reads those.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions(set(NAMES))],
        "weights_init": ["array-like", None],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "accelerate": [StrOptions(set(ACCELERATORS)), None],
        "progressive": ["boolean", None],
        "min_samples": [Interval(Real, 0.0, None, closed="left")],
        "starving": [StrOptions(set(POLICIES))],
        "assignment": [StrOptions(set(ASSIGNMENTS))],
        "fixed": [Mapping, None],
        "shared": ["array-like", str, None],
        "weights": [StrOptions({"free", "equal"}), "array-like"],
        "prior": [Prior, list, tuple, StrOptions({"fraley-raftery"}), None],
    }

    # Whether data must be non-negative. scikit-learn's tools want to know; a subclass asks its family.
    _positive_only: bool = False
    _fitted_attribute = "weights_"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = self._positive_only
        return tags

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        labels: Any = None,
        prior_resp: Any = None,
        resp_init: Any = None,
        callback: Any = None,
        checkpoint: Any = None,
    ) -> Self:
        """Estimate the parameters with the EM algorithm.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers; never changed. float32 and float16 are computed in float32, everything else in float64.
        y : ignored
            Labels are not used, as in scikit-learn. A warning says so if -1, for unknown, is among them: known ones are
            `labels`.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative, not all zero. Weight 2 is the same as the sample twice.
        labels : array-like of shape (n_samples,), default=None
            The component of each sample, from 0, where it is known; -1 or a missing value where it is not.
        prior_resp : array-like of shape (n_samples, n_components), default=None
            Factors >= 0 of the mixing weights, sample by sample, as in ``fastem.fit``.
        resp_init : array-like of shape (n_samples,) or (n_samples, n_components), default=None
            Integer labels from 0, or responsibilities, from which the first M-step is made instead of `init_params`.
        callback : callable, default=None
            Called with a ``fastem.Record`` (start, iteration, log_likelihood, gain) after each iteration of each start;
            the fit stops when it returns something true. ``fastem.progress_bar()`` is one.
        checkpoint : path, default=None
            A file that says how far the fit has come, written once a minute. If the fit is interrupted or killed, the
            same call goes on from there and ends with the same bits; the file is removed at the end. `random_state`
            must be an integer or None; None then draws fresh entropy rather than numbers from NumPy's global state.

        Returns
        -------
        self : the fitted estimator. After an exception, Ctrl-C included, its attributes are as they were before.

        Warns
        -----
        ConvergenceWarning : the best start ran out of iterations, a component collapsed, or X has fewer distinct rows
            than there are components. `fit` is done all the same.
        fastem.FitWarning : `reg_covar` is large beside a component's variance, or y holds labels with -1 among them.

        Raises
        ------
        ValueError, TypeError : unusable input; the message names the argument and the place.
        """
        return self._fit_and_warn(X, y, sample_weight, (labels, prior_resp), resp_init, callback, checkpoint)

    def _fit_and_warn(
        self, X: Any, y: Any, sample_weight: Any, known: Known, resp_init: Any, callback: Any, checkpoint: Any
    ) -> Self:
        before = dict(vars(self))
        try:
            with validation.naming(X, sample_weight):
                told = self._fit(X, sample_weight, known, resp_init, callback, checkpoint)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        hint = checks.hint_about_labels(y, self.n_components) if known[0] is None and known[1] is None else None
        for text, category in [*told, (hint, FitWarning)]:
            if text is not None:
                warnings.warn(text, category, stacklevel=3)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(
        self, X: Any, sample_weight: Any, known: Known, resp_init: Any, callback: Any, checkpoint: Any
    ) -> list[Told]:
        """Fit. Returns the warnings that the user should get."""
        validation.check_callback(callback)
        if checkpoint is not None:
            checks.check_repeatable(self.random_state)
        X = self._checked(X, reset=True)
        checks.check_enough_samples(len(X), self.n_components)
        start = self._start(X, resp_init)
        # As in scikit-learn, a start that leaves nothing to chance takes nothing from a shared RandomState.
        random = isinstance(start, dict) and "method" in start
        # Without a random_state, `em.fit` draws the entropy itself and the checkpoint keeps it.
        seed = (None if checkpoint is not None and self.random_state is None else self._seed()) if random else 0
        continued = isinstance(start, dict) and not random and self.warm_start
        n_init = self.n_init if random else 1
        progress = None
        if self.verbose:
            shown = n_starts(self.init_params, n_init) if random else 1
            progress = Progress(int(self.verbose), self.verbose_interval, shown, len(X), callback)
        n_components = len(start["weights"]) if continued else self.n_components
        model = em.model_of(self._family(), n_components, self.min_samples, self.starving, self.assignment)
        search = Search(
            start=start,
            n_init=n_init,
            tol=self.tol,
            max_iter=self.max_iter,
            accelerate=self.accelerate,
            progressive=self.progressive,
        )
        result = em.fit_model(
            X,
            sample_weight,
            model,
            search,
            seed,
            self.n_threads,
            progress or callback,
            checkpoint,
            known=Knowledge(*known, self.fixed, self.shared, self.weights, self.prior),
        )
        if progress is not None and self.max_iter > 0:
            progress.end(result)
        names = vars(self).get("feature_names_in_")
        result = replace(result, feature_names=None if names is None else tuple(names))
        self._adopt(result, validation.working_dtype(X))
        told: list[Told] = [(self._hint(X, sample_weight, result), FitWarning)]
        notes = [self._spelled(note) for note in result.notes]
        wanders = self.assignment == STOCHASTIC and result.status is Status.MAX_ITER
        if self.max_iter > 0 and not wanders and result.status not in (Status.CONVERGED, Status.STOPPED):
            # scikit-learn's sentence takes the place of the core's about iterations, which has none with tol=0.
            said = result.status is Status.MAX_ITER and self.tol > 0
            notes = [NOT_CONVERGED, *notes[1 if said else 0 :]]
        return [*told, (" ".join(notes) or None, ConvergenceWarning)]

    def _hint(self, X: Array, sample_weight: Any, result: Result) -> str | None:
        """What the user should know about a fit that went well, or None."""
        return None

    def _spelled(self, note: str) -> str:
        """A note of the core, with arguments where this estimator takes them."""
        return note

    def _seed(self) -> Any:
        """A seed for `em.fit`. An integer is used as it is, because making a RandomState from it would take 0.1 ms."""
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return entropy_of(check_random_state(self.random_state))

    def _start(self, X: Array, resp_init: Any) -> Any:
        """The start of `em.fit`: responsibilities, the last solution, or given parameters and a method for the rest."""
        if resp_init is not None:
            return validation.check_assignment("resp_init", resp_init, len(X), self.n_components)
        if self.warm_start and hasattr(self, "converged_"):
            found = len(self.weights_)
            # The earlier fit may have dropped components; then `n_components_` says how many are left.
            fewer = self.starving == DROP and found == getattr(self, "n_components_", None)
            checks.check_warm_start(found, self.n_components, fewer)
            checks.check_warm_family(self._fitted_family().name, self._family().name)
            weights = checks.check_weights_attribute(self.weights_)
            return {"weights": weights / weights.sum(), **self._parameters()}
        given = self._given(X.shape[1])
        if self.weights_init is not None:
            given["weights"] = checks.check_initial_weights(self.weights_init, self.n_components)
        complete = len(given) == 1 + len(self._family().parameters)
        return given if complete else {"method": self.init_params, **given}

    def _adopt(self, result: Result, dtype: Any) -> None:
        """Set the fitted attributes from a result."""
        validation.check_representable(result.parameters, result.family)
        self._set_parameters(result.weights, dict(result.parameters), dtype)
        total = result.total_weight or 1.0  # given parameters have seen no data; their likelihood is NaN
        self.n_components_ = result.n_components
        self.converged_ = result.status is Status.CONVERGED
        self.n_iter_ = result.n_iter
        self.n_passes_ = result.n_passes
        self.lower_bound_ = result.log_likelihood / total
        self.lower_bounds_ = (result.history[1:] / total).tolist()
        self.fit_report_ = result.starts
        self._result = result  # see `result_`
        self._begin_memory()

    def _fitted_by(self, result: Result) -> Self:
        """The estimator with the attributes that a fit with this result would have set."""
        self._validate_params()
        checks.check_family_of(type(self).__name__, self._fitted_family(), result.family)
        self.n_features_in_ = result.n_features
        if result.feature_names is not None:
            self.feature_names_in_ = np.array(result.feature_names, dtype=object)
        self._adopt(result, np.dtype(np.float64))
        return self

    @classmethod
    def _arguments(cls, family: Family) -> dict[str, Any]:
        """The constructor's arguments that determine the family."""
        return {}

    @classmethod
    def from_result(cls, result: Result | Fitted, **settings: Any) -> Self:
        """A fitted estimator with the parameters of a Result of ``fastem.fit``, ``select`` or ``from_parameters``.

        Parameters
        ----------
        result : a Result of this estimator's family, or another fitted estimator of it.
        **settings : further arguments of the constructor. `n_components`, the arguments of the family, `min_samples`,
            `starving`, `fixed`, `shared`, `weights` and `prior` are taken from the result.

        Returns
        -------
        A fitted estimator. It predicts and samples, and with `warm_start` its `fit` goes on from the result. The names
        of the result's features, if it has any, become `feature_names_in_`.

        Raises
        ------
        TypeError : `result` is neither a Result nor a fitted estimator. ValueError : it is of another family, or a
            setting is unusable.
        """
        mixture: Result = validation.check_mixture(result)
        policy = mixture.model.policy
        kept = {"min_samples": policy.min_samples, "starving": policy.starving, **cls._arguments(mixture.family)}
        kept |= {**Knowledge.of(mixture.model).parameters(), "assignment": mixture.model.assignment}
        return cls(n_components=mixture.n_components, **{**kept, **settings})._fitted_by(mixture)

    def _checked(self, X: Any, reset: bool) -> Array:
        """X as an array of numbers, by scikit-learn's rules. The core finds, and names, values that are not finite."""
        checked = self._validated(X, reset)
        # As in scikit-learn, float32 data are not rounded further by a model of float64.
        widen = not reset and validation.working_dtype(checked) != np.float64 and self.weights_.dtype == np.float64
        return checked.astype(np.float64) if widen else checked

    def _mixture(self) -> Result:
        """The fitted attributes as a Result, which the functional core takes."""
        family, policy = self._fitted_family(), Policy(float(self.min_samples), self.starving)

        def make() -> Result:
            weights = checks.check_weights_attribute(self.weights_)
            return Result(model=Model(family, len(weights), policy=policy), weights=weights, parameters=self._density())

        seen = identify([self.weights_, *self._density_attributes()])
        return self._remembered(None if seen is None else (family, policy, seen), make)

    def fit_predict(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        labels: Any = None,
        prior_resp: Any = None,
        resp_init: Any = None,
        callback: Any = None,
        checkpoint: Any = None,
    ) -> IntArray:
        """Fit, and return the likeliest component of each sample: ``fit(X, ...).predict(X)``.

        Parameters are those of `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
        """
        known = labels, prior_resp
        return self._fit_and_warn(X, y, sample_weight, known, resp_init, callback, checkpoint).predict(X)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_fastem_format": files.FORMAT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        checks.check_state_format(state.pop("_fastem_format", files.FORMAT), files.FORMAT, "this pickle")
        super().__setstate__(state)
