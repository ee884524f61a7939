"""What a family of component densities must answer. The fold, the driver and the estimators ask nothing else."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from fastem.compiled.arrays import some
from fastem.families.kernels import Kernels, MStep
from fastem.families.parameters import Array, FloatArray, Parameter, Parameters, first_where

__all__ = [
    "Array", "Columns", "Family", "Frame", "Kernels", "Limits", "Maximised", "Parameter", "Parameters", "Tangent",
    "first_where", "identity_frame",
]  # fmt: skip


class Frame(NamedTuple):
    """The coordinates in which tiles are stored: z = (x - shift) / scale, per feature.

    shift, scale: float64 arrays of shape (n_features,); scale > 0.
    """

    shift: FloatArray
    scale: FloatArray


def identity_frame(n_features: int) -> Frame:
    """The coordinates of the data themselves."""
    return Frame(np.zeros(n_features), np.ones(n_features))


class Columns(NamedTuple):
    """What one look at the columns of the data finds, in the user's units.

    location, spread: weighted mean and standard deviation per feature, (n_features,), float64; spread is exactly 0
    for a constant feature. low, high: the smallest and largest value per feature.
    """

    location: Array
    spread: Array
    low: Array
    high: Array


class Limits(NamedTuple):
    """What keeps an M-step away from singular components, in the coordinates of a frame.

    floor: (n_features,) smallest variance (Gaussian), rate (Poisson) or probability (Bernoulli) of each feature.
    ridge: (n_features,) what is added to each feature's variance. bound: (n_features,) the floors that the user chose,
    or None; a component that is held at one of these has not collapsed. singular: the smallest eigenvalue of a
    component's correlation matrix; rounded sums of products tell no smaller one from 0. rounding: the relative error of
    a sum of squares. Squares about a point at distance s from a component's mean give its variance up to rounding s^2.
    """

    floor: FloatArray
    ridge: FloatArray
    bound: FloatArray | None = None
    singular: float = 0.0
    rounding: float = 0.0


class Maximised(NamedTuple):
    """An M-step.

    params: new parameter rows; a starving component keeps its old row.
    starving: (n_components,) bool, components without enough samples to estimate anything.
    floored: (n_components,) bool, components held at a floor.
    collapsed: (n_components,) bool, those of them whose floor is that of floating point, so that the likelihood means
        little, rather than one that the user chose; None if all are.
    """

    params: Array
    starving: Array
    floored: Array
    collapsed: Array | None = None


class Tangent(Protocol):
    """The derivatives of a family's log densities at one mixture, by free parameters of its own choice.

    A free parameter moves one component or several. Where parameters are fixed or shared, there must also be a method
    `reduced(fixed, shared) -> Reduction`, see families/reduced; fixed: by name, which entries are known.
    """

    n_free: int

    def columns(self, k: int) -> Array:
        """The free parameters that move component k, (m,) indices."""

    def scores(self, k: int, x: Array) -> Array:
        """d log p(x | k) / d parameter for samples x (n, d): (n, m)."""

    def information(self, k: int, x: Array, resp: Array) -> Array:
        """- sum_i resp_i d^2 log p(x_i | k) / d parameter^2: (m, m)."""

    def standard_errors(self, covariance: Array, scale: Array) -> dict[str, Array]:
        """The standard errors of the named parameters, from the covariance (n_free, n_free) of the free ones.

        They follow by the delta method. scale (d,): the scale of the frame, in the user's units.
        """


@dataclass(frozen=True)
class Family(ABC):
    """A family of component densities. Instances are frozen and hold hyper-parameters only.

    Row shapes: a mixture's parameters are a float64 matrix of `params_shape` whose first n_components rows belong to
    one component each; rows below them are shared (tied covariances). Statistics likewise.

    name: what files and tables call it. parameters: the named parameters, in order. pooled: whether components share
    rows. If they do not, a row's M-step depends on that row alone, and the rows of several starts are given to
    `maximise` as one longer matrix. If they do, it takes a leading axis of starts. positive_only: whether data must be
    non-negative. affine: whether the family is the same in any affine coordinates, so that starts may look at the data
    with their overall covariance made the identity.
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]
    pooled: ClassVar[bool] = False
    positive_only: ClassVar[bool] = False
    affine: ClassVar[bool] = False

    def layout(self, n_features: int, n_components: int) -> Array:
        """The integers that the kernels need to know."""
        return np.array([n_features, n_components], dtype=np.int64)

    @abstractmethod
    def kernels(self) -> Kernels:
        """The tile kernels."""

    def params_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        """Rows and columns of a mixture's parameter matrix."""
        rows, columns = self.reference(np.zeros((n_components, n_features))).shape
        return rows, columns

    @abstractmethod
    def statistics_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        """Rows and columns of a mixture's statistics matrix."""

    def n_derived(self, n_features: int) -> int:
        """Rows of a tile that `derive` makes of its features."""
        return 0

    def latent_rows(self, n_features: int, n_components: int) -> int:
        """Rows, each one tile wide, in which `log_prob` leaves results for `accumulate`."""
        return 0

    def scratch_rows(self, n_features: int, n_components: int) -> int:
        """Rows of scratch, each one tile wide, that the kernels need."""
        return 0

    # What a family says about data.

    def why_impossible(self, X: Array) -> str | None:
        """A sentence that names the first value of X (n, d) that no component can produce; None if there is none."""
        return None

    def settled(self, facts: Columns) -> Family:
        """The family that ends in the Result: this one, with what the facts about the columns decide filled in."""
        return self

    def points(self, X: Array) -> Array:
        """Samples (n, d) as points that starts may compare by their distances."""
        return X

    def is_unbounded(self, low: Array, high: Array) -> bool:
        """Whether the likelihood has no maximum for data with these smallest and largest values of each feature."""
        return False

    @property
    def is_regularised(self) -> bool:
        """Whether its M-steps maximise something other than the likelihood."""
        return False

    def frame(self, location: Array, spread: Array) -> Frame:
        """The coordinates for data of this location and spread (standard deviation) per feature."""
        return identity_frame(len(location))

    def limits(self, frame: Frame, facts: Columns, dtype: Any) -> Limits:
        """The floors and ridges of the M-step for data with these facts, whose tiles are stored in `dtype`."""
        return Limits(np.zeros(len(frame.scale)), np.zeros(len(frame.scale)))

    # Named parameters and rows.

    @abstractmethod
    def pack(self, parameters: Parameters, frame: Frame) -> Array:
        """Named parameters, in the user's units, as a parameter matrix in the coordinates of `frame`."""

    def unpack(self, params: Array, frame: Frame, n_components: int) -> dict[str, Array]:
        """The inverse of `pack`.

        This method is for families whose rows end with the named parameters, in order and in the user's units.
        """
        shapes = {p.name: p.shape(len(frame.scale), n_components) for p in self.parameters}
        first, named = params.shape[1] - sum(math.prod(shape[1:]) for shape in shapes.values()), {}
        for name, shape in shapes.items():
            last = first + math.prod(shape[1:])
            named[name], first = params[:n_components, first:last].reshape(shape).copy(), last
        return named

    @abstractmethod
    def located(self, centres: Array) -> Parameters:
        """Proper parameters of components at `centres` (n_components, n_features), with unit spread."""

    def reference(self, centres: Array) -> Array:
        """The rows of components at `centres`, in the frame's own coordinates.

        The first statistics are gathered about these rows. A component that then starves keeps its row.
        """
        return self.pack(self.located(centres), identity_frame(centres.shape[1]))

    def inside(self, params: Array) -> Array:
        """Rows near these ones from which EM can go anywhere.

        An M-step from hard assignments may end on a border that no later M-step leaves, such as a probability of 0.
        """
        return params

    def widened(self, params: Array, collapsed: Array, others: Array, frame: Frame) -> Array | None:
        """Rows in which the collapsed components are as wide as the narrowest of the others, (n_components,) bool each.

        None if there are no others, or if components of the family do not collapse.
        """
        return None

    def why_collapsed(self, params: Array, k: int, n_components: int, frame: Frame, limits: Limits) -> str:
        """What is wrong with component k, which is held at the floor of floating point, as the end of a sentence."""
        return ""

    @property
    def remedy(self) -> str:
        """What the user may do about collapsed components, in a sentence."""
        return "To prevent that, lower n_components."

    @abstractmethod
    def moments(self, parameters: Parameters) -> tuple[Array, Array]:
        """The mean and the variance of each feature in each component, both (n_components, n_features)."""

    def covariance_matrices(self, parameters: Parameters) -> Array:
        """The covariance of each component as a matrix, (n_components, n_features, n_features), a copy."""
        raise TypeError(f"{self.name} has no covariances; only Gaussian components have.")

    def comparable(self, parameters: Parameters) -> Array:
        """Coordinates (n_components, m) by whose differences components of two solutions are matched."""
        return self.moments(parameters)[0]

    def is_representable(self, parameters: Parameters) -> bool:
        """Whether named parameters are within their bounds in the user's units, where variances may overflow."""
        return all(p.kind.is_representable(np.asarray(parameters[p.name], dtype=np.float64)) for p in self.parameters)

    def take(self, parameters: Parameters, order: Array) -> dict[str, Array]:
        """The named parameters of some of the components, in this order."""
        return {p.name: p.take(np.asarray(parameters[p.name]), order) for p in self.parameters}

    def n_parameters(self, n_features: int, n_components: int) -> int:
        """Free parameters of the components, without the mixing weights."""
        return sum(p.kind.n_free(p.shape(n_features, n_components)) for p in self.parameters)

    def to_vector(self, params: Array, n_features: int, n_components: int) -> Array:
        """A parameter matrix as an unconstrained vector (n,), in which steps between fits can be extrapolated.

        It holds the named parameters in the frame's own coordinates, each as its kind says. A value that has no finite
        vector, such as a covariance matrix without a Cholesky factor, comes out as infinite or NaN.
        """
        named = self.unpack(params, identity_frame(n_features), n_components)
        with np.errstate(divide="ignore"):
            return np.concatenate([p.kind.to_vector(np.asarray(named[p.name])) for p in self.parameters])

    def to_vectors(self, params: Array, n_features: int, n_components: int) -> Array:
        """`to_vector` of several parameter matrices, (m, rows, width): (m, n)."""
        if len(params) > 1 and not self.pooled and all("K" in p.axes for p in self.parameters):
            rows = params.reshape(-1, params.shape[-1])
            named = self.unpack(rows, identity_frame(n_features), len(rows))
            with np.errstate(divide="ignore"):
                parts = [p.kind.to_vector(np.asarray(named[p.name])).reshape(len(params), -1) for p in self.parameters]
            vector = np.concatenate(parts, axis=1)
            if not some(np.isnan(vector)):  # one matrix without a factor leaves none to the others
                return vector
        return np.stack([self.to_vector(matrix, n_features, n_components) for matrix in params])

    def from_vector(self, vector: Array, frame: Frame, n_components: int) -> Array:
        """The inverse of `to_vector`: a parameter matrix in the coordinates of `frame`."""
        n_features, named, first = len(frame.scale), {}, 0
        for p in self.parameters:
            shape = p.shape(n_features, n_components)
            last = first + p.kind.n_entries(shape)
            named[p.name] = p.in_units(p.kind.from_vector(vector[first:last], shape), frame.scale)
            first = last
        return self.pack(named, Frame(np.zeros(n_features), frame.scale))

    # Estimation.

    @abstractmethod
    def maximise(self, statistics: Array, params: Array, frame: Frame, limits: Limits, starving: Array) -> Maximised:
        """The M-step from statistics gathered at `params`; components marked starving are left alone."""

    def targeted(
        self, statistics: Array, params: Array, fixed: Parameters, shared: Any, frame: Frame, counts: Array
    ) -> Array:
        """Statistics of one mixture that make `maximise` right under constraints, see families/constraints.

        They may be those that are expected under the parameters that `maximise` should find. This is for families of
        one parameter, each of whose numbers has a maximum of its own, with the mean by counts as the shared one.
        """
        return statistics

    @property
    def knows_constraints(self) -> bool:
        """Whether its M-step is right where some of its parameters, but not all, are fixed or shared."""
        alone = len(self.parameters) == 1 and not self.parameters[0].kind.whole
        return alone or type(self).targeted is not Family.targeted

    def why_not_shared(self, name: str) -> str | None:
        """Why components cannot share a parameter; None if they can."""
        return None

    def m_step(self, frame: Frame, limits: Limits, n_components: int) -> MStep | None:
        """`maximise` as a kernel; None if there is none, or none for data of this size."""
        return None

    def moved(
        self, statistics: Array, params: Array, frame: Frame, to_params: Array, to_frame: Frame, n_components: int
    ) -> Array:
        """Statistics gathered at `params`, in `frame`, as they had been gathered at other rows in another frame.

        The responsibilities stay what they were. Evidence of different mixtures is added with this.
        """
        raise TypeError(
            f"evidence of different mixtures of {self.name}, or in different coordinates, cannot be added, as the "
            "family does not say how statistics move from one to the other; give it a method `moved`."
        )

    def tangent(self, params: Array, n_features: int, n_components: int) -> Tangent:
        """The derivatives of the log densities at a parameter matrix, in the coordinates of its frame."""
        raise TypeError(f"{self.name} has no derivatives to diagnose a solution by.")

    @abstractmethod
    def sample(self, rng: np.random.Generator, parameters: Parameters, labels: Array) -> Array:
        """One draw per label, shape (len(labels), n_features)."""

    def to_json(self) -> dict[str, Any]:
        """The hyper-parameters, for `save`."""
        return asdict(self)
