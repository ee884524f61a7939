"""Fixed points of maps that fastem did not write."""

import numba
import numpy as np
import pytest

import fastem

every_method = pytest.mark.parametrize("method", [None, "anderson", "squarem"])


@every_method
def test_the_grades(method):
    """Grades A, B, C with probabilities 1/2, 1/2 - t, t; the count of C and the total are known: EM ends at N_C / N."""
    total, n_c = 60, 12

    def step(t):
        n_b = (total - n_c) * (0.5 - t) / (1.0 - t)
        return n_c / (2.0 * (n_b + n_c))

    found = fastem.fixed_point(step, 0.4, accelerate=method, tol=1e-12)
    np.testing.assert_allclose(found.theta, n_c / total, rtol=1e-10)
    complete = fastem.fixed_point(lambda t: np.full_like(t, 12 / (2 * (20 + 12))), 0.1, accelerate=method)
    np.testing.assert_allclose(complete.theta, 12 / (2.0 * (20 + 12)))


@every_method
def test_genetic_linkage(method):
    """Rao (1973): cells (2 + t)/4, (1 - t)/4, (1 - t)/4, t/4 with counts 125, 18, 20, 34."""

    @numba.njit
    def step(t):
        hidden = 125.0 * t / (2.0 + t)
        return (hidden + 34.0) / (hidden + 72.0)

    def objective(t):
        return 125 * np.log(2 + t) + 38 * np.log(1 - t) + 34 * np.log(t)

    for target in (None, objective):
        found = fastem.fixed_point(step, 0.5, target, accelerate=method)
        np.testing.assert_allclose(found.theta, 0.6268214978709824, atol=1e-8)
        assert found.status is fastem.FixedPointStatus.CONVERGED


def missing_normal(rng):
    """A trivariate normal with a third of the entries missing, and its EM step on (mean, log-Cholesky)."""
    truth = np.array([[2.0, 1.2, 0.3], [1.2, 1.5, -0.2], [0.3, -0.2, 1.0]])
    X = rng.multivariate_normal([1.0, -2.0, 0.5], truth, 300)
    X[rng.random(X.shape) < 0.35] = np.nan
    X = X[~np.isnan(X).all(axis=1)]
    rows, columns = np.tril_indices(3)
    diagonal = rows == columns

    def unpacked(theta):
        factor = np.zeros((3, 3))
        factor[rows, columns] = np.where(diagonal, np.exp(theta[3:]), theta[3:])
        return theta[:3], factor @ factor.T

    def packed(mean, covariance):
        entries = np.linalg.cholesky(covariance)[rows, columns]
        return np.concatenate([mean, np.where(diagonal, np.log(np.where(diagonal, entries, 1.0)), entries)])

    def filled(theta):
        mean, covariance = unpacked(theta)
        total, second, log_likelihood = np.zeros(3), np.zeros((3, 3)), 0.0
        for x in X:
            seen = ~np.isnan(x)
            inside = covariance[np.ix_(seen, seen)]
            gain = covariance[:, seen] @ np.linalg.inv(inside)
            residual = x[seen] - mean[seen]
            expected = mean + gain @ residual
            total += expected
            second += np.outer(expected, expected) + covariance - gain @ covariance[seen]
            log_likelihood -= 0.5 * (
                np.linalg.slogdet(2 * np.pi * inside)[1] + residual @ np.linalg.solve(inside, residual)
            )
        mean = total / len(X)
        return packed(mean, second / len(X) - np.outer(mean, mean)), log_likelihood

    return filled, packed(np.zeros(3), np.eye(3))


def test_a_normal_with_missing_values_takes_fewer_steps(rng):
    filled, theta0 = missing_normal(rng)
    plain = fastem.fixed_point(lambda t: filled(t)[0], theta0, accelerate=None, tol=1e-9)
    for method in ("anderson", "squarem"):
        for objective in (None, lambda t: filled(t)[1]):
            fast = fastem.fixed_point(lambda t: filled(t)[0], theta0, objective, accelerate=method, tol=1e-9)
            assert fast.n_steps < 0.7 * plain.n_steps
            np.testing.assert_allclose(fast.theta, plain.theta, atol=1e-7)
            if objective is not None:
                assert (np.diff(fast.history) >= -1e-9).all()


def test_a_leap_that_leaves_the_valid_set_is_projected():
    seen = []

    def step(t):
        assert (t > 0).all()
        seen.append(t)
        return np.sqrt(t) * 0.9 + 0.09 * t

    found = fastem.fixed_point(step, [4.0, 1e-3], project=lambda t: np.maximum(t, 1e-6), tol=1e-10)
    np.testing.assert_allclose(found.theta, step(found.theta), atol=1e-9)
    assert found.n_steps == len(seen) - 1
    assert found.theta.shape == (2,)


def test_how_a_search_ends():
    def halve(t):
        return 0.5 * t

    assert fastem.fixed_point(halve, 1.0, max_steps=3, accelerate=None).status is fastem.FixedPointStatus.MAX_ITER
    assert fastem.fixed_point(halve, 1.0, callback=lambda t, c: True).status is fastem.FixedPointStatus.STOPPED
    assert fastem.fixed_point(halve, 1.0, tol=0, accelerate=None, max_steps=7).n_steps == 7
    slow = fastem.fixed_point(lambda t: t + 1.0, 1.0, accelerate=None, time_limit=1e-9, max_steps=10**9)
    assert slow.status is fastem.FixedPointStatus.TIME_LIMIT
    broken = fastem.fixed_point(lambda t: t * np.nan if t < 0.3 else 0.5 * t, 1.0, accelerate=None)
    assert broken.status is fastem.FixedPointStatus.NOT_FINITE
    assert broken.theta == 0.5


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((None, 1.0), TypeError, "step is NoneType; it must be callable"),
        ((np.sqrt, [1.0, np.nan]), ValueError, "theta0 must hold at least one number"),
        ((np.sum, [1.0, 2.0]), ValueError, r"step\(theta\) has shape \(\); that of theta0 is \(2,\)"),
        ((np.sqrt, "x"), (TypeError, ValueError), "theta0"),
    ],
)
def test_bad_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        fastem.fixed_point(*arguments)


def test_the_errors_of_a_step_are_passed_on():
    def step(t):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        fastem.fixed_point(step, 1.0)
