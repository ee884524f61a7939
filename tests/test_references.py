"""Results of other people's software on real data, from given starts."""

import csv
import gzip
import json

import numpy as np
import pytest
from conftest import HERE, SHARED
from families.gaussian import BY_SHAPE

import fastem

MODELS = {
    "VVV": "full",
    "EEE": "tied",
    "VVI": "diag",
    "VII": "spherical",
    "EEI": "tied_diag",
    "EII": "tied_spherical",
}
LABELLED = {"faithful": None, "iris": "Species", "wine13": "target", "diabetes": "class", "banknote": "Status"}


def shared_file(*parts):
    """A file of the project's reference collection, which users do not have."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"the reference table {'/'.join(parts)} stays in the project's ../shared")
    return path


def read_labelled(name):
    """Data and 0-based labels, in the order of the reference file."""
    path = HERE / "data" / f"{name}.csv"
    if not path.exists():
        path = shared_file("data", f"{name}.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    column = LABELLED[name]
    X = np.array([[float(value) for key, value in row.items() if key != column] for row in rows])
    if column is None:
        return X, np.where(X[:, 0] < 3, 0, 1)
    labels = np.unique([row[column] for row in rows], return_inverse=True)[1]
    if name == "wine13":
        X = (X - X.mean(axis=0)) / X.std(axis=0, ddof=1)
    return X, labels


def reference(name):
    local = json.loads((HERE / "data" / "mclust_given_init.json").read_text(encoding="utf-8"))["datasets"]
    if name in local:
        return local[name]
    return json.loads(shared_file("reference", "mclust_given_init.json").read_text(encoding="utf-8"))["datasets"][name]


def assert_mixture(result, shape, expected, rtol):
    np.testing.assert_allclose(result.weights, expected["pro"], rtol=rtol)
    means, sigma = np.array(expected["mean"]), np.array(expected["sigma"])
    np.testing.assert_allclose(result.parameters["means"], means, rtol=rtol, atol=rtol * np.abs(means).max())
    actual = BY_SHAPE[shape].matrices(result.parameters)
    np.testing.assert_allclose(actual, sigma, rtol=rtol, atol=rtol * np.abs(sigma).max())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", LABELLED)
def test_mclust_from_given_labels(name, model):
    expected = reference(name)["models"][model]
    X, labels = read_labelled(name)
    family = fastem.Gaussian(MODELS[model])
    n_components = labels.max() + 1
    first = fastem.fit(X, family, n_components, start=labels, tol=0, max_iter=0)
    np.testing.assert_allclose(first.log_likelihood, expected["mstep0"]["loglik_after_first_mstep"], rtol=1e-8)
    assert_mixture(first, MODELS[model], expected["mstep0"]["parameters"], rtol=1e-8)
    assert first.n_parameters == expected["n_params"]
    # mclust's "tight" fit is compared after as many M-steps as it made. On slow cells its own rule (a relative gain of
    # 1e-14) stops up to 2e-6 before the optimum, and that is not the question here.
    tight = expected["tight"]
    same = fastem.fit(X, family, n_components, start=labels, tol=0, max_iter=tight["iterations"] - 1)
    np.testing.assert_allclose(same.log_likelihood, tight["loglik"], rtol=1e-12)
    assert_mixture(same, MODELS[model], tight["parameters"], rtol=1e-8)
    np.testing.assert_allclose(-same.bic, tight["bic_mclust"], rtol=1e-12)
    # Our own convergence ends at the same optimum.
    last = fastem.fit(X, family, n_components, start=labels, tol=1e-14, max_iter=20_000)
    assert last.status is fastem.Status.CONVERGED
    np.testing.assert_allclose(last.log_likelihood, tight["loglik"], rtol=1e-10)
    assert_mixture(last, MODELS[model], tight["parameters"], rtol=2e-6)


def large(name):
    """Data and labels of large_gmm_mclust.json, as its `init` says."""
    if name == "letter":
        with gzip.open(shared_file("data", "letter.csv.gz"), "rt") as file:
            rows = list(csv.reader(file))[1:]
        return np.array([row[1:] for row in rows], dtype=float), np.array([ord(row[0]) - ord("A") for row in rows])
    if name == "china_rgb":
        X = np.load(shared_file("data", "china_427x640x3_u8.npz"))["img"].reshape(-1, 3).astype(float)
        rank = np.empty(len(X), dtype=int)
        rank[np.argsort(X.sum(axis=1), kind="stable")] = np.arange(len(X))
        return X, rank * 5 // len(X)
    stem, key = {"skin": ("skin_245057x3_u8", "y"), "fsdd": ("fsdd_mfcc_125237x39_f32", "digit")}[name]
    with np.load(shared_file("data", f"{stem}.npz")) as archive:
        X, labels = archive["X"].astype(float), archive[key].astype(int)
    return X, labels - labels.min()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["skin", "fsdd", "letter", "china_rgb"])
def test_mclust_iteration_by_iteration_on_large_data(name, model):
    datasets = json.loads(shared_file("reference", "large_gmm_mclust.json").read_text(encoding="utf-8"))["datasets"]
    cell = datasets[name][model]
    X, labels = large(name)
    np.testing.assert_array_equal(np.bincount(labels), datasets[name]["counts"])
    # mclust gives up at a singular covariance (None); all iterations before it must agree.
    expected = {i: v for i, v in zip(cell["iterations"], cell["loglik_at_iteration"], strict=True) if v is not None}
    settings = {"start": labels, "tol": 0, "max_iter": max(expected) - 1}
    result = fastem.fit(X, fastem.Gaussian(MODELS[model]), datasets[name]["G"], **settings)
    for iteration, log_likelihood in expected.items():
        np.testing.assert_allclose(result.history[iteration - 1], log_likelihood, rtol=1e-9, err_msg=str(iteration))


@pytest.mark.parametrize("model", ["VVV", "EEE", "VVI", "EII"])
def test_mclust_weighted(model, faithful):
    expected = json.loads((HERE / "data" / "mclust_weighted.json").read_text(encoding="utf-8"))["models"][model]
    sample_weight = np.resize([1, 0.5, 2, 0.25], len(faithful))
    labels = np.where(faithful[:, 0] < 3, 0, 1)
    result = fastem.fit(
        faithful,
        fastem.Gaussian(MODELS[model]),
        2,
        start=labels,
        sample_weight=sample_weight,
        tol=1e-14,
        max_iter=10_000,
    )
    # mclust rescales weights so that the largest is 1, so its log-likelihood is half of ours.
    np.testing.assert_allclose(result.log_likelihood, 2 * expected["loglik"], rtol=1e-8)
    assert_mixture(result, MODELS[model], expected["parameters"], rtol=1e-6)


def deaths():
    return np.loadtxt(HERE / "data" / "deaths_times.csv", delimiter=",", skiprows=1).T


def test_poisson_em_on_the_times_deaths_step_by_step():
    counts, days = deaths()
    expected = json.loads((HERE / "data" / "poisson_deaths.json").read_text(encoding="utf-8"))
    mixture = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0], [3.0]])
    for iterate in expected["first_em_iterates_from_0.5_1_3"]:
        evidence = fastem.fold(counts[:, None], mixture, sample_weight=days)
        actual = [mixture.weights[0], *mixture.parameters["rates"].ravel()]
        np.testing.assert_allclose(actual, iterate["par"], rtol=1e-12)
        np.testing.assert_allclose(evidence.log_likelihood, iterate["loglik"], rtol=1e-12)
        mixture = fastem.maximise(evidence)


def test_poisson_em_needs_2113_passes_on_the_times_deaths():
    counts, days = deaths()
    expected = json.loads((HERE / "data" / "poisson_deaths.json").read_text(encoding="utf-8"))
    mixture = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0], [3.0]])
    before, after, passes = np.full(3, np.inf), np.array([0.5, 1.0, 3.0]), 0
    while passes == 0 or np.linalg.norm(after - before) >= 1e-7:
        mixture = fastem.maximise(fastem.fold(counts[:, None], mixture, sample_weight=days))
        before, after = after, np.array([mixture.weights[0], *mixture.parameters["rates"].ravel()])
        passes += 1
    # The R package returns the point at which the map was last evaluated.
    reference_run = expected["em_passes_at_tolerance_1e-7_from_0.5_1_3"]
    assert passes == reference_run["fpevals"] == 2113
    np.testing.assert_allclose(before, reference_run["par"], rtol=1e-9)


def test_poisson_optimum_of_the_times_deaths():
    counts, days = deaths()
    optimum = json.loads((HERE / "data" / "poisson_deaths.json").read_text(encoding="utf-8"))["optimum"]
    start = {"weights": [0.5, 0.5], "rates": [[1.0], [3.0]]}
    result = fastem.fit(
        counts[:, None], fastem.Poisson(), 2, sample_weight=days, start=start, tol=1e-16, max_iter=20_000
    )
    np.testing.assert_allclose(result.log_likelihood, optimum["loglik_full"], rtol=1e-12)
    np.testing.assert_allclose(result.parameters["rates"].ravel(), optimum["lambda"], rtol=1e-4)


def test_the_worked_example():
    X = np.array([[0.2], [-0.9], [-1.0], [1.2], [1.8]])
    mixture = fastem.from_parameters(
        fastem.Gaussian("diag"), [0.5, 0.5], means=[[-3.0], [2.0]], covariances=[[4.0], [4.0]]
    )
    resp = fastem.responsibilities(X, mixture)[:, 0]
    np.testing.assert_allclose(resp, [0.29421, 0.62246, 0.65135, 0.10669, 0.053403], rtol=1e-4)
    after = fastem.maximise(fastem.fold(X, mixture))
    actual = [after.weights[0], after.parameters["means"][0, 0], after.parameters["covariances"][0, 0]]
    np.testing.assert_allclose(actual, [0.34562, -0.53733, 0.57579], rtol=2e-5)
