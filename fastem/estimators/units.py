"""Whether reg_covar suits the units of the data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastem.families.base import Array, Columns
from fastem.model.result import Result

# The default of reg_covar, scikit-learn's.
DEFAULT = 1e-6
# The part of a component's variance that reg_covar may add without a word.
SHARE = 0.01
# A reg_covar that is this many times a feature's variance in the data is told at once.
LARGE = 1e8
# A feature that varies less than this in a component, relative to its variance in the data, is constant there or has
# collapsed. Features that correlate so much that a direction of them has less than _COLLINEAR of their own variances
# are collinear. reg_covar is there for both. A feature of the data whose deviation is less than _CONSTANT times its
# magnitude is constant up to rounding. By bytes of the dtype.
_DEGENERATE = {8: 1e-8, 4: 1e-5}
_COLLINEAR = 1e-3
_CONSTANT = {8: 2e-11, 4: 4e-6}


def too_wide(result: Result, facts: Columns, dtype: Any) -> str | None:
    """A sentence on the reg_covar that widens a component by more than 1% of its smallest variance; None if none does.

    facts: of the columns of the data. What is degenerate does not depend on the units of the features.
    """
    family: Any = result.family
    reg_covar, size = family.reg_covar, np.dtype(dtype).itemsize
    varies = facts.spread > _CONSTANT[size] * np.abs(facts.location)
    if not varies.any():
        return None
    spread = facts.spread[varies]
    if family.common_scale:
        spread = np.sqrt(np.mean((spread / spread.max()) ** 2, keepdims=True)) * spread.max()
    with np.errstate(all="ignore"):
        share = float((reg_covar / spread / spread).max())
        if share > LARGE:  # the difference between a covariance and reg_covar has lost its digits
            component = 0
        else:
            relative, ridge, known = _without_ridge(result, spread, varies, _DEGENERATE[size])
            if len(relative) == result.n_components:
                known &= result.weights[:, None] > 0
            shares = np.where(known, ridge / relative, 0.0)
            component, share = int(shares.argmax()) // shares.shape[1], float(shares.max())
    if share <= SHARE:
        return None
    variance = reg_covar / share
    exponent = math.floor(math.log10(1e-6 * variance)) if variance > 1e-290 else None
    instead = "" if exponent is None else f"reg_covar={10.0**exponent:g}, or "
    return (
        f"reg_covar={reg_covar:g} is {f'{share:.1%} of' if share < 10 else f'{share:.2g} times'} the smallest variance "
        f"of component {component}, {variance:.2g} in squared units of the data, and widens the component by as much. "
        f"Pass {instead}reg_covar=0, whose floors guard against singular covariances, or rescale the "
        "data."
    )


def _without_ridge(result: Result, spread: Array, varies: Array, degenerate: float) -> tuple[Array, Array, Array]:
    """The variances of each component, or of the shared covariance, and what reg_covar adds, both in the same units.

    In the columns are features and, of matrices, directions. Also which of them are not degenerate. (n, columns).
    """
    family: Any = result.family
    covariances, d = np.asarray(result.parameters["covariances"]), len(varies)
    if family.common_scale:
        relative = covariances.reshape(-1, 1) / spread / spread
    elif family.matrices:
        matrices = covariances.reshape(-1, d, d)[:, varies][:, :, varies] / spread / spread[:, None]
        relative = np.diagonal(matrices, axis1=1, axis2=2)
    else:
        relative = covariances.reshape(-1, d)[:, varies] / spread / spread
    ridge = family.reg_covar / spread / spread
    relative, ridges = relative - ridge, np.broadcast_to(ridge, relative.shape)
    if not family.matrices:
        return relative, ridges, relative > degenerate
    own = np.maximum(relative, degenerate)
    correlations = (matrices - ridge * np.eye(len(ridge))) / np.sqrt(own[:, :, None] * own[:, None, :])
    shares, directions = np.linalg.eigh(correlations)
    added = (directions**2 * (ridge / own)[:, :, None]).sum(axis=1)
    known = np.concatenate((relative > degenerate, shares > _COLLINEAR), axis=1)
    return np.concatenate((relative, shares), axis=1), np.concatenate((ridges, added), axis=1), known
