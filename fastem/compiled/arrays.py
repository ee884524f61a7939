"""What is asked of small arrays at every step, in as little time as NumPy allows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def some(mask: Array) -> bool:
    """mask.any(), which takes five times as long on a few values: it counts in fits of small data."""
    return bool(np.count_nonzero(mask))


def for_each(floored: Array, shape: tuple[int, ...]) -> Array:
    """What holds for a start, for each of its components: `floored` (...,) to shape (..., n_components)."""
    each = np.empty(shape, dtype=np.bool_)
    each[...] = floored[..., None]
    return each
