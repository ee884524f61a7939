"""How sure a mixture is of its components, and what these look like over many features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from fastem.families.base import Array
from fastem.plots.given import N_POINTS, mixture_of, names_of, shown
from fastem.plots.style import Display, look_of
from fastem.validation import plots as checks


class ResponsibilityDisplay(Display):
    """The largest responsibility of each sample, sorted, for the samples of each component.

    A component that stands apart is a line at 1; one that overlaps another falls early.

    Parameters
    ----------
    largest : for each component, the largest responsibilities of its samples, in descending order

    Attributes
    ----------
    ax_, figure_ : the axes and the figure.
    lines_ : a line for each component.
    """

    def __init__(self, largest: Sequence[Array]) -> None:
        self.largest = largest

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, *, n_points: int = N_POINTS, ax: Any = None) -> Self:
        """Draw how sure a fitted mixture is of samples X.

        Parameters
        ----------
        estimator : a fitted estimator, a Result, or a fitted Gaussian mixture of scikit-learn's
        X : array-like, (n_samples, n_features)
        n_points : at most so many samples (10,000), chosen at random
        ax : matplotlib's axes, or None for a new figure

        Raises
        ------
        ValueError, TypeError : unusable input; the message names the argument.
        ImportError : matplotlib is not installed.
        """
        result = mixture_of(estimator)
        seen = shown(X, result, n_points)
        return cls([np.sort(seen.largest[seen.labels == k])[::-1] for k in range(result.n_components)]).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw into axes, or into a new figure; returns the display."""
        ax = self._axes(ax)
        self.lines_: list[Any] = []
        for k, values in enumerate(self.largest):
            look = look_of(k)
            place = (np.arange(len(values)) + 0.5) / max(len(values), 1)
            label = f"component {k} ({len(values)} samples)"
            self.lines_ += ax.plot(place, values, color=look["color"], linestyle=look["linestyle"], label=label)
        ax.set(xlabel="share of the component's samples", ylabel="largest responsibility", ylim=(0.0, 1.03))
        ax.legend(fontsize="small")
        return self


class ProfileDisplay(Display):
    """The mean of each feature in each component: probabilities of zeros and ones, rates of counts, or means.

    Parameters
    ----------
    means : (n_components, n_features). names : of the features. weights : (n_components,). label : of the values

    Attributes
    ----------
    ax_, figure_ : the axes and the figure.
    lines_ : a line for each component.
    """

    def __init__(self, means: Array, names: Sequence[str], weights: Array, label: str) -> None:
        self.means, self.names, self.weights, self.label = means, names, weights, label

    @classmethod
    def from_estimator(cls, estimator: Any, *, features: Sequence[int | str] | None = None, ax: Any = None) -> Self:
        """Draw the profile of each component of a fitted mixture.

        Parameters
        ----------
        estimator : a fitted estimator, a Result, or a fitted Gaussian mixture of scikit-learn's
        features : by their numbers or names; None means all.
        ax : matplotlib's axes, or None for a new figure

        Raises
        ------
        ValueError, TypeError : unusable input; the message names the argument.
        ImportError : matplotlib is not installed.
        """
        result = mixture_of(estimator)
        names = names_of(estimator, result)
        chosen = checks.check_several(features, names, len(names))
        means = result.family.moments(result.parameters)[0][:, chosen]
        first = result.family.parameters[0].name
        return cls(means, [names[j] for j in chosen], result.weights, first).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw into axes, or into a new figure; returns the display."""
        ax, places = self._axes(ax), np.arange(len(self.names))
        self.lines_: list[Any] = []
        for k, values in enumerate(self.means):
            look = look_of(k)
            self.lines_ += ax.plot(places, values, **look, label=f"component {k} ({self.weights[k]:.0%})")
        few = len(self.names) <= 30
        ax.set_xticks(places if few else places[:: len(self.names) // 15])
        ax.set_xticklabels([self.names[int(i)] for i in ax.get_xticks()], rotation=45 if few else 90, ha="right")
        ax.set_ylabel(self.label)
        ax.legend(fontsize="small")
        return self
