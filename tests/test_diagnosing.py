"""Is a solution really a maximum?"""

import numpy as np
import pytest
from conftest import HERE
from tables import FAMILIES, blobs

import fastem
from fastem.data.samples import Samples
from fastem.data.threads import team
from fastem.judging import diagnose as diagnosing
from fastem.judging import information
from fastem.judging.diagnose import Verdict

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)


def fitted(case, rng, k=2, d=6, n=800):
    # Begun elsewhere, or of components farther apart, some probabilities may end as 0 or 1, without derivatives.
    mixture, X = blobs(case, rng, n, k, max(d, case.min_features), spread=1.0 if case.has_border else 2.0)
    w = rng.uniform(0.5, 2.0, n)
    result = fastem.fit(
        X,
        case.family,
        k,
        sample_weight=w,
        start=mixture if case.has_border else "auto",
        seed=0,
        tol=1e-13,
        max_iter=20_000,
    )
    return X, w, result


def log_likelihood(X, w, result, named, weights):
    mixture = fastem.from_parameters(result.family, weights / weights.sum(), **named)
    return float(w @ fastem.log_density(X, mixture))


@every_family
def test_the_score_is_the_gradient_and_vanishes_at_a_maximum(case, rng):
    X, w, result = fitted(case, rng)
    found = fastem.diagnose(result, X, sample_weight=w)
    assert found.gain < 1e-9
    assert 0 < found.smallest <= 1
    start = fastem.fit(X, case.family, 2, sample_weight=w, start="k-means++", seed=3, max_iter=1)
    early = fastem.diagnose(start, X, sample_weight=w)
    assert early.gain > found.gain
    # The first entry belongs to log(weight_0 / weight_1).
    logit = np.log(start.weights[0] / start.weights[1])
    h, values = 1e-5, []
    for move in (h, -h):
        share = 1.0 / (1.0 + np.exp(-(logit + move)))
        values.append(log_likelihood(X, w, start, dict(start.parameters), np.array([share, 1.0 - share])))
    np.testing.assert_allclose(early.score[0], (values[0] - values[1]) / (2 * h), rtol=1e-5)


@every_family
def test_the_smallest_eigenvalue_is_found_without_the_matrix(case, rng):
    X, w, result = fitted(case, rng, k=3, d=6)
    with team(1) as threads:
        dense = diagnosing.diagnosed(result, Samples(X, w), threads, n_bytes=50_000)
        sparse = diagnosing.diagnosed(result, Samples(X, w), threads, largest=0, n_bytes=50_000)
    assert sparse.information is None
    assert sparse.standard_errors is None
    scale = np.sqrt(np.diagonal(_complete(result, X, w)))
    expected = np.linalg.eigvalsh(dense.information / scale / scale[:, None])[0]
    np.testing.assert_allclose(sparse.smallest, expected, rtol=1e-2)


def _complete(result, X, w):
    from fastem.model.evaluation import mixture_frame, mixture_rows

    params, _ = mixture_rows(result, mixture_frame(result))
    tangent = result.family.tangent(params, result.n_features, result.n_components)
    with team(1) as threads:
        return information.Sums(Samples(X, w), result, tangent, threads).gathered(True)[1]


def twins(family, one):
    """Two equal components."""
    return fastem.from_parameters(family, [0.4, 0.6], **family.take(one.parameters, [0, 0]))


def test_two_equal_components_are_a_saddle_on_the_eruptions_and_on_the_deaths(faithful):
    """With one variance for both, the likelihood is flat to second order where the means part: no saddle by that."""
    eruptions = faithful[:, :1]
    for shape in ("full", "diag", "spherical"):
        family = fastem.Gaussian(shape)
        result = twins(family, fastem.fit(eruptions, family, 1))
        assert fastem.diagnose(result, eruptions).verdict is Verdict.SADDLE, shape
    counts, days = np.loadtxt(HERE / "data" / "deaths_times.csv", delimiter=",", skiprows=1).T
    result = twins(fastem.Poisson(), fastem.fit(counts[:, None], fastem.Poisson(), 1, sample_weight=days))
    assert fastem.diagnose(result, counts[:, None], sample_weight=days).verdict is Verdict.SADDLE


