"""Choosing a model: a grid over families and numbers of components, judged by one criterion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.data.samples import Samples
from fastem.data.threads import Team, team
from fastem.em.accelerate import Hastening
from fastem.families import SHAPES, Gaussian
from fastem.families.base import Array, Columns, Family
from fastem.fitting.best import REACHED
from fastem.fitting.search import Search
from fastem.fitting.solve import search_for
from fastem.fitting.survey import Knowledge, Survey, survey
from fastem.judging.criteria import CRITERIA, SelectionCriterion
from fastem.judging.selection import Row, Selection
from fastem.model.evaluation import evaluated
from fastem.model.model import Model
from fastem.model.problem import problem_of
from fastem.model.result import Result
from fastem.model.showing import counted
from fastem.model.starving import ASSIGNMENTS, POLICIES, Assignment, Policy, Starving
from fastem.model.telling import expect, tell
from fastem.starts.names import StartMethod

# Responsibilities are computed for this many samples at a time.
CHUNK = 65536
# Weights that sum to less than this fraction of Kish's effective sample size are hardly numbers of samples.
LIGHT = 0.1
# So many models that ended below a smaller one are named.
SHOWN = 3


def select(
    X: Any,
    families: Family | Iterable[Family] | None = None,
    n_components: int | Iterable[int] = range(1, 10),
    *,
    criterion: SelectionCriterion = "bic",
    sample_weight: Any = None,
    labels: Any = None,
    prior_resp: Any = None,
    fixed: Mapping[str, Any] | None = None,
    shared: Sequence[str] | None = None,
    weights: Any = "free",
    prior: Any = None,
    assignment: Assignment = "soft",
    start: StartMethod = "auto",
    n_init: int = 1,
    tol: float = 1e-6,
    max_iter: int = 1000,
    accelerate: Hastening | None = "auto",
    progressive: bool | None = None,
    min_samples: float = 0.0,
    starving: Starving = "reseed",
    n_folds: int = 5,
    seed: Any = None,
    n_threads: int | None = None,
    callback: Callable[[Row], Any] | None = None,
) -> Selection:
    """Fit a grid of models and choose one.

    Parameters
    ----------
    X : array-like, (n_samples, n_features), as in `fit`.
    families : a Family, or several, or None
        None means Gaussians of all six covariance shapes.
    n_components : int, or several, each from 1 to n_samples.
    criterion : "bic", "aic", "icl" or "cv"
        The first three are smallest for the best model. "cv" divides the samples at random into `n_folds` parts; for
        each part, it fits the samples outside it and takes the log-likelihood per sample inside it. It chooses the
        model with the fewest parameters within one standard error of the best (Breiman et al. 1984, section 3.4.3).
    sample_weight : as in `fit`. The n in BIC is their sum, and held-out samples count by their weights.
    labels : as in `fit`; every number of components must have room for them. The criteria are then of the samples and
        their labels; held-out samples of "cv" count without.
    prior_resp : as in `fit`, for a grid of one number of components
    fixed, shared, weights, prior, assignment : as in `fit`; each must make sense for every model of the grid.
    start, n_init, tol, max_iter, accelerate, progressive, min_samples, starving, n_threads : as in `fit`
        The start must be the name of a method.
    n_folds : int from 2 to n_samples.
    seed : as in `fit`. Every model begins from the same seed, so it comes out the same alone and in any grid.
    callback : callable(Row) or None
        Called when a model is ready. If it returns something true, no further models are fitted.

    Returns
    -------
    Selection : a model that collapsed, or is not finite, is chosen only if there are no others.

    Raises
    ------
    ValueError, TypeError : unusable input; the message names the argument and the place.

    Warns
    -----
    FitWarning : the chosen model needs a second look, a model ended below one with fewer components, or the weights sum
        to far less than the number of samples that they are worth, or a feature is constant.

    Notes
    -----
    mclust's BIC is the negative of this one: 2 log-likelihood - n_parameters log n, larger is better. X is packed once
    for all families that share coordinates: full, tied, diag and tied_diag do, and so do spherical and tied_spherical.

    References
    ----------
    Schwarz (1978), Ann. Statist. 6, 461-464 (BIC). Biernacki, Celeux and Govaert (2000), IEEE Trans. Pattern Anal.
    Mach. Intell. 22, 719-725 (ICL).

    Examples
    --------
    >>> import fastem, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (500, 1)), rng.normal(4, 1, (500, 1))])
    >>> chosen = fastem.select(X, [fastem.Gaussian("diag"), fastem.Gaussian("tied_diag")], range(1, 4), seed=0)
    >>> chosen.best.n_components, chosen.best.family.name
    (2, 'gaussian_tied_diag')
    """
    families = validation.check_families([Gaussian(shape) for shape in SHAPES] if families is None else families)
    counts = validation.check_counts(n_components)
    validation.check_choice("criterion", criterion, tuple(CRITERIA))
    search = Search(
        start=start, n_init=n_init, tol=tol, max_iter=max_iter, accelerate=accelerate, progressive=progressive
    ).by_method()
    validation.check_n_threads(n_threads)
    validation.check_min_samples(min_samples)
    validation.check_choice("starving", starving, POLICIES)
    validation.check_callback(callback)
    with validation.naming(X, sample_weight):
        checked = validation.check_data(X)
        sample_weight = validation.check_sample_weight(sample_weight, len(checked))
    validation.check_n_components(max(counts), len(checked), sample_weight)
    seeds = validation.check_seed(seed)
    # The family and the number of components are placeholders here; `_grid` puts in those of each cell.
    validation.check_choice("assignment", assignment, tuple(ASSIGNMENTS))
    policy = Policy(float(min_samples), starving)
    settings = _Settings(Model(families[0], 1, policy=policy, assignment=assignment), search, seeds)
    if criterion == "cv":
        positive = len(checked) if sample_weight is None else int(np.count_nonzero(sample_weight))
        validation.check_n_folds(n_folds, positive, max(counts))
    rows: dict[_Cell, Row] = {}
    models: dict[_Cell, Result] = {}
    expect(callback, len(families) * len(counts))
    names = validation.feature_names_of(X)
    with team(n_threads) as threads:
        with validation.naming(X):
            surveyed = survey(Samples(checked, sample_weight), families, threads)
            settings = settings._replace(known=Knowledge(labels, prior_resp, fixed, shared, weights, prior))
            validation.check_one_size(prior_resp, counts)
            surveyed = surveyed.knowing(settings.known, min(counts))
            settings.check(families, counts, checked.shape[1])
        held_out: dict[_Cell, tuple[float, float]] = {}
        if criterion == "cv":
            samples = Samples(checked, sample_weight, surveyed.known)
            held_out = _cross_validated(samples, families, counts, settings, int(n_folds), threads)
        for cell, result in _grid(surveyed, families, counts, settings):
            entropy = _entropy(Samples(checked, sample_weight, surveyed.known), result, threads)
            models[cell] = replace(result, entropy=entropy, feature_names=names)
            rows[cell] = _row(models[cell], held_out.get(cell, (np.nan, np.nan)))
            if callback is not None and callback(rows[cell]):
                break
    order = sorted(rows)
    table = tuple(rows[cell] for cell in order)
    chosen, fitted = _chosen(table, criterion), tuple(models[cell] for cell in order)
    few = validation.too_few_points(checked, sample_weight, max(counts))
    called = f"{table[chosen].family} with {counted(table[chosen].n_components, 'component')}"
    own = [f"The chosen model, {called}: {note}" for note in fitted[chosen].notes]
    light, constant = _light(sample_weight, criterion), _constant(surveyed.facts, names, criterion)
    notes = (*light, *constant, *([few] if few else _missed(fitted)), *own)
    tell(notes)
    return Selection(criterion, table, fitted, chosen, notes)


_Cell = tuple[int, int]  # the indices of a family and of a number of components


class _Settings(NamedTuple):
    model: Model
    search: Search
    seed: np.random.SeedSequence
    known: Knowledge = Knowledge()

    def check(self, families: Sequence[Family], counts: Sequence[int], n_features: int) -> None:
        """Refuse what is known of the parameters if it makes no sense for some model of the grid."""
        for family in families:
            for n_components in counts:
                self.known.model(replace(self.model, family=family, n_components=n_components), n_features)


def _grid(
    surveyed: Survey, families: Sequence[Family], counts: Sequence[int], settings: _Settings
) -> Iterator[tuple[_Cell, Result]]:
    """Fit every model. Families that share coordinates follow each other, so only one packed copy exists at a time."""
    models = [surveyed.settled(replace(settings.model, family=family)) for family in families]
    keys = [surveyed.key(model.family) for model in models]
    source, shared = None, None
    for i in sorted(range(len(models)), key=lambda i: (keys.index(keys[i]), i)):
        if source is None or shared != keys[i]:
            source = None  # freed before the next is made
            source, shared = surveyed.source(models[i].family), keys[i]
        for j, k in enumerate(counts):
            problem = problem_of(settings.known.model(replace(models[i], n_components=k), source.n_features), source)
            yield (i, j), search_for(problem, settings.search, settings.seed)


def _row(result: Result, held_out: tuple[float, float]) -> Row:
    return Row(
        result.family.name,
        result.n_components,
        result.n_parameters,
        result.log_likelihood,
        result.bic,
        result.aic,
        result.icl,
        *held_out,
        result.n_iter,
        result.n_passes,
        result.n_reached,
        result.status,
        len(result.starts),
    )


def _entropy(samples: Samples, result: Result, threads: Team) -> float:
    """The sum over samples of the entropy of their responsibilities times their weight, in nats."""
    if not result.family.is_representable(result.parameters):
        return np.nan
    if result.n_components == 1:
        return 0.0
    total, (X, sample_weight, known) = 0.0, samples
    for first in range(0, len(X), CHUNK):
        resp = evaluated(X[first : first + CHUNK], result, threads, "resp", alone=False).values
        if known is not None:
            resp = known.take(slice(first, first + CHUNK)).imposed(resp)
        terms = np.where(resp > 0, -resp * np.log(np.where(resp > 0, resp, 1.0)), 0.0).sum(axis=1, dtype=np.float64)
        weights = 1.0 if sample_weight is None else sample_weight[first : first + CHUNK]
        total += float((weights * terms).sum())
    return total


def _cross_validated(
    samples: Samples,
    families: Sequence[Family],
    counts: Sequence[int],
    settings: _Settings,
    n_folds: int,
    threads: Team,
) -> dict[_Cell, tuple[float, float]]:
    """For each model the mean over folds of the held-out log-likelihood per sample, and its standard error."""
    X, sample_weight, known = samples
    weights = np.ones(len(X)) if sample_weight is None else sample_weight
    rng = np.random.default_rng(settings.seed.spawn(1)[0])
    positive = rng.permutation(np.flatnonzero(weights > 0))
    scores: dict[_Cell, list[float]] = {}
    for part in np.array_split(positive, n_folds):
        kept = np.ones(len(X), dtype=np.bool_)
        kept[part] = False
        inside = None if sample_weight is None else sample_weight[kept]
        held = np.sort(part)
        surveyed = survey(Samples(X[kept], inside), families, threads)
        surveyed = surveyed._replace(known=None if known is None else known.take(kept))
        for cell, result in _grid(surveyed, families, counts, settings):
            score = np.nan
            if result.family.is_representable(result.parameters):
                density = evaluated(X[held], result, threads, "log_density", alone=False).values
                score = float(np.average(density, weights=weights[held]))
            scores.setdefault(cell, []).append(score)
    return {
        cell: (float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(n_folds)))
        for cell, values in scores.items()
    }


def _light(sample_weight: Array | None, criterion: str) -> list[str]:
    """What to tell about weights that are worth many more samples than their sum, which is the n of the criteria."""
    if sample_weight is None or criterion == "cv":
        return []
    total = float(sample_weight.sum())
    scaled = sample_weight / sample_weight.max()  # its squares do not overflow
    effective = float(scaled.sum() ** 2 / (scaled**2).sum())
    if total >= LIGHT * effective:
        return []
    return [
        f"sample_weight sums to {total:.4g}, which {criterion} takes for the number of samples, but the weights are "
        f"worth {effective:.4g} samples (Kish's effective sample size). Unless a weight is a number of samples, give "
        "sample_weight / sample_weight.mean()."
    ]


def _constant(facts: Columns, names: Sequence[str] | None, criterion: str) -> list[str]:
    """What to tell about columns that say nothing, though the criteria count their parameters."""
    which = np.flatnonzero(facts.low == facts.high)
    if len(which) == 0 or criterion == "cv":
        return []
    called = ", ".join(str(j) if names is None else repr(names[j]) for j in which[:SHOWN])
    more = f" and {len(which) - SHOWN} more" if len(which) > SHOWN else ""
    subject = f"Feature {called} is" if len(which) == 1 else f"Features {called}{more} are"
    return [
        f"{subject} constant. Constant features say nothing about components, but {criterion} counts their parameters, "
        "and some models have more of these than others; leave such features out."
    ]


def _missed(models: Sequence[Result]) -> list[str]:
    """What to tell about models that ended below one with fewer components, which their maximum cannot do."""
    found = []
    well = [model for model in models if model.status.rank == 0]
    for model in well:
        fewer = [m for m in well if m.family == model.family and m.n_components < model.n_components]
        best = max(fewer, key=lambda smaller: smaller.log_likelihood, default=model)
        behind = best.log_likelihood - model.log_likelihood
        if behind > REACHED * model.total_weight:
            found.append(
                f"{model.family.name} with {model.n_components} components ended {behind:.3g} nats below "
                f"{best.n_components} components"
            )
    if not found:
        return []
    more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return [f"Some models missed their maximum: {'; '.join(found[:SHOWN])}{more}. Raise n_init."]


def _chosen(table: Sequence[Row], criterion: str) -> int:
    """The row of the best model among those with the best rank of status."""
    rank = min(row.status.rank for row in table)
    eligible = [i for i, row in enumerate(table) if row.status.rank == rank]
    if criterion != "cv":
        return min(eligible, key=lambda i: (np.isnan(getattr(table[i], criterion)), getattr(table[i], criterion)))
    eligible = [i for i in eligible if np.isfinite(table[i].cv)] or eligible
    best = max(eligible, key=lambda i: table[i].cv)
    enough = table[best].cv - table[best].cv_error
    if not np.isfinite(enough):
        return best
    return min((i for i in eligible if table[i].cv >= enough), key=lambda i: (table[i].n_parameters, -table[i].cv))
