"""The vectorisable exp, log and log-factorial, against NumPy in extended precision and SciPy."""

import numpy as np
import pytest
from scipy.special import gammaln

from fastem.compiled import vectorised as _math
from fastem.compiled.jit import kernel


@kernel
def exp_all(x, out):
    for i in range(x.size):
        out[i] = _math.exp(x[i])


@kernel
def log_all(x, out):
    for i in range(x.size):
        out[i] = _math.log64(x[i])


@kernel
def log_factorial_all(x, out):
    for i in range(x.size):
        out[i] = _math.log_factorial64(x[i])


def apply(function, x):
    out = np.empty_like(x)
    function(x, out)
    return out


@pytest.mark.parametrize(("dtype", "lowest", "eps"), [(np.float64, -708.0, 2.3e-16), (np.float32, -87.0, 1.2e-7)])
def test_exp_errs_by_three_units_in_the_last_place(dtype, lowest, eps, rng):
    x = np.concatenate([-np.exp(rng.uniform(-40, np.log(-lowest), 20_000)), [0.0, -0.0, lowest]]).astype(dtype)
    expected = np.exp(x.astype(np.longdouble))
    assert np.abs(apply(exp_all, x) / expected - 1).max() < 3 * eps


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_exp_of_minus_infinity_is_zero_and_of_nan_is_nan(dtype):
    actual = apply(exp_all, np.array([-np.inf, -1e30, np.nan, 0.0], dtype=dtype))
    np.testing.assert_array_equal(actual, [0.0, 0.0, np.nan, 1.0])


def test_log_errs_by_two_units_in_the_last_place(rng):
    x = np.concatenate([np.exp(rng.uniform(-300, 300, 20_000)), 1 + rng.uniform(-0.3, 0.42, 20_000), [1.0]])
    expected = np.log(x.astype(np.longdouble))
    actual = apply(log_all, x)
    assert actual[-1] == 0.0
    assert np.abs(actual - expected).max() <= (2.3e-16 * np.maximum(2 * np.abs(expected), 1e-300)).max()
    nonzero = expected != 0
    assert np.abs(actual[nonzero] / expected[nonzero] - 1).max() < 4.5e-16


def test_log_factorial_agrees_with_scipy_on_counts_and_is_infinite_elsewhere():
    x = np.concatenate([np.arange(3000.0), [1e6, 1e9, 2.0**51, 2.0**52 - 1]])
    np.testing.assert_allclose(apply(log_factorial_all, x), gammaln(x + 1), rtol=4e-15, atol=4e-15)
    outside = np.array([-1.0, 0.5, 2.5, np.inf, -np.inf, 1e300, np.nan])
    np.testing.assert_array_equal(apply(log_factorial_all, outside), np.inf)
