"""`diagnose` where something is known: fixed and shared parameters, fixed weights, and priors."""

import numpy as np
import pytest

import fastem
from fastem.data.samples import Samples
from fastem.data.threads import team
from fastem.judging import diagnose as diagnosing
from fastem.judging.diagnose import Verdict

NAN = np.nan


def blobs(rng):
    one = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.5], [0.5, 2.0]], 300)
    two = rng.multivariate_normal([4.0, 1.0], [[1.0, -0.3], [-0.3, 0.5]], 200)
    return np.concatenate([one, two])


def second_differences(value, theta, size=1e-3):
    """The Hessian of a function, by central differences."""
    moves = np.eye(len(theta)) * size
    found = [
        [value(theta + a + b) - value(theta + a - b) - value(theta - a + b) + value(theta - a - b) for a in moves]
        for b in moves
    ]
    return np.array(found) / (4.0 * size**2)


def errors_by_differences(result, X, w, family, free_weights):
    """Standard errors of the named parameters, from differences of the objective in what is free."""
    known, K = result.model.constraints, result.n_components
    start, pieces = {}, []
    for p in family.parameters:
        value = np.asarray(result.parameters[p.name])
        mask = ~np.isnan(np.broadcast_to(known.fixed.get(p.name, NAN), value.shape))
        shared = p.name in known.shared
        own, held = (value[:1], mask[:1]) if shared else (value, mask)
        if p.kind.whole:
            held_k = held.reshape(-1, *held.shape[-2:])[:, 0, 0]
            rows = np.flatnonzero(~held_k)
            vector = p.kind.to_vector(own.reshape(-1, *own.shape[-2:])[rows]) if rows.size else np.empty(0)
        else:
            rows = np.flatnonzero(~held.ravel())
            vector = p.kind.to_vector(own.ravel()[rows]) if rows.size else np.empty(0)
        pieces.append((p, value, rows, shared))
        start[p.name] = vector
    logits = np.log(result.weights[:-1] / result.weights[-1]) if free_weights else np.empty(0)
    theta = np.concatenate([logits, *start.values()])

    def named(theta):
        weights = result.weights
        if free_weights:
            raw = np.exp(np.append(theta[: K - 1], 0.0))
            weights = raw / raw.sum()
        first, values = len(logits), {}
        for p, value, rows, shared in pieces:
            last = first + len(start[p.name])
            own = np.array(value[:1] if shared else value)
            flat = own.reshape(-1, *own.shape[-2:]) if p.kind.whole else own.reshape(-1)
            if rows.size:
                flat[rows] = p.kind.from_vector(theta[first:last], (len(rows), *flat.shape[1:]))
            values[p.name] = np.broadcast_to(flat.reshape(own.shape), value.shape)
            first = last
        return weights, values

    def objective(theta):
        weights, values = named(theta)
        log_likelihood = w @ fastem.log_density(X, fastem.from_parameters(family, weights, **values))
        return result.model.objective(float(log_likelihood), weights, values)

    def flat(theta):
        weights, values = named(theta)
        return np.concatenate([weights, *(np.ravel(values[p.name]) for p in family.parameters)])

    jacobian = np.stack([flat(theta + m) - flat(theta - m) for m in np.eye(len(theta)) * 1e-4], axis=1) / 2e-4
    covariance = np.linalg.inv(-second_differences(objective, theta))
    return np.sqrt(np.diagonal(jacobian @ covariance @ jacobian.T))


GAUSSIANS = ("full", "tied", "diag", "tied_diag", "spherical", "tied_spherical")
FIXED = {"means": [[0.1, NAN], [NAN, 1.1]]}
SETTINGS = {
    "means": {"fixed": {"means": [[0.1, 0.0], [4.0, NAN]]}},
    "weights": {"weights": [0.7, 0.3], "fixed": FIXED},
    "covariances": {"fixed": {"covariances": 1.2}},
    "prior": {"prior": [fastem.NormalInverseWishart(shrinkage=4.0, dof=9.0), fastem.Dirichlet(20.0)]},
    "prior and means": {"prior": "fraley-raftery", "fixed": FIXED},
}


def asked(family, name):
    setting = SETTINGS[name]
    if name == "covariances":
        (p,) = (p for p in family.parameters if p.name == "covariances")
        return {"fixed": {name: p.kind.unit(p.shape(2, 2)) * 1.2}}
    return setting


