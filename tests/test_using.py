"""What is done with a fitted mixture."""

import numpy as np
import pytest

import fastem


@pytest.fixture
def world(rng):
    X = np.concatenate([rng.normal(m, 1, (300, 2)) for m in (-4, 0, 4)]) + 1e6
    return fastem.fit(X, fastem.Gaussian("diag"), 3, seed=0)


def test_adapted_means_move_by_the_reynolds_fraction(world, rng):
    X = rng.normal(0.5, 1, (40, 2)) + 1e6
    resp = fastem.responsibilities(X, world)
    counts = resp.sum(axis=0)
    alpha = (counts / (counts + 16))[:, None]
    own = (resp.T @ X) / counts[:, None]
    found = fastem.adapt(X, world)
    np.testing.assert_allclose(
        found.parameters["means"], alpha * own + (1 - alpha) * world.parameters["means"], rtol=1e-12
    )
    np.testing.assert_array_equal(found.parameters["covariances"], world.parameters["covariances"])
    np.testing.assert_array_equal(found.weights, world.weights)


@pytest.mark.parametrize("shape", ["full", "diag", "spherical"])
def test_all_parameters_adapt_as_reynolds_says(shape, rng):
    X = np.concatenate([rng.normal(m, 1, (200, 2)) for m in (-4, 4)])
    world = fastem.fit(X, fastem.Gaussian(shape), 2, seed=0)
    Y = rng.normal(3, 2, (50, 2))
    found = fastem.adapt(Y, world, relevance=10, parameters=("weights", "means", "covariances"))
    resp = fastem.responsibilities(Y, world)
    counts = resp.sum(axis=0)
    alpha = counts / (counts + 10)
    w = alpha * counts / 50 + (1 - alpha) * world.weights
    np.testing.assert_allclose(found.weights, w / w.sum(), rtol=1e-10)
    old, new = world.covariance_matrices(), found.covariance_matrices()
    for k in range(2):
        mean, m = world.parameters["means"][k], found.parameters["means"][k]
        second = (resp[:, k, None] * Y).T @ Y / counts[k]
        expected = alpha[k] * second + (1 - alpha[k]) * (old[k] + np.outer(mean, mean)) - np.outer(m, m)
        if shape == "spherical":
            expected = np.eye(2) * np.trace(expected) / 2
        keep = np.eye(2, dtype=bool) if shape != "full" else np.ones((2, 2), dtype=bool)
        np.testing.assert_allclose(new[k][keep], expected[keep], rtol=1e-7, atol=1e-9)


def test_adapting_is_refused_what_makes_no_sense(world, rng):
    X = rng.standard_normal((10, 2))
    with pytest.raises(ValueError, match="relevance is -1; it must be a finite number >= 0"):
        fastem.adapt(X, world, relevance=-1)
    with pytest.raises(ValueError, match="parameters has 'rates'; those of gaussian_diag are"):
        fastem.adapt(X, world, parameters=["rates"])
    tied = fastem.fit(rng.standard_normal((50, 2)), fastem.Gaussian("tied"), 2, seed=0)
    with pytest.raises(ValueError, match="which components of gaussian_tied share"):
        fastem.adapt(X, tied, parameters=["covariances"])
    assert fastem.adapt(X, tied, n_iter=3).n_components == 2
