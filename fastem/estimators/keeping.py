"""What an estimator keeps: its constructor's arguments, the fitted parameters of its family, and a memory.

The memory is the mixture of the fitted attributes, ready to be evaluated, so that a prediction of one sample takes no
longer than it must.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Self

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from fastem.families.base import Array, Family, Parameter
from fastem.families.parameters import n_features_of
from fastem.model.model import Model
from fastem.model.result import Result
from fastem.model.showing import order_by
from fastem.model.starving import Policy, Starving
from fastem.validation import check_order
from fastem.validation import estimators as checks
from fastem.validation.data import as_array
from fastem.validation.frames import is_frame

# Sets of parameters that have been found valid, so many at most, and the types of values that never change.
MOST_VALID = 256
_VALID: set[Any] = set()
_PLAIN = {bool, int, float, str, type(None)}


class Keeping:
    """The arguments and the fitted attributes of an estimator, which follow from the family's parameters.

    A fitted parameter is an attribute: its name in the family with an underscore. Prediction reads these attributes,
    which a user may set, as in scikit-learn.
    """

    n_components: int
    min_samples: float
    starving: Starving
    weights_: Array

    @abstractmethod
    def _validate_params(self) -> None:
        """scikit-learn's check of the parameters, which takes 0.2 ms, once for each set of plain values."""
        cls: Any = type(self)
        values = [getattr(self, name, None) for name in _names_of(cls)]
        kinds = tuple(map(type, values))
        key = (cls, kinds, tuple(values)) if _PLAIN.issuperset(kinds) else None
        if key is not None and key in _VALID:
            return
        super()._validate_params()  # type: ignore[misc]
        if key is not None:
            if len(_VALID) >= MOST_VALID:
                _VALID.clear()
            _VALID.add(key)

    def _check_fitted(self) -> None:
        """Refuse an estimator that is not fitted."""

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

    def _density_attributes(self) -> list[Any]:
        """The attributes, beside weights_, that `_density` reads."""
        return [getattr(self, f"{parameter.name}_") for parameter in self._fitted_family().parameters]

    def _attributes_of(self, parameter: Parameter) -> list[str]:
        """The fitted attributes that hold a parameter, in its shape, perhaps in several forms."""
        return [f"{parameter.name}_"]

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
        names = getattr(self, "feature_names_in_", None)
        names = None if names is None else tuple(names)
        return Result(model, weights / weights.sum(), self._parameters(), feature_names=names)

    def _agrees_with(self, result: Result) -> bool:
        """Whether the fitted attributes are those that were set from this result."""
        if type(result.family) is not type(self._fitted_family()):
            return False
        twin = object.__new__(type(self))
        vars(twin).update((name, value) for name, value in vars(self).items() if not name.endswith("_"))
        twin._set_parameters(result.weights, dict(result.parameters), np.asarray(self.weights_).dtype)
        expected = {name: value for name, value in vars(twin).items() if name.endswith("_")}
        return all(np.array_equal(getattr(self, name, np.nan), value) for name, value in expected.items())

    def reorder(self, order: Any) -> Self:
        """A copy of the fitted estimator whose components come in another order.

        Parameters
        ----------
        order : array-like of shape (n_components,)
            For each place, which component is to stand there.

        Returns
        -------
        A new estimator. It predicts the same, with other labels; its constructor's arguments are the same, and
        `fit_report_` still tells of the fit.

        Raises
        ------
        NotFittedError : before `fit`. ValueError : `order` leaves a component out, or names one twice.
        """
        self._check_fitted()
        places = check_order(order, len(self.weights_))
        copied = copy.deepcopy(self)
        copied.weights_ = np.asarray(copied.weights_)[places]
        for parameter in copied._fitted_family().parameters:
            for name in copied._attributes_of(parameter):
                if hasattr(copied, name):
                    setattr(copied, name, parameter.take(np.asarray(getattr(copied, name)), places))
        kept = vars(self).get("_result")
        if kept is not None and self._agrees_with(kept):
            vars(copied)["_result"] = kept.reorder(places)
        return copied

    def sorted_by(self, name: str = "means", feature: int | str | None = None, *, descending: bool = False) -> Self:
        """A copy of the fitted estimator whose components are sorted, the smallest first.

        Parameters
        ----------
        name : "weights", or a parameter that each component has its own of, such as "means" or "rates".
        feature : the feature by whose value to sort, as a number from 0 or by its name in `feature_names_in_`
            By a covariance matrix, components are sorted by this feature's variance. None sorts by the first feature,
            and where two components agree in it, by the next.
        descending : whether the largest comes first.

        Returns
        -------
        A new estimator, as that of `reorder`.

        Raises
        ------
        NotFittedError : before `fit`. ValueError, TypeError : there is nothing of this name to sort by, or no feature.
        """
        return self.reorder(order_by(self.result_, name, feature, descending))

    def _draw(self, rng: np.random.RandomState, labels: Array) -> Array:
        generator = np.random.default_rng(entropy_of(rng))
        return self._fitted_family().sample(generator, self._parameters(), labels)


