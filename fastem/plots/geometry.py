"""What is drawn of a mixture, as numbers: ellipses of a stated probability, and regions of highest density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastem.families.base import Family
from fastem.families.parameters import FloatArray
from fastem.model.evaluation import log_density
from fastem.model.evidence import sample
from fastem.model.result import Result
from fastem.validation import plots as checks

# Draws by which the density of a region of given probability is found. Its probability is then off by 0.001 or less
# (a standard deviation).
N_DRAWS = 200_000


class Ellipse(NamedTuple):
    """The ellipse that holds a stated probability of a normal distribution in two dimensions.

    Attributes
    ----------
    centre : (2,)
    half_axes : (2,), the longer one first.
    angle : of the longer one, in radians, counter-clockwise from the first axis, in (-pi/2, pi/2].
    """

    centre: FloatArray
    half_axes: FloatArray
    angle: float

    def points(self, n: int = 100) -> FloatArray:
        """n points of its border, (n, 2)."""
        turn = np.linspace(0.0, 2.0 * np.pi, n)
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        along, across = self.half_axes[0] * np.cos(turn), self.half_axes[1] * np.sin(turn)
        return self.centre + np.stack([cosine * along - sine * across, sine * along + cosine * across], axis=1)


def has_covariances(mixture: Result) -> bool:
    """Whether its components are Gaussian."""
    return type(mixture.family).covariance_matrices is not Family.covariance_matrices


def covariance_ellipse(mean: Any, covariance: Any, level: float = 0.95) -> Ellipse:
    """The ellipse in which a normal distribution in two dimensions has the probability `level`.

    Parameters
    ----------
    mean : array-like, (2,)
    covariance : array-like, (2, 2), symmetric and positive semi-definite; of the two features that are drawn, which is
        a block of the covariance of all.
    level : in (0, 1). An ellipse of one standard deviation, as mclust draws it, holds 0.393.

    Returns
    -------
    Ellipse

    Raises
    ------
    ValueError, TypeError : wrong shapes, or no covariance.

    Examples
    --------
    >>> from fastem.plots import covariance_ellipse
    >>> covariance_ellipse([0, 0], [[4, 0], [0, 1]], 0.95).half_axes.round(6).tolist()
    [4.895494, 2.447747]
    """
    mean, covariance = checks.check_plane(mean, covariance)
    level = checks.check_level(level)
    values, vectors = np.linalg.eigh(covariance)
    x, y = vectors[:, 1]
    angle = float(np.arctan2(y, x))
    if not -np.pi / 2 < angle <= np.pi / 2:
        angle -= np.copysign(np.pi, angle)
    radius = np.sqrt(-2.0 * np.log1p(-level))
    return Ellipse(mean, radius * np.sqrt(np.maximum(values[::-1], 0.0)), angle)


def density_levels(mixture: Any, probabilities: Sequence[float], seed: int = 0) -> FloatArray:
    """The densities that border the regions of highest density of these probabilities.

    Parameters
    ----------
    mixture : a Result
    probabilities : each in (0, 1)
    seed : int, of the draws from the mixture among which these densities are quantiles; one Gaussian needs none.

    Returns
    -------
    (len(probabilities),) densities, not their logarithms, per unit of the product of the features

    Raises
    ------
    ValueError : a probability that is not between 0 and 1.

    Examples
    --------
    >>> import fastem
    >>> from fastem.plots import density_levels
    >>> one = fastem.from_parameters(fastem.Gaussian("spherical"), [1.0], means=[[0.0, 0.0]], covariances=[1.0])
    >>> density_levels(one, [0.5]).round(7).tolist()
    [0.0795775]

    References
    ----------
    Hyndman (1996), The American Statistician 50, 120-126.
    """
    shares = np.array([checks.check_level(each) for each in probabilities])
    if mixture.n_components == 1 and has_covariances(mixture):
        from scipy.stats import chi2

        (matrix,), d = mixture.covariance_matrices(), mixture.n_features
        _, log_determinant = np.linalg.slogdet(matrix)
        return np.exp(-0.5 * (d * np.log(2 * np.pi) + log_determinant + chi2.ppf(shares, d)))
    draws = sample(mixture, N_DRAWS, seed=seed).X
    return np.quantile(np.exp(log_density(draws, mixture)), 1.0 - shares)
