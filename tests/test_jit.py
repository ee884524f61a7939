"""Kernels called from the user's own @njit code."""

import numpy as np
import pytest
from numba import njit, prange
from tables import FAMILIES, blobs

import fastem


@njit
def count_unlikely(X, mixture, threshold):
    density = np.empty(X.shape[0])
    fastem.jit.log_density(X, mixture, density)
    n = 0
    for value in density:
        n += value < threshold
    return n


@pytest.mark.parametrize("case", FAMILIES, ids=repr)
@pytest.mark.parametrize("n", [1, 127, 128, 1000])
def test_whole_array_log_density_from_compiled_code(case, n, rng):
    mixture, X = blobs(case, rng, n, 3, 3)
    expected = fastem.log_density(X, mixture)
    actual = np.empty(n)
    fastem.jit.log_density(X, fastem.jit.arguments(mixture), actual)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
    threshold = np.median(expected)
    assert count_unlikely(X, fastem.jit.arguments(mixture), threshold) == (expected < threshold).sum()


def test_it_may_run_inside_somebody_elses_prange(rng):
    @njit(parallel=True)
    def totals(X, mixture, n_parts):
        out = np.zeros(n_parts)
        size = X.shape[0] // n_parts
        for p in prange(n_parts):
            density = np.empty(size)
            fastem.jit.log_density(X[p * size : (p + 1) * size], mixture, density)
            out[p] = density.sum()
        return out

    mixture, X = blobs(FAMILIES[0], rng, 4000, 3, 3)
    actual = totals(X, fastem.jit.arguments(mixture), 4)
    expected = fastem.log_density(X, mixture).reshape(4, -1).sum(axis=1)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


@pytest.mark.parametrize("case", FAMILIES, ids=repr)
def test_tile_kernels_from_compiled_code(case, rng):
    """log_prob and accumulate on one tile, in coordinates of the user's choice."""
    d, k, size = 3, 4, 64
    mixture, X = blobs(case, rng, size, k, d)
    family = case.family
    frame = family.frame(np.zeros(d), np.ones(d))
    params, layout = family.pack(mixture.parameters, frame), family.layout(d, k)
    kernels = family.kernels()
    log_prob, accumulate = kernels.log_prob, kernels.accumulate

    @njit
    def one_tile(tile, params, layout, rows, out, resp, labels, latent, ones, statistics, scratch):
        log_prob(tile, params, layout, rows, out, latent, scratch)
        accumulate(tile, resp, labels, latent, ones, params, layout, rows, statistics, scratch)

    tile = np.zeros((d + family.n_derived(d), size))
    tile[:d] = X.T
    if kernels.derive is not None:
        kernels.derive(tile, layout)
    out, resp = np.zeros((k, size)), rng.dirichlet(np.ones(k), size).T.copy()
    statistics = np.zeros(family.statistics_shape(d, k))
    scratch = np.empty((max(1, family.scratch_rows(d, k)), size))
    rows = np.array([0, 2, 3])
    latent, ones = np.empty((family.latent_rows(d, k), size)), np.ones(size)
    one_tile(tile, params, layout, rows, out, resp, ones, latent, ones, statistics, scratch)
    single = [fastem.from_parameters(family, [1.0], **one_component(mixture.parameters, case, i)) for i in range(k)]
    for row in rows:
        np.testing.assert_allclose(out[row], fastem.log_density(X, single[row]), rtol=1e-11)
        np.testing.assert_allclose(statistics[row, 0], resp[row].sum(), rtol=1e-13)
    assert (out[1] == 0).all()
    assert statistics[1, 0] == 0


def one_component(parameters, case, i):
    """The parameters of a mixture with one component, the i-th of a larger one."""
    shared = case.shape in ("tied", "tied_diag", "tied_spherical")
    return {n: v if shared and n == "covariances" else v[i : i + 1] for n, v in parameters.items()}
