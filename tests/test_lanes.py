"""Staged functions: the same numbers from machine instructions as from NumPy, for any number of samples."""

import os
import subprocess
import sys

import numpy as np
import pytest
from tables import FAMILIES, blobs

from fastem.compiled.jit import kernel
from fastem.compiled.lanes import fetching, staged, valued
from fastem.compiled.lanes.plain import run_plainly
from fastem.data.normalise import soft
from fastem.data.threads import team

every_dtype = pytest.mark.parametrize("dtype", ["f8", "f4"])
every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
SIZES = (1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 100, 256, 257)


def _arithmetic(machine, x, numbers, out):
    """Every operation that a staged function has, on rows 0 and 1 of x."""
    n, fetch = 2 * x.lanes, fetching(machine, x, (machine.integer(0), machine.integer(2)))

    def chunk(t):
        a, b = x.vector(0, t, n), x.vector(1, t, n)
        k = numbers[0]
        values = [
            (a + b) * 2.0 - (1.0 - a) / (b * b + 1.0),
            machine.product(a, b) + a * x.number(k, 0),
            machine.larger(a, b) + machine.larger(a, 0.5),
            machine.where(a > b, a) + machine.where(a < 0.0, 1.0, b),
            machine.where(a == b, 1.0, machine.where(a != a, 2.0, a)),  # noqa: PLR0124
            machine.real((machine.bits(a) >> 1 << 1) + 1 - 1),
            machine.like(machine.double(a) * 1.5, a) + machine.float_of(k, a),
        ]
        for i, value in enumerate(values):
            out.put(i, t, value)
        fetch(t)

    def up(i, total):
        return [total + x.number(0, machine.at_most(i, numbers[1] - 1))]

    machine.samples(x.width, n, chunk)
    (total,) = machine.repeat(0, x.width // 3 + x.height * 0, up, machine.zero(x))
    out.put(7, 0, total)

    def terms(t, count):
        return [x.vector(0, t, count), x.vector(0, t, count) * x.vector(1, t, count)]

    for row, in_pairs in ((8, [False, True]), (9, [True, False])):
        for i, value in enumerate(machine.totals(x, terms, in_pairs)):
            out.put(row, i, value)


def _added(machine, x, out):
    def step(t, *sums):
        return [total + x.vector(i, t, x.lanes) for i, total in enumerate(sums)]

    sums = machine.samples(x.width, x.lanes, step, *4 * [machine.zeros(x, x.lanes)])
    out.add(0, 0, machine.sums(sums))
    (first, second) = machine.pieces(machine.double(machine.sums(sums)), 2)
    out.put(1, 0, first)
    out.put(1, 2, second)


STAGED, ADDED, DOUBLED = staged(_arithmetic), staged(_added), valued(lambda machine, x: x + x)


@kernel
def arithmetic(x, out):
    STAGED(x, (1, x.shape[1]), out)


@kernel
def added(x, out):
    ADDED(x, out)


@kernel
def doubled(x):
    return DOUBLED(x)


@every_dtype
@pytest.mark.parametrize("size", SIZES)
def test_machine_instructions_and_numpy_agree(size, dtype, rng):
    x = rng.standard_normal((4, size)).astype(dtype)
    x[1, ::5] = x[0, ::5]
    compiled, plain = np.zeros((2, 10, size + 2), dtype=dtype)
    arithmetic(x, compiled)
    run_plainly(_arithmetic, (x, (1, size), plain))
    tolerance = 1e-6 if dtype == "f4" else 1e-15
    np.testing.assert_allclose(compiled, plain, rtol=8 * tolerance, atol=size * tolerance)
    sums, wide = np.ones((2, 2, 4))
    added(x, sums)
    run_plainly(_added, (x, wide))
    np.testing.assert_allclose(sums, wide, atol=size * tolerance)
    np.testing.assert_allclose(sums[0] - 1, x.sum(axis=1, dtype="f8"), atol=size * tolerance)
    assert doubled(1.5) == 3.0


def test_a_nan_is_kept_by_larger_and_seen_by_unequal():
    x = np.array([[np.nan, 1.0, -np.inf, 0.0], [1.0, np.nan, 1.0, 0.0], [0.0] * 4, [0.0] * 4])
    compiled, plain = np.zeros((2, 10, 6))
    arithmetic(x, compiled)
    run_plainly(_arithmetic, (x, (1, 4), plain))
    np.testing.assert_array_equal(compiled[2:5], plain[2:5])
    assert np.isnan(compiled[2, 0])
    assert compiled[4, 0] == 2.0


@every_dtype
@every_family
def test_tiles_of_any_number_of_samples(case, dtype, rng):
    """Each sample of a tile gets the same log density whatever the tile's size, and statistics add up."""
    d, k = 6, 5
    mixture, X = blobs(case, rng, 300, k, d)
    family = case.family
    frame = family.frame(np.zeros(d), np.ones(d))
    params, layout = family.pack(mixture.parameters, frame).astype(dtype), family.layout(d, k)
    kernels, rows, shape = family.kernels(), np.arange(k), family.statistics_shape(d, k)

    def run(samples):
        size = len(samples)
        tile = np.zeros((d + family.n_derived(d), size), dtype=dtype)
        tile[:d] = samples.T
        if kernels.derive is not None:
            kernels.derive(tile, layout)
        out, latent = np.zeros((k, size), dtype), np.zeros((family.latent_rows(d, k), size), dtype)
        scratch = np.zeros((max(2, family.scratch_rows(d, k)), size), dtype)
        kernels.log_prob(tile, params, layout, rows, out, latent, scratch)
        resp, statistics = np.exp(out - out.max(axis=0)), np.zeros(shape)
        ones = np.ones(size, dtype)
        kernels.accumulate(tile, resp, ones, latent, ones, params, layout, rows, statistics, scratch)
        return out, statistics

    whole, total = run(X[:256])
    tolerance = 3e-4 if dtype == "f4" else 1e-11
    for size in (16, 17, 31, 64, 100):
        some, first = run(X[:size])
        np.testing.assert_allclose(some, whole[:, :size], rtol=tolerance, atol=tolerance)
        rest = run(X[size:256])[1]
        np.testing.assert_allclose(first + rest, total, rtol=tolerance, atol=tolerance * np.abs(total).max())


@kernel
def weigh(block, weights, log_norm, total):
    soft(block, weights, block, log_norm, log_norm, total, block)


def test_a_density_that_is_not_a_number_is_seen_in_any_component(rng):
    for k, size in [(0, 64), (1, 64), (2, 64), (2, 5)]:
        block = rng.standard_normal((3, size))
        block[k, 3] = np.nan
        log_norm, total = np.zeros(size), np.zeros(1)
        weigh(block, np.ones(size), log_norm, total)
        assert np.flatnonzero(np.isnan(log_norm)).tolist() == [3]
        assert np.isnan(total[0])


def test_a_team_maps_in_order_in_all_of_its_threads_and_raises_what_one_raises():
    with team(3) as threads, np.errstate(divide="ignore"):
        seen = threads.map(lambda i: (i, 1.0 / np.zeros(1), np.geterr()["divide"])[::2], range(50))
        assert seen == [(i, "ignore") for i in range(50)]
        with pytest.raises(ZeroDivisionError):
            threads.map(lambda i: 1 // (i - 30), range(50))
    with team(1) as threads:
        assert threads.map(str, [1, 2]) == ["1", "2"]


def test_a_processor_without_a_name_or_features_is_this_one():
    code = "from fastem.compiled.lanes.target import REGISTER; print(REGISTER)"
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CPU_NAME"} | {"NUMBA_CPU_FEATURES": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120, check=True
    )
    assert int(done.stdout) in (16, 32, 64)


@pytest.mark.parametrize(
    ("name", "features", "register"),
    [
        ("haswell", "", 32), ("znver3", "", 32), ("znver4", "", 64), ("icelake-server", "", 64), ("generic", "", 16),
        ("haswell", "+avx2,+avx512f", 64), ("znver5", "+avx,-avx512f", 32), ("x86-64", "+sse2", 16),
    ],
)  # fmt: skip
def test_the_size_of_registers_follows_the_processor_that_is_compiled_for(name, features, register):
    code = (
        "import platform; platform.machine = lambda: 'x86_64'\n"
        "from fastem.compiled.lanes.target import FEW, REGISTER\nprint(REGISTER, FEW)"
    )
    env = {**os.environ, "NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == [str(register), str(register < 64)]


def test_operators_with_numpys_numbers_on_the_left_are_ours():
    """NumPy 1 took `np.float32(1) < value` for its own, and answered with a bool: no float32 fit compiled there."""
    from fastem.compiled.lanes.values import Number

    assert Number.__array_ufunc__ is None
    assert np.float32(1.0).__lt__(Number(None, None)) is NotImplemented