def agrees(X, family, rng, **known):
    w = rng.uniform(0.5, 2.0, len(X))
    result = fastem.fit(X, family, 2, sample_weight=w, seed=0, tol=1e-13, max_iter=50_000, **known)
    found = fastem.diagnose(X, result, sample_weight=w)
    assert found.verdict is Verdict.MAXIMUM, found
    assert found.gain < 1e-12
    expected = errors_by_differences(result, X, w, result.family, "weights" not in known)
    errors = found.standard_errors
    actual = np.concatenate([errors["weights"], *(np.ravel(errors[p.name]) for p in family.parameters)])
    np.testing.assert_allclose(actual, expected, rtol=5e-3, atol=1e-12)
    # The same eigenvalue without the matrix, relative to the diagonal of what would be known with the components.
    with team(1) as threads:
        sparse = diagnosing.diagnosed(result, Samples(X, w), threads, largest=0)
    assert (sparse.verdict, sparse.gain < 1e-11) == (Verdict.MAXIMUM, True)
    return result, found


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("shape", GAUSSIANS)
def test_standard_errors_under_what_is_known_are_those_of_second_differences(shape, setting, rng):
    family = fastem.Gaussian(shape)
    agrees(blobs(rng), family, rng, **asked(family, setting))


@pytest.mark.parametrize("shape", ["full", "diag", "spherical"])
def test_a_shared_mean_and_standard_errors(shape, rng):
    X = np.concatenate([rng.normal(0.0, 1.0, (300, 2)), rng.normal(0.0, 6.0, (200, 2)) * [1.0, 0.5]])
    X[:, 0] += 1e3
    _, found = agrees(X, fastem.Gaussian(shape), rng, shared=("means",))
    errors = found.standard_errors["means"]
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-9)
    _, found = agrees(X, fastem.Gaussian(shape), rng, shared=("means",), fixed={"means": [[NAN, 0.1]] * 2})
    assert (found.standard_errors["means"][:, 1] == 0).all()


def test_poisson_and_bernoulli_under_what_is_known(rng):
    X = rng.poisson(np.repeat([[2.0, 3.0, 3.0], [9.0, 1.0, 3.0]], 200, axis=0)).astype(float)
    agrees(X, fastem.Poisson(), rng, fixed={"rates": [[2.0, NAN, NAN], [NAN, NAN, 3.0]]})
    agrees(
        X, fastem.Poisson(), rng, prior=[fastem.Gamma([3.0, 2.0, 5.0], [1.0, 0.5, 2.0]), fastem.Dirichlet([9.0, 2.0])]
    )
    p = np.repeat([[0.1, 0.2, 0.8, 0.5, 0.1], [0.9, 0.8, 0.2, 0.5, 0.7]], 300, axis=0)
    Y = (rng.random(p.shape) < p).astype(float)
    agrees(Y, fastem.Bernoulli(), rng, fixed={"probabilities": [[NAN, NAN, NAN, 0.5, NAN], [NAN, 0.8, NAN, 0.5, NAN]]})
    agrees(Y, fastem.Bernoulli(), rng, prior=fastem.Beta(3.0, 2.0))


def test_a_shared_mean_between_two_far_clusters_is_no_maximum_by_chance(rng):
    """Where what an M-step maximises has a saddle as well, the verdict is still told."""
    X = np.concatenate([rng.normal(-10.0, 0.3, 300), rng.normal(10.0, 0.3, 300)])[:, None]
    X -= X.mean()
    spread = float(X.var())
    start = {"weights": [0.5, 0.5], "means": [[0.0], [0.0]], "covariances": [[spread * 0.9], [spread * 1.1]]}
    result = fastem.fit(X, fastem.Gaussian("diag"), 2, start=start, shared=("means",), tol=1e-13, max_iter=50_000)
    assert fastem.diagnose(X, result).verdict in (Verdict.SADDLE, Verdict.FLAT)


def test_nothing_free_and_nothing_told(rng):
    X = blobs(rng)
    fixed = {"means": [[0.0, 0.0], [4.0, 1.0]], "covariances": np.ones((2, 2))}
    result = fastem.fit(X, fastem.Gaussian("diag"), 2, fixed=fixed, weights="equal")
    with pytest.raises(ValueError, match="every parameter of the model is fixed; diagnose has nothing to say"):
        fastem.diagnose(X, result)
    free = fastem.fit(X, fastem.Gaussian("diag"), 2, fixed=fixed)
    found = fastem.diagnose(X, free)
    assert found.verdict is Verdict.MAXIMUM
    assert (found.standard_errors["means"] == 0).all() and (found.standard_errors["weights"] > 0).all()
