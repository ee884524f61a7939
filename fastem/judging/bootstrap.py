"""How much would a fit differ on other data? The bootstrap: fits of resampled or simulated data, compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from fastem import validation
from fastem.data.fold import work_of
from fastem.data.samples import Samples, known_of
from fastem.data.threads import Team, team
from fastem.em.stopping import Stopping
from fastem.families.base import Array
from fastem.families.parameters import FloatArray
from fastem.fitting.search import Search
from fastem.fitting.solve import begin, solve
from fastem.fitting.survey import prepare
from fastem.judging.replicates import Callback, each, integers
from fastem.model.evaluation import check_knowledge, evaluated
from fastem.model.evidence import sample
from fastem.model.matching import matched
from fastem.model.result import Result, Status
from fastem.model.showing import counted
from fastem.model.starving import HARD, SOFT
from fastem.starts import given as initialise

BootstrapKind = Literal["nonparametric", "weighted", "parametric"]
KINDS: tuple[BootstrapKind, ...] = get_args(BootstrapKind)
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

    weights: FloatArray
    parameters: dict[str, FloatArray]
    n_failed: int

    def __repr__(self) -> str:
        n = len(self.weights)
        about = f"{n} of {counted(n + self.n_failed, 'fit')} ended well"
        return f"Bootstrap({about}, {counted(self.weights.shape[1], 'component')}, {', '.join(self.parameters)})"

    @property
    def standard_errors(self) -> dict[str, FloatArray]:
        """The standard deviation over the fits, of "weights" and of each parameter; NaN with fewer than two fits."""
        if len(self.weights) < 2:
            return {name: np.full(value.shape[1:], np.nan) for name, value in self._all().items()}
        return {name: np.std(value, axis=0, ddof=1) for name, value in self._all().items()}

    def interval(self, level: float = 0.95) -> dict[str, tuple[FloatArray, FloatArray]]:
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

    def _all(self) -> dict[str, FloatArray]:
        return {"weights": self.weights, **self.parameters}


def bootstrap(
    result: Any,
    X: Any,
    *,
    kind: BootstrapKind = "nonparametric",
    n_replicates: int = 200,
    sample_weight: Any = None,
    labels: Any = None,
    prior_resp: Any = None,
    tol: float = 1e-8,
    max_iter: int = 1000,
    seed: Any = None,
    n_threads: int | None = None,
    callback: Callback | None = None,
) -> Bootstrap:
    """Standard errors and intervals of a fit by the bootstrap.

    Parameters
    ----------
    result : the Result of a fit to X, or the fitted estimator. It and X may change places.
    X, sample_weight, labels, prior_resp : the data of that fit; weight 2 is the same as the sample twice.
    kind : "nonparametric", "weighted" or "parametric"
        "nonparametric" draws samples with replacement, as many as the weights add up to. "weighted" keeps all samples
        and replaces each weight by a gamma-distributed one with that mean and variance (an exponential one for a weight
        of 1), so no component loses its last sample. "parametric" draws as many samples from `result`; with
        labels or prior_resp, one for each sample, of a component that may have produced it, with its weight.
    n_replicates : int >= 2
    tol, max_iter : as in `fit`. Each fit begins at `result`, and is accelerated by Anderson's method.
    seed : int >= 0, a sequence of them, or None. The same seed gives the same bits with any n_threads.
    n_threads : int >= 1 or None, as in `fit`. This many fits run at a time, each in one thread; on small data
        one after the other, as they would only wait for the interpreter.
    callback : callable(Replicate) or None
        Called when a replicate is done, such as ``fastem.progress_bar()``. If it returns something true, no further
        ones are begun, and those that are done make the answer.

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
    >>> found = fastem.bootstrap(X, result, n_replicates=100, seed=0)
    >>> bool(found.standard_errors["rates"].max() < 0.4)
    True
    """
    X, result = validation.data_and_mixture(result, X)
    validation.check_choice("kind", kind, KINDS)
    stopping = Search(tol=tol, max_iter=max_iter).stopping(None)
    validation.check_n_threads(n_threads)
    validation.check_callback(callback)
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
    known = known_of(labels, prior_resp, len(checked), result.n_components)
    check_knowledge(result, known)
    samples = Samples(checked, weights, known)
    if weights is not None:
        validation.check_weights_count(total, result.n_components)
        samples = samples.take(weights > 0, checked.dtype)
        checked, weights, known = samples
    first, *children = seeds.spawn(1 + int(n_replicates))
    rng = np.random.default_rng(first)
    chosen = np.sort(rng.choice(len(checked), min(MATCHED, len(checked)), replace=False))
    judges = checked[chosen]
    with team(n_threads) as threads:
        resp = evaluated(judges, result, threads, "resp", alone=False).values
    if known is not None:
        resp = known.take(chosen).imposed(resp)
    if weights is not None:
        resp = resp * weights[chosen, None]

    def replicate(child: np.random.SeedSequence) -> Result:
        drawn = _drawn(result, samples, kind, child)
        with team(1) as alone:
            fitted = _fitted(drawn, result, stopping, alone)
            if fitted.status is Status.NOT_FINITE:
                return fitted
            return _matched(fitted, resp, evaluated(judges, fitted, alone, "resp", alone=False).values)

    def well(fitted: Result) -> bool:
        return fitted.status.rank == 0 and fitted.n_components == result.n_components

    work = work_of(result.family, len(checked), checked.shape[1], result.n_components)
    fits = each(replicate, children, n_threads, callback, well, work)
    good = [fitted for fitted in fits if well(fitted)]
    validation.check_replicates(len(good), fits[0].status.value)
    shapes = {name: np.asarray(value).shape for name, value in result.parameters.items()}
    return Bootstrap(
        np.array([fitted.weights for fitted in good]).reshape(-1, result.n_components),
        {name: np.array([fitted.parameters[name] for fitted in good]).reshape(-1, *s) for name, s in shapes.items()},
        len(fits) - len(good),
    )


def _drawn(result: Result, samples: Samples, kind: str, child: np.random.SeedSequence) -> Samples:
    """One replicate's data, their weights, and what is known of them."""
    rng, (X, weights, known) = np.random.default_rng(child), samples
    n = len(X) if weights is None else max(1, round(float(weights.sum())))
    if kind == "parametric":
        dtype = validation.working_dtype(X)
        if known is None:
            return Samples(sample(result, n, seed=integers(child)).X.astype(dtype))
        cumulative = (known.shares(result.n_components) * result.weights).cumsum(axis=1)
        components = (rng.random((len(X), 1)) * cumulative[:, -1:] >= cumulative).sum(axis=1)
        return Samples(result.family.sample(rng, result.parameters, components).astype(dtype), weights, known)
    if kind == "weighted":
        return samples._replace(sample_weight=rng.standard_gamma(1.0 if weights is None else weights, len(X)))
    counts = rng.multinomial(n, np.full(n, 1.0 / n) if weights is None else weights / weights.sum())
    return samples._replace(sample_weight=counts.astype(np.float64))


def _fitted(samples: Samples, result: Result, stopping: Stopping, threads: Team) -> Result:
    # Chance and annealing find an optimum; replicates begin at it.
    hard = result.model.assignment == HARD
    problem = prepare(replace(result.model, assignment=HARD if hard else SOFT), samples, threads)
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
