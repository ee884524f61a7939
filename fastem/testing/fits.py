"""Laws of whole fits: weights, threads, starts, and data of awkward shapes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastem.data.samples import Samples
from fastem.data.threads import team
from fastem.families.base import Array
from fastem.fitting.fit import fit
from fastem.fitting.search import Search
from fastem.fitting.solve import fitted
from fastem.fitting.survey import survey
from fastem.model.evaluation import component_log_density, log_density, responsibilities
from fastem.model.evidence import fold, from_parameters, maximise
from fastem.model.model import Model
from fastem.model.result import Result, Status
from fastem.model.telling import FitWarning
from fastem.starts.names import StartMethod
from fastem.testing.subject import EPS, REGULARISED, Skipped, Subject, assert_close, start_of


def weight_two_is_the_sample_twice(subject: Subject, rng: np.random.Generator) -> None:
    """A sample of weight 2 is the same as the sample twice."""
    mixture, X = subject.blobs(rng, 300, 3, 3)
    repeats = rng.integers(0, 4, 300)
    settings: dict[str, Any] = {"start": start_of(mixture), "tol": 0, "max_iter": 10}
    twice = fit(np.repeat(X, repeats, axis=0), subject.family, 3, **settings)
    weighted = fit(X, subject.family, 3, sample_weight=repeats, **settings)
    np.testing.assert_allclose(weighted.log_likelihood, twice.log_likelihood, rtol=1e-12)
    np.testing.assert_allclose(weighted.history, twice.history, rtol=1e-12)
    assert_close(weighted.parameters, twice.parameters, rtol=1e-9)
    assert weighted.total_weight == twice.total_weight == repeats.sum()
    np.testing.assert_allclose(weighted.bic, twice.bic, rtol=1e-12)


def weight_zero_is_no_sample(subject: Subject, rng: np.random.Generator) -> None:
    """A sample of weight zero changes nothing."""
    mixture, X = subject.blobs(rng, 300, 2, 3)
    outlier = X.max(axis=0, keepdims=True) + 40
    if subject.family.why_impossible(outlier) is not None:
        outlier = X[:1]
    settings: dict[str, Any] = {"start": start_of(mixture), "tol": 0, "max_iter": 10}
    padded, sample_weight = np.concatenate([X, outlier]), np.append(np.ones(300), 0.0)
    with_it = fit(padded, subject.family, 2, sample_weight=sample_weight, **settings)
    without = fit(X, subject.family, 2, **settings)
    np.testing.assert_allclose(with_it.log_likelihood, without.log_likelihood, rtol=1e-12)
    assert_close(with_it.parameters, without.parameters, rtol=1e-9)


def a_fit_from_the_truth_stays_near_it(subject: Subject, rng: np.random.Generator) -> tuple[Result, Result]:
    """Data sampled from a mixture and fitted from it stay near it; returns the truth and the fit.

    Twice the gain of log-likelihood over the truth is about a chi-squared number with as many degrees of freedom as
    there are parameters (Wilks 1938): six of its standard deviations above its mean are too many.
    """
    mixture, X = subject.blobs(rng, 40_000, 3, 2, spread=4.0)
    found = fit(X, subject.family, 3, start=mixture)
    assert found.status in (Status.CONVERGED, Status.MAX_ITER), found.status
    gain = 2 * (found.log_likelihood - log_density(X, mixture).sum())
    most = found.n_parameters + 6 * np.sqrt(2 * found.n_parameters)
    assert subject.family.is_regularised or -1e-9 * abs(found.log_likelihood) <= gain, f"the gain is {gain}"
    assert gain <= most, f"twice the gain over the truth is {gain}; {most} is much"
    return mixture, found


def an_iteration_never_lowers_the_likelihood(
    subject: Subject, rng: np.random.Generator, start: StartMethod = "random_from_data"
) -> None:
    """An iteration never lowers the likelihood."""
    if subject.family.is_regularised:
        raise Skipped(REGULARISED)
    _, X = subject.blobs(rng, 600, 4, 8)
    result = fit(X, subject.family, 5, start=start, seed=3, n_init=3, tol=0, max_iter=60)
    assert all(report.reseeded == 0 for report in result.starts)
    _rises(result.history)


def the_bits_do_not_depend_on_threads(subject: Subject, rng: np.random.Generator, dtype: Any = np.float64) -> None:
    """A fit has the same bits for every number of threads and for every engine."""
    _, X = subject.blobs(rng, 20_000, 3, 5)
    samples, model = Samples(X.astype(dtype), rng.uniform(0, 2, len(X))), Model(subject.family, 3)
    search, first = Search(n_init=2, tol=0, max_iter=5), None
    for engine in ("serial", "parallel", "pool"):
        for n in (1, 2, 3, 8):
            with team(n, engine, small=0.0) as threads:  # or the work would be too small to be shared out
                found = fitted(survey(samples, [subject.family], threads), model, search, seed=1)
            first = first or found
            for name in ("history", "weights"):
                assert getattr(found, name).tobytes() == getattr(first, name).tobytes(), (engine, n, name)
            for name, value in first.parameters.items():
                assert found.parameters[name].tobytes() == value.tobytes(), (engine, n, name)


def the_reported_likelihood_is_that_of_the_returned_parameters(
    subject: Subject, rng: np.random.Generator, max_iter: int = 7
) -> None:
    """The reported likelihood is that of the returned parameters, after no, some and all iterations."""
    _, X = subject.blobs(rng, 500, 3, 4)
    w = rng.uniform(0, 2, 500)
    result = fit(X, subject.family, 3, sample_weight=w, seed=5, tol=0, max_iter=max_iter)
    assert result.n_iter == max_iter
    assert result.n_passes == max_iter + 1 == len(result.history)
    converged = fit(X, subject.family, 3, sample_weight=w, seed=5, tol=1e-5)
    for each in (result, converged):
        np.testing.assert_allclose(each.log_likelihood, w @ subject.e_step(each, X)[0], rtol=1e-12)


def a_start_is_the_same_alone_or_beside_others(
    subject: Subject, rng: np.random.Generator, start: StartMethod = "random_from_data"
) -> None:
    """A start has the same bits alone or beside others."""
    _, X = subject.blobs(rng, 3000, 3, 2)
    settings: dict[str, Any] = {"start": start, "seed": 7, "tol": 1e-6, "max_iter": 40}
    alone = fit(X, subject.family, 4, n_init=1, **settings)
    together = fit(X, subject.family, 4, n_init=4, **settings)
    assert len(together.starts) == 4
    assert together.starts[0]._replace(distance=0.0) == alone.starts[0]
    best = together.starts[together.best_start]
    assert best.log_likelihood == max(report.log_likelihood for report in together.starts)


def a_component_without_samples_goes_on(subject: Subject, rng: np.random.Generator) -> None:
    """A component without samples keeps finite parameters, and a fit seeds it anew."""
    mixture, X = subject.blobs(rng, 500, 3, 2)
    weights = np.array([0.6, 0.4, 0.0])
    after = maximise(fold(X, from_parameters(subject.family, weights, **mixture.parameters)))
    assert after.weights[2] == 0
    for name, value in after.parameters.items():
        assert np.isfinite(value).all(), name
    result = fit(X, subject.family, 3, start={**start_of(mixture), "weights": weights}, tol=0, max_iter=5)
    assert result.starts[0].reseeded == 1
    assert result.weights.min() > 0


def a_fit_that_is_watched_is_the_same(subject: Subject, rng: np.random.Generator) -> None:
    """The loop, which a callback makes look at each pass, has the bits of bursts and of fits in one step."""
    _, X = subject.blobs(rng, 150, 3, 2)
    settings: tuple[dict[str, Any], ...] = ({"start": "kmeans"}, {"start": "random_from_data", "n_init": 2})
    for more in settings:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            alone = fit(X, subject.family, 3, seed=1, max_iter=80, **more)
            watched = fit(X, subject.family, 3, seed=1, max_iter=80, callback=lambda record: False, **more)
        np.testing.assert_array_equal(alone.history, watched.history)
        np.testing.assert_array_equal(alone.weights, watched.weights)
        for name, value in alone.parameters.items():
            np.testing.assert_array_equal(value, watched.parameters[name], err_msg=name)
        assert alone.starts == watched.starts


def a_label_is_a_responsibility_of_one(subject: Subject, rng: np.random.Generator) -> None:
    """A sample with a label counts for that component alone, and its log-likelihood is that of both."""
    mixture, X = subject.blobs(rng, 300, 3, 2)
    resp = responsibilities(X, mixture)
    labels = np.where(rng.random(300) < 0.3, resp.argmax(axis=1), -1)
    certain = np.where(labels[:, None] < 0, resp, np.eye(3)[labels])
    expected = maximise(fold(X, mixture, resp=certain))
    settings: dict[str, Any] = {"start": start_of(mixture), "tol": 0, "accelerate": None}
    found = fit(X, subject.family, 3, labels=labels, max_iter=1, **settings)
    assert_close(found.parameters, expected.parameters, rtol=1e-8)
    joint = component_log_density(X, mixture) + np.log(mixture.weights)
    each = np.where(labels < 0, np.logaddexp.reduce(joint, axis=1), joint[np.arange(300), labels])
    np.testing.assert_allclose(found.history[0], each.sum(), rtol=1e-9)


def what_is_fixed_stays_fixed(subject: Subject, rng: np.random.Generator) -> None:
    """What is fixed stays fixed, what is shared is alike, and the likelihood under it never falls."""
    mixture, X = subject.blobs(rng, 300, 3, 2)
    whole = fit(X, subject.family, 3, fixed=dict(mixture.parameters), max_iter=5)
    for name, value in mixture.parameters.items():
        np.testing.assert_array_equal(whole.parameters[name], value, err_msg=name)
    if not subject.family.knows_constraints:
        raise Skipped("the family does not say what its M-step is where some parameters are known (targeted)")
    free = fit(X, subject.family, 3, start=start_of(mixture), max_iter=3, tol=0)
    for p in subject.family.parameters:
        value = np.array(mixture.parameters[p.name], dtype=np.float64)
        if "K" in p.axes:
            value[1:] = np.nan
        for accelerate in (None, "anderson"):
            settings: dict[str, Any] = {"start": start_of(mixture), "max_iter": 12, "tol": 0, "accelerate": accelerate}
            found = fit(X, subject.family, 3, fixed={p.name: value}, weights="equal", **settings)
            held = ~np.isnan(value)
            np.testing.assert_array_equal(found.parameters[p.name][held], value[held], err_msg=p.name)
            np.testing.assert_allclose(found.weights, 1 / 3, rtol=1e-12)
            if accelerate is None and not subject.family.is_regularised:
                _rises(found.history, f"the likelihood with {p.name} fixed")
        if "K" in p.axes and subject.family.why_not_shared(p.name) is None:
            alike = fit(X, subject.family, 3, shared=(p.name,), start=start_of(mixture), max_iter=12, tol=0)
            assert not np.ptp(alike.parameters[p.name], axis=0).any(), f"{p.name} is not shared"
            if not subject.family.is_regularised:
                _rises(alike.history, f"the likelihood with {p.name} shared")
        taken = p.kind.n_free(p.shape(2, 1 if "K" in p.axes else 3))
        assert found.n_parameters == free.n_parameters - taken - 2, p.name


def _rises(history: Array, what: str = "the likelihood") -> None:
    fall = -np.diff(history).min()
    assert fall <= 64 * EPS * np.abs(history).max(), f"{what} fell by {fall}"


def awkward_data_are_fitted(subject: Subject, rng: np.random.Generator) -> None:
    """Data of awkward shapes give finite parameters, weights that sum to 1, and a status."""
    for what, X, k in _awkward(subject.blobs(rng, 257, 3, 3)[1]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)  # some of them have fewer distinct rows than components
            result = fit(X, subject.family, k, seed=0, n_init=2, max_iter=50)
        np.testing.assert_allclose(result.weights.sum(), 1.0, rtol=1e-12, err_msg=what)
        for p in subject.family.parameters:
            value = np.asarray(result.parameters[p.name])
            assert np.isfinite(value).all(), f"{what}: {p.name} is not finite"
            assert p.kind.why_not(p.name, value) is None, f"{what}: {p.kind.why_not(p.name, value)}"
        assert np.isfinite(log_density(X, result)).all(), f"{what}: the log density is not finite"
        np.testing.assert_allclose(responsibilities(X, result).sum(axis=1), 1.0, rtol=1e-9, err_msg=what)


def _awkward(X: Array) -> Iterator[tuple[str, Array, int]]:
    constant = X.copy()
    constant[:, 1] = X[0, 1]
    yield "257 samples, one more than a tile", X, 3
    yield "one component", X, 1
    yield "one sample", X[:1], 1
    yield "one feature", np.ascontiguousarray(X[:, :1]), 3
    yield "two identical samples", np.repeat(X[:1], 2, axis=0), 2
    yield "a constant feature", constant, 2
    yield "as many components as samples", X[:5], 5
