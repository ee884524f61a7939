"""What a family of component densities answers; the fold, the driver and the estimators ask nothing else."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Parameters = Mapping[str, Array]


class Frame(NamedTuple):
    """The coordinates in which tiles are stored: z = (x - shift) / scale, per feature.

    shift, scale: float64 arrays of shape (n_features,); scale > 0.
    """

    shift: Array
    scale: Array


class Limits(NamedTuple):
    """What keeps an M-step away from singular components, in the coordinates of a frame.

    floor: (n_features,) smallest variance (Gaussian) or rate (Poisson) of each feature.
    ridge: (n_features,) what is added to each feature's variance.
    """

    floor: Array
    ridge: Array


class Maximised(NamedTuple):
    """An M-step.

    params: new parameter rows; a starving component keeps its old row.
    starving: (n_components,) bool, components without enough samples to estimate anything.
    floored: (n_components,) bool, components held at a floor.
    """

    params: Array
    starving: Array
    floored: Array


class Specification(NamedTuple):
    """What one named parameter must look like: its shape, and what its values must be.

    kind: "real", "positive" (> 0), "nonnegative" (>= 0) or "covariance" (symmetric positive definite matrices).
    """

    shape: tuple[int, ...]
    kind: str


class Kernels(NamedTuple):
    """The compiled tile kernels of a family (numba dispatchers; call them from any @njit function).

    Arrays are C-contiguous. With d features, K components and T samples, tile: (d + n_derived, T) float32 or float64
    ("real"), in the coordinates of the frame that `pack` was given; params: real, `params_shape`; layout: int64, from
    `layout`; rows: int64, the components to look at; out of log_prob: real (K, T); resp: real (K, T), responsibilities
    times sample weights; out of accumulate: float64, `statistics_shape`; scratch: real, (>= `scratch_rows`, T).

    log_prob(tile, params, layout, rows, out, scratch): out[k, t] = log density of sample t under row k, k in rows.
    accumulate(tile, resp, params, layout, rows, out, scratch): add the statistics of row k, weighted by resp[k], to
        out[k]; out[k, 0] is always the sum of resp[k].
    derive(tile, layout): fill the derived rows of a tile; None where a family has none.
    """

    log_prob: Any
    accumulate: Any
    derive: Any


class Tangent(Protocol):
    """The derivatives of a family's log densities at one mixture, in coordinates of its own.

    It has free parameters, each of which moves one component or several.
    """

    n_free: int

    def columns(self, k: int) -> Array:
        """The free parameters that move component k, (m,) indices."""

    def scores(self, k: int, x: Array) -> Array:
        """d log p(x | k) / d parameter for samples x (n, d): (n, m)."""

    def information(self, k: int, x: Array, resp: Array) -> Array:
        """- sum_i resp_i d^2 log p(x_i | k) / d parameter^2: (m, m)."""

    def standard_errors(self, covariance: Array, scale: Array) -> dict[str, Array]:
        """Of the named parameters, from the covariance (n_free, n_free) of the free ones; by the delta method.

        scale (d,): of the coordinates in the user's units.
        """


def _from_covariances(covariances: Array) -> Array:
    """The lower triangles of Cholesky factors, (..., d (d + 1) / 2), their diagonals as logarithms."""
    d = covariances.shape[-1]
    try:
        factors = np.linalg.cholesky(covariances)
    except np.linalg.LinAlgError:
        factors = np.full(covariances.shape, np.nan)
    diagonal = np.arange(d)
    factors[..., diagonal, diagonal] = np.log(factors[..., diagonal, diagonal])
    rows, columns = np.tril_indices(d)
    return np.asarray(factors[..., rows, columns])


def _to_covariances(vector: Array, shape: tuple[int, ...]) -> Array:
    d = shape[-1]
    rows, columns = np.tril_indices(d)
    factors = np.zeros(shape)
    factors[..., rows, columns] = vector.reshape(*shape[:-2], -1)
    diagonal = np.arange(d)
    factors[..., diagonal, diagonal] = np.exp(factors[..., diagonal, diagonal])
    return factors @ np.swapaxes(factors, -1, -2)


def _length(expected: Specification) -> int:
    """Entries of the vector that stand for one named parameter."""
    if expected.kind != "covariance":
        return math.prod(expected.shape)
    d = expected.shape[-1]
    return math.prod(expected.shape[:-2]) * d * (d + 1) // 2


# Half a logarithm of a variance is the logarithm of a standard deviation, which moves as means do.
_TO_VECTOR: dict[str, Callable[[Array], Array]] = {
    "real": lambda value: value,
    "positive": lambda value: np.asarray(0.5 * np.log(value)),
    "nonnegative": lambda value: np.asarray(np.log(value)),
    "covariance": _from_covariances,
}
_FROM_VECTOR: dict[str, Callable[[Array, tuple[int, ...]], Array]] = {
    "real": lambda vector, shape: vector.reshape(shape),
    "positive": lambda vector, shape: np.exp(2.0 * vector).reshape(shape),
    "nonnegative": lambda vector, shape: np.exp(vector).reshape(shape),
    "covariance": _to_covariances,
}


@dataclass(frozen=True)
class Family(ABC):
    """A family of component densities. Instances are frozen and hold hyper-parameters only.

    Row shapes: a mixture's parameters are a float64 matrix of `params_shape` whose first n_components rows belong to
    one component each; rows below them are shared (tied covariances). Statistics likewise.
    """

    name: ClassVar[str]
    support: ClassVar[str] = "real"  # or "count": non-negative integers
    n_derived: ClassVar[int] = 0
    # Whether components share rows. Without, a row's M-step depends on that row alone, and several starts are one
    # longer matrix; with, `maximise` takes a leading axis of starts.
    pooled: ClassVar[bool] = False

    def layout(self, n_features: int, n_components: int) -> Array:
        """What kernels need to know that is not a float."""
        return np.array([n_features, n_components], dtype=np.int64)

    @abstractmethod
    def kernels(self) -> Kernels:
        """The tile kernels."""

    @abstractmethod
    def params_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        """Rows and columns of a mixture's parameter matrix."""

    @abstractmethod
    def statistics_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        """Rows and columns of a mixture's statistics matrix."""

    @abstractmethod
    def scratch_rows(self, n_features: int, n_components: int) -> int:
        """Rows of scratch, each one tile wide, that the kernels need."""

    @abstractmethod
    def frame(self, location: Array, spread: Array) -> Frame:
        """The coordinates for data of this location and spread (standard deviation) per feature."""

    @abstractmethod
    def limits(self, frame: Frame, location: Array, spread: Array, floor: float) -> Limits:
        """The floors and ridges of the M-step; `floor` is relative to each feature's own scale."""

    @abstractmethod
    def specification(self, n_features: int, n_components: int) -> dict[str, Specification]:
        """The named parameters, in order."""

    def reference(self, centres: Array) -> Array:
        """A proper mixture, in the frame's own coordinates, about which the first statistics can be gathered.

        Components sit at `centres` (n_components, n_features) with unit variance. One that then starves keeps its row.
        """
        n_components, n_features = centres.shape
        parameters = {}
        for name, expected in self.specification(n_features, n_components).items():
            filled = np.eye(n_features) if expected.kind == "covariance" else 1.0
            parameters[name] = np.broadcast_to(filled, expected.shape)
        location = next(iter(parameters))
        positive = self.support == "count"
        parameters[location] = np.where(centres > 0, centres, 1.0) if positive else centres
        return self.pack(parameters, Frame(np.zeros(n_features), np.ones(n_features)))

    @abstractmethod
    def pack(self, parameters: Parameters, frame: Frame) -> Array:
        """Named parameters, in the user's units, as a parameter matrix in the coordinates of `frame`."""

    @abstractmethod
    def unpack(self, params: Array, frame: Frame, n_components: int) -> dict[str, Array]:
        """The inverse of `pack`."""

    def to_vector(self, params: Array, n_features: int, n_components: int) -> Array:
        """A parameter matrix as an unconstrained vector (n,), in which steps between fits can be extrapolated.

        Named parameters in the frame's own coordinates: real ones as they are, positive ones as logarithms, covariance
        matrices as Cholesky factors whose diagonal is a logarithm. What no finite vector stands for, such as a rate of
        zero, comes out as infinite or NaN.
        """
        own = Frame(np.zeros(n_features), np.ones(n_features))
        named = self.unpack(params, own, n_components)
        with np.errstate(divide="ignore"):
            parts = [
                _TO_VECTOR[expected.kind](np.asarray(named[name]))
                for name, expected in self.specification(n_features, n_components).items()
            ]
        return np.concatenate([part.reshape(-1) for part in parts])

    def from_vector(self, vector: Array, frame: Frame, n_components: int) -> Array:
        """The inverse of `to_vector`: a parameter matrix in the coordinates of `frame`."""
        n_features, named, first = len(frame.scale), {}, 0
        for name, expected in self.specification(n_features, n_components).items():
            last = first + _length(expected)
            named[name] = _FROM_VECTOR[expected.kind](vector[first:last], expected.shape)
            first = last
        scaled = self.in_units(named, frame.scale)
        return self.pack(scaled, Frame(np.zeros(n_features), frame.scale))

    def tangent(self, params: Array, n_features: int, n_components: int) -> Tangent:
        """The derivatives of the log densities at a parameter matrix, in the coordinates of its frame."""
        raise TypeError(f"{self.name} has no derivatives to diagnose a solution by.")

    def in_units(self, parameters: Parameters, scale: Array) -> Parameters:
        """Named parameters of data divided by `scale` (n_features,) as those of the data."""
        return parameters

    @abstractmethod
    def moments(self, weights: Array, parameters: Parameters) -> tuple[Array, Array]:
        """Mean and standard deviation of each feature under the mixture."""

    @abstractmethod
    def maximise(self, statistics: Array, params: Array, frame: Frame, limits: Limits, starving: Array) -> Maximised:
        """The M-step from statistics gathered at `params`; components marked starving are left alone."""

    @abstractmethod
    def n_parameters(self, n_features: int, n_components: int) -> int:
        """Free parameters of the components, the mixing weights apart."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, parameters: Parameters, labels: Array) -> Array:
        """One draw per label, shape (len(labels), n_features)."""

    def to_json(self) -> dict[str, Any]:
        """The hyper-parameters, for `save`."""
        return {}
