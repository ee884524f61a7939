"""What an estimator keeps as attributes: its constructor's arguments, and the fitted parameters of its family."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from fastem.families.base import Array, Family
from fastem.families.parameters import n_features_of
from fastem.validation import estimators as checks


class Keeping:
    """The arguments and the fitted attributes of an estimator, which follow from the family's parameters.

    A fitted parameter is an attribute: its name in the family with an underscore. Prediction reads these attributes,
    which a user may set, as in scikit-learn.
    """

    n_components: int
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
        self.weights_ = weights
        for name, value in parameters.items():
            setattr(self, f"{name}_", value)

    def _draw(self, rng: np.random.RandomState, labels: Array) -> Array:
        generator = np.random.default_rng(entropy_of(rng))
        return self._fitted_family().sample(generator, self._parameters(), labels)


def entropy_of(rng: np.random.RandomState) -> list[int]:
    """Entropy from a RandomState, to seed a generator with."""
    words: list[int] = rng.randint(2**31, size=4, dtype=np.int64).tolist()
    return words
