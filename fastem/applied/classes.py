"""A mixture for each class, all of them one mixture whose components belong to classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.data.samples import ANY, Known, Samples
from fastem.data.threads import Team, team
from fastem.families.base import Array, Family
from fastem.fitting.search import Search
from fastem.fitting.solve import fitted
from fastem.fitting.survey import Survey, survey
from fastem.model.model import Model
from fastem.model.result import Result, Status
from fastem.model.starving import Policy


class Classes(NamedTuple):
    """What was fitted.

    mixture: of the components of all classes, those of a class side by side. sizes: how many each class has. fits: the
    fit of each class, or the single one of all classes together.
    """

    mixture: Result
    sizes: tuple[int, ...]
    fits: tuple[Result, ...]

    @property
    def shares(self) -> Array:
        """The proportion of each class, (n_classes,)."""
        return np.add.reduceat(self.mixture.weights, self.firsts)

    @property
    def firsts(self) -> Array:
        """The first component of each class."""
        return np.cumsum((0, *self.sizes[:-1]))


def fit_classes(
    samples: Samples,
    codes: Array,
    sizes: tuple[int, ...],
    family: Family,
    policy: Policy,
    search: Search,
    seed: Any,
    n_threads: int | None,
) -> Classes:
    """Fit a mixture for each class of checked samples; codes (n,): the class of each, -1 where it is unknown.

    Without unknown classes, each mixture is fitted by itself. Otherwise, and where the components of a family share
    parameters, which those of all classes then do, there is one fit: EM finds the classes of the others, too. It begins
    from the labels and, if that is possible, from the mixtures of the labelled samples; the likelier end counts.
    """
    root = np.random.SeedSequence(seed)
    with team(n_threads) as threads:
        surveyed = survey(samples, [family], threads)
        family = surveyed.settled(Model(family, 1)).family
        model = Model(family, sum(sizes), policy=policy)
        alone = None if family.pooled else _each(samples, codes, sizes, model, search, root, threads)
        counts = np.ones(len(codes), dtype=np.bool_) if samples.sample_weight is None else samples.sample_weight > 0
        if alone is not None and (codes[counts] >= 0).all():
            return alone
        return _together(surveyed, codes, sizes, model, search, root, alone)


def _each(
    samples: Samples,
    codes: Array,
    sizes: tuple[int, ...],
    model: Model,
    search: Search,
    root: np.random.SeedSequence,
    threads: Team,
) -> Classes:
    """A fit of the samples of each class."""
    fits, totals = [], []
    for code, (size, child) in enumerate(zip(sizes, root.spawn(len(sizes)), strict=True)):
        own = samples.take(codes == code, samples.X.dtype)
        surveyed = survey(own, [model.family], threads)
        fits.append(fitted(surveyed, replace(model, n_components=size), search, child.generate_state(4).tolist()))
        totals.append(own.total_weight)
    weights = np.concatenate([total * fit.weights for total, fit in zip(totals, fits, strict=True)])
    parameters = {
        p.name: np.concatenate([fit.parameters[p.name] for fit in fits], axis=p.axes.index("K"))
        for p in model.family.parameters
    }
    likelihood = sum(fit.log_likelihood + t * np.log(t / sum(totals)) for fit, t in zip(fits, totals, strict=True))
    mixture = Result(
        model=replace(model, n_components=len(weights)),
        weights=weights / weights.sum(),
        parameters=parameters,
        log_likelihood=float(likelihood),
        objective=float(likelihood),
        n_iter=max(fit.n_iter for fit in fits),
        n_passes=max(fit.n_passes for fit in fits),
        status=max((fit.status for fit in fits), key=lambda status: (status.rank, list(Status).index(status))),
        n_samples=int((codes >= 0).sum()),
        total_weight=float(sum(totals)),
        n_labelled=int((codes >= 0).sum()),
    )
    return Classes(mixture, tuple(fit.n_components for fit in fits), tuple(fits))


def _together(
    surveyed: Survey,
    codes: Array,
    sizes: tuple[int, ...],
    model: Model,
    search: Search,
    root: np.random.SeedSequence,
    alone: Classes | None,
) -> Classes:
    """One fit of the components of all classes, to samples whose classes may be unknown."""
    firsts = np.cumsum((0, *sizes))
    known = codes >= 0
    ranges = np.stack([np.where(known, firsts[codes], 0), np.where(known, firsts[codes + 1], ANY)], axis=1)
    surveyed = surveyed._replace(known=Known(ranges))
    seed = root.spawn(1)[0].generate_state(4).tolist()
    fits = [fitted(surveyed, model, search, seed)]
    if alone is not None and alone.sizes == sizes and all(fit.status.rank == 0 for fit in alone.fits):
        fits.append(fitted(surveyed, model, replace(search, start=alone.mixture, n_init=1), seed))
    best = min(fits, key=lambda fit: (fit.status.rank, -fit.log_likelihood))
    validation.check_whole(best.n_components, sum(sizes))
    return Classes(best, sizes, (best,))
