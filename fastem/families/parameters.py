"""What a named parameter is: its axes, and the kind of its values.

Everything that depends on what values a parameter may take is here, once: what a user's value must satisfy, the
unconstrained vector in which acceleration works, degrees of freedom, units, what can be represented, and how a test
moves away from a value. No other file asks which kind a parameter is.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Parameters = Mapping[str, Array]


# In a vector, this stands for the border of a kind, such as a rate of 0: exp(-FARTHEST) is 0 in float64.
FARTHEST = 800.0
# Rows that `first_where` looks at in one go.
_PIECE = 2**16
# Positive numbers below this have fewer than nine digits in float64. The smallest of all, 5e-324, has none.
SMALLEST = 1e-315


def all_finite(value: Array) -> bool:
    """Whether all values are finite. A sum of squares, which no NaN survives, takes a third of the time to find it."""
    return bool(np.isfinite(np.vdot(value, value)) or np.isfinite(value).all())


class Kind(ABC):
    """The values that a parameter may take.

    phrase: what such values are, as in "'rates' should be positive". whole: whether the numbers of one value depend on
    each other, so that it is fixed as a whole.
    """

    phrase: str
    whole: ClassVar[bool] = False

    def why_not(self, name: str, value: Array) -> str | None:
        """A sentence that says why a finite value is not of this kind, or None if it is."""
        return None

    def is_inside(self, value: Array) -> bool:
        """Whether a finite value lies in the interior, where a fit may begin; `why_not` allows the border too."""
        return self.why_not("", value) is None

    def is_representable(self, value: Array) -> bool:
        """Whether a value is still one of this kind after it was rounded to floating point in the user's units."""
        return all_finite(value)

    @abstractmethod
    def to_vector(self, value: Array) -> Array:
        """The value in coordinates without bounds, flat; infinite or NaN if no finite vector stands for it."""

    @abstractmethod
    def from_vector(self, vector: Array, shape: tuple[int, ...]) -> Array:
        """The inverse of `to_vector`."""

    def n_entries(self, shape: tuple[int, ...]) -> int:
        """The length of the vector of a value of this shape."""
        return math.prod(shape)

    def n_free(self, shape: tuple[int, ...]) -> int:
        """The degrees of freedom of a value of this shape."""
        return self.n_entries(shape)

    def unit(self, shape: tuple[int, ...]) -> Array:
        """A plain value of this shape, to begin with."""
        return np.broadcast_to(1.0, shape)

    def scaled(self, value: Array, factor: Array) -> Array:
        """The value for data multiplied by `factor`, which is (n_features,), or one number for all features."""
        return value * factor

    @abstractmethod
    def perturbed(self, value: Array, rng: np.random.Generator, size: float) -> Array:
        """A random value of this kind near another one, for tests of an M-step."""

    def drawn(self, rng: np.random.Generator, shape: tuple[int, ...], spread: float) -> Array:
        """A random value of this shape, for tests; `spread` is how far apart components lie, about, in units of one."""
        return self.perturbed(self.unit(shape), rng, 0.3)


class Real(Kind):
    """Any number."""

    phrase = "finite"

    def to_vector(self, value: Array) -> Array:
        return value.reshape(-1)

    def from_vector(self, vector: Array, shape: tuple[int, ...]) -> Array:
        return vector.reshape(shape)

    def unit(self, shape: tuple[int, ...]) -> Array:
        return np.broadcast_to(0.0, shape)

    def perturbed(self, value: Array, rng: np.random.Generator, size: float) -> Array:
        return value + size * rng.standard_normal(value.shape)

    def drawn(self, rng: np.random.Generator, shape: tuple[int, ...], spread: float) -> Array:
        return self.perturbed(self.unit(shape), rng, spread)


class Positive(Kind):
    """A number > 0. A vector holds its logarithm, divided by `power`.

    With power 2 and a variance, that is the logarithm of the standard deviation, whose small changes compare to those
    of means.
    """

    phrase = "positive"

    def __init__(self, power: float = 1.0) -> None:
        self._power = power

    def why_not(self, name: str, value: Array) -> str | None:
        return None if (value > 0).all() else f"{name} must be > 0; its smallest entry is {value.min()}."

    def is_representable(self, value: Array) -> bool:
        return bool(value.min() >= SMALLEST) and all_finite(value)

    def to_vector(self, value: Array) -> Array:
        return np.asarray(np.log(value) / self._power).reshape(-1)

    def from_vector(self, vector: Array, shape: tuple[int, ...]) -> Array:
        return np.exp(self._power * vector).reshape(shape)

    def scaled(self, value: Array, factor: Array) -> Array:
        # One factor after the other, because their product may overflow even if the value does not.
        for _ in range(round(self._power)):
            value = value * factor
        return value

    def perturbed(self, value: Array, rng: np.random.Generator, size: float) -> Array:
        return value * np.exp(size * rng.standard_normal(value.shape))


