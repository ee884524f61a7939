"""How much would a fit differ on other data? The bootstrap: fits of resampled or simulated data, compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastem import validation
from fastem.data.samples import Samples
from fastem.data.threads import Team, resolve, team
from fastem.em.stopping import Stopping
from fastem.families.base import Array, Family
from fastem.fitting.search import Search
from fastem.fitting.solve import begin, search_for, solve
from fastem.fitting.survey import prepare
from fastem.model.evidence import evaluated, sample
from fastem.model.matching import matched
from fastem.model.model import Model, Step
from fastem.model.result import Result, Status
from fastem.model.starving import POLICIES, Policy
from fastem.starts import auto as starts
from fastem.starts import given as initialise

KINDS = ("nonparametric", "weighted", "parametric")
# Components of two fits are matched by their responsibilities for at most this many samples.
MATCHED = 10_000


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """What `bootstrap` returns.

    Attributes
    ----------
    weights : (n_fits, n_components), the mixing weights of each fit that ended well, with its components in the order
        of the original fit's.
    parameters : the family's named parameters, each (n_fits, ...).
    n_failed : fits that collapsed, whose likelihood was not finite, or that dropped a component; they are left out.
    """

    weights: Array
    parameters: dict[str, Array]
    n_failed: int

    @property
    def standard_errors(self) -> dict[str, Array]:
        """The standard deviation over the fits, of "weights" and of each parameter; NaN with fewer than two fits."""
        if len(self.weights) < 2:
            return {name: np.full(value.shape[1:], np.nan) for name, value in self._all().items()}
        return {name: np.std(value, axis=0, ddof=1) for name, value in self._all().items()}

    def interval(self, level: float = 0.95) -> dict[str, tuple[Array, Array]]:
        """The lower and upper ends of percentile intervals of this level, under the names of `standard_errors`.

        Raises
        ------
        ValueError : the level is not between 0 and 1, or there are no fits.
        """
        validation.check_level(level, len(self.weights))
        tail = 50.0 * (1.0 - level)
        return {
            name: (np.percentile(value, tail, axis=0), np.percentile(value, 100.0 - tail, axis=0))
            for name, value in self._all().items()
        }

    def _all(self) -> dict[str, Array]:
        return {"weights": self.weights, **self.parameters}


def bootstrap(
    result: Result,
    X: Any,
    *,
    kind: str = "nonparametric",
    n_replicates: int = 200,
    sample_weight: Any = None,
    tol: float = 1e-8,
    max_iter: int = 1000,
    seed: Any = None,
    n_threads: int | None = None,
) -> Bootstrap:
    """Standard errors and intervals of a fit by the bootstrap.

    Parameters
    ----------
    result : Result of a fit to X.
    X, sample_weight : the data of that fit; weight 2 is the same as the sample twice.
    kind : "nonparametric", "weighted" or "parametric"
        "nonparametric" draws samples with replacement, as many as the weights add up to. "weighted" keeps all samples
        and replaces each weight by a gamma-distributed one with that mean and variance (an exponential one for a weight
        of 1), so no component loses its last sample. "parametric" draws as many samples from `result`.
    n_replicates : int >= 2
    tol, max_iter : as in `fit`. Each fit begins at `result`, and is accelerated by Anderson's method.
    seed : int >= 0, a sequence of them, or None. The same seed gives the same bits with any n_threads.
    n_threads : int >= 1 or None, as in `fit`. This many fits run at a time, each in one thread.

    Returns
    -------
    Bootstrap : the components of each fit are matched to those of `result` by their responsibilities for samples of X.

    Raises
    ------
    ValueError, TypeError : unusable input, or data that cannot be those of the fit; the message names the argument.
        ValueError also if `result`, or every replicate, collapsed or is not finite.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 6. O'Hagan, Murphy, Scrucca and Gormley
    (2019), Comput. Statist. 34, 1779-1813, for mixtures. Newton and Raftery (1994), J. R. Statist. Soc. B 56, 3-48
    (weighted).

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.random.default_rng(0).poisson([[2.0]] * 300 + [[12.0]] * 300)
    >>> result = fastem.fit(X, fastem.Poisson(), 2, seed=0)
    >>> found = fastem.bootstrap(result, X, n_replicates=100, seed=0)
    >>> bool(found.standard_errors["rates"].max() < 0.4)
    True
    """
    validation.check_mixture(result)
    validation.check_choice("kind", kind, KINDS)
    stopping = Search(tol=tol, max_iter=max_iter).stopping(None)
    validation.check_n_threads(n_threads)
    validation.check_integer("n_replicates", n_replicates, 2)
    seeds = validation.check_seed(seed)
    with validation.naming(X, sample_weight):
        checked = validation.check_data(X, result)
        weights = validation.check_sample_weight(sample_weight, len(checked))
        validation.check_finite(checked, validation.working_dtype(checked))
        validation.check_support(checked, result.family)
    validation.check_healthy(result.status)
    validation.check_usable(result)
    total = float(len(checked) if weights is None else weights.sum())
    validation.check_same_data(total, result)
    if weights is not None:
        validation.check_weights_count(total, result.n_components)
        checked, weights = checked[weights > 0], weights[weights > 0]
    first, *children = seeds.spawn(1 + int(n_replicates))
    rng = np.random.default_rng(first)
    chosen = np.sort(rng.choice(len(checked), min(MATCHED, len(checked)), replace=False))
    judges = checked[chosen]
    with team(n_threads) as threads:
        resp = evaluated(judges, result, threads, "resp", alone=False).values
    if weights is not None:
        resp = resp * weights[chosen, None]

    def replicate(child: np.random.SeedSequence) -> Result:
        drawn, drawn_weights = _drawn(result, checked, weights, kind, child)
        with team(1) as alone:
            fitted = _fitted(drawn, drawn_weights, result, stopping, alone)
            if fitted.status is Status.NOT_FINITE:
                return fitted
            return _matched(fitted, resp, evaluated(judges, fitted, alone, "resp", alone=False).values)

    fits = _each(replicate, children, n_threads)
    good = [f for f in fits if f.status.rank == 0 and f.n_components == result.n_components]
    validation.check_replicates(len(good), fits[0].status.value)
    shapes = {name: np.asarray(value).shape for name, value in result.parameters.items()}
    return Bootstrap(
        np.array([fitted.weights for fitted in good]).reshape(-1, result.n_components),
        {name: np.array([fitted.parameters[name] for fitted in good]).reshape(-1, *s) for name, s in shapes.items()},
        len(fits) - len(good),
    )


@dataclass(frozen=True, eq=False)
class LikelihoodRatioTest:
    """What `likelihood_ratio_test` returns.

    Attributes
    ----------
    statistic : twice the gain in log-likelihood from `null` to `alternative`; 0 if there is none.
    p_value : of the simulated statistics and this one together, the share that is at least as large as this one.
    replicates : (n_replicates - n_failed,) statistics of data simulated from `null`.
    null, alternative : the fits, with K and K + 1 components.
    n_failed : the number of simulated data sets for which a fit collapsed or was not finite.
    """

    statistic: float
    p_value: float
    replicates: Array
    null: Result
    alternative: Result
    n_failed: int


def likelihood_ratio_test(
    X: Any,
    family: Family,
    n_components: int,
    *,
    n_replicates: int = 99,
    start: str = "auto",
    n_init: int = 1,
    tol: float = 1e-6,
    max_iter: int = 1000,
    min_samples: float = 0.0,
    starving: str = "reseed",
    seed: Any = None,
    n_threads: int | None = None,
) -> LikelihoodRatioTest:
    """The bootstrap test of K components against K + 1.

    The usual chi-squared limit does not hold for the number of components, so the statistic is compared with the
    statistics of data sets simulated from the fit with K components.

    Parameters
    ----------
    X : array-like, (n_samples, n_features), as in `fit`.
    family : a Family.
    n_components : K, an int from 1 to n_samples - 1.
    n_replicates : int >= 1. With 99, the smallest p-value is 0.01.
    start, n_init, tol, max_iter, min_samples, starving : as in `fit`, for both fits
        The data and the simulated data sets are fitted in the same way, so the test keeps its level with any start; a
        good start gives it power. A fit with K + 1 components also begins at the fit with K, with each of its
        components in turn split in two.
    seed : int >= 0, a sequence of them, or None. The same seed gives the same bits with any n_threads.
    n_threads : int >= 1 or None, as in `fit`. This many simulated data sets are fitted at a time.

    Returns
    -------
    LikelihoodRatioTest

    Raises
    ------
    ValueError, TypeError : unusable input; the message names the argument. ValueError also if a fit to the data, or to
        every simulated data set, collapsed, because the likelihood of a collapsed fit means nothing. If fits to some
        simulated data sets collapsed (`n_failed`), the p-value comes from the others alone.

    References
    ----------
    McLachlan (1987), J. R. Statist. Soc. C 36, 318-324. McLachlan and Peel (2000), Finite Mixture Models, section 6.4.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.random.default_rng(0).poisson([[2.0]] * 100 + [[12.0]] * 100)
    >>> test = fastem.likelihood_ratio_test(X, fastem.Poisson(), 1, n_replicates=19, seed=0)
    >>> test.p_value
    0.05
    """
    validation.check_family(family)
    search = Search(start=start, n_init=n_init, tol=tol, max_iter=max_iter, progressive=False).by_method()
    validation.check_n_threads(n_threads)
    validation.check_integer("n_replicates", n_replicates, 1)
    validation.check_min_samples(min_samples)
    validation.check_choice("starving", starving, POLICIES)
    seeds = validation.check_seed(seed)
    with validation.naming(X):
        checked = validation.check_data(X)
    validation.check_n_components(n_components, len(checked), None)
    k = int(n_components)
    validation.check_n_components(k + 1, len(checked), None)
    model = Model(family, k, policy=Policy(float(min_samples), starving))

    def pair(data: Array, child: np.random.SeedSequence, threads: Team) -> tuple[Result, Result]:
        """The fits with K and with K + 1 components to a data set."""
        lesser, greater = child.spawn(2)
        problem = prepare(model, Samples(data), threads)
        null = search_for(problem, search, lesser)
        divided: list[Step] = []
        if null.n_components == k and null.status.rank == 0:  # none was dropped
            step = initialise.from_parameters(problem, null.weights, dict(null.parameters))
            divided = starts.divided(problem, step)
        return null, search_for(problem.changed(n_components=k + 1), search, greater, divided)

    first, *children = seeds.spawn(1 + int(n_replicates))
    with validation.naming(X), team(n_threads) as threads:
        null, alternative = pair(checked, first, threads)
    names = validation.feature_names_of(X)
    null, alternative = replace(null, feature_names=names), replace(alternative, feature_names=names)
    validation.check_healthy(null.status, alternative.status)

    def replicate(child: np.random.SeedSequence) -> float:
        draws, fits = child.spawn(2)
        data = sample(null, len(checked), seed=_integers(draws)).X.astype(validation.working_dtype(checked))
        with team(1) as alone:
            one, two = pair(data, fits, alone)
        return _statistic(one, two) if max(one.status.rank, two.status.rank) == 0 else np.nan

    found = np.array(_each(replicate, children, n_threads))
    good = found[np.isfinite(found)]
    validation.check_replicates(len(good), Status.COLLAPSED.value)
    statistic = _statistic(null, alternative)
    p_value = (1 + int((good >= statistic).sum())) / (1 + len(good))
    return LikelihoodRatioTest(statistic, p_value, good, null, alternative, len(found) - len(good))


def _statistic(null: Result, alternative: Result) -> float:
    """At least 0, because a mixture of K + 1 components, two of them equal, is also one of K components."""
    return max(2.0 * (alternative.log_likelihood - null.log_likelihood), 0.0)


def _drawn(
    result: Result, X: Array, weights: Array | None, kind: str, child: np.random.SeedSequence
) -> tuple[Array, Array | None]:
    """One replicate's data and weights."""
    rng = np.random.default_rng(child)
    n = len(X) if weights is None else max(1, round(float(weights.sum())))
    if kind == "parametric":
        return sample(result, n, seed=_integers(child)).X.astype(validation.working_dtype(X)), None
    if kind == "weighted":
        return X, rng.standard_gamma(1.0 if weights is None else weights, len(X))
    counts = rng.multinomial(n, np.full(n, 1.0 / n) if weights is None else weights / weights.sum())
    return X, counts.astype(np.float64)


