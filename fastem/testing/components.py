"""Laws of one E-step and one M-step: densities, statistics, parameters and their derivatives."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastem.families.base import Array, Family, Parameters
from fastem.families.registry import FAMILIES
from fastem.fitting.fit import fit
from fastem.judging.diagnose import Verdict, diagnose
from fastem.model.evaluation import limits_in, log_density, mixture_frame, predict, responsibilities
from fastem.model.evidence import fold, from_parameters, maximise
from fastem.model.files import load, save
from fastem.testing.subject import EPS, REGULARISED, Skipped, Subject, assert_close


def log_density_agrees_with_an_independent_one(
    subject: Subject, rng: np.random.Generator, n: int = 257, d: int = 3, k: int = 3
) -> None:
    """Log densities and responsibilities agree with an independent density."""
    if subject.log_prob is None:
        raise Skipped("no independent density was given (log_prob)")
    mixture, X = subject.blobs(rng, n, k, d)
    expected, resp = subject.e_step(mixture, X)
    # eps n with n the terms of a quadratic form, times its size.
    np.testing.assert_allclose(log_density(X, mixture), expected, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(responsibilities(X, mixture), resp, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(predict(X, mixture), resp.argmax(axis=1))


def log_density_is_never_nan(subject: Subject, rng: np.random.Generator) -> None:
    """A log density is a number or -inf, however unlikely the sample, and what is outside the support is refused."""
    mixture, X = subject.blobs(rng, 50, 3, 4)
    for moved in (1e3 * X, 1e6 * X, 1e150 * X, X[::-1], np.zeros_like(X), np.ones_like(X), -X, X + 0.5):
        if subject.family.why_impossible(moved) is None:
            density = log_density(moved, mixture)
            assert not np.isnan(density).any(), f"of {moved[np.isnan(density)][:1]} it is NaN"
            assert (density < np.inf).all(), "it is infinite"
            continue
        try:
            log_density(moved, mixture)
        except ValueError:
            continue
        raise AssertionError("what why_impossible names was not refused")


def statistics_are_additive(subject: Subject, rng: np.random.Generator) -> None:
    """Statistics are additive over any split of the samples."""
    mixture, X = subject.blobs(rng, 1000, 3, 4)
    sample_weight = rng.uniform(0.1, 2, 1000)
    whole = fold(X, mixture, sample_weight=sample_weight)
    scale = np.abs(whole.statistics).max()
    for cuts in ([500], [1, 2, 3], [256, 512], [999], [333, 334, 800]):
        parts = zip(np.split(X, cuts), np.split(sample_weight, cuts), strict=True)
        total: Any = sum(fold(piece, mixture, sample_weight=weight) for piece, weight in parts)
        assert total.n_samples == 1000
        np.testing.assert_allclose(total.total_weight, whole.total_weight, rtol=1e-14)
        np.testing.assert_allclose(total.log_likelihood, whole.log_likelihood, rtol=1e-13)
        np.testing.assert_allclose(total.statistics, whole.statistics, rtol=1e-11, atol=1e-13 * scale)


def maximise_beats_perturbations(subject: Subject, rng: np.random.Generator) -> None:
    """The M-step beats random perturbations of its own answer, on the expected complete-data log-likelihood."""
    if subject.family.is_regularised:
        raise Skipped(REGULARISED)
    mixture, X = subject.blobs(rng, 400, 3, 3)
    resp = subject.e_step(mixture, X)[1]
    best = maximise(fold(X, mixture))

    def objective(weights: Array, parameters: Parameters) -> float:
        joint = subject.log_prob_of(parameters, X) + np.log(weights)
        return float(np.where(resp > 0, resp * joint, 0.0).sum())

    value = objective(best.weights, best.parameters)
    for _ in range(20):
        parameters = {
            p.name: p.kind.perturbed(np.asarray(best.parameters[p.name]), rng, 0.02) for p in subject.family.parameters
        }
        weights = best.weights * np.exp(0.02 * rng.standard_normal(3))
        other = objective(weights / weights.sum(), parameters)
        assert other <= value + 1e-9 * abs(value), f"{other} after a perturbation, {value} before"


def an_m_step_as_a_kernel_is_maximise(subject: Subject, rng: np.random.Generator) -> None:
    """The M-step that is made in bursts gives the bits of the other one, or says that something needs a floor."""
    family = subject.family
    for k, d in ((3, 3), (1, 2), (4, 9)):
        mixture, X = subject.blobs(rng, 400, k, d)
        evidence = fold(X, mixture)
        limits = limits_in(family, evidence.frame, evidence.facts, evidence.dtype)
        step = family.m_step(evidence.frame, limits, k)
        if step is None:
            if (k, d) == (3, 3):
                raise Skipped("the family has no M-step as a kernel")
            continue
        params = family.pack(mixture.parameters, evidence.frame)
        nobody, flags, rows = np.zeros(k, dtype=np.bool_), np.zeros((2, k), dtype=np.bool_), np.empty_like(params)
        found = family.maximise(evidence.statistics, params, evidence.frame, limits, nobody)
        scratch = np.empty(max(step.n_scratch, 1))
        step.kernel(evidence.statistics, params, step.constants, family.layout(d, k), rows, scratch, flags)
        assert not flags[0].any()
        if not flags[1, 0]:
            np.testing.assert_array_equal(rows, found.params)


def unpack_inverts_pack(subject: Subject, rng: np.random.Generator, d: int = 3, k: int = 4) -> None:
    """Rows made of named parameters, and vectors made of rows, give back what they were made of."""
    family, mixture = subject.family, subject.mixture(rng, k, d)
    identity = family.frame(np.zeros(d), np.ones(d))
    for frame, rtol in ((identity, 0.0), (mixture_frame(mixture), 8 * EPS)):
        packed = family.pack(mixture.parameters, frame)
        assert packed.shape == family.params_shape(d, k), f"pack made {packed.shape}"
        assert_close(family.unpack(packed, frame, k), mixture.parameters, rtol=rtol)
        again = family.from_vector(family.to_vector(packed, d, k), frame, k)
        np.testing.assert_allclose(again, packed, rtol=1e-11, atol=1e-11 * np.abs(packed).max())


def float32_agrees_with_float64(subject: Subject, rng: np.random.Generator) -> None:
    """Within 2e-5 per sample in log density, and 1e-4 of their scale in the parameters of one iteration.

    A log density is a sum of d terms of order 1, each rounded to 6e-8 of itself, plus the rounding of the total.
    """
    mixture, X = subject.blobs(rng, 3000, 4, 6)
    X = X.astype(np.float32)
    wide, narrow = fold(X.astype(np.float64), mixture), fold(X, mixture)
    assert narrow.dtype == np.float32
    expected = log_density(X.astype(np.float64), mixture)
    np.testing.assert_allclose(log_density(X, mixture), expected, rtol=2e-6, atol=2e-5)
    np.testing.assert_allclose(narrow.log_likelihood, wide.log_likelihood, rtol=2e-6)
    assert_close(maximise(narrow).parameters, maximise(wide).parameters, rtol=1e-4)


def derivatives_agree_with_finite_differences(subject: Subject, rng: np.random.Generator) -> None:
    """Standard errors at a maximum are those of second differences of the likelihood.

    The differences are taken in each parameter's own unconstrained coordinates, and carried to the named parameters by
    first differences: at a maximum, that is the information about the named parameters themselves.
    """
    family = subject.family
    if type(family).tangent is Family.tangent:
        raise Skipped("the family has no derivatives (tangent)")
    if family.is_regularised:
        raise Skipped(REGULARISED)
    d = 6  # enough for components of zeros and ones to be told apart
    mixture, X = subject.blobs(rng, 800, 2, d)
    w = rng.uniform(0.5, 2.0, 800)
    result = fit(X, family, 2, sample_weight=w, start=mixture, tol=1e-13, max_iter=20_000)
    found = diagnose(result, X, sample_weight=w)
    assert found.verdict is Verdict.MAXIMUM and found.standard_errors is not None, found.verdict
    kinds = {p.name: (p.kind, p.shape(d, 2)) for p in family.parameters}
    sizes = np.cumsum([1, *(kind.n_entries(shape) for kind, shape in kinds.values())])

    def named(theta: Array) -> dict[str, Array]:
        parts = zip(kinds.items(), np.split(theta, sizes)[1:], strict=False)
        return {name: kind.from_vector(part, shape) for (name, (kind, shape)), part in parts}

    def value(theta: Array) -> float:
        other = from_parameters(family, [theta[0], 1.0 - theta[0]], **named(theta))
        return float(w @ log_density(X, other))

    def flat(theta: Array) -> Array:
        return np.concatenate([theta[:1], *(entry.ravel() for entry in named(theta).values())])

    vectors = [kind.to_vector(np.asarray(result.parameters[name])) for name, (kind, _) in kinds.items()]
    theta = np.concatenate([result.weights[:1], *vectors])
    moves = np.eye(len(theta)) * 1e-3  # of the data's unit, of a logarithm or of a share
    hessian = np.array([[_second_difference(value, theta, a, b) for a in moves] for b in moves]) / 1e-6
    jacobian = np.stack([flat(theta + move) - flat(theta - move) for move in moves], axis=1) / 2e-3
    expected = np.sqrt(np.diagonal(jacobian @ np.linalg.inv(-hessian) @ jacobian.T))
    errors = [np.asarray(found.standard_errors[name]) for name in kinds]
    assert [error.shape for error in errors] == [shape for _, shape in kinds.values()]
    actual = np.concatenate([found.standard_errors["weights"][:1], *(error.ravel() for error in errors)])
    np.testing.assert_allclose(actual, expected, rtol=0.02)


def a_saved_mixture_is_loaded(subject: Subject, rng: np.random.Generator) -> None:
    """What was saved is loaded, to the last bit."""
    family = subject.family
    if FAMILIES.get(family.name) is not type(family):
        raise Skipped("the family was not registered (fastem.register)")
    mixture = subject.mixture(rng, 3, 2)
    with tempfile.TemporaryDirectory() as folder:
        save(mixture, Path(folder) / "mixture")
        loaded = load(Path(folder) / "mixture")
    assert loaded.family == family
    assert loaded.weights.tobytes() == mixture.weights.tobytes()
    for name, value in mixture.parameters.items():
        assert np.array_equal(loaded.parameters[name], value), name


def _second_difference(value: Callable[[Array], float], theta: Array, a: Array, b: Array) -> float:
    return 0.25 * (value(theta + a + b) - value(theta + a - b) - value(theta - a + b) + value(theta - a - b))