def entropy_of(rng: np.random.RandomState) -> list[int]:
    """Entropy from a RandomState, to seed a generator with."""
    words: list[int] = rng.randint(2**31, size=4, dtype=np.int64).tolist()
    return words


class Memory:
    """The last mixture, and what it was made from. It is no state: any two are equal, and none is copied or saved."""

    def __init__(self) -> None:
        self.last: tuple[Any, Result] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Memory)

    __hash__ = None  # type: ignore[assignment]

    def mixture(self, seen: Any, make: Callable[[], Result]) -> Result:
        """What `make` returned when it was last asked with `seen`; anew if that has changed."""
        last = self.last
        if last is None or last[0] != seen:
            last = self.last = seen, make()
        return last[1]


class Remembering:
    """Quick checks before a prediction, and a memory that `fit` begins.

    The memory is an attribute from the end of `fit` on, because scikit-learn asks that a prediction sets none.
    """

    _fitted_attribute: str

    def _begin_memory(self) -> None:
        vars(self)["_memory"] = Memory()

    def _remembered(self, seen: Any, make: Callable[[], Result]) -> Result:
        """The mixture that `make` returns, made anew only if `seen` has changed. None means that nothing was seen."""
        memory = vars(self).get("_memory")  # there is none if the attributes were all set by hand
        return make() if memory is None or seen is None else memory.mixture(seen, make)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        return {name: value for name, value in state.items() if name != "_memory"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        self._begin_memory()

    def _check_fitted(self) -> None:
        if self._fitted_attribute not in vars(self):  # scikit-learn's check takes as long as evaluating a sample
            check_is_fitted(self)

    def _validated(self, X: Any, reset: bool) -> Array:
        """X as an array of numbers, by scikit-learn's rules. The core finds, and names, values that are not finite."""
        if not reset and _is_plain(X, vars(self)):
            plain: Array = X
            return plain
        return checked_array(self, X, reset)


@cache
def _names_of(cls: Any) -> tuple[str, ...]:
    """The names of an estimator's parameters."""
    return tuple(cls._get_param_names())


def checked_array(estimator: Any, X: Any, reset: bool) -> Array:
    """X as an array of numbers, by scikit-learn's rules. The core finds, and names, values that are not finite."""
    rules = {"dtype": "numeric", "ensure_all_finite": False}
    if is_frame(X):  # converted as in the core, whose errors name the place
        validate_data(estimator, X, reset=reset, skip_check_array=True)  # the names and the number of the features
        checked: Array = check_array(as_array("X", X), input_name="X", estimator=estimator, **rules)
    else:
        checks.check_unmasked(X)
        checks.check_no_text(X)
        checked = validate_data(estimator, X, reset=reset, **rules)
    return checked


def _is_plain(X: Any, attributes: dict[str, Any]) -> bool:
    """Whether `validate_data`, which takes 50 us, would return X as it is, without a warning."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype.kind in "fiub"
        and len(X) > 0
        and X.shape[1] == attributes.get("n_features_in_")
        and "feature_names_in_" not in attributes
    )
