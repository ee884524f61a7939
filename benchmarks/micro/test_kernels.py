"""One tile of 256 samples, 16 features and 16 components through each kernel, 100 times a call."""

import numpy as np
import pytest
from numba import njit

from benchmarks.asv.cases import FAMILIES, TILE, TileCase, repeated
from fastem.compiled import vectorised as _math
from fastem.compiled.jit import kernel
from fastem.data import normalise as assign

every_family = pytest.mark.parametrize("family", FAMILIES)
every_dtype = pytest.mark.parametrize("dtype", ["float64", "float32"])


@every_dtype
@every_family
def test_log_prob(benchmark, family, dtype):
    case = TileCase(family, dtype)
    benchmark.pedantic(repeated(case.kernels.log_prob), (case.log_prob_arguments(),), rounds=20, warmup_rounds=1)


@every_dtype
@every_family
def test_accumulate(benchmark, family, dtype):
    case = TileCase(family, dtype)
    benchmark.pedantic(repeated(case.kernels.accumulate), (case.accumulate_arguments(),), rounds=20, warmup_rounds=1)


@every_dtype
@pytest.mark.parametrize("name", ["soft", "hard"])
def test_assign(benchmark, name, dtype):
    step = getattr(assign, name)
    arguments = (
        np.random.default_rng(0).standard_normal((16, TILE)).astype(dtype),
        np.ones(TILE, dtype=dtype),
        np.zeros((0, TILE), dtype=dtype),
        np.zeros(TILE, dtype=dtype),
        np.zeros(TILE, dtype=dtype),
        np.zeros(1),
        np.zeros((2, TILE), dtype=dtype),
    )
    benchmark.pedantic(repeated(step), (arguments,), rounds=20, warmup_rounds=1)


@every_dtype
def test_exp(benchmark, dtype):
    """4,096 values a call."""

    @kernel
    def all_exp(x, out):
        for i in range(x.size):
            out[i] = _math.exp(x[i])

    x = np.linspace(-40, 0, 4096).astype(dtype)
    repeat = njit(lambda x, out: [all_exp(x, out) for _ in range(100)])
    benchmark.pedantic(repeat, (x, np.empty_like(x)), rounds=20, warmup_rounds=1)