class NonNegative(Positive):
    """A number >= 0, such as a rate. For 0, a vector holds a finite logarithm whose exponential is 0."""

    phrase = ">= 0"

    def to_vector(self, value: Array) -> Array:
        return np.maximum(super().to_vector(value), -FARTHEST)

    def why_not(self, name: str, value: Array) -> str | None:
        return None if (value >= 0).all() else f"{name} must be >= 0; its smallest entry is {value.min()}."

    def is_inside(self, value: Array) -> bool:
        return bool((value >= 0).all())

    def is_representable(self, value: Array) -> bool:
        return all_finite(value)

    def drawn(self, rng: np.random.Generator, shape: tuple[int, ...], spread: float) -> Array:
        return spread * rng.gamma(3.0, 1.0, shape)


class Probability(Kind):
    """A number in [0, 1]. A vector holds its logit; for 0 and 1, that is -FARTHEST and FARTHEST."""

    phrase = "between 0 and 1"

    def why_not(self, name: str, value: Array) -> str | None:
        outside = value[~((value >= 0) & (value <= 1))]
        return None if outside.size == 0 else f"{name} must be in [0, 1]; one entry is {outside.flat[0]}."

    def to_vector(self, value: Array) -> Array:
        logits = np.log(value) - np.log1p(-value)
        return np.asarray(np.clip(logits, -FARTHEST, FARTHEST)).reshape(-1)

    def from_vector(self, vector: Array, shape: tuple[int, ...]) -> Array:
        # Each of the two forms is used on the side of 0 where it loses no digits.
        small = np.exp(-np.abs(vector))
        return np.where(vector < 0, small / (1.0 + small), 1.0 / (1.0 + small)).reshape(shape)

    def unit(self, shape: tuple[int, ...]) -> Array:
        return np.broadcast_to(0.5, shape)

    def scaled(self, value: Array, factor: Array) -> Array:
        return value

    def perturbed(self, value: Array, rng: np.random.Generator, size: float) -> Array:
        inside = np.clip(value, 1e-6, 1.0 - 1e-6)
        return self.from_vector(self.to_vector(inside) + size * rng.standard_normal(value.size), value.shape)

    def drawn(self, rng: np.random.Generator, shape: tuple[int, ...], spread: float) -> Array:
        return self.perturbed(self.unit(shape), rng, spread)


