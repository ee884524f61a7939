"""The arguments that estimators made of Gaussian mixtures have in common with these."""

from __future__ import annotations

from typing import Any

from sklearn.utils._param_validation import StrOptions

from fastem.estimators.gaussian import GaussianMixture
from fastem.families.parameters import Array
from fastem.model.result import Result

NAMES = (
    *("n_components", "covariance_type", "tol", "reg_covar", "max_iter", "n_init", "init_params", "random_state"),
    *("n_threads", "accelerate", "floor", "min_variance", "ridge"),
)


class Settings:
    """Arguments that are handed on to a ``GaussianMixture``, and what its fit sets."""

    result_: Result
    converged_: bool
    n_iter_: int

    def _keep(self, arguments: dict[str, Any]) -> None:
        """Keep the constructor's arguments, given as its `locals()`, as attributes."""
        self.__dict__.update((name, value) for name, value in arguments.items() if name not in ("self", "__class__"))

    def _settings(self) -> dict[str, Any]:
        """The arguments of the mixture."""
        return {name: getattr(self, name) for name in NAMES}

    def _fit_mixture(self, X: Array, sample_weight: Any) -> None:
        """Fit the mixture, and set the attributes that tell of it."""
        mixture = GaussianMixture(**self._settings()).fit(X, sample_weight=sample_weight)
        self.result_ = mixture.result_
        self.converged_, self.n_iter_ = mixture.converged_, max(1, mixture.n_iter_)

    @staticmethod
    def _constraints(covariance_type: set[str], **more: Any) -> dict[str, Any]:
        """What scikit-learn checks of the arguments."""
        common = {name: GaussianMixture._parameter_constraints[name] for name in NAMES}
        return {**common, "covariance_type": [StrOptions(covariance_type)], **more}
