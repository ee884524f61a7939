"""Two mixtures side by side: which component of one is which of the other, and how far apart they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastem import validation
from fastem.families.base import Array
from fastem.model.evaluation import mixture_moments
from fastem.model.matching import distances, matched
from fastem.model.result import Fitted, Result


class Match(NamedTuple):
    """What `match` returns.

    Attributes
    ----------
    result : the second mixture, with its components in the order of the first.
    order : (n_components,) int64, ``order[k]`` is the component of the second that is component k of the first.
    distances : (n_components,), how far the two are apart, in standard deviations of the first mixture.
    """

    result: Result
    order: Array
    distances: Array


def match(a: Result | Fitted, b: Result | Fitted) -> Match:
    """Put the components of one mixture into the order of another's, and say how far apart they are.

    Components have no order of their own, so two fits of the same data may call the same component 0 and 3. Of all ways
    to pair the components, this is the one with the smallest sum of squared distances.

    Parameters
    ----------
    a : a Result, or a fitted estimator: the one whose order counts.
    b : another one, with as many components and features.

    Returns
    -------
    Match : ``match(a, b).result`` is `b` in the order of `a`. A distance is that of the feature in which the two
        components differ most: by their means, or by their standard deviations, whichever differ more. Its unit is the
        standard deviation of that feature under the whole mixture `a`; weights and correlations do not enter. Where a
        family compares its components by coordinates of its own, these take the place of the means.

    Raises
    ------
    ValueError : the numbers of components or features differ, or the families have nothing to be compared by.
    TypeError : one of them is no mixture.

    Examples
    --------
    >>> import fastem
    >>> one = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0], [9.0]])
    >>> other = fastem.from_parameters(fastem.Poisson(), [0.4, 0.6], rates=[[9.0], [1.5]])
    >>> found = fastem.match(one, other)
    >>> found.result.parameters["rates"].tolist(), found.order.tolist(), found.distances.round(2).tolist()
    ([[1.5], [9.0]], [1, 0], [0.11, 0.0])
    """
    first, second = validation.check_mixture(a), validation.check_mixture(b)
    validation.check_alike(first, second)
    units = mixture_moments(first)[1]
    units = np.where(units > 0, units, 1.0)  # a feature that no component spreads
    places, others = _places(first, units), _places(second, units)
    order = matched(distances(places, others))
    return Match(second.reorder(order), order, np.abs(places - others[order]).max(axis=1))


def _places(mixture: Result, units: Array) -> Array:
    """Where components are, and how wide, (n_components, m), in these units (n_features,)."""
    where = mixture.family.comparable(mixture.parameters)
    width = np.sqrt(mixture.family.moments(mixture.parameters)[1]) / units
    return np.hstack([where / units if where.shape == width.shape else where, width])