class Covariance(Kind):
    """Symmetric positive definite matrices, (..., d, d). A vector holds Cholesky factors with logarithmic diagonals."""

    whole: ClassVar[bool] = True
    phrase = "symmetric, positive-definite"

    def why_not(self, name: str, value: Array) -> str | None:
        for k, matrix in enumerate(value.reshape(-1, *value.shape[-2:])):
            where = name if value.ndim == 2 else f"{name}[{k}]"
            diagonal = np.diagonal(matrix)
            if not (diagonal > 0).all():
                return f"{where} is not positive definite: its diagonal has {diagonal.min()}."
            scale = np.sqrt(diagonal)
            correlation = matrix / scale / scale[:, None]
            if not (np.abs(correlation - correlation.T) <= 1e-8).all():
                return f"{where} is not symmetric."
            # Eigenvalues that rounding has left a little below 0 are raised to a floor when the matrix is used.
            smallest = np.linalg.eigvalsh(correlation)[0]
            if not smallest > -1e-10:
                return f"{where} is not positive definite: its correlation matrix has the eigenvalue {smallest:.3g}."
        return None

    def is_inside(self, value: Array) -> bool:
        return all(
            np.allclose(matrix, matrix.T) and bool((np.linalg.eigvalsh(matrix) > 0).all())
            for matrix in value.reshape(-1, *value.shape[-2:])
        )

    def is_representable(self, value: Array) -> bool:
        diagonal = np.diagonal(value, axis1=-2, axis2=-1)
        return bool(diagonal.min() >= SMALLEST) and all_finite(diagonal)

    def to_vector(self, value: Array) -> Array:
        d = value.shape[-1]
        try:
            factors = np.linalg.cholesky(value)
        except np.linalg.LinAlgError:
            factors = np.full(value.shape, np.nan)
        diagonal = np.arange(d)
        factors[..., diagonal, diagonal] = np.log(factors[..., diagonal, diagonal])
        rows, columns = _lower(d)
        return np.asarray(factors[..., rows, columns]).reshape(-1)

    def from_vector(self, vector: Array, shape: tuple[int, ...]) -> Array:
        d = shape[-1]
        rows, columns = _lower(d)
        factors = np.zeros(shape)
        factors[..., rows, columns] = vector.reshape(*shape[:-2], -1)
        diagonal = np.arange(d)
        factors[..., diagonal, diagonal] = np.exp(factors[..., diagonal, diagonal])
        return factors @ np.swapaxes(factors, -1, -2)

    def n_entries(self, shape: tuple[int, ...]) -> int:
        d = shape[-1]
        return math.prod(shape[:-2]) * d * (d + 1) // 2

    def unit(self, shape: tuple[int, ...]) -> Array:
        return np.broadcast_to(np.eye(shape[-1]), shape)

    def scaled(self, value: Array, factor: Array) -> Array:
        return value * np.outer(factor, factor)

    def perturbed(self, value: Array, rng: np.random.Generator, size: float) -> Array:
        tilt = np.eye(value.shape[-1]) + size * rng.standard_normal(value.shape[-2:])
        return np.asarray(tilt @ value @ tilt.T * np.exp(size * rng.standard_normal()))


@lru_cache(maxsize=16)
def _lower(d: int) -> tuple[Array, Array]:
    """The rows and the columns of the entries of a lower triangle, read-only."""
    rows, columns = np.tril_indices(d)
    rows.flags.writeable = columns.flags.writeable = False
    return rows, columns


REAL, POSITIVE, NON_NEGATIVE, PROBABILITY = Real(), Positive(), NonNegative(), Probability()
VARIANCE, COVARIANCE = Positive(2.0), Covariance()


class Parameter(NamedTuple):
    """One named parameter of a family.

    name: what users call it. axes: "K" for the components, "d" for the features, or a fixed length. kind: a Kind.
    has_units: whether its values are in the units of the data (a location), or in powers of them as its kind says.
    """

    name: str
    axes: tuple[str | int, ...]
    kind: Kind
    has_units: bool = True

    @property
    def is_place(self) -> bool:
        """Whether its values are places in the space of the data, which move with its origin."""
        return self.has_units and isinstance(self.kind, Real)

    def shape(self, n_features: int, n_components: int) -> tuple[int, ...]:
        """The shape of its values."""
        lengths = {"K": n_components, "d": n_features}
        return tuple(lengths[axis] if isinstance(axis, str) else axis for axis in self.axes)

    def in_units(self, value: Array, scale: Array) -> Array:
        """The value for the data themselves, from the value for data divided by `scale` (n_features,)."""
        if not self.has_units:
            return value
        return self.kind.scaled(value, scale if "d" in self.axes else scale[0])

    def take(self, value: Array, order: Array) -> Array:
        """The value for some of the components, in this order. A value that components share stays as it is."""
        return np.take(value, order, axis=self.axes.index("K")) if "K" in self.axes else value

    def n_features_of(self, value: Array) -> int | None:
        """The number of features, from the shape of a value; None if the shape does not tell it."""
        return value.shape[self.axes.index("d")] if "d" in self.axes and value.ndim == len(self.axes) else None


def first_where(X: Array, is_bad: Callable[[Array], Array]) -> tuple[int, int, Any] | None:
    """The row, the column and the value of the first entry of X (n, d) that is bad, looked for piece by piece."""
    for first in range(0, len(X), _PIECE):
        piece = X[first : first + _PIECE]
        bad = is_bad(piece)
        if bad.any():
            i, j = (int(index[0]) for index in np.nonzero(bad))
            return first + i, j, piece[i, j]
    return None


def n_features_of(parameters: tuple[Parameter, ...], values: Parameters) -> int:
    """The number of features of named values; 1 if none of them depends on it, -1 if the shape of one is wrong."""
    known = [parameter for parameter in parameters if "d" in parameter.axes]
    if not known:
        return 1
    found = known[0].n_features_of(np.asarray(values[known[0].name]))
    return -1 if found is None else found
