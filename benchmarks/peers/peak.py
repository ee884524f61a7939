"""The machine's fused multiply-add peak: a loop that stays in registers, on every core at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fastem.compiled.jit import exact, wide

SAMPLES = 128
REPEATS = 80_000


def flops(shape: str, n: int, d: int, n_components: int) -> float:
    """Operations of one iteration as its share of the peak counts them: full n K 2d(d+1), diag 8 n K d."""
    each = 2.0 * d * (d + 1) if shape == "full" else 8.0 * d
    return n * n_components * each


@exact
def _loop(x, repeats):
    """x INOUT (8, n): each value goes through 16 dependent multiply-adds, `repeats` times.

    Eight rows at a time keep both units busy, because a result takes four cycles.
    """
    wide()
    factor, term = x.dtype.type(0.999), x.dtype.type(0.001)
    for _ in range(repeats):
        for t in range(x.shape[1]):
            y0, y1, y2, y3 = x[0, t], x[1, t], x[2, t], x[3, t]
            y4, y5, y6, y7 = x[4, t], x[5, t], x[6, t], x[7, t]
            for _ in range(16):
                y0 = y0 * factor + term
                y1 = y1 * factor + term
                y2 = y2 * factor + term
                y3 = y3 * factor + term
                y4 = y4 * factor + term
                y5 = y5 * factor + term
                y6 = y6 * factor + term
                y7 = y7 * factor + term
            x[0, t], x[1, t], x[2, t], x[3, t] = y0, y1, y2, y3
            x[4, t], x[5, t], x[6, t], x[7, t] = y4, y5, y6, y7


def peak(dtype: str, threads: int) -> float:
    """Flops per second of this many threads together, the best of five."""
    arrays = [np.ones((8, SAMPLES), dtype=dtype) for _ in range(threads)]
    _loop(arrays[0], 1)
    best = np.inf
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(5):
            begun = time.perf_counter()
            list(pool.map(lambda x: _loop(x, REPEATS), arrays))
            best = min(best, time.perf_counter() - begun)
    return 2.0 * 16 * 8 * SAMPLES * REPEATS * threads / best


if __name__ == "__main__":
    for dtype in ("float64", "float32"):
        print(dtype, *(f"{threads} threads {peak(dtype, threads) / 1e9:.0f} GFLOP/s" for threads in (1, 2)))
