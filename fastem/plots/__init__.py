"""Pictures of mixtures, of selections, and of fits, by matplotlib, which is imported when something is drawn.

Each picture is a display, as scikit-learn's are: `from_result` and `from_estimator` compute and draw, `plot(ax)` draws
again into other axes and returns the display, which keeps the axes and what was drawn into them. Nothing touches
pyplot's state or global styles. Components differ in markers, lines and labels as well as in colours.

    geometry   ellipses and highest-density regions, numbers only
    style      colours, markers, lines, and axes to draw into
    given      what is drawn: a Result, an estimator, scikit-learn's mixtures; the samples that are shown
    mixture    MixtureDisplay, one or two features; pairs: PairsDisplay, more of them
    posterior  ResponsibilityDisplay and ProfileDisplay
    records    SelectionDisplay and HistoryDisplay
    image      ImageDisplay
"""

from fastem.plots.geometry import Ellipse, covariance_ellipse, density_levels
from fastem.plots.image import ImageDisplay
from fastem.plots.mixture import MixtureDisplay
from fastem.plots.pairs import PairsDisplay
from fastem.plots.posterior import ProfileDisplay, ResponsibilityDisplay
from fastem.plots.records import HistoryDisplay, SelectionDisplay

__all__ = [
    "Ellipse",
    "HistoryDisplay",
    "ImageDisplay",
    "MixtureDisplay",
    "PairsDisplay",
    "ProfileDisplay",
    "ResponsibilityDisplay",
    "SelectionDisplay",
    "covariance_ellipse",
    "density_levels",
]
