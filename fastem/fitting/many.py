"""Many independent fits in one call, shared out over the threads: one per pixel, per cell, per gene."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.compiled.arrays import some
from fastem.data.bursts.passes import BEFORE
from fastem.data.bursts.whole import Whole
from fastem.data.columns import columns_of_each
from fastem.data.pack import blank, prepare, weights_of_tiles
from fastem.data.threads import resolve, team
from fastem.em.accelerate import Hastening
from fastem.em.stopping import Criterion, Stopping
from fastem.em.verdicts import is_small
from fastem.families.base import Array, Columns, Family, identity_frame
from fastem.fitting import brief
from fastem.fitting.fit import fit_model, model_of
from fastem.fitting.fits import Fits, Found
from fastem.fitting.search import Search
from fastem.model.model import Model
from fastem.model.problem import maximises_alike
from fastem.model.result import Result, Status
from fastem.model.starving import Starving
from fastem.starts.given import FIRST_START
from fastem.starts.names import StartMethod

# Data sets of one size that a thread fits in a row, at most, and the bytes of their values together.
TOGETHER, BYTES = 256, 8 * 2**20


def fit_many(
    datasets: Any,
    family: Family,
    n_components: int,
    *,
    sample_weight: Any = None,
    start: StartMethod | Mapping[str, Any] | Result = "kmeans",
    n_init: int = 1,
    tol: float = 1e-6,
    max_iter: int = 1000,
    accelerate: Hastening | None = "auto",
    criterion: Criterion = "gain",
    max_passes: int | None = None,
    min_samples: float = 0.0,
    starving: Starving = "reseed",
    seed: Any = None,
    n_threads: int | None = None,
) -> Fits:
    """Fit the same mixture to many data sets, each by itself.

    Data set i is fitted as ``fit(datasets[i], ..., start=start, seed=[seed, i])`` would, to the same bits. Small data
    sets are fitted from "kmeans" without the interpreter, thousands of 100 samples per second, if the family has its
    M-step as a kernel for data of this size: all of fastem's but Bernoulli, up to 128 features; full covariances up to
    47, tied ones up to 7. There are no labels, known parameters, priors, other assignments, parts or checkpoints here.

    Parameters
    ----------
    datasets : array-like (n_sets, n_samples, n_features), or a sequence of data sets (n_i, n_features)
        A data set is what `fit` takes, in memory; all of them have the same number of features.
    family, n_components : as in `fit`, the same for all.
    sample_weight : array-like (n_sets, n_samples), a sequence of one array (n_i,) or None for each data set, or None
    start : str, mapping or Result, as in `fit`, the same for all; but one start by k-means is the default.
    n_init, tol, max_iter, accelerate, criterion, max_passes, min_samples, starving : as in `fit`.
    seed : int >= 0, a sequence of them, or None. The same bits with any n_threads.
    n_threads : int >= 1 or None, as in `fit`. So many fits run at a time.

    Returns
    -------
    Fits : stacked arrays. A data set that cannot be fitted, as where a value is missing, has NaN in them and its reason
        in `errors`, and stops no other. Nothing is warned of; `status` says how each fit ended.

    Raises
    ------
    ValueError, TypeError : arguments that no fit can use, or data sets that are not a sequence of matrices with one
        number of features.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> pixels = rng.normal([[-4.0]] * 50 + [[4.0]] * 50, 1.0, (1000, 100, 1))
    >>> fits = fastem.fit_many(pixels, fastem.Gaussian("diag"), 2, seed=0)
    >>> fits.parameters["means"].shape
    (1000, 2, 1)
    >>> bool(fits.converged.all())
    True
    """
    if not isinstance(start, str | Mapping) and not validation.is_mixture(start):
        raise TypeError("start must be a method, parameters or a Result; labels differ between data sets.")
    search = Search(start, n_init, tol, max_iter, accelerate, criterion, max_passes)
    if isinstance(start, str):
        search.by_method()
    model = model_of(family, n_components, min_samples, starving)
    validation.check_n_threads(n_threads)
    seeds = validation.check_seed(seed)
    data, weights, n_features = validation.check_datasets(datasets, sample_weight)
    work = _Work(data, weights, model, search, seeds, Found(model, data, weights, n_features))
    n = min(resolve(n_threads), len(data))
    left = _brief_fits(work, list(work.shares(n)), n)
    with team(n, engine="serial" if n == 1 else "pool") as threads:
        threads.map(work.fit_one, left)
    return work.found.fits()


def _brief_fits(work: _Work, shares: list[list[int]], n_threads: int) -> list[int]:
    """Make the brief fits; which data sets are left.

    They are prepared, and their results written, in the calling thread alone, while others run them: with two threads
    that did all of it, small fits took longer than with one, as both need the interpreter's lock.
    """
    left: list[int] = []
    if n_threads == 1:
        for share in shares:
            fits = work.brief(share)
            left.extend(share if fits is None else fits.write(fits.run()))
        return left
    waiting: deque[tuple[_Brief, Future[dict[str, Array]]]] = deque()
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="fastem-many")
    try:
        for share in shares:
            fits = work.brief(share)
            if fits is None:
                left.extend(share)
                continue
            waiting.append((fits, pool.submit(fits.run)))
            if len(waiting) > n_threads:
                done, future = waiting.popleft()
                left.extend(done.write(future.result()))
        for done, future in waiting:
            left.extend(done.write(future.result()))
    finally:
        pool.shutdown(cancel_futures=True)
    return sorted(left)


class _Work(NamedTuple):
    """Data sets, and how they are to be fitted."""

    data: Sequence[Any]
    weights: Sequence[Any] | None
    model: Model
    search: Search
    seeds: np.random.SeedSequence
    found: Found

    def shares(self, n_threads: int) -> Iterator[list[int]]:
        """Data sets of one size and type in each share, none of them large."""
        groups: dict[Any, list[int]] = {}
        for i, X in enumerate(self.data):
            weighted = self.weights is not None and self.weights[i] is not None
            kind = (X.shape, X.dtype.str, weighted) if isinstance(X, np.ndarray) else None
            groups.setdefault(kind, []).append(i)
        for kind, members in groups.items():
            n_bytes = 8 * int(np.prod(kind[0])) if kind is not None else BYTES
            n = max(1, min(TOGETHER, BYTES // max(n_bytes, 1), -(-len(members) // n_threads)))
            yield from (members[first : first + n] for first in range(0, len(members), n))

    def fit_one(self, i: int) -> None:
        """Fit one data set as `fit` does, in one thread."""
        weights = None if self.weights is None else self.weights[i]
        try:
            result = fit_model(self.data[i], weights, self.model, self.search, self.seed(i).entropy, n_threads=1)
        except (ValueError, TypeError, ArithmeticError) as error:
            self.found.errors[i] = str(error)
        else:
            self.found.take(i, result)

    def seed(self, i: int, child: tuple[int, ...] = ()) -> np.random.SeedSequence:
        """The seed of a data set: the call's, and its number."""
        entropy: Any = self.seeds.entropy
        words = [entropy] if np.ndim(entropy) == 0 else list(entropy)
        return np.random.SeedSequence([*words, i], spawn_key=child)

    def brief(self, share: list[int]) -> _Brief | None:
        """The brief fits of some data sets of one size and type, ready to run; None if they have none."""
        search, X = self.search, self.data[share[0]]
        if search.start != "kmeans" or search.n_init != 1 or search.accelerate not in (None, "auto"):
            return None
        if not isinstance(X, np.ndarray) or X.ndim != 2 or X.dtype.kind not in "biuf":
            return None
        stopping, n_samples, least = search.stopping("kmeans"), len(X), self.model.n_components
        n_passes = brief.room(self.model, X.shape, stopping) if maximises_alike(self.model.family) else 0
        if not n_passes or n_samples < least:
            return None
        X = np.ascontiguousarray(np.stack([self.data[i] for i in share]), dtype=validation.working_dtype(X))
        weights = None
        if self.weights is not None and self.weights[share[0]] is not None:
            try:
                checked = [validation.check_sample_weight(self.weights[i], n_samples) for i in share]
            except (ValueError, TypeError):
                return None
            weights = np.stack([own for own in checked if own is not None])
            if (np.count_nonzero(weights, axis=1) < least).any():
                return None
        fits = _Brief(self, share, X, weights, stopping)
        return fits if fits.prepare(n_passes) else None


