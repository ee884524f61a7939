"""Where evidence comes from. The driver asks a source, and never looks at the data itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from fastem.data import evaluate as evaluating
from fastem.data.fold import Mixtures, Plan, Task, shape_of
from fastem.data.pack import pack, with_known, with_row
from fastem.data.samples import Known, Samples
from fastem.data.threads import Team
from fastem.data.tiles import Data
from fastem.families.base import Array, Columns, Family, Frame

# Given responsibilities take at most this many bytes at a time.
RESP_BYTES = 16 * 2**20


class Passes(Protocol):
    """Passes over the data of one source for one Task, one after the other."""

    def run(self, density: Mixtures, params: Any, starts: Any) -> tuple[Array, Array]:
        """Log-likelihoods (n,) and statistics (n, rows, width), float64, of these starts among the mixtures.

        The statistics are gathered about `params`.
        """


class Source(ABC):
    """Data in a frame, and the threads that pass over them.

    facts: what one look at the columns found. memo: results that later fits of the same data can use again, such as the
    models of a grid; the keys say what they depend on.
    """

    def __init__(self, facts: Columns, frame: Frame, dtype: Any, team: Team) -> None:
        self.facts, self.frame, self.dtype, self.team = facts, frame, np.dtype(dtype), team
        self.n_features = len(frame.scale)
        self.memo: dict[Any, Any] = {}

    n_samples: int
    total_weight: float

    @property
    @abstractmethod
    def sample_weight(self) -> Array | None:
        """The weights of the samples, (n_samples,), or None if every sample counts 1."""

    @property
    @abstractmethod
    def known(self) -> Known | None:
        """What is known about the components of the samples, or None."""

    @abstractmethod
    def knowing(self, known: Known | None) -> Source:
        """The same samples, of whose components this is known."""

    @abstractmethod
    def passes(self, task: Task) -> Passes:
        """Passes over all samples."""

    @abstractmethod
    def gather(
        self, family: Family, n_components: int, responsibilities: Callable[[int, int], Array], params: Array
    ) -> Array:
        """Statistics (rows, width) of given responsibilities, which are asked for in bounded pieces.

        responsibilities(first, last): those of the samples from `first` to before `last`, (last - first, n_components).
        """

    @abstractmethod
    def evaluate(self, family: Family, params: Array, log_weights: Array, want: str) -> Array:
        """ "log_density" (n,) or "resp" (n, K) of the samples under a mixture."""

    @abstractmethod
    def take(self, rows: Array) -> Source:
        """Some of the samples, by their indices in rising order, in the same frame."""

    @abstractmethod
    def in_memory(self) -> InMemory:
        """All samples in memory. The caller must know that they are few."""

    @property
    def n_positive(self) -> int:
        """How many samples have a positive weight."""
        return self.n_samples if self.sample_weight is None else int(np.count_nonzero(self.sample_weight))

    def draw(self, n: int, seed: np.random.SeedSequence) -> InMemory:
        """All samples if there are at most n, otherwise n of positive weight without replacement; in memory."""
        if self.n_samples <= n:
            return self.in_memory()
        rng = np.random.default_rng(seed)
        weights = self.sample_weight
        candidates = self.n_samples if weights is None else np.flatnonzero(weights)
        return self.take(np.sort(rng.choice(candidates, min(n, self.n_positive), replace=False))).in_memory()

    def worst(self, density: Array, n: int, share: float) -> Source:
        """The n samples of lowest density; if samples have weights, as many as have weights that add up to `share`."""
        weights = self.sample_weight
        if weights is None:
            return self.take(np.sort(np.argpartition(density, n - 1)[:n]))
        order = np.argsort(np.where(weights > 0, density, np.inf), kind="stable")
        return self.take(np.sort(order[: 1 + int(np.searchsorted(np.cumsum(weights[order]), share))]))


class InMemory(Source):
    """Samples in memory. They are packed into tiles when they are first passed over.

    derived: the family whose derived rows the tiles hold; families with the same `tiles_key` share them. data: the
    tiles, if they have been packed before; what they know is that of the samples.
    resp_bytes: bytes of given responsibilities that exist at a time.
    """

    resp_bytes = RESP_BYTES

    def __init__(
        self,
        samples: Samples,
        derived: Family,
        facts: Columns,
        frame: Frame,
        dtype: Any,
        team: Team,
        data: Data | None = None,
    ) -> None:
        super().__init__(facts, frame, dtype, team)
        self.samples, self._derived, self._data = samples, derived, data
        self.n_samples, self.total_weight = samples.n_samples, samples.total_weight

    @property
    def sample_weight(self) -> Array | None:
        return self.samples.sample_weight

    @property
    def known(self) -> Known | None:
        return self.samples.known

    def knowing(self, known: Known | None) -> InMemory:
        samples, data = self.samples._replace(known=known), with_known(self.data, known)
        source = InMemory(samples, self._derived, self.facts, self.frame, self.dtype, self.team, data)
        source.memo = self.memo if known is None else {}
        return source

    @property
    def data(self) -> Data:
        """The samples in tiles."""
        if self._data is None:
            X, sample_weight, known = self.samples
            packed = pack(X, sample_weight, self._derived, self.frame, self.dtype, self.team)
            self._data = packed if known is None else with_known(packed, known)
        return self._data

    def passes(self, task: Task, first: int = 0) -> Passes:
        """Passes over all samples, the first of which has this number among those of a stream."""
        data, row = self.data, task.row
        if row is not None:
            data = with_row(data, row(first, self.n_samples) if callable(row) else row)
        return Plan(data, task, self.team)

    def gather(
        self, family: Family, n_components: int, responsibilities: Callable[[int, int], Array], params: Array
    ) -> Array:
        data = self.data
        own = family.kernels(), shape_of(family, self.n_features, n_components)
        plan = Plan(
            data, Task(n_components, family.layout(self.n_features, n_components), None, own, "given"), self.team
        )
        n_tiles, _, size = data.tiles.shape
        nothing = Mixtures(np.zeros((1, 0)), np.zeros((1, n_components)))
        total = np.zeros((1, *own[1].statistics))
        piece = max(1, self.resp_bytes // (size * n_components * 8))
        for first in range(0, n_tiles, piece):
            last = min(first + piece, n_tiles)
            begin, end = first * size, min(last * size, data.n_samples)
            known = np.zeros(((last - first) * size, n_components), dtype=data.tiles.dtype)
            known[: end - begin] = responsibilities(begin, end)
            known = np.ascontiguousarray(known.reshape(last - first, size, n_components).swapaxes(1, 2))
            total += plan.run(nothing, params[None], np.zeros(1, np.int64), known, first)[1]
        return np.asarray(total[0])

    def evaluate(self, family: Family, params: Array, log_weights: Array, want: str) -> Array:
        return evaluating.evaluate(
            self.samples.X, family, self.frame, params, log_weights, self.dtype, self.team, want, alone=False
        ).values

    def take(self, rows: Array) -> InMemory:
        samples = self.samples.take(rows, self.dtype)
        return InMemory(samples, self._derived, self.facts, self.frame, self.dtype, self.team)

    def in_memory(self) -> InMemory:
        return self

    def points(self) -> Array:
        """The samples in the coordinates of the tiles, (n_samples, n_features) float64."""
        data = self.data
        points: Array = data.tiles[:, : data.n_features].swapaxes(1, 2).reshape(-1, data.n_features)
        return points[: data.n_samples].astype(np.float64)


def tiles_key(family: Family, frame: Frame) -> tuple[Any, ...]:
    """What tiles depend on besides the data. Families with equal keys can share them."""
    derive = family.kernels().derive
    n_derived = family.n_derived(len(frame.scale))
    derived = () if derive is None else (derive, n_derived, family.to_json())
    return frame.shift.tobytes(), frame.scale.tobytes(), str(derived)
