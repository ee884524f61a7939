"""Data that do not fit into memory: samples that come in chunks, read anew in each pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastem import validation
from fastem.data.fold import Mixtures, Task
from fastem.data.samples import Known, Samples
from fastem.data.sources import InMemory, Passes, Source
from fastem.data.threads import Team
from fastem.families.base import Array, Columns, Family, Frame

# At most PIECE bytes of float64 numbers are packed at a time. Rows that are taken from a stream are kept in memory if
# they need at most TAKEN bytes.
PIECE, TAKEN = 16 * 2**20, 64 * 2**20


class Stream:
    """What `fastem.stream` returns: data in chunks, which can be read again and again.

    Attributes
    ----------
    n_features : the number of columns.
    feature_names : theirs, if chunks are frames whose names are all strings.
    sample_weight : (n_samples,) or None.
    taken : bytes up to which some of its rows are kept in memory.
    """

    def __init__(
        self, chunks: Callable[[], Iterator[Any]], sample_weight: Any, rows: int | None, taken: int = TAKEN
    ) -> None:
        self._chunks, self._rows, self.taken = chunks, rows, taken
        self.sample_weight = validation.check_sample_weight(sample_weight, None)
        self.feature_names: tuple[str, ...] | None = None
        first = next(iter(self._checked()), None)
        validation.check_not_empty(first)
        assert first is not None
        self.n_features = first.shape[1]

    def weighted(self, sample_weight: Any) -> Stream:
        """The same data with these weights."""
        return Stream(self._chunks, sample_weight, self._rows, self.taken)

    def _checked(self) -> Iterator[Array]:
        width = None
        for index, chunk in enumerate(self._chunks()):
            checked = validation.check_chunk(chunk, index, width)
            own = validation.feature_names_of(chunk)
            validation.check_names(own, self.feature_names)
            self.feature_names = self.feature_names or own
            if len(checked):
                width = checked.shape[1]
                yield checked

    def pieces(self, kept: Array | None = None, known: Known | None = None) -> Iterator[tuple[int, Samples]]:
        """Consecutive pieces of at most `PIECE` bytes, each with the number of its first sample.

        kept: indices in rising order; only these samples are delivered, and counted. known: what is known about the
        components of those that are delivered.
        """
        rows = self._rows or max(256, PIECE // (8 * self.n_features) // 256 * 256)
        begin, delivered = 0, 0
        for chunk in self._checked():
            for first in range(0, len(chunk), rows):
                X = chunk[first : first + rows]
                weights = None
                if self.sample_weight is not None:
                    weights = self.sample_weight[begin : begin + len(X)]
                    validation.check_enough_weights(len(weights), len(X))
                samples, begin = Samples(X, weights), begin + len(X)
                if kept is not None:
                    low, high = np.searchsorted(kept, (begin - len(X), begin))
                    samples = samples.take(kept[low:high] - (begin - len(X)), X.dtype)
                if samples.n_samples:
                    last = delivered + samples.n_samples
                    if known is not None:
                        samples = samples._replace(known=known.take(slice(delivered, last)))
                    yield delivered, samples
                    delivered = last


def stream(source: Any, *, sample_weight: Any = None, rows: int | None = None) -> Stream:
    """Data in chunks, so that `fastem.fit` can fit data that do not fit into memory.

    Parameters
    ----------
    source : array, sequence of arrays, or callable
        An array (n_samples, n_features), such as ``numpy.load(path, mmap_mode="r")``; a list of arrays, each (rows,
        n_features); or a function without arguments that returns a fresh iterator over such arrays. It is read once
        before the fit and once in each pass, so it must deliver the same each time.
    sample_weight : (n_samples,) or None
        As in `fit`: one array in memory for all samples.
    rows : int or None
        Rows that are packed at a time; None takes 16 MB of them.

    Returns
    -------
    Stream

    Raises
    ------
    ValueError, TypeError : no data, a chunk that is no matrix, chunks of different width, or an iterator that can be
        read only once.

    Notes
    -----
    A fit of a stream makes the same passes as one in memory. Its log-likelihoods differ only by the order of summation,
    which is some 1e-15 of them. Besides the chunk at hand it needs tens of megabytes; seeding a component anew takes 8
    bytes per sample. Starts are looked for on random samples, as in memory.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.random.default_rng(0).poisson([[2.0]] * 300 + [[12.0]] * 300)
    >>> result = fastem.fit(fastem.stream([X[:250], X[250:]]), fastem.Poisson(), 2, seed=0)
    >>> sorted(result.parameters["rates"].round().ravel().tolist())
    [2.0, 12.0]
    """
    validation.check_stream(source)
    if rows is not None:
        validation.check_integer("rows", rows, 1)
    if callable(source):
        return Stream(source, sample_weight, rows)
    chunks: Sequence[Any] = source if isinstance(source, list | tuple) else (source,)
    return Stream(lambda: iter(chunks), sample_weight, rows)


class Chunks(Source):
    """The samples of a stream, or some of them.

    kept: the indices of the samples, in rising order; None for all. known: what is known about their components.
    """

    def __init__(
        self,
        stream: Stream,
        sample_weight: Array | None,
        n_samples: int,
        derived: Family,
        facts: Columns,
        frame: Frame,
        dtype: Any,
        team: Team,
        kept: Array | None = None,
        known: Known | None = None,
    ) -> None:
        super().__init__(facts, frame, dtype, team)
        self._stream, self._sample_weight, self._derived, self._kept = stream, sample_weight, derived, kept
        self._known = known
        self.n_samples = n_samples
        self.total_weight = float(n_samples) if sample_weight is None else float(sample_weight.sum())

    @property
    def sample_weight(self) -> Array | None:
        return self._sample_weight

    @property
    def known(self) -> Known | None:
        return self._known

    def knowing(self, known: Known | None) -> Chunks:
        fixed = self._derived, self.facts, self.frame, self.dtype, self.team
        source = Chunks(self._stream, self._sample_weight, self.n_samples, *fixed, self._kept, known)
        source.memo = self.memo if known is None else {}
        return source

    def sources(self) -> Iterator[tuple[int, InMemory]]:
        """The pieces as sources of their own, each with the number of its first sample."""
        found = 0
        for first, samples in self._stream.pieces(self._kept, self._known):
            found = first + samples.n_samples
            yield first, InMemory(samples, self._derived, self.facts, self.frame, self.dtype, self.team)
        validation.check_same_length(found, self.n_samples)

    def passes(self, task: Task) -> Passes:
        return _ChunkPasses(self, task)

    def gather(
        self, family: Family, n_components: int, responsibilities: Callable[[int, int], Array], params: Array
    ) -> Array:
        total = np.zeros(family.statistics_shape(self.n_features, n_components))
        for first, source in self.sources():
            total += source.gather(family, n_components, _shifted(responsibilities, first), params)
        return total

    def evaluate(self, family: Family, params: Array, log_weights: Array, want: str) -> Array:
        return np.concatenate([s.evaluate(family, params, log_weights, want) for _, s in self.sources()])

    def take(self, rows: Array) -> Source:
        kept = rows if self._kept is None else self._kept[rows]
        weights = None if self._sample_weight is None else self._sample_weight[rows]
        fixed = self._derived, self.facts, self.frame, self.dtype, self.team
        known = None if self._known is None else self._known.take(rows)
        taken = Chunks(self._stream, weights, len(rows), *fixed, kept, known)
        return taken.in_memory() if len(rows) * self.n_features * self.dtype.itemsize <= self._stream.taken else taken

    def in_memory(self) -> InMemory:
        X = np.empty((self.n_samples, self.n_features), dtype=self.dtype)
        for first, source in self.sources():
            X[first : first + source.n_samples] = source.samples.X
        samples = Samples(X, self._sample_weight, self._known)
        return InMemory(samples, self._derived, self.facts, self.frame, self.dtype, self.team)


def _shifted(responsibilities: Callable[[int, int], Array], by: int) -> Callable[[int, int], Array]:
    return lambda first, last: responsibilities(by + first, by + last)


class _ChunkPasses:
    """Passes over chunks: each is packed, folded and forgotten."""

    def __init__(self, chunks: Chunks, task: Task) -> None:
        self._chunks, self._task = chunks, task

    def run(self, density: Mixtures, params: Any, starts: Any) -> tuple[Array, Array]:
        totals = np.zeros(len(starts))
        statistics = np.zeros((len(starts), *self._task.statistics[1].statistics))
        for first, source in self._chunks.sources():
            some, gathered = source.passes(self._task, first).run(density, params, starts)
            totals += some
            statistics += gathered
        return totals, statistics
