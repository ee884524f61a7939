"""`fastem.PoissonMixture`."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from fastem.em.accelerate import Acceleration
from fastem.estimators.base import BaseMixture
from fastem.families import Poisson
from fastem.families.base import Array, Family
from fastem.model import evidence as functional
from fastem.model.starving import Assignment, Starving
from fastem.starts.names import StartMethod


class PoissonMixture(BaseMixture):
    """Mixture of independent Poisson counts, p(x | k) = prod_j rates_kj^x_j exp(-rates_kj) / x_j!.

    Parameters
    ----------
    n_components : int, default=1
    tol : float, default=1e-3
        A start stops when an iteration gains less than this in mean log-likelihood, nats per sample. 0 runs `max_iter`
        iterations.
    max_iter : int, default=100
        M-steps at most; 0 keeps the start.
    n_init : int, default=1
        Random starts, which share each pass over the data; the likeliest is kept.
    init_params : str, default="kmeans"
        How the start is found, or the part of it that `rates_init` and `weights_init` do not give, as in
        ``fastem.GaussianMixture``.
    rates_init : array-like of shape (n_components, n_features), default=None
        Initial expected counts, >= 0.
    weights_init, random_state, warm_start, verbose, verbose_interval, n_threads, accelerate, progressive, min_samples,
    starving, fixed, shared, weights, prior, assignment
        As those of ``fastem.GaussianMixture``.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,), float64
    rates_ : ndarray of shape (n_components, n_features), float64
        Expected counts.
    n_components_, converged_, n_iter_, n_passes_, lower_bound_, lower_bounds_, fit_report_, n_features_in_,
    feature_names_in_
        As those of ``fastem.GaussianMixture``.

    Notes
    -----
    X must hold non-negative integers, in any numeric dtype. Counts above 1e4 lose digits in float32: give them as
    float64 or integers.

    References
    ----------
    Hasselblad (1969), Estimation of finite mixtures of distributions from the exponential family, J. Amer. Statist.
    Assoc. 64, 1459-1471.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.random.default_rng(0).poisson([[1.0]] * 500 + [[20.0]] * 500)
    >>> mixture = fastem.PoissonMixture(n_components=2, random_state=0).fit(X)
    >>> np.sort(mixture.rates_.ravel()).round().tolist()
    [1.0, 20.0]
    """

    _positive_only = Poisson.positive_only
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMixture._parameter_constraints,
        "rates_init": ["array-like", None],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        tol: float = 1e-3,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: StartMethod = "kmeans",
        weights_init: Any = None,
        rates_init: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        n_threads: int | None = None,
        accelerate: Acceleration | None = None,
        progressive: bool | None = False,
        min_samples: float = 0.0,
        starving: Starving = "reseed",
        fixed: Any = None,
        shared: Any = None,
        weights: Any = "free",
        prior: Any = None,
        assignment: Assignment = "soft",
    ) -> None:
        self._keep(locals())

    @classmethod
    def from_parameters(cls, weights: Any, rates: Any, **settings: Any) -> Self:
        """A fitted estimator from given parameters.

        Parameters
        ----------
        weights : array-like of shape (n_components,), >= 0, sum 1
        rates : array-like of shape (n_components, n_features), >= 0
        **settings : further arguments of the constructor.

        Returns
        -------
        A PoissonMixture that predicts and samples; `lower_bound_` is NaN, `converged_` False, `n_iter_` 0.

        Raises
        ------
        ValueError : a wrong shape, a negative rate, weights that do not sum to 1.
        """
        mixture = functional.from_parameters(Poisson(), weights, rates=rates)
        return cls(mixture.n_components, **settings)._fitted_by(mixture)

    def _family(self) -> Family:
        return Poisson()

    def _draw(self, rng: np.random.RandomState, labels: Array) -> Array:
        return rng.poisson(self.rates_[labels]).astype(np.float64)