def test_two_equal_components_are_flat_on_symmetric_data(rng):
    half = rng.uniform(0.2, 2.0, 300)
    X = np.concatenate([half, -half])[:, None]
    for shape in ("full", "diag", "tied"):
        family = fastem.Gaussian(shape)
        result = twins(family, fastem.fit(X, family, 1))
        assert fastem.diagnose(result, X).verdict is Verdict.FLAT, shape


def test_a_floor_a_ridge_and_an_early_stop_are_told(rng):
    X = np.concatenate([rng.standard_normal((100, 2)), np.zeros((40, 2))])
    collapsed = fastem.fit(X, fastem.Gaussian("full"), 2, start=np.repeat([0, 1], [100, 40]))
    assert fastem.diagnose(collapsed, X).verdict is Verdict.BOUNDARY
    ridged = fastem.fit(X[:100], fastem.Gaussian("full", ridge=0.1), 2, seed=0)
    assert fastem.diagnose(ridged, X[:100]).verdict is Verdict.BOUNDARY
    constant = np.column_stack([X[:100], np.full(100, 3.0)])
    held = fastem.fit(constant, fastem.Gaussian("diag"), 2, seed=0)
    assert fastem.diagnose(held, constant).verdict is Verdict.BOUNDARY
    Y = rng.normal([[-2.0], [2.0]] * 200)
    early = fastem.fit(Y, fastem.Gaussian("diag"), 2, start="random", seed=0, max_iter=1)
    assert fastem.diagnose(early, Y).verdict in (Verdict.NOT_CONVERGED, Verdict.SADDLE)


def test_verdicts_do_not_depend_on_units(faithful):
    result = fastem.fit(faithful, fastem.Gaussian("full"), 2, seed=0, tol=1e-12)
    scaled = faithful * [1e-3, 1e5] + [7.0, -3e6]
    other = fastem.fit(scaled, fastem.Gaussian("full"), 2, seed=0, tol=1e-12)
    one, two = fastem.diagnose(result, faithful), fastem.diagnose(other, scaled)
    assert one.verdict is two.verdict is Verdict.MAXIMUM
    np.testing.assert_allclose(one.smallest, two.smallest, rtol=1e-3)
    order = [0, 1] if abs(result.weights[0] - other.weights[0]) < 1e-3 else [1, 0]
    errors = two.standard_errors["means"][order] / [1e-3, 1e5]
    np.testing.assert_allclose(errors, one.standard_errors["means"], rtol=1e-3)


def test_components_too_large_to_differentiate_are_refused(rng):
    X = rng.standard_normal((50, 120))
    result = fastem.fit(X, fastem.Gaussian("full"), 1)
    with pytest.raises(ValueError, match="a component has 7380 parameters"):
        fastem.diagnose(result, X)


@pytest.mark.parametrize("reg_covar", [0.0, 1e-6])
def test_a_fit_that_was_stopped_early_is_no_boundary_and_no_saddle(reg_covar):
    """scikit-learn's defaults stop early on iris and wine; more iterations, not other starts, lead to a maximum."""
    for name, d in (("iris", 4), ("wine13", 13)):
        X = np.loadtxt(HERE / "data" / f"{name}.csv", delimiter=",", skiprows=1, usecols=range(d))
        early = fastem.GaussianMixture(3, reg_covar=reg_covar, random_state=0).fit(X)
        assert fastem.diagnose(X, early).verdict is Verdict.NOT_CONVERGED
        later = fastem.GaussianMixture(3, reg_covar=reg_covar, random_state=0, tol=1e-5).fit(X)
        assert fastem.diagnose(X, later).verdict is Verdict.MAXIMUM
