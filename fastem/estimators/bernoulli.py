"""`fastem.BernoulliMixture`."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from fastem.em.accelerate import Acceleration
from fastem.estimators.base import BaseMixture
from fastem.families import Bernoulli
from fastem.families.base import Family
from fastem.model import evidence as functional
from fastem.model.starving import Assignment, Starving
from fastem.starts.names import StartMethod


class BernoulliMixture(BaseMixture):
    """Mixture of independent zeros and ones, p(x | k) = prod_j p_kj^x_j (1 - p_kj)^(1 - x_j): latent classes.

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
        How the start is found, or the part of it that `probabilities_init` and `weights_init` do not give, as in
        ``fastem.GaussianMixture``.
    probabilities_init : array-like of shape (n_components, n_features), default=None
        Initial probabilities of a one, in [0, 1]. A probability of exactly 0 or 1 stays as it is.
    weights_init, random_state, warm_start, verbose, verbose_interval, n_threads, accelerate, progressive, min_samples,
    starving, fixed, shared, weights, prior, assignment
        As those of ``fastem.GaussianMixture``.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,), float64
    probabilities_ : ndarray of shape (n_components, n_features), float64
        Probabilities of a one.
    n_components_, converged_, n_iter_, n_passes_, lower_bound_, lower_bounds_, fit_report_, n_features_in_,
    feature_names_in_
        As those of ``fastem.GaussianMixture``.

    Notes
    -----
    X must hold zeros and ones, in any numeric dtype or bool.

    References
    ----------
    Lazarsfeld and Henry (1968), Latent Structure Analysis. Bishop (2006), Pattern Recognition and Machine Learning,
    section 9.3.3.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((1000, 4)) < np.repeat([[0.9, 0.9, 0.1, 0.1], [0.1, 0.1, 0.9, 0.9]], 500, axis=0)
    >>> mixture = fastem.BernoulliMixture(n_components=2, random_state=0).fit(X)
    >>> sorted(mixture.probabilities_[:, 0].round(1).tolist())
    [0.1, 0.9]
    """

    _positive_only = Bernoulli.positive_only
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMixture._parameter_constraints,
        "probabilities_init": ["array-like", None],
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
        probabilities_init: Any = None,
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
    def from_parameters(cls, weights: Any, probabilities: Any, **settings: Any) -> Self:
        """A fitted estimator from given parameters.

        Parameters
        ----------
        weights : array-like of shape (n_components,), >= 0, sum 1
        probabilities : array-like of shape (n_components, n_features), in [0, 1]
        **settings : further arguments of the constructor.

        Returns
        -------
        A BernoulliMixture that predicts and samples; `lower_bound_` is NaN, `converged_` False, `n_iter_` 0.

        Raises
        ------
        ValueError : a wrong shape, a probability outside [0, 1], weights that do not sum to 1.
        """
        mixture = functional.from_parameters(Bernoulli(), weights, probabilities=probabilities)
        return cls(mixture.n_components, **settings)._fitted_by(mixture)

    def _family(self) -> Family:
        return Bernoulli()
