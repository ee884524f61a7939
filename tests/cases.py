"""What the tests ask of a family: a new one is a file in tests/families that fills this in."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

import fastem
from fastem.testing import Subject


class Case(ABC):
    """A family, how to draw a mixture of it, its textbook, and data for it.

    A file in tests/families holds a list CASES of these. The textbook is plain NumPy and SciPy and shares no line with
    the package.

    has_offset: whether the family's first parameter is a location, which moves with the data while all else stays.
    has_border: whether a component that has not seen a value may call it impossible.
    min_features: how many features it takes to tell a few components apart.
    estimator, settings: the estimator of this family, where it has one of its own, with the arguments that make it EM
    without regularisation.
    """

    family: Any
    has_offset: ClassVar[bool] = False
    has_border: ClassVar[bool] = False
    min_features: ClassVar[int] = 1
    estimator: Any = None
    settings: dict[str, Any] = {}

    def __repr__(self):
        return self.family.name

    @abstractmethod
    def draw_parameters(self, rng, n_components, n_features, spread):
        """Named parameters; where components have a location, it varies by about `spread` standard deviations."""

    @abstractmethod
    def log_prob(self, parameters, X):
        """log p(x_i | component k), (n, K), by SciPy."""

    @abstractmethod
    def m_step(self, resp, X):
        """The named parameters that maximise sum_ik resp_ik log p(x_i | k); in the precision of `resp`."""

    @abstractmethod
    def n_parameters(self, n_features, n_components):
        """Free parameters of the components."""

    @abstractmethod
    def apart(self):
        """Named parameters of three components that hardly overlap, in two features or more."""

    @abstractmethod
    def draw_data(self, rng, n_samples, n_features):
        """Data with no structure."""

    def valid(self, X):
        """The data of the family's support that are next to X."""
        return X

    def assert_proper(self, parameters):
        """Parameters are such as their kinds allow."""
        for p in self.family.parameters:
            assert p.kind.why_not(p.name, np.asarray(parameters[p.name])) is None

    # What follows from these.

    @property
    def subject(self):
        """The family as fastem.testing takes it."""
        return Subject(self.family, self._draw, self.log_prob)

    def _draw(self, rng, n_components, n_features, spread):
        weights = rng.dirichlet(np.full(n_components, 5.0))
        return weights, self.draw_parameters(rng, n_components, n_features, spread)

    def mixture(self, rng, n_components, n_features, spread=2.0):
        """A random mixture of this family."""
        return self.subject.mixture(rng, n_components, n_features, spread)

    def clusters(self, rng, *sizes):
        """Data of up to three clusters that hardly overlap, and their labels."""
        labels = np.repeat(np.arange(len(sizes)), sizes)
        parameters = {name: np.asarray(value, dtype=float) for name, value in self.apart().items()}
        return self.family.sample(rng, parameters, labels), labels

    def made(self, n_components, **settings):
        """The estimator."""
        return self.estimator(n_components, **self.settings, **settings)


def draw(mixture, n_samples, seed=0, dtype=np.float64):
    """Data from a mixture."""
    return np.ascontiguousarray(fastem.sample(mixture, n_samples, seed=seed).X, dtype=dtype)


def blobs(case, rng, n_samples, n_components, n_features, spread=2.0):
    """A random mixture and data from it."""
    return case.subject.blobs(rng, n_samples, n_components, n_features, spread)
