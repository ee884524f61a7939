"""Images whose pixels are the samples: each by its component."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np

from fastem.families.base import Array
from fastem.model.evaluation import predict
from fastem.plots.given import mixture_of
from fastem.plots.style import COLOURS, Display
from fastem.validation import plots as checks

NUMBER: dict[str, Any] = {
    **{"ha": "center", "va": "center", "fontsize": "small"},
    "bbox": {"boxstyle": "circle", "facecolor": "white", "alpha": 0.8, "linewidth": 0.5},
}


def _inside(mask: Array) -> tuple[int, int]:
    """Column and row of the pixel that is farthest inside a region."""
    from scipy.ndimage import distance_transform_edt

    row, column = np.unravel_index(np.argmax(distance_transform_edt(np.pad(mask, 1))), np.add(mask.shape, 2))
    return int(column) - 1, int(row) - 1


class ImageDisplay(Display):
    """An image in which each pixel has the mean of its component, or the number of its component.

    Parameters
    ----------
    labels : (height, width) int, the component of each pixel
    means : (n_components, n_channels) of each component
    what : "means" or "labels"

    Attributes
    ----------
    ax_, figure_ : the axes and the figure.
    image_ : what imshow returned.
    legend_ : the components, or None.
    numbers_ : texts, where each component has its largest region.
    """

    def __init__(self, labels: Array, means: Array, what: Literal["means", "labels"] = "means") -> None:
        self.labels, self.means, self.what = labels, means, what

    @classmethod
    def from_estimator(
        cls, estimator: Any, image: Any, *, what: Literal["means", "labels"] = "means", ax: Any = None
    ) -> Self:
        """Draw the segmentation of an image by a mixture that was fitted to its pixels.

        Parameters
        ----------
        estimator : a fitted estimator, a Result, or a fitted Gaussian mixture of scikit-learn's, of 1 or 3 features
        image : array-like, (height, width) or (height, width, n_features), bytes or numbers from 0 to 1
        what : "means", each pixel in the colour of its component's mean, or "labels", a legend of components
        ax : matplotlib's axes, or None for a new figure

        Raises
        ------
        ValueError, TypeError : unusable input; the message names the argument.
        ImportError : matplotlib is not installed.
        """
        result = mixture_of(estimator)
        pixels = checks.check_image(image, result.n_features)
        what = checks.check_what(what, ("means", "labels"))
        labels = predict(pixels.reshape(-1, result.n_features), result).reshape(pixels.shape[:2])
        means = result.family.moments(result.parameters)[0]
        # As bytes if the image has such, or between 0 and 1.
        top = 255.0 if np.nanmax(pixels) > 1.0 else 1.0
        return cls(labels, np.clip(means / top, 0.0, 1.0), what).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw into axes, or into a new figure; returns the display."""
        from matplotlib.colors import to_rgb
        from matplotlib.patches import Patch

        ax, self.legend_ = self._axes(ax), None
        colours = self.means
        if self.what == "labels" or colours.shape[1] not in (1, 3):
            colours = np.array([to_rgb(COLOURS[k % len(COLOURS)]) for k in range(len(self.means))])
            patches = [Patch(facecolor=colour, label=f"component {k}") for k, colour in enumerate(colours)]
            self.legend_ = ax.legend(handles=patches, fontsize="small", loc="upper right")
        elif colours.shape[1] == 1:
            colours = np.repeat(colours, 3, axis=1)
        self.image_ = ax.imshow(colours[self.labels], interpolation="nearest")
        numbered: Any = [] if self.legend_ is None else np.unique(self.labels)
        self.numbers_ = [ax.text(*_inside(self.labels == k), str(k), **NUMBER) for k in numbered]
        ax.set_axis_off()
        return self
