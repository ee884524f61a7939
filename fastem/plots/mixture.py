"""One or two features of a mixture: points by component, how uncertain they are, densities, and ellipses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self, get_args

import numpy as np

from fastem.families.base import Array
from fastem.model.evaluation import log_density, responsibilities
from fastem.model.result import Result
from fastem.plots.geometry import covariance_ellipse, density_levels, has_covariances
from fastem.plots.given import N_POINTS, Shown, is_discrete, marginal_of, mixture_of, names_of, shown
from fastem.plots.style import GREY, Display, look_of
from fastem.validation import plots as checks

What = Literal["classification", "uncertainty", "density", "components"]
WHATS: tuple[What, ...] = get_args(What)
# The regions of highest density that "density" draws.
REGIONS = (0.25, 0.5, 0.75, 0.95)
# Points of a curve, and of each side of a grid.
CURVE, GRID = 400, 160


class MixtureDisplay(Display):
    """One or two features of a mixture.

    Parameters
    ----------
    mixture : the Result of the features that are drawn
    X : (n, 1) or (n, 2), the samples that are drawn, or None
    histogram : (counts, edges) of all samples, as densities; None in two dimensions or without samples
    labels : (n,) the likeliest component of each sample, by all features, or None
    uncertainty : (n,) one minus the responsibility of that component, or None
    names : of the features
    what : "classification", "uncertainty", "density" or "components"
    level : the probability of an ellipse
    regions : the probabilities of the regions of highest density

    Attributes
    ----------
    ax_, figure_ : the axes and the figure.
    points_ : a scatter for each component, or one of all samples.
    ellipses_ : a patch for each component, with its marginal covariance.
    centres_ : the mean of each component that has no covariance, such as rates.
    curves_ : lines in one dimension: of each component, then of all.
    contours_ : the borders of the regions of highest density.
    histogram_ : the bars of the histogram.
    """

    def __init__(
        self,
        mixture: Result,
        X: Array | None = None,
        *,
        histogram: Any = None,
        labels: Array | None = None,
        uncertainty: Array | None = None,
        names: Sequence[str] = (),
        what: What = "classification",
        level: float = 0.95,
        regions: Sequence[float] = REGIONS,
    ) -> None:
        self.mixture, self.X, self.histogram, self.labels = mixture, X, histogram, labels
        self.uncertainty, self.names, self.what = uncertainty, names, what
        self.level, self.regions = level, regions

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        what: What = "classification",
        features: Sequence[int | str] | int | str | None = None,
        level: float = 0.95,
        regions: Sequence[float] = REGIONS,
        n_points: int = N_POINTS,
        ax: Any = None,
    ) -> Self:
        """Draw one or two features of a fitted mixture.

        Parameters
        ----------
        estimator : a fitted estimator of fastem's, a Result, or a fitted Gaussian mixture of scikit-learn's
        X : array-like, (n_samples, n_features), or None for the mixture alone
            Rows with missing values are left out.
        what : "classification", points by their likeliest component; "uncertainty", points that are larger the less
            certain that is; "density", the regions of highest density; or "components", curves and ellipses alone
        features : one or two features, by their numbers or names. None means the first two, or the only one.
        level : the probability that each component's ellipse holds, from its marginal covariance
        regions : the probabilities of the regions of highest density
        n_points : at most so many samples (10,000) are drawn, chosen at random; histograms are of all.
        ax : matplotlib's axes, or None for a new figure

        Returns
        -------
        MixtureDisplay

        Raises
        ------
        ValueError, TypeError : unusable input; the message names the argument.
        ImportError : matplotlib is not installed.
        """
        result = mixture_of(estimator)
        names = names_of(estimator, result)
        chosen = checks.check_features(features, names)
        what, level = checks.check_what(what, WHATS), checks.check_level(level)
        seen = None if X is None else shown(X, result, n_points)
        return cls.of(result, seen, chosen, names, what=what, level=level, regions=regions).plot(ax)

    @classmethod
    def of(
        cls, result: Result, seen: Shown | None, features: Sequence[int], names: Sequence[str], **settings: Any
    ) -> Self:
        """A display of one or two features of a mixture and of samples, not yet drawn. names: of all features."""
        mixture, own = marginal_of(result, features), [names[j] for j in features]
        if seen is None:
            return cls(mixture, names=own, **settings)
        histogram = None
        if len(features) == 1:
            column = np.asarray(seen.whole[:, features[0]], dtype=np.float64)
            histogram = _histogram(column[np.isfinite(column)], mixture)
        settings |= {"histogram": histogram, "labels": seen.labels, "uncertainty": 1.0 - seen.largest}
        return cls(mixture, seen.X[:, list(features)], names=own, **settings)

    def plot(self, ax: Any = None) -> Self:
        """Draw into axes, or into a new figure; returns the display."""
        ax = self._axes(ax)
        self.points_: list[Any] = []
        self.ellipses_: list[Any] = []
        self.centres_: list[Any] = []
        self.curves_: list[Any] = []
        self.contours_, self.histogram_ = None, None
        if self.mixture.n_features == 1:
            self._plot_line(ax)
        else:
            self._plot_plane(ax)
        return self

    def _plot_line(self, ax: Any) -> None:
        if self.what == "uncertainty" and self.X is not None and self.uncertainty is not None:
            assert self.labels is not None
            for k in range(self.mixture.n_components):
                own, look = self.labels == k, look_of(k)
                mark = {"color": look["color"], "marker": look["marker"], "alpha": 0.6, "linewidths": 0}
                label = _named(k, self.mixture)
                self.points_.append(ax.scatter(self.X[own, 0], self.uncertainty[own], s=14, **mark, label=label))
            ax.set(xlabel=self.names[0], ylabel="1 - largest responsibility", ylim=(-0.02, None))
            ax.legend(fontsize="small")
            return
        if self.histogram is not None:
            counts, edges = self.histogram
            self.histogram_ = ax.stairs(counts, edges, fill=True, color=GREY, alpha=0.35, label="samples")
        grid, discrete = self._grid()
        parts = _weighted_densities(grid, self.mixture)
        style = {"drawstyle": "steps-mid"} if discrete else {}
        if self.what != "density":
            for k, part in enumerate(parts.T):
                look = look_of(k)
                line = {"color": look["color"], "linestyle": look["linestyle"], "label": _named(k, self.mixture)}
                self.curves_ += ax.plot(grid[:, 0], part, lw=1.8, **line, **style)
        total = {"color": "k", "lw": 1.2, "label": "mixture"}
        self.curves_ += ax.plot(grid[:, 0], parts.sum(axis=1), **total, **style)
        if self.what == "classification" and self.X is not None and self.labels is not None:
            # Marks below the axis, a row for each component.
            for k in range(self.mixture.n_components):
                x, look = self.X[self.labels == k, 0], look_of(k)
                height = np.full(len(x), -0.02 * (k + 1))
                mark = {"color": look["color"], "marker": look["marker"], "linestyle": "", "markersize": 2.5}
                self.points_ += ax.plot(x, height, transform=ax.get_xaxis_transform(), clip_on=False, **mark)
            ax.tick_params(axis="x", pad=4 + 5 * self.mixture.n_components)
        ax.set(xlabel=self.names[0], ylabel="probability" if discrete else "density")
        ax.set_ylim(bottom=0)
        ax.legend(fontsize="small")

    def _grid(self) -> tuple[Array, bool]:
        """Where curves are drawn, (n, 1), and whether these are whole numbers, as nothing else can be produced."""
        means, _ = self.mixture.family.moments(self.mixture.parameters)
        discrete = is_discrete(self.mixture, means)
        return self._values(0, CURVE, discrete)[:, None], discrete

    def _values(self, feature: int, n: int, discrete: bool) -> Array:
        """Values of a feature within four standard deviations of the means: n of them, or all whole numbers."""
        means, variances = (part[:, feature] for part in self.mixture.family.moments(self.mixture.parameters))
        low, high = (means - 4 * np.sqrt(variances)).min(), (means + 4 * np.sqrt(variances)).max()
        if self.histogram is not None:
            low, high = min(low, self.histogram[1][0]), max(high, self.histogram[1][-1])
        if not discrete:
            return np.linspace(low, high, n)
        grid = np.arange(np.floor(low), np.ceil(high) + 1.0)
        alike = np.ones((1, self.mixture.n_features))
        return grid[[self.mixture.family.why_impossible(value * alike) is None for value in grid]]

    def _plot_plane(self, ax: Any) -> None:
        k_all = range(self.mixture.n_components)
        if self.X is not None and self.what != "components":
            assert self.labels is not None and self.uncertainty is not None
            if self.what == "density":
                small = {"s": 5, "color": GREY, "alpha": 0.5, "linewidths": 0}
                self.points_.append(ax.scatter(*self.X.T, **small, label="samples"))
            else:
                for k in k_all:
                    own, look = self.labels == k, look_of(k)
                    size = 10.0 if self.what == "classification" else 4.0 + 80.0 * self.uncertainty[own]
                    mark = {"color": look["color"], "marker": look["marker"], "alpha": 0.6, "linewidths": 0}
                    self.points_.append(ax.scatter(*self.X[own].T, s=size, **mark, label=_named(k, self.mixture)))
        if self.what == "density":
            self._plot_regions(ax)
        elif has_covariances(self.mixture):
            self._plot_ellipses(ax)
        else:
            self._plot_centres(ax)
        ax.set(xlabel=self.names[0], ylabel=self.names[1])
        if self.points_ and self.what != "density":
            ax.legend(fontsize="small")

    def _plot_centres(self, ax: Any) -> None:
        """The means of components that are no Gaussians, larger ones for larger weights."""
        means = self.mixture.family.moments(self.mixture.parameters)[0]
        for k, (mean, weight) in enumerate(zip(means, self.mixture.weights, strict=True)):
            look = look_of(k)
            mark = {"color": look["color"], "marker": look["marker"], "edgecolors": "k", "zorder": 3}
            label = None if self.points_ else _named(k, self.mixture)
            self.centres_.append(ax.scatter(*mean, s=60.0 + 300.0 * weight, **mark, label=label))
        if not self.points_:
            ax.margins(0.3)
        ax.legend(fontsize="small")

    def _plot_ellipses(self, ax: Any) -> None:
        from matplotlib.patches import Ellipse

        means, matrices = np.asarray(self.mixture.parameters["means"]), self.mixture.covariance_matrices()
        for k in range(self.mixture.n_components):
            found, look = covariance_ellipse(means[k], matrices[k], self.level), look_of(k)
            width, height = 2.0 * found.half_axes
            patch = Ellipse(
                tuple(found.centre),
                width,
                height,
                angle=np.degrees(found.angle),
                fill=False,
                edgecolor=look["color"],
                linestyle=look["linestyle"],
                linewidth=1.8,
                label=None if self.points_ else _named(k, self.mixture),
            )
            self.ellipses_.append(ax.add_patch(patch))
            ax.plot(*found.centre, color="k", marker="+", markersize=7, linestyle="")
        ax.autoscale_view()
        if not self.points_:
            ax.legend(handles=self.ellipses_, fontsize="small")

    def _plot_regions(self, ax: Any) -> None:
        discrete = is_discrete(self.mixture, self.mixture.family.moments(self.mixture.parameters)[0])
        across, up = np.meshgrid(*(self._values(feature, GRID, discrete) for feature in (0, 1)))
        places = np.stack([across.ravel(), up.ravel()], axis=1)
        density = np.exp(log_density(places, self.mixture)).reshape(across.shape)
        # Regions of whole numbers may be the same for several probabilities.
        found = dict(zip(density_levels(self.mixture, self.regions).tolist(), self.regions, strict=True))
        levels = sorted(found)
        self.contours_ = ax.contour(across, up, density, levels=levels, colors="k", linewidths=[0.8, 1.2, 1.6, 2.0])
        ax.clabel(self.contours_, fmt={level: f"{found[level]:.0%}" for level in levels})


def _named(k: int, mixture: Result) -> str:
    return f"component {k} ({mixture.weights[k]:.0%})"


def _weighted_densities(grid: Array, mixture: Result) -> Array:
    """weight_k p(x | k), (n, K)."""
    resp = responsibilities(grid, mixture)
    with np.errstate(under="ignore"):
        return np.asarray(resp * np.exp(log_density(grid, mixture))[:, None])


def _histogram(column: Array, mixture: Result) -> tuple[Array, Array]:
    """The density of a column in bins, which are whole numbers where nothing else can be produced."""
    if is_discrete(mixture, column[:, None]):
        edges = np.arange(np.floor(column.min()) - 0.5, np.ceil(column.max()) + 1.0)
    else:
        edges = np.histogram_bin_edges(column, bins=int(np.clip(2.0 * len(column) ** (1 / 3), 10, 100)))
    counts, edges = np.histogram(column, bins=edges, density=True)
    return counts, edges