class _Brief:
    """Brief fits of data sets of one size, X (n_sets, n, d)."""

    def __init__(self, work: _Work, share: list[int], X: Array, weights: Array | None, stopping: Stopping) -> None:
        self._work, self._share, self._X, self._weights, self._stopping = work, share, X, weights, stopping
        self._totals = np.full(len(X), float(X.shape[1]))
        if weights is not None:
            self._totals = np.array([float(own.sum()) for own in weights])

    def prepare(self, n_passes: int) -> bool:
        """Whether there are brief fits; then they can be run."""
        model, X = self._work.model, self._X
        family = model.family
        with team(1) as alone:
            facts, sure = columns_of_each(X, self._weights, alone)
        # `survey` has more to say about constant data.
        self._chosen = np.flatnonzero(sure & facts.spread.any(axis=1))
        if family.why_impossible(X.reshape(-1, X.shape[2])) is not None:
            return False
        self._frames, steps, ridged = [], list[Any](), []
        for s in self._chosen:
            own = Columns(*(part[s] for part in facts))
            if family.settled(own) is not family:
                return False
            frame = family.frame(own.location, own.spread)
            limits = family.limits(frame, own, X.dtype)
            self._frames.append(frame)
            steps.append(family.m_step(frame, limits, model.n_components))
            ridged.append(some(limits.ridge))
        self._ridged = np.array(ridged, dtype=np.bool_)
        fit = self._whole(steps[0], n_passes) if steps and steps[0] is not None else None
        if fit is None:
            return False
        self._fit, self._brought = fit, self._bring(steps)
        return True

    def _whole(self, m_step: Any, n_passes: int) -> Whole | None:
        (_, n, d), model, dtype = self._X.shape, self._work.model, self._X.dtype
        own = None if self._weights is None else self._weights[0]
        data = blank(
            (n, d), weights_of_tiles(own, n, dtype)[0], own is not None, model.family, identity_frame(d), dtype
        )
        return brief.prepared(model, data, prepare(data, self._X[0], 0, model.family), m_step, n_passes)

    def _bring(self, steps: list[Any]) -> dict[str, Array]:
        """What the data sets bring to the whole fit."""
        (_, n, d), dtype, work, chosen = self._X.shape, self._X.dtype, self._work, self._chosen
        m, totals = len(chosen), self._totals[chosen]
        if self._weights is None:
            of_tiles, unit = weights_of_tiles(None, n, dtype)
            tiles = np.broadcast_to(of_tiles, (m, *of_tiles.shape))
            plain, shares = (np.broadcast_to(row, (m, n)) for row in (np.ones(n), np.cumsum(np.ones(n))))
            units = np.full(m, unit)
        else:
            pairs = [weights_of_tiles(self._weights[s], n, dtype) for s in chosen]
            tiles, units = np.stack([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
            plain = tiles.reshape(m, -1)[:, :n].astype(np.float64)
            shares = np.cumsum(plain, axis=1)
        seeds = (work.seed(self._share[s], FIRST_START) for s in chosen)
        return {
            "weights": tiles,
            "plain_weights": plain,
            "shares": shares,
            "unit": units,
            "source": self._X if m == len(self._X) else self._X[chosen],
            "shift": np.stack([frame.shift for frame in self._frames]),
            "factor": np.stack([2.0 / frame.scale for frame in self._frames]),
            "tol": np.full(m, self._stopping.tol),
            "total_weight": totals,
            "least": np.array([work.model.policy.least(total, n) for total in totals]),
            "ahead": np.full(m, np.inf),
            "constants": np.stack([step.constants for step in steps]),
            "uniforms": brief.uniforms(seeds, (n, d), work.model.n_components),
        }

    def run(self) -> dict[str, Array]:
        """Run the fits, without the interpreter."""
        return self._fit.run(self._brought)

    def _converged(self, left: dict[str, Array]) -> Array:
        """Which fits have converged in their last pass, and ended in no other way, bool."""
        done, totals, tol = left["done"][:, 0], left["totals"][:, 0], self._stopping.tol
        with np.errstate(all="ignore"):
            last = left["history"][np.arange(len(done)), BEFORE - 1 + done, 0]
            small = is_small((totals - last) / self._totals[self._chosen], tol, self._ridged)
        return np.asarray((done > 0) & np.isfinite(totals) & small)

    def write(self, left: dict[str, Array]) -> list[int]:
        """Write the fits that have converged; the data sets that are left."""
        work, found, done = self._work, self._work.found, left["done"][:, 0]
        family, n_components = work.model.family, work.model.n_components
        which, kept = np.flatnonzero(self._converged(left)), set[int]()
        weights = np.exp(left["log_weights"][which, done[which] % 2, 0])
        weights /= weights.sum(axis=1, keepdims=True)
        for w, own in zip(which, weights, strict=True):
            i = self._share[self._chosen[w]]
            with np.errstate(over="ignore", under="ignore"):
                named = family.unpack(left["rows"][w, done[w] % 2, 0], self._frames[w], n_components)
            if not family.is_representable(named):
                continue
            for name, value in named.items():
                found.parameters[name][i] = value
            found.weights[i], found.status[i] = own, Status.CONVERGED
            found.log_likelihood[i], found.n_iter[i], found.n_passes[i] = left["totals"][w, 0], done[w], done[w] + 1
            found.n_samples[i], found.total_weight[i] = self._X.shape[1], self._totals[self._chosen[w]]
            kept.add(i)
        return [i for i in self._share if i not in kept]
