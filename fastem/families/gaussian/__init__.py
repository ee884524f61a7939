"""Gaussian components: six shapes of covariance matrices, a file each.

`shared` has what they have in common, `tangent` their derivatives; `Gaussian` makes the family of a given shape.
A shape uses the blocks of `compiled`, never a sibling's kernel.
"""

from __future__ import annotations

from typing import Any, Literal

from fastem.families.base import Family
from fastem.families.gaussian.diag import GaussianDiag
from fastem.families.gaussian.full import GaussianFull
from fastem.families.gaussian.spherical import GaussianSpherical
from fastem.families.gaussian.tied import GaussianTied
from fastem.families.gaussian.tied_diag import GaussianTiedDiag
from fastem.families.gaussian.tied_spherical import GaussianTiedSpherical

CovarianceShape = Literal["full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"]
SHAPES: dict[CovarianceShape, type[Any]] = {
    "full": GaussianFull,
    "tied": GaussianTied,
    "diag": GaussianDiag,
    "spherical": GaussianSpherical,
    "tied_diag": GaussianTiedDiag,
    "tied_spherical": GaussianTiedSpherical,
}


def Gaussian(  # noqa: N802  (reads as a class, and is one of six)
    covariance: CovarianceShape = "full",
    *,
    reg_covar: float = 0.0,
    ridge: float = 0.0,
    floor: float | None = None,
    min_variance: float = 0.0,
) -> Family:
    """The Gaussian family whose covariance matrices have this shape.

    Parameters
    ----------
    covariance : "full", "tied", "diag", "spherical", "tied_diag" or "tied_spherical". The named parameters are then
        `means` (n_components, n_features) and `covariances`, of shape (n_components, n_features, n_features),
        (n_features, n_features), (n_components, n_features), (n_components,), (n_features,) or ().
    reg_covar : float, squared units of the data
        Added to every variance after each M-step, as in scikit-learn. With it, the likelihood may fall a little from
        one iteration to the next.
    ridge : float, dimensionless
        Like `reg_covar`, but relative to each feature's variance in the data.
    floor : float or None, dimensionless
        Smallest variance of a component in any direction, relative to the data's own per feature. None means no more
        than the numbers resolve: the square of two rounding units of the largest in a feature's tiles, and for matrices
        also an eigenvalue of 1e-12 of a component's correlation matrix (float32: 1e-7). A component held there has
        collapsed; one held at a floor that is given has not. A constant feature has no variance; it counts as one with
        the standard deviation abs(value) (1 if the value is 0), and its variance is reported as 2e-12 of that squared
        (float32: 2e-8). It adds the same amount to the likelihood of every model, so it is best left out.
    min_variance : float, squared units of the data
        Like `floor`, but an absolute number; the larger of the two floors holds.

    Returns
    -------
    A frozen family object.

    Raises
    ------
    ValueError : an unknown shape, or a negative or non-finite number.

    References
    ----------
    The shapes are EEE, VVV, ... of Celeux and Govaert (1995), Pattern Recognition 28, 781-793: full = VVV, tied = EEE,
    diag = VVI, spherical = VII, tied_diag = EEI, tied_spherical = EII. Clipping eigenvalues as the exact constrained
    maximum: Won et al. (2013), J. R. Statist. Soc. B 75, 427-450, section 2.

    Examples
    --------
    >>> import fastem
    >>> fastem.Gaussian("tied_diag").n_parameters(n_features=4, n_components=3)
    16
    """
    from fastem.validation import check_covariance_shape, check_regularisation

    check_covariance_shape(covariance, list(SHAPES))
    check_regularisation(reg_covar, ridge, floor, min_variance)
    made: Family = SHAPES[covariance](float(reg_covar), float(ridge), floor, float(min_variance))
    return made
