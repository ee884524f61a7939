"""Priors of the parameters: pseudo-evidence that is added to the statistics, so that M-steps find the mode (MAP).

A prior is an object. It says which family it is for, adds what it is worth, finishes what is no sum, and has a log
density, up to a constant. In the M-step all modes are maxima of the likelihood times the prior, not means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastem.families.priors.of_gaussians import NormalInverseWishart
from fastem.families.priors.of_numbers import Beta, Dirichlet, Gamma
from fastem.families.priors.prior import Derivatives, Prior, Spread

__all__ = ["PRIORS", "Beta", "Derivatives", "Dirichlet", "Gamma", "NormalInverseWishart", "Prior", "Spread", "prior_of"]

PRIORS: dict[str, type[Any]] = {prior.name: prior for prior in (Dirichlet, Gamma, Beta, NormalInverseWishart)}


def prior_of(kept: Mapping[str, Any]) -> Prior:
    """The inverse of `Prior.to_json`."""
    values = {name: np.array(v) if isinstance(v, list) else v for name, v in kept.items() if name != "prior"}
    found: Prior = PRIORS[kept["prior"]](**values)
    return found
