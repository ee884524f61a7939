"""Samples, their weights and what is known of them, which are checked, taken and drawn together."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.families.base import Array

# The end of the range of components of a sample of which nothing is known, whatever their number.
ANY = 2**24


class Known(NamedTuple):
    """What is known about the component of each sample, one of the two.

    ranges: (n_samples, 2) int64, the components first <= k < last of which one produced the sample; a known label is a
    range of one, and an unknown one ends at ANY. prior: (n_samples, n_components) float64, factors of
    the mixing weights, >= 0.
    """

    ranges: Array | None = None
    prior: Array | None = None

    @property
    def table(self) -> tuple[str, Array]:
        """What the kernels take, (n_samples, rows), and by which name data/fold knows the one that takes it."""
        if self.prior is not None:
            with np.errstate(divide="ignore"):
                return "prior", np.log(self.prior)
        assert self.ranges is not None
        first, end = self.ranges.T
        unknown = (first == 0) & (end == ANY)
        if (unknown | (end == first + 1)).all():
            return "labels", np.where(unknown, np.nan, first)[:, None]
        return "ranges", self.ranges

    def take(self, rows: Array | slice) -> Known:
        """What is known about some of the samples."""
        return Known(*(None if part is None else part[rows] for part in self))

    def shares(self, n_components: int) -> Array:
        """The shares (n_samples, n_components) that each component would have of a sample before it was seen."""
        if self.prior is not None:
            return np.asarray(self.prior / self.prior.sum(axis=1, keepdims=True))
        assert self.ranges is not None
        k = np.arange(n_components)
        inside = (self.ranges[:, :1] <= k) & (k < self.ranges[:, 1:])
        return np.asarray(inside / inside.sum(axis=1, keepdims=True))

    def imposed(self, resp: Array) -> Array:
        """Responsibilities (n_samples, n_components) after what is known; rows that it contradicts become `shares`."""
        shares = self.shares(resp.shape[1])
        narrowed = resp * shares
        totals = narrowed.sum(axis=1, keepdims=True)
        wanted = resp.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(totals > 0, narrowed * (wanted / totals), wanted * shares)

    def informative(self, n_components: int) -> Array:
        """Whether anything is known about each sample, (n_samples,) bool."""
        if self.prior is not None:
            return np.asarray((self.prior != self.prior[:, :1]).any(axis=1))
        assert self.ranges is not None
        return np.asarray(self.ranges[:, 1] - self.ranges[:, 0] < n_components)

    def labels(self, n_components: int) -> Array:
        """The component of each sample, (n_samples,) int64, or -1 where more than one may have produced it."""
        if self.prior is not None:
            return np.where(np.count_nonzero(self.prior, axis=1) == 1, self.prior.argmax(axis=1), -1)
        assert self.ranges is not None
        first, end = self.ranges[:, 0], np.minimum(self.ranges[:, 1], n_components)
        return np.where(end - first == 1, first, -1)


def known_of(labels: Any, prior_resp: Any, n_samples: int, n_components: int) -> Known | None:
    """What a user says is known, after a check; None if that is nothing."""
    checked = None if labels is None else validation.check_labels(labels, n_samples)
    if checked is not None:
        validation.check_labels_fit(checked, n_components)
    if prior_resp is not None:
        prior = validation.check_prior_resp(prior_resp, n_samples, n_components)
        if checked is not None:
            validation.check_agree(checked, prior)
            prior = np.where((checked[:, None] < 0) | (checked[:, None] == np.arange(n_components)), prior, 0.0)
        return Known(prior=prior)
    if checked is None or not (checked >= 0).any():
        return None
    return Known(np.stack([np.maximum(checked, 0), np.where(checked < 0, ANY, checked + 1)], axis=1))


class Samples(NamedTuple):
    """Checked data.

    X: (n_samples, n_features) numbers. sample_weight: (n_samples,) float64, or None if every sample counts 1. known:
    what is known about their components, or None.
    """

    X: Array
    sample_weight: Array | None = None
    known: Known | None = None

    @property
    def n_samples(self) -> int:
        """The number of rows."""
        return len(self.X)

    @property
    def total_weight(self) -> float:
        """The sum of the weights."""
        return float(len(self.X)) if self.sample_weight is None else float(self.sample_weight.sum())

    def take(self, rows: Array, dtype: np.dtype) -> Samples:
        """Some of the samples, their values in `dtype`."""
        weights = None if self.sample_weight is None else self.sample_weight[rows]
        known = None if self.known is None else self.known.take(rows)
        return Samples(np.ascontiguousarray(self.X[rows], dtype=dtype), weights, known)
