"""What the six Gaussian families share: hyper-parameters, coordinates, limits. Not a family itself."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fastem.compiled.arrays import some
from fastem.compiled.factors import Factor, factorise
from fastem.compiled.squares import scaled_log_prob, tied_squares
from fastem.families.base import Columns, Family, Frame, Limits, Maximised, Tangent, identity_frame
from fastem.families.gaussian import constrained
from fastem.families.gaussian.tangent import GaussianTangent
from fastem.families.kernels import Kernels
from fastem.families.parameters import REAL, Array, Parameter, Parameters

MEANS = Parameter("means", ("K", "d"), REAL)

LOG_2_PI = float(np.log(2.0 * np.pi))
# Sums are divided by this instead of by a total weight of 0.
TINY = float(np.finfo(np.float64).tiny)
EPS = float(np.finfo(np.float64).eps)

# Two rounding units of the largest number in a feature's tiles: no standard deviation below that can be told from 0.
RESOLUTION = 2.0
# The same for the user's own numbers, which are float64 or less; means are reported with that rounding.
OWN_RESOLUTION = 16.0
# The smallest eigenvalue of a component's correlation matrix, by bytes per number. Of components with collinear
# features, sums of products in float32 gave eigenvalues between -3e-7 and 6e-8, in float64 between -2e-15 and 2e-15.
SINGULAR = {4: 1e-7, 8: 1e-12}
# A sum of squares errs by this many rounding units.
ROUNDING = 8.0
# A value so many standard deviations from the mean is far beyond the others.
GROSS = 10.0
# The floor of a feature that has one value only, relative to the square of that.
CONSTANT = {4: 1e-8, 8: 1e-12}


@dataclass(frozen=True)
class GaussianFamily(Family):
    """A Gaussian family.

    Parameters
    ----------
    reg_covar : added to every variance after each M-step, in squared units of the data, as scikit-learn does; >= 0.
        The default is 0, because EM does not maximise the likelihood exactly with any other.
    ridge : like reg_covar, but relative to each feature's own variance in the data (dimensionless); >= 0.
    floor : smallest variance in any direction relative to the data's (dimensionless, > 0). None means no more than the
        resolution of the numbers. Raising eigenvalues to a floor is the exact M-step under that constraint.
    min_variance : like floor, but an absolute number, in squared units of the data; >= 0. The larger of both holds.
    """

    reg_covar: float = 0.0
    ridge: float = 0.0
    floor: float | None = None
    min_variance: float = 0.0
    # Whether all features have one scale. Spherical covariances need that, because they compare features.
    common_scale: ClassVar[bool] = False
    # Whether covariances are matrices rather than variances.
    matrices: ClassVar[bool] = False

    def frame(self, location: Array, spread: Array) -> Frame:
        # A feature without spread keeps its magnitude as its scale, so that a floor relative to it means something.
        # The inverse of one below 1e-307 is not finite.
        magnitude = np.where(np.abs(location) < 1e-307, 1.0, np.abs(location))
        if self.common_scale:
            largest = spread.max()
            return Frame(location, np.full(len(location), largest if largest > 0 else magnitude.max()))
        return Frame(location, np.where(spread > 0, spread, magnitude))

    def limits(self, frame: Frame, facts: Columns, dtype: Any) -> Limits:
        eps, spread = float(np.finfo(dtype).eps), facts.spread
        stored = np.maximum(np.abs(facts.low - frame.shift), np.abs(facts.high - frame.shift)) / frame.scale
        own = np.maximum(np.abs(facts.low), np.abs(facts.high)) / frame.scale
        smallest = np.maximum(RESOLUTION * eps * stored, OWN_RESOLUTION * EPS * own) ** 2
        smallest = np.where(spread > 0, smallest, CONSTANT[np.dtype(dtype).itemsize])
        if self.common_scale:
            smallest = np.full(len(smallest), smallest.max())
        bound = np.maximum(self.floor or 0.0, self.min_variance / frame.scale / frame.scale)
        floors = np.maximum(smallest, bound)
        relative = np.where(spread > 0, spread / frame.scale, 1.0)
        ridge = self.ridge * relative**2 + self.reg_covar / frame.scale / frame.scale
        # A constant feature gets a ridge above its floor, so that no component is reported as floored because of it.
        ridge = np.where(spread > 0, ridge, np.maximum(ridge, 2.0 * floors))
        chosen = bound if self.floor is not None or self.min_variance else None
        return Limits(floors, ridge, chosen, SINGULAR[np.dtype(dtype).itemsize], ROUNDING * eps)

    def moments(self, parameters: Parameters) -> tuple[Array, Array]:
        means = np.asarray(parameters["means"], dtype=np.float64)
        return means, self.variances(parameters, *means.shape)

    def widened(self, params: Array, collapsed: Array, others: Array, frame: Frame) -> Array | None:
        if self.pooled or not others.any():
            return None
        named = self.unpack(params, frame, len(collapsed))
        narrowest = self.variances(named, len(collapsed), len(frame.scale))[others].min(axis=0)
        covariances = named["covariances"].copy()
        if self.matrices:
            covariances[collapsed] = np.diag(narrowest)
        else:
            covariances[collapsed] = narrowest.min() if self.common_scale else narrowest
        return self.pack({**named, "covariances": covariances}, frame)

    def why_collapsed(self, params: Array, k: int, n_components: int, frame: Frame, limits: Limits) -> str:
        named = self.unpack(params, identity_frame(len(frame.scale)), n_components)
        if not self.matrices:
            variances = self.variances(named, n_components, len(frame.scale))[k]
            involved = np.flatnonzero(variances <= 2.0 * limits.floor)
            return f"does not vary in {listed(involved)}{_beside(involved, limits)}"
        covariances = named["covariances"].reshape(-1, len(frame.scale), len(frame.scale))
        covariance = covariances[k if len(covariances) > 1 else 0]
        least = np.sqrt(np.maximum(limits.floor, limits.singular * np.diagonal(covariance)))
        values, vectors = np.linalg.eigh(covariance / least / least[:, None])
        flat = values < 2.0
        involved = np.flatnonzero((vectors[:, flat] ** 2).sum(axis=1) > 0.1)
        directions = f"{flat.sum()} of {len(values)} directions, which involve {listed(involved)}"
        return f"does not vary in {directions}{_beside(involved, limits)}"

    @property
    def remedy(self) -> str:
        shape = self.name.removeprefix("gaussian_")
        return (
            f"To prevent that, lower n_components, or give Gaussian({shape!r}, ridge=1e-3), which adds a thousandth of "
            "each feature's variance, or min_variance=, the smallest variance that makes sense, in squared units of "
            "the data."
        )

    def covariance_matrices(self, parameters: Parameters) -> Array:
        n_components, d = np.shape(parameters["means"])
        if self.matrices:
            return np.array(np.broadcast_to(parameters["covariances"], (n_components, d, d)), dtype=np.float64)
        return self.variances(parameters, n_components, d)[:, :, None] * np.eye(d)

    def located(self, centres: Array) -> Parameters:
        covariances = self.parameters[1]
        return {"means": centres, "covariances": covariances.kind.unit(covariances.shape(*centres.shape[::-1]))}

    def is_unbounded(self, low: Array, high: Array) -> bool:
        # A constant feature is held at a floor.
        return bool((low == high).any())

    @property
    def is_regularised(self) -> bool:
        return bool(self.ridge or self.reg_covar)

    def targeted(
        self, statistics: Array, params: Array, fixed: Parameters, shared: Any, frame: Frame, counts: Array
    ) -> Array:
        return constrained.targeted(self, statistics, params, fixed, shared, frame, counts)

    def why_not_shared(self, name: str) -> str | None:
        tied = {"full": "tied", "diag": "tied_diag", "spherical": "tied_spherical"}
        shape = tied.get(self.name.removeprefix("gaussian_"), "tied")
        return None if name == "means" else f"components share their covariance in Gaussian({shape!r})."

    @abstractmethod
    def variances(self, parameters: Parameters, n_components: int, n_features: int) -> Array:
        """The variance of each feature in each component, (n_components, n_features)."""

    def tangent(self, params: Array, n_features: int, n_components: int) -> Tangent:
        named = self.unpack(params, identity_frame(n_features), n_components)
        if self.matrices:
            matrices = named["covariances"].reshape(-1, n_features, n_features)
            factors, spread = np.linalg.inv(np.linalg.cholesky(matrices)), "matrix"
        else:
            deviations = np.sqrt(self.variances(named, n_components, n_features))
            factors = np.eye(n_features) / deviations[:, None, :]
            spread = "number" if self.common_scale else "diagonal"
        factors = np.broadcast_to(factors, (n_components, n_features, n_features))
        return GaussianTangent(named["means"], factors, spread, self.pooled)


@dataclass(frozen=True)
class TiedSquares(GaussianFamily):
    """What the two families with a shared diagonal covariance matrix have in common: their kernels and rows.

    Row of params: mean (d) | mean / sd (d) | constant. Shared row: 1/sd (d) | variance (d) | unused.
    Row of statistics: sum r | sum r z (d). Shared row: unused | sum over k and t of r z^2 (d), with z = x - mean_k.
    """

    pooled: ClassVar[bool] = True

    def kernels(self) -> Kernels:
        return Kernels(scaled_log_prob, tied_squares, None)

    def params_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components + 1, 2 * n_features + 1

    def statistics_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components + 1, 1 + 2 * n_features

    def scratch_rows(self, n_features: int, n_components: int) -> int:
        return n_features

    def moved(
        self, statistics: Array, params: Array, frame: Frame, to_params: Array, to_frame: Frame, n_components: int
    ) -> Array:
        d = len(frame.scale)
        stretch, offsets, _ = move(params[:n_components, :d], frame, to_params[:n_components, :d], to_frame)
        result, counts = statistics.copy(), statistics[:n_components, :1]
        sums = statistics[:n_components, 1 : d + 1] * stretch
        result[:n_components, 1 : d + 1] = sums + offsets * counts
        cross = (2.0 * offsets * sums + offsets * offsets * counts).sum(axis=0)
        result[n_components, d + 1 :] = statistics[n_components, d + 1 :] * stretch * stretch + cross
        return result

    def sample(self, rng: np.random.Generator, parameters: Parameters, labels: Array) -> Array:
        centres, noise = gaussian_draws(rng, np.asarray(parameters["means"]), labels)
        return centres + noise * np.sqrt(np.asarray(parameters["covariances"]))


def spared(rows: Array, params: Array, starving: Array, floored: Array, collapsed: Array) -> Maximised:
    """An M-step in which starving components keep their rows."""
    if not some(starving):
        return Maximised(rows, starving, floored, collapsed)
    rows[starving] = params[starving]
    return Maximised(rows, starving, floored & ~starving, collapsed & ~starving)


def _beside(features: Array, limits: Limits) -> str:
    """What hides the variance of components in features with values far beyond all others; "" if there are none."""
    if limits.rounding < ROUNDING * 1e-9:  # in float64 that takes values of another kind, such as 1e15
        return ""
    largest = np.sqrt(limits.floor[features]) / (RESOLUTION * limits.rounding / ROUNDING)
    if not (largest > GROSS).any():
        return ""
    return (
        f", or by less than floating point resolves beside a value {largest.max():.3g} standard deviations from the "
        "mean there: if that is an error, leave it out"
    )


def listed(features: Array) -> str:
    """Some features by their numbers, the first few of many."""
    named, more = ", ".join(map(str, features[:5])), len(features) - 5
    return f"feature{'s'[: len(features) != 1]} {named}{f' and {more} more' if more > 0 else ''}"


class Move(NamedTuple):
    """How deviations from means change with the means and the frame: z' = stretch z + offset of the component.

    stretch (d,), offsets (K, d): of deviations. origin (d,): of coordinates, x' = stretch x + origin.
    """

    stretch: Array
    offsets: Array
    origin: Array


def move(means: Array, frame: Frame, to_means: Array, to_frame: Frame) -> Move:
    """The change from means (K, d) in one frame to means in another."""
    stretch, origin = frame.scale / to_frame.scale, (frame.shift - to_frame.shift) / to_frame.scale
    return Move(stretch, means * stretch + origin - to_means, origin)


def log_constant(log_determinants: Array, frame: Frame) -> Array:
    """The constant of a log density in the user's units: -1/2 (d log 2 pi + log |C|) - sum_j log scale_j."""
    return -0.5 * (len(frame.scale) * LOG_2_PI + log_determinants) - np.log(frame.scale).sum()


