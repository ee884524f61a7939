"""Small arrays: operations that every step makes, in as little time as NumPy allows; and memory for kernels.

That is aligned, and kept for the length of a call instead of allocated in each pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def some(mask: Array) -> bool:
    """The same as mask.any(), which takes five times as long on a few values. In fits of small data that counts."""
    return bool(np.count_nonzero(mask))


# Arrays that hold more bytes than this together are not looked at: comparing them would not pay.
_MOST_BYTES = 2**20


def identify(arrays: Iterable[Any]) -> tuple[Any, ...] | None:
    """What these arrays hold, by which to notice that one was replaced or changed in place.

    None if they are large, or if one is no plain array of numbers. Strides belong to it, as sums over a transposed
    array may be rounded in another way. Comparing bytes takes a tenth of the time of np.array_equal.
    """
    seen, n_bytes = [], 0
    for array in arrays:
        if type(array) is not np.ndarray or array.dtype.hasobject:
            return None
        n_bytes += array.nbytes
        if n_bytes > _MOST_BYTES:
            return None
        seen.append((array.dtype, array.shape, array.strides, array.tobytes()))
    return tuple(seen)


def for_each(floored: Array, shape: tuple[int, ...]) -> Array:
    """Repeat what holds for each start, `floored` (...,), for each of its components: (..., n_components)."""
    each = np.empty(shape, dtype=np.bool_)
    each[...] = floored[..., None]
    return each


LINE = 64  # bytes of a cache line and of a 512-bit register


def aligned(shape: tuple[int, ...], dtype: Any) -> Array:
    """An uninitialised array that begins at a multiple of 64 bytes."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(n_bytes + LINE, dtype=np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + n_bytes].view(dtype).reshape(shape)


class Arena:
    """One block of memory that several arrays are cut from; it grows when more is asked for.

    Looking up the address of an array takes 0.7 us, and a pass writes to eight arrays. A fit of 100 samples spent a
    fifth of its time on that.
    """

    def __init__(self) -> None:
        self._raw = np.empty(0, dtype=np.uint8)
        self._location = 0

    def take(self, wanted: Mapping[str, tuple[tuple[int, ...], Any]]) -> tuple[dict[str, Array], dict[str, int]]:
        """Uninitialised arrays of these shapes and dtypes, and their addresses.

        The arrays of an earlier `take` stay valid, but the new ones may overwrite them.
        """
        offsets, end = {}, 0
        for name, (shape, dtype) in wanted.items():
            offsets[name] = end
            end += -(-math.prod(shape) * dtype.itemsize // LINE) * LINE
        if end > self._raw.size:
            self._raw = aligned((end,), np.uint8)
            self._location = self._raw.ctypes.data
        arrays = {name: np.ndarray(shape, dtype, self._raw, offsets[name]) for name, (shape, dtype) in wanted.items()}
        return arrays, {name: self._location + offset for name, offset in offsets.items()}
