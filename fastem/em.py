"""The only loop: fold, test, guard, maximise; over several starts at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastem import evaluating, folding, guards, initialise, validation
from fastem.families.base import Array, Family
from fastem.problem import Problem, Step
from fastem.results import Record, Result, StartReport, Status
from fastem.threads import Team, team
from fastem.tiles import Data, columns, pack

Callback = Callable[[Record], Any]
Start = str | Mapping[str, Any] | Result | Array


def fit(
    X: Any,
    family: Family,
    n_components: int,
    *,
    sample_weight: Any = None,
    start: Any = "kmeans",
    n_init: int = 1,
    tol: float = 1e-6,
    max_iter: int = 1000,
    seed: Any = None,
    n_threads: int | None = None,
    callback: Callback | None = None,
) -> Result:
    """Fit a mixture by Expectation-Maximization.

    Parameters
    ----------
    X : array-like, (n_samples, n_features)
        Finite numbers. float32 is computed in float32 (sums over tiles in float64), float16 as float32, everything
        else in float64. Never changed; copied once, into tiles.
    family : a Family, such as ``fastem.Gaussian("full")`` or ``fastem.Poisson()``.
    n_components : int, 1 <= n_components <= n_samples
    sample_weight : array-like, (n_samples,), or None
        Non-negative, not all zero. Weight 2 is the same as the sample twice.
    start : str, mapping, Result or array
        "kmeans" (k-means from k-means++ seeds), "k-means++", "random" (random responsibilities), "random_from_data"
        (samples as centres); a mapping with "weights" and the family's parameters, or a Result; a mapping with some of
        them, and with the "method" (default "kmeans") that finds the others; integer labels (n_samples,) from 0, or
        responsibilities (n_samples, n_components), from which the first M-step is made; a component that no sample is
        given to is seeded at the worst-explained ones.
    n_init : int >= 1
        Number of random starts; they share each pass over the data, and the best is returned. Ignored where the whole
        start is given.
    tol : float >= 0
        Stop a start when an iteration gains less than this in mean log-likelihood, nats per sample (with reg_covar or
        ridge, also when it loses less: there a larger fall is no end). 0 runs exactly max_iter iterations.
    max_iter : int >= 0
        M-steps at most. 0 returns the start, evaluated.
    seed : int >= 0, a sequence of them, or None
        Two fits from one seed give the same bits, whatever n_threads. None draws fresh entropy.
    n_threads : int >= 1 or None
        None is all available cores on the main thread and 1 elsewhere.
    callback : callable or None
        Called with a `Record` after each iteration of each start; the fit stops when it returns something true.

    Returns
    -------
    Result : the best start, compared by status, then by log-likelihood.

    Raises
    ------
    ValueError, TypeError : unusable input; the message names the argument and the place.

    Notes
    -----
    Each iteration is one pass over the data, at O(n K d) for diagonal shapes and O(n K d^2) for full ones; the
    responsibilities are never stored. The likelihood never falls (with reg_covar = ridge = 0) except where a starving
    component was seeded anew. It does not search for the number of components.

    References
    ----------
    Dempster, Laird and Rubin (1977), J. R. Statist. Soc. B 39, 1-38, section 4.3. Arthur and Vassilvitskii (2007),
    k-means++, SODA, section 2.2. Schwarz (1978), Ann. Statist. 6, 461-464 (BIC).

    Examples
    --------
    >>> import fastem, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (500, 1)), rng.normal(4, 1, (500, 1))])
    >>> result = fastem.fit(X, fastem.Gaussian("diag"), 2, seed=0)
    >>> np.sort(result.parameters["means"].round(), axis=0).ravel().tolist()
    [-4.0, 4.0]
    >>> result.status.name
    'CONVERGED'
    """
    validation.check_family(family)
    validation.check_fit_arguments(n_init, tol, max_iter, n_threads)
    validation.check_callback(callback)
    seeds = validation.check_seed(seed)
    checked = validation.check_data(X)
    sample_weight = validation.check_sample_weight(sample_weight, len(checked))
    validation.check_n_components(n_components, len(checked), sample_weight)
    n_components, n_init, max_iter = int(n_components), int(n_init), int(max_iter)
    given = validation.check_start(start, initialise.NAMES, family, n_components, checked.shape)
    with team(n_threads) as threads:
        problem = prepare(checked, sample_weight, family, n_components, threads)
        if isinstance(given, validation.Given):
            steps = _steps_from(problem, given, n_init, seeds)
        elif given.ndim == 1:
            steps = [initialise.from_labels(problem, given)]
        else:
            steps = [initialise.from_responsibilities(problem, given)]
        runs = [_Run(index, step) for index, step in enumerate(steps)]
        _loop(problem, runs, tol, max_iter, callback)
    return _best(problem, runs)


def _steps_from(problem: Problem, given: validation.Given, n_init: int, seed: np.random.SeedSequence) -> list[Step]:
    if given.method is None:
        parameters = dict(given.parameters)
        return [initialise.from_parameters(problem, parameters.pop("weights"), parameters)]
    steps = initialise.from_method(problem, given.method, n_init, seed)
    return [initialise.with_given(problem, step, given.parameters) for step in steps] if given.parameters else steps


def prepare(X: Array, sample_weight: Array | None, family: Family, n_components: int, threads: Team) -> Problem:
    """Checked data to a problem: its frame, its tiles, its limits."""
    dtype = validation.working_dtype(X)
    facts = validation.check_columns(X, columns(X, sample_weight, dtype, threads), family, dtype)
    frame = family.frame(facts.location, facts.spread)
    data: Data = pack(X, sample_weight, family, frame, dtype, threads)
    floor = guards.RELATIVE_FLOOR[dtype.str[1:]]
    limits = family.limits(frame, facts.location, facts.spread, floor)
    return Problem(X, sample_weight, data, family, n_components, limits, threads)


@dataclass
class _Run:
    """One start on its way."""

    index: int
    step: Step
    status: Status | None = None
    history: list[float] = field(default_factory=list)
    n_iter: int = 0
    reseeded: int = 0
    jumped: bool = False  # the last M-step seeded a component anew, so its gain says nothing

    @property
    def log_likelihood(self) -> float:
        return self.history[-1]


def _loop(problem: Problem, runs: list[_Run], tol: float, max_iter: int, callback: Callback | None) -> None:
    plan = problem.plan()
    regularised = bool(problem.limits.ridge.any())
    active = list(runs)
    previous: dict[int, Step] = {}
    while active:
        mixtures = _mixtures([run.step for run in active])
        totals, statistics = folding.run(plan, mixtures, mixtures.params, range(len(active)), problem.team)
        stop = False
        for run, total in zip(active, totals.tolist(), strict=True):
            if not math.isfinite(total):
                _give_up(run, previous.get(run.index), total)
                continue
            gain = (total - run.history[-1]) / problem.data.total_weight if run.history else math.nan
            run.history.append(total)
            run.status = _verdict(run, gain, tol, max_iter, regularised)
            if callback is not None and run.n_iter > 0:
                stop = bool(callback(Record(run.index, run.n_iter, total, gain))) or stop
        if stop:
            for run in active:
                run.status = run.status or Status.STOPPED
            return
        for run, gathered in zip(active, statistics, strict=True):
            if run.status is None:
                previous[run.index] = run.step
                _advance(problem, run, gathered)
        active = [run for run in active if run.status is None]


def _mixtures(steps: list[Step]) -> folding.Mixtures:
    """The mixtures of some starts; of one without copying it, as small fits have little else to do."""
    if len(steps) == 1:
        return folding.Mixtures(steps[0].params[None], steps[0].log_weights[None])
    return folding.Mixtures([step.params for step in steps], [step.log_weights for step in steps])


def _verdict(run: _Run, gain: float, tol: float, max_iter: int, regularised: bool) -> Status | None:
    """The status of a start after a pass, None to go on.

    Without a ridge a fall is rounding, the end of all gains; with one, it is a step towards another fixed point.
    """
    if tol > 0 and gain < tol and not run.jumped and not (regularised and gain <= -tol):
        return Status.COLLAPSED if run.step.floored.any() else Status.CONVERGED
    if run.n_iter >= max_iter:
        return Status.COLLAPSED if run.step.floored.any() else Status.MAX_ITER
    return None


def _give_up(run: _Run, last_good: Step | None, total: float) -> None:
    """End a start whose likelihood is not finite, at its last parameters that had a finite one."""
    run.status = Status.NOT_FINITE
    if last_good is None:
        run.history.append(total)
    else:
        run.step = last_good
        run.n_iter -= 1


def _advance(problem: Problem, run: _Run, statistics: Array) -> None:
    """One M-step; a component that starves is seeded anew at the samples that the mixture explains worst."""
    step = problem.maximise(statistics, run.step.params)
    run.jumped = False
    if guards.some(step.starving) and run.reseeded < problem.n_components:
        starving = int(np.flatnonzero(step.starving)[0])
        statistics = statistics + _worst_explained(problem, run.step, starving)
        step = problem.maximise(statistics, run.step.params)
        run.reseeded += 1
        run.jumped = True
    run.step = step
    run.n_iter += 1


def _worst_explained(problem: Problem, step: Step, component: int) -> Array:
    """Statistics of the samples of lowest density under a mixture, a tenth of a component's fair share of weight."""
    data = problem.data
    dtype = data.tiles.dtype
    evaluation = evaluating.evaluate(
        problem.X,
        problem.family,
        data.frame,
        step.params,
        step.log_weights,
        dtype,
        problem.team,
        "log_density",
        alone=False,
    )
    density = evaluation.values
    if problem.sample_weight is None:
        n = max(1, data.n_samples // (10 * problem.n_components))
        chosen = np.sort(np.argpartition(density, n - 1)[:n])
    else:
        order = np.argsort(np.where(problem.sample_weight > 0, density, np.inf), kind="stable")
        share = data.total_weight / (10 * problem.n_components)
        chosen = np.sort(order[: 1 + int(np.searchsorted(np.cumsum(problem.sample_weight[order]), share))])
    weights = None if problem.sample_weight is None else problem.sample_weight[chosen]
    X = np.ascontiguousarray(problem.X[chosen], dtype=dtype)
    worst = pack(X, weights, problem.family, data.frame, dtype, problem.team)
    subproblem = Problem(X, weights, worst, problem.family, problem.n_components, problem.limits, problem.team)
    return initialise.statistics_of_labels(subproblem, np.full(len(X), component), step.params)


def _best(problem: Problem, runs: list[_Run]) -> Result:
    """The result of the best start: lowest rank of status, then highest likelihood, then first."""

    specification = problem.family.specification(problem.data.n_features, problem.n_components)
    found = []
    for run in runs:
        with np.errstate(over="ignore", under="ignore"):
            found.append(problem.family.unpack(run.step.params, problem.data.frame, problem.n_components))
        if not guards.representable(found[-1], specification):
            run.status = Status.NOT_FINITE

    def order(run: _Run) -> tuple[int, float]:
        status = run.status or Status.NOT_FINITE
        return status.rank, -run.log_likelihood if np.isfinite(run.log_likelihood) else np.inf

    best = min(runs, key=order)
    weights = np.exp(best.step.log_weights)
    reports = tuple(
        StartReport(
            run.status or Status.NOT_FINITE,
            run.log_likelihood,
            run.n_iter,
            len(run.history),
            run.reseeded,
            int(run.step.floored.sum()),
        )
        for run in runs
    )
    return Result(
        family=problem.family,
        weights=weights / weights.sum(),
        parameters=found[best.index],
        log_likelihood=best.log_likelihood,
        history=np.array(best.history),
        n_iter=best.n_iter,
        n_passes=len(best.history),
        status=reports[best.index].status,
        starts=reports,
        best_start=best.index,
        n_samples=problem.data.n_samples,
        total_weight=problem.data.total_weight,
    )