def factor_of(parameters: Parameters, frame: Frame) -> Factor:
    """The factors of covariance matrices, (m, d, d), in the coordinates of `frame`.

    Instead of "covariances", parameters may hold "precisions_cholesky" (..., d, d), upper triangular P with a positive
    diagonal and P P' = C^-1: an estimator predicts from these without an inversion, which would cost time and digits.
    Such rows hold no covariances and serve densities alone.
    """
    d = len(frame.scale)
    if "precisions_cholesky" in parameters:
        inverse = np.swapaxes(np.asarray(parameters["precisions_cholesky"]).reshape(-1, d, d), 1, 2) * frame.scale
        log_determinants = -2.0 * np.log(np.diagonal(inverse, axis1=1, axis2=2)).sum(axis=1)
        return Factor(np.zeros_like(inverse), inverse, log_determinants, *2 * [np.zeros(len(inverse), dtype=np.bool_)])
    covariances = np.asarray(parameters["covariances"]).reshape(-1, d, d) / frame.scale / frame.scale[:, None]
    return factorise(covariances, np.zeros(d))


def matrix_variances(parameters: Parameters) -> Array:
    """The variance of each feature, (..., d); given the other features if only factors of precisions are known."""
    if "precisions_cholesky" in parameters:
        return 1.0 / (np.asarray(parameters["precisions_cholesky"]) ** 2).sum(axis=-1)
    return np.diagonal(np.asarray(parameters["covariances"]), axis1=-2, axis2=-1)