def _integers(child: np.random.SeedSequence) -> list[int]:
    """A seed in the form that `sample` takes."""
    return [int(word) for word in child.generate_state(4)]


def _fitted(X: Array, weights: Array | None, result: Result, stopping: Stopping, threads: Team) -> Result:
    problem = prepare(result.model, Samples(X, weights), threads)
    step = initialise.from_parameters(problem, result.weights, dict(result.parameters))
    return solve(problem, begin([step], "anderson"), stopping)


def _matched(fitted: Result, resp: Array, others: Array) -> Result:
    """A fit with its components reordered, so that each shares many samples with its counterpart in another fit.

    resp: the other fit's responsibilities; others: those of `fitted`, for the same samples.
    """
    if resp.shape[1] != others.shape[1]:
        return fitted
    order = matched(-(resp.T @ others))
    return replace(fitted, weights=fitted.weights[order], parameters=fitted.family.take(fitted.parameters, order))


def _each(task: Callable[[Any], Any], children: Sequence[np.random.SeedSequence], n_threads: int | None) -> list[Any]:
    """The task's answers in the order of `children`; several tasks run at a time."""
    n = min(resolve(n_threads), len(children))
    if n == 1:
        return [task(child) for child in children]
    pool = ThreadPoolExecutor(n, thread_name_prefix="fastem-bootstrap")
    try:
        return list(pool.map(task, children))
    finally:
        pool.shutdown(cancel_futures=True)
