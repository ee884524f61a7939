"""What ends a fit."""

import driving
import numpy as np
import pytest
from tables import FAMILIES, FULL, blobs

import fastem
from fastem.em.stopping import CRITERIA, distance

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)


def test_aitken_knows_the_limit_of_a_geometric_sequence():
    history = [10.0 - 0.9**i for i in range(8)]
    np.testing.assert_allclose(distance("aitken", history, 2.0), (10.0 - history[-1]) / 2.0, rtol=1e-9)
    assert distance("aitken", [1.0, 2.0, 4.0], 1.0) == np.inf  # growing gains say nothing about a limit
    assert np.isnan(distance("aitken", [1.0, 2.0], 1.0))
    assert distance("gain", [1.0, 2.0], 4.0) == 0.25
    assert distance("relative", [-4.0, -3.0], 1.0) == 0.25


@every_family
@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_criterion_ends_a_fit_and_is_reported(case, criterion, rng):
    _, X = blobs(case, rng, 400, 2, 2)
    result = fastem.fit(X, case.family, 2, seed=0, criterion=criterion, tol=1e-5, max_iter=20_000)
    assert result.status is fastem.Status.CONVERGED
    assert result.criterion == criterion
    assert result.criterion_value < 1e-5


@every_family
def test_the_change_of_the_parameters_is_small_where_that_was_asked_for(case, rng):
    _, X = blobs(case, rng, 400, 2, 2)
    result = fastem.fit(X, case.family, 2, seed=0, criterion="parameters", tol=1e-9, max_iter=20_000)
    once = fastem.maximise(fastem.fold(X, result))
    for name, value in result.parameters.items():
        np.testing.assert_allclose(once.parameters[name], value, atol=1e-7 * np.abs(value).max())


def test_max_passes_counts_every_pass(rng):
    _, X = blobs(FULL, rng, 500, 4, 2, spread=0.5)
    for accelerate in (None, "anderson", "squarem"):
        result = fastem.fit(X, FULL.family, 4, seed=0, tol=0, max_passes=17, accelerate=accelerate)
        assert result.status is fastem.Status.MAX_PASSES
        assert result.n_passes == 17


def test_a_time_limit_ends_a_fit(rng):
    _, X = blobs(FULL, rng, 5000, 4, 2, spread=0.5)
    settings = {"start": "kmeans", "seed": 0, "tol": 0, "max_iter": 10**7}
    for seconds in (1, 20, 50):
        result = driving.fit(X, FULL.family, 4, time_limit=seconds, clock=driving.Clock(), **settings)
        assert result.status is fastem.Status.TIME_LIMIT
        assert result.n_iter < seconds, "each pass looks at the clock, which moves on by a second"
    assert result.n_iter > 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"accelerate": "fast"}, "accelerate is 'fast'; it must be one of None, 'auto', 'anderson', 'squarem'"),
        ({"criterion": "bic"}, "criterion is 'bic'; it must be one of 'gain'"),
        ({"max_passes": 0}, "max_passes is 0; it must be at least 1"),
        ({"time_limit": 0.0}, "time_limit is 0.0; it must be a number of seconds > 0"),
        ({"time_limit": "1 h"}, "time_limit is '1 h'"),
    ],
)
def test_bad_settings_are_named(settings, words, rng):
    with pytest.raises(ValueError, match=words):
        fastem.fit(rng.standard_normal((20, 2)), fastem.Gaussian("diag"), 2, **settings)
