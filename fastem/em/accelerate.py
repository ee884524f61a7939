"""Fewer steps to a fixed point, by Anderson's method or SQUAREM.

The caller evaluates the map and tells a point and its image. The answer is a leap, which is where to evaluate the map
next, or None if that should be the image. The caller also judges each leap by what the map improves; after a refused
one it goes on from the image of the last point that was not refused. Nothing here knows what the map is.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

Acceleration = Literal["anderson", "squarem"]
# The methods, with a few words on each for the command line.
METHODS: dict[Acceleration, str] = {"anderson": "the last few steps, combined", "squarem": "two steps, extrapolated"}
NAMES = tuple(METHODS)
# What a search for an optimum may be told besides; see `crawling`.
Hastening = Literal["auto", "anderson", "squarem"]
AUTO = "auto"
CHOICES: dict[Any, str] = {AUTO: "Anderson's for the best start if it crawls", **METHODS}

# Anderson's method combines ORDER differences and makes FIRST plain steps before its first leap. On 120 overlapping
# mixtures (benchmarks/acceleration.py), orders 5 and 8 with 3 to 6 first steps took about as many passes, in the median
# a quarter of plain EM's. With fewer first steps, easy cases took more.
ORDER, FIRST = 8, 5
# The number of plain steps after a refused leap, at first and at most.
PAUSES = 4, 64
# With columns scaled to length 1, a direction whose squared length is below this fraction of the longest is rounding.
NEGLIGIBLE = 1e-13
# SQUAREM's longest step: beyond it, r and v are rounding errors.
LONGEST = 1e6


class Accelerator(Protocol):
    """A sequence on its way to a fixed point.

    name: one of NAMES. patience: how many small steps in a row mean that it has arrived; a single step between two
    leaps may be small by chance. n_plain: how many points it may be told before it makes a leap.
    """

    name: str
    patience: int

    @property
    def n_plain(self) -> int: ...

    def tell(self, point: Array, image: Array) -> Array | None:
        """The leap from a point (n,) with this image, or None. Both arrays are kept, so they must not be changed."""

    def refuse(self) -> None:
        """The last leap was no good. The next point that is told will be the image of the one where it began."""

    def forget(self) -> None:
        """Begin anew: the map has changed, or the sequence was put elsewhere."""

    def state(self) -> dict[str, Any]:
        """All that it remembers: numbers, arrays, and lists of them."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken."""