def frame_means(parameters: Parameters, frame: Frame) -> Array:
    return (np.asarray(parameters["means"], dtype=np.float64) - frame.shift) / frame.scale


def user_means(means: Array, frame: Frame) -> Array:
    return means * frame.scale + frame.shift


def user_covariances(covariances: Array, frame: Frame) -> Array:
    """Covariance matrices (..., d, d) in the user's units, symmetric to the last bit."""
    # (c a) b and (c b) a may differ in the last bit; c (a b) and c (b a) are equal, because products commute.
    with np.errstate(over="ignore"):
        product = np.outer(frame.scale, frame.scale)
        if np.isfinite(product).all():
            return covariances * product
        # A covariance within the frame is at most about 1, so c a b may be finite where a b is not.
        scaled = covariances * frame.scale * frame.scale[:, None]
    return np.tril(scaled) + np.swapaxes(np.tril(scaled, -1), -1, -2)


def gaussian_draws(rng: np.random.Generator, means: Array, labels: Array) -> tuple[Array, Array]:
    """The mean of each draw and standard normal noise of the same shape."""
    centres = means[labels]
    return centres, rng.standard_normal(centres.shape)


def scaled_cholesky(covariance: Array) -> Array:
    """The Cholesky factor of a covariance matrix whose features may differ in scale by hundreds of decades."""
    scale = np.sqrt(np.diagonal(covariance))
    return np.linalg.cholesky(covariance / scale / scale[:, None]) * scale[:, None]
