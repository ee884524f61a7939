"""What an estimator keeps as attributes: its constructor's arguments, and the fitted parameters of its family."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastem.families.base import Array, Family
from fastem.families.parameters import n_features_of
from fastem.model.model import Model
from fastem.model.result import Result
from fastem.model.starving import Policy, Starving
from fastem.validation import estimators as checks


class Keeping:
    """The arguments and the fitted attributes of an estimator, which follow from the family's parameters.

    A fitted parameter is an attribute: its name in the family with an underscore. Prediction reads these attributes,
    which a user may set, as in scikit-learn.
    """

    n_components: int
    min_samples: float
    starving: Starving
    weights_: Array

    def _keep(self, arguments: dict[str, Any]) -> None:
        """Keep the constructor's arguments, given as its `locals()`, as attributes."""
        vars(self).update((name, value) for name, value in arguments.items() if name != "self")

    @abstractmethod
    def _family(self) -> Family:
        """The family that `fit` fits."""

    def _fitted_family(self) -> Family:
        """The family of the fitted attributes. The arguments of the constructor may have been changed since the fit."""
        return self._family()

    def _initial(self) -> dict[str, tuple[str, Any]]:
        """For each parameter of the family, the argument that gives its initial value, and that value or None."""
        arguments = {p.name: f"{p.name}_init" for p in self._family().parameters}
        return {name: (argument, getattr(self, argument)) for name, argument in arguments.items()}

    def _given(self, n_features: int) -> dict[str, Array]:
        """The initial parameters that the constructor was given, checked, under the family's names."""
        initial, given = self._initial(), {}
        for parameter in self._family().parameters:
            argument, value = initial[parameter.name]
            if value is not None:
                shape = parameter.shape(n_features, self.n_components)
                given[parameter.name] = checks.check_initial(parameter.name, argument, value, shape, parameter.kind)
        return given

    def _parameters(self) -> dict[str, Array]:
        """The family's named parameters, float64, from the fitted attributes, which are checked."""
        parameters = self._fitted_family().parameters
        values = {p.name: np.asarray(getattr(self, f"{p.name}_")) for p in parameters}
        n_features, n_components = n_features_of(parameters, values), len(self.weights_)
        return {
            p.name: checks.check_attribute(f"{p.name}_", values[p.name], p.shape(n_features, n_components))
            for p in parameters
        }

    def _density(self) -> dict[str, Array]:
        """The fitted parameters in the form from which densities are computed fastest."""
        return self._parameters()

    def _set_parameters(self, weights: Array, parameters: dict[str, Array], dtype: Any) -> None:
        """Set weights_ and the attributes of the parameters."""
        # Copies, so that a user who changes an attribute in place changes no Result.
        self.weights_ = weights.copy()
        for name, value in parameters.items():
            setattr(self, f"{name}_", np.array(value))

    @property
    def result_(self) -> Result:
        """The fit as a ``fastem.Result``: status, history, starts, log_likelihood, bic and the parameters in float64.

        Every function of the core that takes a Result takes the estimator too, and asks for this. If an attribute of
        the fit was changed since, it is a Result of the attributes, whose status is GIVEN and whose likelihood is NaN.

        Raises
        ------
        NotFittedError : before `fit`. ValueError : attributes that do not fit each other.
        """
        check_is_fitted(self)
        kept: Result | None = vars(self).get("_result")
        if kept is not None and self._agrees_with(kept):
            return kept
        weights = checks.check_weights_attribute(self.weights_)
        family, n_components = self._fitted_family(), len(weights)
        if kept is not None and type(kept.family) is type(family):
            model = replace(kept.model, n_components=n_components)
        else:
            model = Model(family, n_components, policy=Policy(float(self.min_samples), self.starving))
        return Result(model=model, weights=weights / weights.sum(), parameters=self._parameters())

    def _agrees_with(self, result: Result) -> bool:
        """Whether the fitted attributes are those that were set from this result."""
        if type(result.family) is not type(self._fitted_family()):
            return False
        twin = object.__new__(type(self))
        vars(twin).update((name, value) for name, value in vars(self).items() if not name.endswith("_"))
        twin._set_parameters(result.weights, dict(result.parameters), np.asarray(self.weights_).dtype)
        expected = {name: value for name, value in vars(twin).items() if name.endswith("_")}
        return all(np.array_equal(getattr(self, name, np.nan), value) for name, value in expected.items())

    def _draw(self, rng: np.random.RandomState, labels: Array) -> Array:
        generator = np.random.default_rng(entropy_of(rng))
        return self._fitted_family().sample(generator, self._parameters(), labels)


def entropy_of(rng: np.random.RandomState) -> list[int]:
    """Entropy from a RandomState, to seed a generator with."""
    words: list[int] = rng.randint(2**31, size=4, dtype=np.int64).tolist()
    return words
