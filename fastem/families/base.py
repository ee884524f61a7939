"""What a family of component densities answers; the fold, the driver and the estimators ask nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

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


@dataclass(frozen=True)
class Family(ABC):
    """A family of component densities. Instances are frozen and hold hyper-parameters only.

    Row shapes: a mixture's parameters are a float64 matrix of `params_shape` whose first n_components rows belong to
    one component each; rows below them are shared (tied covariances). Statistics likewise.
    """

    name: ClassVar[str]
    support: ClassVar[str] = "real"  # or "count": non-negative integers
    n_derived: ClassVar[int] = 0

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
