"""`fastem.Mixture`: a mixture of components of any family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from fastem.em.accelerate import Acceleration
from fastem.estimators.base import BaseMixture
from fastem.families import FAMILIES, MAKERS
from fastem.families.base import Array, Family
from fastem.model.result import Result
from fastem.model.starving import Assignment, Starving
from fastem.starts.names import StartMethod
from fastem.validation import estimators as checks


class Mixture(BaseMixture):
    """Mixture of components of any family, which may be your own.

    Parameters
    ----------
    family : Family or str
        A family such as ``fastem.Gaussian("diag", ridge=1e-3)``, or the name of a registered one that needs no
        arguments, such as "poisson".
    n_components : int, default=1
    tol : float, default=1e-3
        A start stops when an iteration gains less than this in mean log-likelihood, nats per sample. 0 runs `max_iter`
        iterations.
    max_iter : int, default=100
        M-steps at most; 0 keeps the start.
    n_init : int, default=1
        Random starts, which share each pass over the data; the likeliest of those that ended well is kept.
    init_params : str, default="kmeans"
        How the start is found, or the part of it that the next two arguments do not give, as in
        ``fastem.GaussianMixture``.
    weights_init : array-like of shape (n_components,), default=None
        Mixing weights in [0, 1], with sum 1.
    parameters_init : mapping, default=None
        Initial values of some or all of the family's parameters, by name, such as ``{"rates": [[1.0], [5.0]]}``.
    random_state, warm_start, verbose, verbose_interval, n_threads, accelerate, progressive, min_samples, starving,
    fixed, shared, weights, prior, assignment
        As those of ``fastem.GaussianMixture``.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,), float64
    parameters_ : dict of ndarray, float64, the family's parameters by name
        Each of them is also an attribute with an underscore, such as `rates_`. To change a parameter, set that
        attribute: `parameters_` is made from these attributes whenever it is read.
    family_ : Family, with the hyper-parameters that the data decide filled in.
    n_components_, converged_, n_iter_, n_passes_, lower_bound_, lower_bounds_, fit_report_, n_features_in_,
    feature_names_in_
        As those of ``fastem.GaussianMixture``.

    Notes
    -----
    It is ``fastem.fit`` behind scikit-learn's interface, with scikit-learn's defaults for starts and stopping. A named
    estimator, such as ``fastem.GaussianMixture``, computes the same for its family and has more attributes.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.random.default_rng(0).poisson([[1.0]] * 500 + [[20.0]] * 500)
    >>> mixture = fastem.Mixture(fastem.Poisson(), n_components=2, random_state=0).fit(X)
    >>> np.sort(mixture.parameters_["rates"].ravel()).round().tolist()
    [1.0, 20.0]
    """

    family_: Family
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMixture._parameter_constraints,
        "family": [Family, str],
        "parameters_init": [Mapping, None],
    }

    def __init__(
        self,
        family: Family | str,
        n_components: int = 1,
        *,
        tol: float = 1e-3,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: StartMethod = "kmeans",
        weights_init: Any = None,
        parameters_init: Any = None,
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

    @property
    def parameters_(self) -> dict[str, Array]:
        """The family's parameters by name."""
        return {parameter.name: getattr(self, f"{parameter.name}_") for parameter in self._fitted_family().parameters}

    @property
    def _positive_only(self) -> bool:  # type: ignore[override]
        family = FAMILIES.get(self.family) if isinstance(self.family, str) else self.family
        return bool(getattr(family, "positive_only", False))

    def _family(self) -> Family:
        return checks.check_family_or_name(self.family, {**FAMILIES, **MAKERS})

    def _fitted_family(self) -> Family:
        return getattr(self, "family_", None) or self._family()

    @classmethod
    def _arguments(cls, family: Family) -> dict[str, Any]:
        return {"family": family}

    def _initial(self) -> dict[str, tuple[str, Any]]:
        family, given = self._family(), self.parameters_init or {}
        checks.check_parameters_init(given, family)
        return {p.name: (f"parameters_init[{p.name!r}]", given.get(p.name)) for p in family.parameters}

    def _adopt(self, result: Result, dtype: Any) -> None:
        # The parameters of an earlier fit, perhaps of another family, are no longer true.
        for parameter in self.family_.parameters if hasattr(self, "family_") else ():
            delattr(self, f"{parameter.name}_")
        self.family_ = result.family
        super()._adopt(result, dtype)
