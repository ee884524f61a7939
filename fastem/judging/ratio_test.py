"""Is one more component needed? The bootstrap test of K components against K + 1."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from fastem import validation
from fastem.data.fold import work_of
from fastem.data.samples import Samples
from fastem.data.threads import Team, team
from fastem.families.base import Array, Family
from fastem.families.parameters import FloatArray
from fastem.fitting.search import Search
from fastem.fitting.solve import search_for
from fastem.fitting.survey import prepare
from fastem.judging.replicates import Callback, each, integers
from fastem.model.evidence import sample
from fastem.model.model import Model, Step
from fastem.model.result import Fitted, Result, Status
from fastem.model.showing import counted
from fastem.model.starving import POLICIES, Policy, Starving
from fastem.starts import auto as starts
from fastem.starts import given as initialise
from fastem.starts.names import StartMethod


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
    replicates: FloatArray
    null: Result
    alternative: Result
    n_failed: int

    def __repr__(self) -> str:
        tested = f"{counted(self.null.n_components, 'component')} against {self.alternative.n_components}"
        found = f"statistic {self.statistic:.3f}, p-value {self.p_value:.3g}"
        return f"LikelihoodRatioTest({tested}, {found}, {counted(len(self.replicates), 'replicate')})"


def likelihood_ratio_test(
    X: Any,
    family: Family | Result | Fitted,
    n_components: int | None = None,
    *,
    n_replicates: int = 99,
    start: StartMethod = "auto",
    n_init: int = 1,
    tol: float = 1e-6,
    max_iter: int = 1000,
    min_samples: float | None = None,
    starving: Starving | None = None,
    seed: Any = None,
    n_threads: int | None = None,
    callback: Callback | None = None,
) -> LikelihoodRatioTest:
    """The bootstrap test of K components against K + 1.

    The usual chi-squared limit does not hold for the number of components, so the statistic is compared with the
    statistics of data sets simulated from the fit with K components.

    Parameters
    ----------
    X : array-like, (n_samples, n_features), as in `fit`.
    family : a Family; or a Result, or a fitted estimator, whose model is tested, and which may come before X
        Only its model counts: K components are fitted anew, in the same way as to the simulated data sets.
    n_components : K, an int from 1 to n_samples - 1. None means as many as the Result has.
    n_replicates : int >= 1. With 99, the smallest p-value is 0.01.
    start, n_init, tol, max_iter, min_samples, starving : as in `fit`, for both fits
        None means the `min_samples` and `starving` of the Result or, of a family, the defaults of `fit`.
        The data and the simulated data sets are fitted in the same way, so the test keeps its level with any start; a
        good start gives it power. A fit with K + 1 components also begins at the fit with K, with each of its
        components in turn split in two.
    seed : int >= 0, a sequence of them, or None. The same seed gives the same bits with any n_threads.
    n_threads : int >= 1 or None, as in `fit`. This many simulated data sets are fitted at a time, if they are not
        small: then one after the other, as they would only wait for the interpreter.
    callback : callable(Replicate) or None
        Called when a simulated data set is fitted, such as ``fastem.progress_bar()``. If it returns something true, the
        p-value comes from those that were fitted so far.

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
    if validation.is_mixture(X) or validation.is_mixture(family):
        X, mixture = validation.data_and_mixture(X, family)
        model: Model = mixture.model
        validation.check_one_more(model.resized(model.n_components + 1) is None)
        n_components = model.n_components if n_components is None else n_components
    else:
        validation.check_family(family)
        model = Model(cast(Family, family), 1)
    search = Search(start=start, n_init=n_init, tol=tol, max_iter=max_iter, progressive=False).by_method()
    validation.check_n_threads(n_threads)
    validation.check_integer("n_replicates", n_replicates, 1)
    validation.check_callback(callback)
    policy = Policy(
        model.policy.min_samples if min_samples is None else min_samples,
        model.policy.starving if starving is None else starving,
    )
    validation.check_min_samples(policy.min_samples)
    validation.check_choice("starving", policy.starving, POLICIES)
    seeds = validation.check_seed(seed)
    with validation.naming(X):
        checked = validation.check_data(X)
    validation.check_n_components(n_components, len(checked), None)
    k = int(cast(int, n_components))
    validation.check_n_components(k + 1, len(checked), None)
    model = replace(model, policy=policy._replace(min_samples=float(policy.min_samples)))
    lesser_model, greater_model = cast(Model, model.resized(k)), cast(Model, model.resized(k + 1))

    def pair(data: Array, child: np.random.SeedSequence, threads: Team) -> tuple[Result, Result]:
        """The fits with K and with K + 1 components to a data set."""
        lesser, greater = child.spawn(2)
        problem = prepare(lesser_model, Samples(data), threads)
        more = replace(problem, model=replace(greater_model, family=problem.family))
        null = search_for(problem, search, lesser)
        divided: list[Step] = []
        if null.n_components == k and null.status.rank == 0:  # none was dropped
            step = initialise.from_parameters(problem, null.weights, dict(null.parameters))
            divided = starts.divided(replace(problem, model=problem.model.unheld()), step)
            divided = [initialise.held(more, step) for step in divided] if model.is_held else divided
        return null, search_for(more, search, greater, divided)

    first, *children = seeds.spawn(1 + int(n_replicates))
    with validation.naming(X), team(n_threads) as threads:
        null, alternative = pair(checked, first, threads)
    names = validation.feature_names_of(X)
    null, alternative = replace(null, feature_names=names), replace(alternative, feature_names=names)
    validation.check_healthy(null.status, alternative.status)

    def replicate(child: np.random.SeedSequence) -> float:
        draws, fits = child.spawn(2)
        data = sample(null, len(checked), seed=integers(draws)).X.astype(validation.working_dtype(checked))
        with team(1) as alone:
            one, two = pair(data, fits, alone)
        return _statistic(one, two) if max(one.status.rank, two.status.rank) == 0 else np.nan

    work = work_of(model.family, len(checked), checked.shape[1], k + 1)
    answers = each(replicate, children, n_threads, callback, lambda value: bool(np.isfinite(value)), work)
    found = np.array(answers)
    good = found[np.isfinite(found)]
    validation.check_replicates(len(good), Status.COLLAPSED.value)
    statistic = _statistic(null, alternative)
    p_value = (1 + int((good >= statistic).sum())) / (1 + len(good))
    return LikelihoodRatioTest(statistic, p_value, good, null, alternative, len(found) - len(good))


def _statistic(null: Result, alternative: Result) -> float:
    """At least 0, because a mixture of K + 1 components, two of them equal, is also one of K components."""
    return max(2.0 * (alternative.log_likelihood - null.log_likelihood), 0.0)