class _Pauses:
    """How many plain steps to make before the next leap."""

    def __init__(self) -> None:
        self.wait, self._next = 0, PAUSES[0]

    def state(self) -> list[int]:
        return [self.wait, self._next]

    def restore(self, state: list[int]) -> None:
        self.wait, self._next = state

    def refused(self) -> None:
        # The step to the image, which is made anyway, is the first of these plain steps, hence the - 1.
        self.wait, self._next = self._next - 1, min(2 * self._next, PAUSES[1])

    def accepted(self) -> None:
        self._next = max(self._next // 2, PAUSES[0])

    @property
    def n_left(self) -> int:
        return max(self.wait, 0)

    def passing(self) -> bool:
        """Whether this is one of the plain steps."""
        self.wait -= 1
        return self.wait >= 0


class Anderson:
    """Anderson's mixing with a sliding window (Walker and Ni 2011, SIAM J. Numer. Anal. 49, eq. 2.1).

    The next point is the image less the combination of past differences that best explains the residual, image - point,
    by least squares. After a refusal it forgets the differences and makes some plain steps before it leaps again. Their
    number doubles with each refusal and halves with each accepted leap, so the method costs little where leaps are no
    good. Leaping again at once led to ten times as many refusals; damping as in Henderson and Varadhan (2019, J.
    Comput. Graph. Statist. 28) was slower.
    """

    name, patience = "anderson", 2

    def __init__(self, order: int = ORDER) -> None:
        self._order = order
        self._pauses = _Pauses()
        self.forget()

    def forget(self) -> None:
        self._clear()
        self._last: tuple[Array, Array] | None = None  # the image and the residual of the last point
        self._pauses.wait = FIRST
        self._leapt = False

    def refuse(self) -> None:
        self._clear()
        self._pauses.refused()
        self._leapt = False

    @property
    def n_plain(self) -> int:
        return self._pauses.n_left

    def _clear(self) -> None:
        self._moves: list[Array] = []  # differences of successive images
        self._residuals: list[Array] = []  # differences of successive residuals

    def state(self) -> dict[str, Any]:
        last = None if self._last is None else list(self._last)
        history = {"last": last, "moves": self._moves, "residuals": self._residuals}
        return {"pauses": self._pauses.state(), "leapt": self._leapt, **history}

    def restore(self, state: dict[str, Any]) -> None:
        self._pauses.restore(state["pauses"])
        self._leapt, self._moves, self._residuals = state["leapt"], state["moves"], state["residuals"]
        self._last = None if state["last"] is None else (state["last"][0], state["last"][1])

    def tell(self, point: Array, image: Array) -> Array | None:
        residual = image - point
        if self._leapt:
            self._pauses.accepted()
        if self._last is not None:
            self._moves = [*self._moves, image - self._last[0]][-self._order :]
            self._residuals = [*self._residuals, residual - self._last[1]][-self._order :]
        self._last = image, residual
        self._leapt = False
        if self._pauses.passing() or not self._moves:
            return None
        leap = image - _combination(self._residuals, residual, self._moves)
        self._leapt = bool(np.isfinite(leap).all())
        if not self._leapt:
            self._clear()
        return leap if self._leapt else None


def _combination(residuals: list[Array], target: Array, moves: list[Array]) -> Array:
    """sum_j c_j moves_j, where sum_j c_j residuals_j is nearest to the target.

    It solves the normal equations of columns scaled to length 1. It does without BLAS, whose sums depend on its number
    of threads.
    """
    gram = np.empty((len(residuals), len(residuals)))
    for i, a in enumerate(residuals):
        for j, b in enumerate(residuals[: i + 1]):
            gram[i, j] = gram[j, i] = np.einsum("i,i", a, b)
    lengths = np.sqrt(np.diagonal(gram))
    lengths[lengths == 0.0] = 1.0
    gram = gram / lengths / lengths[:, None]
    products = np.array([np.einsum("i,i", r, target) for r in residuals]) / lengths
    if not np.isfinite(gram).all():
        return np.full_like(target, np.nan)
    values, vectors = np.linalg.eigh(gram)
    kept = values > NEGLIGIBLE * values[-1]
    coefficients = vectors[:, kept] @ ((vectors[:, kept].T @ products) / values[kept]) / lengths
    combination = np.zeros_like(target)
    for coefficient, move in zip(coefficients, moves, strict=True):
        combination += coefficient * move
    return combination


class Squarem:
    """Squared extrapolation SqS1 (Varadhan and Roland 2008, Scand. J. Statist. 35, section 5).

    Two plain steps from x give r = F(x) - x and v = F(F(x)) - F(x) - r; the leap is x + 2 a r + a^2 v, and a plain step
    from it begins the next cycle. From six starts on the Times deaths, seven digits took 53 to 90 passes with
    a = -r'v / v'v. With a = |r| / |v| (SqS3) they took hundreds, or 71 to 92 with the best of 96 caps on a that adapt.
    """

    name, patience = "squarem", 3

    def __init__(self) -> None:
        self._pauses = _Pauses()
        self.forget()

    @property
    def n_plain(self) -> int:
        return self._pauses.n_left if self._first is None and not self._leapt else 0

    def forget(self) -> None:
        self._first: tuple[Array, Array] | None = None  # a point and its image: the beginning of a cycle
        self._leapt = False

    def refuse(self) -> None:
        self.forget()
        self._pauses.refused()

    def state(self) -> dict[str, Any]:
        first = None if self._first is None else list(self._first)
        return {"pauses": self._pauses.state(), "leapt": self._leapt, "first": first}

    def restore(self, state: dict[str, Any]) -> None:
        self._pauses.restore(state["pauses"])
        self._leapt = state["leapt"]
        self._first = None if state["first"] is None else (state["first"][0], state["first"][1])

    def tell(self, point: Array, image: Array) -> Array | None:
        if self._leapt:
            self._leapt = False
            self._pauses.accepted()
            return None
        if self._first is None:
            if not self._pauses.passing():
                self._first = point, image
            return None
        (start, middle), self._first = self._first, None
        r = middle - start
        v = image - middle - r
        size = np.einsum("i,i", v, v)
        length = min(-float(np.einsum("i,i", r, v) / size), LONGEST) if size > 0.0 else 1.0
        leap: Array = start + 2.0 * length * r + length * length * v
        self._leapt = length > 1.0 and bool(np.isfinite(leap).all())
        return leap if self._leapt else None


def accelerator(name: Hastening | None) -> Accelerator | None:
    """One of NAMES; None for None, and for "auto", which begins without."""
    if name is None or name == AUTO:
        return None
    return Anderson() if name == "anderson" else Squarem()
