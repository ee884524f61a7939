"""`fastem.GaussianMixture`, a drop-in for scikit-learn's."""

from __future__ import annotations

from functools import cache
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from fastem import validation
from fastem.data.columns import columns
from fastem.data.threads import team
from fastem.em.accelerate import Acceleration
from fastem.estimators.base import BaseMixture
from fastem.estimators.theirs import (
    GaussianTwin,
    covariances_of,
    covariances_of_precisions,
    guarded,
    precisions_of,
    survives,
    upper_triangular,
)
from fastem.estimators.units import DEFAULT, SHARE, too_wide
from fastem.families import SHAPES, Gaussian
from fastem.families.base import Array, Family, Parameter
from fastem.families.gaussian import CovarianceShape
from fastem.model import evidence as functional
from fastem.model.result import Result
from fastem.model.starving import Assignment, Starving
from fastem.starts.names import StartMethod
from fastem.validation import estimators as checks

# How attributes can come to have a wrong shape, other than by hand.
_OR = "covariance_type was changed after fit"


class GaussianMixture(GaussianTwin, BaseMixture):
    """Gaussian mixture, with the names, defaults, meanings and attributes of ``sklearn.mixture.GaussianMixture``.

    Parameters
    ----------
    n_components : int, default=1
    covariance_type : {"full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"}, default="full"
        The last two, which scikit-learn does not have, share one diagonal matrix or one variance.
    tol : float, default=1e-3
        A start stops when an iteration changes the mean log-likelihood, nats per sample, by less than this. 0 runs
        `max_iter` iterations.
    reg_covar : float, default=1e-6
        Added to each variance after each M-step, in squared units of the data. If the default, or less, adds more than
        1% to a component's smallest variance, a ``fastem.FitWarning`` says what to pass instead.
    max_iter : int, default=100
        M-steps at most; 0 keeps the start.
    n_init : int, default=1
        Random starts, which share each pass over the data; of those that did not collapse, the likeliest is kept.
    init_params : str, default="kmeans"
        How the start is found, or the part of it that the next three arguments do not give. "kmeans", "k-means++",
        "random" and "random_from_data" are as in scikit-learn; "splitting", "short-runs", "hierarchical" and "auto"
        (ten starts of several kinds, of which losers are dropped early) are as in ``fastem.fit``.
    weights_init : array-like of shape (n_components,), default=None
        Mixing weights in [0, 1], with sum 1 to 1e-8 (1e-6 in float32).
    means_init : array-like of shape (n_components, n_features), default=None
        Initial means. Weights and covariances that are not given are found by `init_params`, and the components found
        are matched to the nearest of these means.
    precisions_init : array-like or float, default=None
        Inverse covariances, in the shape of `covariances_`: symmetric positive definite, or > 0.
    random_state : int, RandomState instance or None, default=None
        An integer gives the same bits on any number of threads.
    warm_start : bool, default=False, whether to continue from the last solution.
    verbose, verbose_interval : int, default=0 and 10
        1 prints iterations, 2 also times and gains.
    covariances_init : array-like or float, default=None
        Initial covariances, in the shape of `covariances_`; give these or `precisions_init`, not both.
    n_threads : int or None, default=None
        None means all cores that are allowed (see ``fastem.fit``) on the main thread, and 1 on any other.
    accelerate : {"anderson", "squarem"} or None, default=None
        Leap ahead of the M-steps, which takes many times fewer passes where EM is slow.
    progressive : bool or None, default=False
        Begin on random parts of the data. None does so if there are many samples, as ``fastem.fit`` does by default.
    min_samples : float, default=0.0
        The sum of responsibilities that a component must hold.
    starving : {"reseed", "drop", "stop"}, default="reseed"
        What becomes of a component that holds less: "reseed" puts it at the samples that the mixture explains worst,
        "drop" leaves it out (`n_components_` is then smaller), and "stop" ends its start.
    floor : float or None, default=None
        Smallest variance of a component in any direction, relative to the data's own per feature. None means what
        floating point resolves.
    min_variance : float, default=0.0
        Like `floor`, but an absolute number, in squared units of the data; the larger of the two holds.
    ridge : float, default=0.0
        Like `reg_covar`, but relative to each feature's variance in the data.
    fixed, shared, weights, prior, assignment : as in ``fastem.fit``.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    means_ : ndarray of shape (n_components, n_features)
    covariances_ : ndarray
        (n_components, n_features, n_features) for "full", (n_features, n_features) for "tied", (n_components,
        n_features) for "diag", (n_components,) for "spherical", (n_features,) for "tied_diag", () for "tied_spherical".
    precisions_ : ndarray, the inverse of each covariance, in the same shape.
    precisions_cholesky_ : ndarray, upper triangular P with P P' = precision, in the same shape.
        As in scikit-learn, the predicting methods read this, and `sample` reads `covariances_`.
    n_components_ : int, the components of the fit: fewer than `n_components` if some were dropped.
    converged_ : bool, whether the best start met `tol`, no component was held at its floor, and nobody stopped the fit.
    n_iter_, n_passes_ : int, the steps (M-steps, or leaps) of the best start, and its passes over the data.
    lower_bound_ : float
        Mean log-likelihood per sample, nats, of exactly these parameters (scikit-learn's is one M-step older).
    lower_bounds_ : list of floats, as many as `n_iter_`, the value after each M-step of the best start.
    fit_report_ : tuple of ``fastem.StartReport``
        For each start its status, log-likelihood, iterations, and what the guards did.
    n_features_in_, feature_names_in_ : the latter only if X had names that are all strings.

    The parameters are float32 for float32 and float16 data, unless rounding would make some covariance singular.

    Notes
    -----
    A component that loses its samples is seeded anew; one that collapses is held at the floor, with a warning.

    References
    ----------
    Dempster, Laird and Rubin (1977), J. R. Statist. Soc. B 39, 1-38. Pedregosa et al. (2011), JMLR 12, 2825-2830.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> mixture = fastem.GaussianMixture(n_components=2, n_init=5, random_state=0).fit(X)
    >>> sorted(mixture.means_.round(6).tolist())
    [[1.0, 2.0], [10.0, 2.0]]
    >>> one, other = mixture.predict([[0, 0], [12, 3]])
    >>> bool(one != other)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMixture._parameter_constraints,
        "covariance_type": [StrOptions(set(SHAPES))],
        "reg_covar": [Interval(Real, 0.0, None, closed="left")],
        "means_init": ["array-like", None],
        "precisions_init": ["array-like", Real, None],
        "covariances_init": ["array-like", Real, None],
        "floor": [Interval(Real, 0.0, None, closed="neither"), None],
        "min_variance": [Interval(Real, 0.0, None, closed="left")],
        "ridge": [Interval(Real, 0.0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: CovarianceShape = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: StartMethod = "kmeans",
        weights_init: Any = None,
        means_init: Any = None,
        precisions_init: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        covariances_init: Any = None,
        n_threads: int | None = None,
        accelerate: Acceleration | None = None,
        progressive: bool | None = False,
        min_samples: float = 0.0,
        starving: Starving = "reseed",
        floor: float | None = None,
        min_variance: float = 0.0,
        ridge: float = 0.0,
        fixed: Any = None,
        shared: Any = None,
        weights: Any = "free",
        prior: Any = None,
        assignment: Assignment = "soft",
    ) -> None:
        self._keep(locals())

    @classmethod
    def from_parameters(
        cls, weights: Any, means: Any, covariances: Any, *, covariance_type: CovarianceShape = "full", **settings: Any
    ) -> Self:
        """A fitted estimator from given parameters.

        Parameters
        ----------
        weights : array-like of shape (n_components,), >= 0, sum 1
        means : array-like of shape (n_components, n_features)
        covariances : array-like, in the shape of `covariances_`
        covariance_type : str, default="full"
        **settings : further arguments of the constructor.

        Returns
        -------
        A GaussianMixture that predicts and samples; `lower_bound_` is NaN, `converged_` False, `n_iter_` 0. A
        covariance that is singular up to rounding is guarded.

        Raises
        ------
        ValueError : a wrong shape or setting, a covariance with a negative eigenvalue, weights that do not sum to 1.
        """
        family = Gaussian(covariance_type)
        mixture = functional.from_parameters(family, weights, means=means, covariances=covariances)
        return cls(mixture.n_components, covariance_type=covariance_type, **settings)._fitted_by(mixture)

    def covariance_matrices(self) -> Array:
        """The covariance of each component as a matrix, whatever the shape of `covariances_`.

        Returns
        -------
        covariances : ndarray of shape (n_components, n_features, n_features), float64, a copy

        Raises
        ------
        NotFittedError : before `fit`. ValueError : attributes that do not fit each other.
        """
        self._check_fitted()
        family, n_components = self._fitted_family(), len(self.weights_)
        shapes = {p.name: p.shape(np.shape(self.means_)[-1], n_components) for p in family.parameters}
        named = {
            name: checks.check_attribute(f"{name}_", getattr(self, f"{name}_"), shape, _OR)
            for name, shape in shapes.items()
        }
        return family.covariance_matrices(named)

    @property
    def _matrices(self) -> bool:
        return self.covariance_type in ("full", "tied")

    @classmethod
    def _arguments(cls, family: Any) -> dict[str, Any]:
        shapes = [shape for shape, of_shape in SHAPES.items() if isinstance(family, of_shape)]
        names = ("reg_covar", "floor", "min_variance", "ridge")
        return {"covariance_type": shapes[0], **{name: getattr(family, name) for name in names}} if shapes else {}

    def _spelled(self, note: str) -> str:
        return note.replace(
            f"Gaussian({self.covariance_type!r}, ", f"GaussianMixture(covariance_type={self.covariance_type!r}, "
        )

    def _family(self) -> Family:
        floor = None if self.floor is None else float(self.floor)
        return Gaussian(
            self.covariance_type,
            reg_covar=float(self.reg_covar),
            ridge=float(self.ridge),
            floor=floor,
            min_variance=float(self.min_variance),
        )

    def _fitted_family(self) -> Family:
        # What regularises matters to a fit alone, and may have been changed since.
        return _plain(self.covariance_type)

    def _hint(self, X: Array, sample_weight: Any, result: Result) -> str | None:
        # The trace of a precision is at least the inverse of the smallest variance, so most fits end here. A reg_covar
        # above the default was chosen to widen components.
        precisions = np.einsum("...ii", self.precisions_) if self._matrices else self.precisions_
        if not 0 < self.reg_covar <= DEFAULT or result.n_iter == 0:
            return None
        if self.reg_covar * precisions.max() <= SHARE / (1.0 + SHARE):
            return None
        weights, dtype = validation.check_sample_weight(sample_weight, len(X)), validation.working_dtype(X)
        with team(self.n_threads) as threads:
            facts = columns(X, weights, dtype, threads)
        return None if facts is None else too_wide(result, facts, dtype)

    def _initial(self) -> dict[str, tuple[str, Any]]:
        return {"means": ("means_init", self.means_init), "covariances": ("covariances_init", None)}  # see _given

    def _given(self, n_features: int) -> dict[str, Array]:
        checks.check_one_of_two(self.precisions_init, self.covariances_init)
        given = super()._given(n_features)
        covariances = self._family().parameters[1]
        shape = covariances.shape(n_features, self.n_components)
        for kind, value in (("precision", self.precisions_init), ("covariance", self.covariances_init)):
            if value is not None:
                name = f"{self.covariance_type} {kind}"
                matrices = checks.check_initial(name, f"{kind}s_init", value, shape, covariances.kind)
                inverse = kind == "precision"
                given["covariances"] = covariances_of_precisions(matrices, self._matrices) if inverse else matrices
        return given

    def _parameters(self) -> dict[str, Array]:
        named = self._density()
        if "precisions_cholesky" in named:
            named["covariances"] = covariances_of(named.pop("precisions_cholesky"), True)
        return named

    def _density(self) -> dict[str, Array]:
        # precisions_cholesky_ is read first, as in scikit-learn: in float32 it loses fewer digits than covariances do.
        # If a user has set covariances_ alone, those are read.
        parameters = self._fitted_family().parameters
        means, covariances = (p.shape(np.shape(self.means_)[-1], len(self.weights_)) for p in parameters)
        named = {"means": checks.check_attribute("means_", self.means_, means, _OR)}
        if not hasattr(self, "precisions_cholesky_"):
            named["covariances"] = checks.check_attribute("covariances_", self.covariances_, covariances, _OR)
            return named
        factors = checks.check_attribute("precisions_cholesky_", self.precisions_cholesky_, covariances, _OR)
        if self._matrices:
            factors = upper_triangular(factors)
        checks.check_factors(np.diagonal(factors, axis1=-2, axis2=-1) if self._matrices else factors)
        if self._matrices:
            return {**named, "precisions_cholesky": factors}
        return {**named, "covariances": covariances_of(factors, False)}

    def _density_attributes(self) -> list[Any]:
        cholesky = hasattr(self, "precisions_cholesky_")
        return [self.means_, self.precisions_cholesky_ if cholesky else self.covariances_]

    def _attributes_of(self, parameter: Parameter) -> list[str]:
        own = super()._attributes_of(parameter)
        return [*own, "precisions_", "precisions_cholesky_"] if parameter.name == "covariances" else own

    def _set_parameters(self, weights: Array, parameters: dict[str, Array], dtype: Any) -> None:
        with np.errstate(all="ignore"):
            covariances, cholesky = guarded(parameters["covariances"], self._matrices)
            precisions = precisions_of(cholesky, self._matrices)
        checks.check_precisions(precisions)
        if not survives(covariances, cholesky, dtype, self._matrices):
            dtype = np.dtype(np.float64)
        self.weights_ = weights.astype(dtype)
        self.means_ = parameters["means"].astype(dtype)
        self.covariances_ = covariances.astype(dtype)
        self.precisions_cholesky_ = cholesky.astype(dtype)
        self.precisions_ = precisions.astype(dtype)

    def _draw(self, rng: np.random.RandomState, labels: Array) -> Array:
        counts = np.bincount(labels, minlength=len(self.weights_))
        return np.vstack([self._draws_of(rng, component, int(count)) for component, count in enumerate(counts)])

    def _draws_of(self, rng: np.random.RandomState, component: int, n_samples: int) -> Array:
        """Samples of one component, (n_samples, n_features)."""
        mean = np.asarray(self.means_[component], dtype=np.float64)
        covariances = np.asarray(self.covariances_, dtype=np.float64)
        covariance = covariances if self.covariance_type.startswith("tied") else covariances[component]
        if self._matrices:
            return rng.multivariate_normal(mean, covariance, n_samples, check_valid="ignore")
        draws: Array = mean + rng.standard_normal((n_samples, len(mean))) * np.sqrt(covariance)
        return draws


@cache
def _plain(covariance_type: CovarianceShape) -> Family:
    return Gaussian(covariance_type)
