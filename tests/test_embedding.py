"""Mixtures inside other people's algorithms: evidence by hand, packed data, densities of components, pickles."""

import copy
import os
import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from families.gaussian import BY_SHAPE
from numba import njit
from tables import FAMILIES, FULL, blobs

import fastem
from fastem.data.columns import columns, merged
from fastem.data.threads import team
from fastem.model.evaluation import mixture_rows

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
every_shape = pytest.mark.parametrize("shape", BY_SHAPE)


def same_parameters(actual, expected, rtol):
    np.testing.assert_allclose(actual.weights, expected.weights, rtol=rtol)
    for name, value in expected.parameters.items():
        np.testing.assert_allclose(actual.parameters[name], value, rtol=rtol, atol=rtol * np.abs(value).max())


def other_than(mixture, case, rng):
    """Another mixture of the same family and size."""
    return blobs(case, rng, 10, mixture.n_components, mixture.n_features)[0]


# ---- the M-step by hand -------------------------------------------------------------------------------------------


LIMITS = {"ridge": {"ridge": 0.1}, "floor": {"floor": 0.9}, "min_variance": {"min_variance": 3.0}, "none": {}}


@every_shape
@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("weighted", [False, True])
def test_fold_and_maximise_make_the_step_that_fit_makes(shape, limits, weighted, rng):
    """In parts, too: floors and ridges are relative to the data, not to the mixture."""
    family = fastem.Gaussian(shape, **LIMITS[limits])
    start, X = blobs(BY_SHAPE[shape], rng, 300, 3, 2)
    X = X * [1.0, 30.0] + [0.0, 500.0]
    start = fastem.fit(X, family, 3, start="kmeans", seed=0, max_iter=0)
    start = fastem.from_parameters(family, start.weights, **start.parameters)
    sample_weight = rng.uniform(0, 2, 300) if weighted else None
    expected = fastem.fit(X, family, 3, start=start, max_iter=1, tol=0, sample_weight=sample_weight)
    parts = [slice(0, 40), slice(40, 41), slice(41, 300)]
    weights = [None if sample_weight is None else sample_weight[part] for part in parts]
    evidence = sum(fastem.fold(X[part], start, sample_weight=w) for part, w in zip(parts, weights, strict=True))
    same_parameters(fastem.maximise(evidence), expected, 1e-9)


def test_a_constant_feature_is_held_where_fit_holds_it(rng):
    X = np.column_stack([rng.normal(size=200), np.full(200, 7.0)])
    start = fastem.fit(X, fastem.Gaussian("full"), 2, start="kmeans", seed=0, max_iter=0)
    expected = fastem.fit(X, fastem.Gaussian("full"), 2, start=start, max_iter=1, tol=0)
    actual = fastem.maximise(fastem.fold(X[:50], start) + fastem.fold(X[50:], start))
    same_parameters(actual, expected, 1e-6)


def test_facts_of_pieces_merge_into_those_of_the_whole(rng):
    X, weights = rng.normal([0.0, 1e6, 3.0], [1.0, 10.0, 0.0], (500, 3)), rng.uniform(0, 2, 500)
    weights[:60] = 0.0
    weights[60:90] = 0.0
    with team(1) as threads:

        def facts(rows):
            return columns(X[rows], weights[rows], np.float64, threads), weights[rows].sum()

        expected, _ = facts(slice(None))
        one, other = facts(slice(0, 200)), facts(slice(200, 500))
        for actual in (merged(*one, *other), merged(*other, *one)):
            for each, wanted in zip(actual, expected, strict=True):
                np.testing.assert_allclose(each, wanted, rtol=1e-10)
        assert merged(*one, other[0], 0.0) is one[0]
        assert merged(one[0], 0.0, *other) is other[0]
    assert merged(*one, *other).spread[2] == 0.0


# ---- arithmetic of evidence ---------------------------------------------------------------------------------------


@every_family
@pytest.mark.parametrize("packed", [False, True])
def test_evidence_of_another_mixture_is_moved_to_the_last_one(case, packed, rng):
    """The statistics are those of the old responsibilities about the new mixture, in its frame."""
    old, X = blobs(case, rng, 400, 3, 3)
    new = other_than(old, case, rng)
    resp, data = fastem.responsibilities(X, old), fastem.pack(X, case.family) if packed else X
    more = blobs(case, rng, 100, 3, 3)[1]
    actual = fastem.fold(data, old) + fastem.fold(more, new)
    expected = fastem.fold(X, new, resp=resp) + fastem.fold(more, new)
    assert actual.mixture is new
    assert (actual.n_samples, actual.total_weight) == (500, 500.0)
    assert actual.log_likelihood == fastem.fold(data, old).log_likelihood + fastem.fold(more, new).log_likelihood
    # Moved to where they are, statistics have zeros in the places that nobody reads.
    rows = mixture_rows(new, actual.frame)[0]
    place = rows, actual.frame
    one, other = (case.family.moved(each.statistics, *place, *place, 3) for each in (actual, expected))
    np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9 * np.abs(other).max())
    same_parameters(fastem.maximise(actual), fastem.maximise(expected), 1e-8)


@every_family
def test_scaled_evidence_is_that_of_scaled_weights(case, rng):
    mixture, X = blobs(case, rng, 200, 2, 2)
    expected = fastem.fold(X, mixture, sample_weight=np.full(200, 0.25))
    for actual in (0.25 * fastem.fold(X, mixture), fastem.fold(X, mixture) * np.float64(0.25)):
        np.testing.assert_allclose(actual.statistics, expected.statistics, rtol=1e-13)
        np.testing.assert_allclose(actual.log_likelihood, expected.log_likelihood, rtol=1e-13)
        assert actual.total_weight == expected.total_weight
    same_parameters(fastem.maximise(actual), fastem.maximise(fastem.fold(X, mixture)), 1e-12)
    assert type(np.float64(0.5) * fastem.fold(X, mixture)) is fastem.Evidence


def test_nothing_of_evidence_is_left_after_a_multiplication_by_zero(rng):
    mixture, X = blobs(FULL, rng, 50, 2, 2)
    evidence = fastem.fold(X, mixture)
    both = 0.0 * replace(evidence, log_likelihood=-np.inf) + evidence
    assert both.log_likelihood == evidence.log_likelihood
    np.testing.assert_array_equal(both.facts.location, evidence.facts.location)
    with pytest.raises(ValueError, match="nothing is left of it"):
        fastem.maximise(0 * evidence)


def test_what_evidence_cannot_be_combined_with(rng):
    mixture, X = blobs(FULL, rng, 50, 2, 2)
    evidence = fastem.fold(X, mixture)
    for factor in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="finite number >= 0"):
            factor * evidence
    for factor in ("a", evidence, np.ones(3)):
        with pytest.raises(TypeError):
            factor * evidence
    three = fastem.fold(X, blobs(FULL, rng, 5, 3, 2)[0])
    with pytest.raises(ValueError, match=r"one family and one size; .* 2 component\(s\) of 2 .* 3 of 2"):
        evidence + three


def test_a_family_that_does_not_say_how_statistics_move(rng, monkeypatch):
    case = BY_SHAPE["diag"]
    monkeypatch.setattr(type(case.family), "moved", fastem.Family.moved)
    mixture, X = blobs(case, rng, 50, 2, 2)
    with pytest.raises(TypeError, match="gaussian_diag.* cannot be added.*`moved`"):
        fastem.fold(X, mixture) + fastem.fold(X, other_than(mixture, case, rng))


@every_family
def test_online_em_with_decayed_evidence_ends_near_the_fit_of_all(case, rng):
    """Cappe and Moulines (2009), J. R. Statist. Soc. B 71, 593-613."""
    truth = blobs(case, rng, 10, 2, 2)[0]
    X = fastem.sample(truth, 20_000, seed=1).X
    mixture = fastem.fit(X[:500], case.family, 2, start=truth, max_iter=1)
    evidence = fastem.fold(X[:500], mixture)
    for step, batch in enumerate(np.split(X[500:], 39), 2):
        g = step**-0.6
        evidence = (1 - g) * evidence + g * fastem.fold(batch, mixture)
        mixture = fastem.maximise(evidence)
    np.testing.assert_allclose(evidence.n_samples, 500, rtol=1e-9)
    whole = fastem.fit(X, case.family, 2, start=truth)
    lost = (whole.log_likelihood - fastem.evaluate(X, mixture).log_likelihood) / len(X)
    assert 0 <= lost < 2e-3


# ---- responsibilities of somebody else's model ----------------------------------------------------------------------


@every_family
@pytest.mark.parametrize("packed", [False, True])
def test_given_responsibilities_feed_the_m_step(case, packed, rng):
    mixture, X = blobs(case, rng, 300, 3, 2)
    data = fastem.pack(X, case.family) if packed else X
    own = fastem.fold(data, mixture)
    given = fastem.fold(data, mixture, resp=fastem.responsibilities(X, mixture))
    np.testing.assert_allclose(given.statistics, own.statistics, rtol=1e-9, atol=1e-9 * np.abs(own.statistics).max())
    assert np.isnan(given.log_likelihood)
    assert given.total_weight == own.total_weight


@every_family
def test_rows_of_given_responsibilities_need_not_sum_to_one(case, rng):
    """Rows times c are the same as sample weights c; a row of zeros is no sample at all."""
    mixture, X = blobs(case, rng, 300, 3, 2)
    resp, weights = rng.dirichlet(np.ones(3), 300), rng.uniform(0, 3, 300)
    weights[7] = 0.0
    expected = fastem.fold(X, mixture, resp=resp, sample_weight=weights)
    actual = fastem.fold(X, mixture, resp=resp * weights[:, None])
    scale = np.abs(expected.statistics).max()
    np.testing.assert_allclose(actual.statistics, expected.statistics, rtol=1e-9, atol=1e-12 * scale)


def test_unusable_responsibilities_are_refused(rng):
    mixture, X = blobs(FULL, rng, 20, 2, 2)
    with pytest.raises(ValueError, match=re.escape("resp has shape (20, 3); expected (20, 2)")):
        fastem.fold(X, mixture, resp=np.ones((20, 3)))
    bad = np.ones((20, 2))
    bad[3, 1] = -1
    with pytest.raises(ValueError, match=re.escape("resp[3, 1] is -1.0")):
        fastem.fold(X, mixture, resp=bad)


# ---- densities of components, evaluate ------------------------------------------------------------------------------


@every_family
@pytest.mark.parametrize("n", [1, 127, 600])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_component_log_density_is_that_of_each_component_alone(case, n, dtype, rng):
    mixture, X = blobs(case, rng, n, 3, 2)
    X = X.astype(dtype)
    single = [fastem.from_parameters(case.family, [1.0], **case.family.take(mixture.parameters, [k])) for k in range(3)]
    expected = np.column_stack([fastem.log_density(X.astype(float), one) for one in single])
    rtol = 1e-11 if dtype == np.float64 else 2e-4
    actual = fastem.component_log_density(X, mixture)
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol)
    out = np.empty((n, 3))
    fastem.jit.component_log_density(X, fastem.jit.arguments(mixture), out)
    np.testing.assert_allclose(out, fastem.component_log_density(X.astype(float), mixture), rtol=1e-12)
    with np.errstate(divide="ignore"):
        joint = actual + np.log(mixture.weights)
    np.testing.assert_allclose(np.logaddexp.reduce(joint, axis=1), fastem.log_density(X, mixture), rtol=rtol, atol=rtol)


def test_component_log_density_in_compiled_code_checks_its_shapes(rng):
    mixture, X = blobs(FULL, rng, 10, 2, 2)
    arguments = fastem.jit.arguments(mixture)
    for bad in ((X, np.empty((10, 3))), (X, np.empty((9, 2))), (X[:, :1].copy(), np.empty((10, 2)))):
        with pytest.raises(ValueError, match="X must be"):
            fastem.jit.component_log_density(bad[0], arguments, bad[1])


@every_family
def test_evaluate_gives_a_result_the_likelihood_of_data(case, rng):
    mixture, X = blobs(case, rng, 300, 2, 2)
    fitted = fastem.fit(X, case.family, 2, start=mixture, max_iter=5)
    again = fastem.evaluate(X, fastem.from_parameters(case.family, fitted.weights, **fitted.parameters))
    np.testing.assert_allclose(again.bic, fitted.bic, rtol=1e-10)
    assert (again.n_samples, again.total_weight, again.objective) == (300, 300.0, again.log_likelihood)
    assert fastem.evaluate(X, fitted).history is fitted.history
    weights = rng.integers(0, 3, 300)
    weighted = fastem.evaluate(X, fitted, sample_weight=weights)
    repeated = fastem.evaluate(np.repeat(X, weights, axis=0), fitted)
    np.testing.assert_allclose([weighted.bic, weighted.aic], [repeated.bic, repeated.aic], rtol=1e-12)


def test_an_impossible_sample_of_weight_zero_does_not_count():
    mixture = fastem.from_parameters(fastem.Bernoulli(), [1.0], probabilities=[[0.0]])
    assert fastem.evaluate([[0], [1]], mixture, sample_weight=[1, 0]).log_likelihood == 0.0
    assert fastem.evaluate([[0], [1]], mixture).log_likelihood == -np.inf


# ---- packed data ---------------------------------------------------------------------------------------------------


@every_family
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weighted", [False, True])
def test_packed_data_stand_for_the_array(case, dtype, weighted, rng):
    mixture, X = blobs(case, rng, 700, 3, 2)
    X, weights = X.astype(dtype), rng.uniform(0, 2, 700) if weighted else None
    packed = fastem.pack(X, case.family, sample_weight=weights)
    assert (packed.n_samples, packed.n_features) == (700, 2)
    for start in (mixture, "kmeans"):
        one = fastem.fit(X, case.family, 3, start=start, seed=0, max_iter=9, sample_weight=weights)
        other = fastem.fit(packed, case.family, 3, start=start, seed=0, max_iter=9)
        assert one.history.tobytes() == other.history.tobytes()
        for name, value in one.parameters.items():
            assert value.tobytes() == other.parameters[name].tobytes()
    rtol = 1e-9 if dtype == np.float64 else 2e-4
    for name in ("log_density", "component_log_density", "responsibilities"):
        function = getattr(fastem, name)
        assert function(packed, mixture).dtype == function(X, mixture).dtype
        np.testing.assert_allclose(function(packed, mixture), function(X, mixture), rtol=rtol, atol=rtol)
    assert (fastem.predict(packed, mixture) == fastem.predict(X, mixture)).mean() > 0.99
    expected = fastem.evaluate(X, mixture, sample_weight=weights)
    np.testing.assert_allclose(fastem.evaluate(packed, mixture).bic, expected.bic, rtol=rtol)
    evidence = fastem.fold(packed, mixture), fastem.fold(X, mixture, sample_weight=weights)
    same_parameters(fastem.maximise(evidence[0]), fastem.maximise(evidence[1]), rtol)


def test_packed_data_serve_families_that_store_data_alike(rng):
    X = blobs(FULL, rng, 100, 2, 3)[1]
    packed = fastem.pack(X, fastem.Gaussian("full"))
    for shape in ("tied", "diag", "tied_diag", "full"):
        family = fastem.Gaussian(shape, ridge=0.1)
        expected = fastem.fit(X, family, 2, start="kmeans", seed=0)
        assert fastem.fit(packed, family, 2, start="kmeans", seed=0).log_likelihood == expected.log_likelihood
    with pytest.raises(ValueError, match="packed for gaussian_full, and gaussian_spherical stores"):
        fastem.fit(packed, fastem.Gaussian("spherical"), 2)
    counts = fastem.pack(rng.poisson(3.0, (50, 2)), fastem.Poisson())
    with pytest.raises(ValueError, match="packed for poisson, and bernoulli stores"):
        fastem.fit(counts, fastem.Bernoulli(), 2)


@pytest.mark.parametrize("name", ["select", "diagnose", "bootstrap", "likelihood_ratio_test", "estimator", "stream"])
def test_functions_that_take_no_packed_data_say_so(name, rng):
    mixture, X = blobs(FULL, rng, 60, 2, 2)
    packed = fastem.pack(X, FULL.family)
    calls = {
        "select": lambda: fastem.select(packed, FULL.family, 2),
        "diagnose": lambda: fastem.diagnose(mixture, packed),
        "bootstrap": lambda: fastem.bootstrap(mixture, packed),
        "likelihood_ratio_test": lambda: fastem.likelihood_ratio_test(packed, FULL.family, 1),
        "estimator": lambda: fastem.GaussianMixture(2).fit(packed),
        "stream": lambda: fastem.stream(packed),
    }
    with pytest.raises(TypeError, match=r"packed|Packed"):
        calls[name]()


def test_what_does_not_fit_packed_data_is_refused(rng):
    mixture, X = blobs(FULL, rng, 60, 2, 2)
    packed = fastem.pack(X, FULL.family)
    for function in (fastem.fold, fastem.evaluate):
        with pytest.raises(ValueError, match=r"give the weights to fastem\.pack"):
            function(packed, mixture, sample_weight=np.ones(60))
    with pytest.raises(ValueError, match=r"give the weights to fastem\.pack"):
        fastem.fit(packed, FULL.family, 2, sample_weight=np.ones(60))
    three = blobs(FULL, rng, 5, 2, 3)[0]
    for function in (fastem.fold, fastem.evaluate, fastem.log_density):
        with pytest.raises(ValueError, match=r"X has 2 feature\(s\), but the mixture has 3"):
            function(packed, three)
    with pytest.raises(ValueError, match="NaN"):
        fastem.pack([[np.nan]], FULL.family)
    with pytest.raises(TypeError, match="family"):
        fastem.pack(X, "full")


def test_packed_data_are_packed_anew_where_they_are_unpickled(rng):
    mixture, X = blobs(FULL, rng, 60, 2, 2)
    packed = fastem.pack(X, FULL.family, sample_weight=rng.uniform(0, 1, 60))
    again = pickle.loads(pickle.dumps(packed))
    assert again.data.fields["tiles"] != packed.data.fields["tiles"]
    assert fastem.fold(again, mixture).log_likelihood == fastem.fold(packed, mixture).log_likelihood
    assert repr(packed) == "<Packed: 60 samples x 2 features for gaussian_full, with weights>"


# ---- addresses, caches, errors of kernels ----------------------------------------------------------------------------


@every_family
def test_arguments_are_made_anew_where_they_are_unpickled(case, rng):
    mixture, X = blobs(case, rng, 50, 2, 2)
    arguments = fastem.jit.arguments(mixture)
    for again in (pickle.loads(pickle.dumps(arguments)), copy.copy(arguments), copy.deepcopy(arguments)):
        one, other = np.empty(50), np.empty(50)
        fastem.jit.log_density(X, arguments, one)
        fastem.jit.log_density(X, again, other)
        assert one.tobytes() == other.tobytes()


def test_arguments_without_their_mixture_cannot_be_pickled(rng):
    @njit
    def returned(arguments):
        return arguments

    arguments = fastem.jit.arguments(blobs(FULL, rng, 5, 2, 2)[0])
    for bare in (returned(arguments), arguments._replace(derive=0)):
        with pytest.raises(TypeError, match=r"fastem\.jit\.arguments"):
            pickle.dumps(bare)


def python(*command, **environment):
    """What a fresh process prints."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-3000:]}"
    return done.stdout.split()


def test_arguments_and_packed_data_in_a_spawned_process(tmp_path):
    """Where addresses of another process would end it with a segmentation fault."""
    script = tmp_path / "spawning.py"
    script.write_text("""
import multiprocessing
import numpy as np, fastem

def work(X, arguments, packed, mixture):
    out = np.empty(len(X))
    fastem.jit.log_density(X, arguments, out)
    return out.tobytes(), fastem.fold(packed, mixture).log_likelihood

if __name__ == "__main__":
    X = np.random.default_rng(0).poisson(3.0, (40, 2)).astype(float)
    mixture = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0, 1.0], [5.0, 5.0]])
    case = X, fastem.jit.arguments(mixture), fastem.pack(X, fastem.Poisson()), mixture
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(work, case) == work(*case))
""")
    assert python(script) == ["True"]


USER = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, fastem
assert fastem.__file__.startswith(sys.argv[1])
log_prob = fastem.Poisson().kernels().log_prob

@fastem.jit.cached
def mine(tile, params, layout, rows, out, latent, scratch):
    log_prob(tile, params, layout, rows, out, latent, scratch)

@fastem.jit.cached(nogil=True)
def also_mine(x):
    return x + 1

rates, out = np.array([[2.0]]), np.empty((1, 1))
params = fastem.Poisson().pack({"rates": rates}, None)
mine(np.zeros((2, 1)), params, np.array([1, 1]), np.arange(1), out, np.empty((0, 1)), np.empty((1, 1)))
print(out[0, 0], sum(mine.stats.cache_hits.values()), also_mine(1))
"""


def test_a_users_cached_function_sees_an_upgrade_of_fastem(tmp_path):
    package = tmp_path / "site" / "fastem"
    shutil.copytree(Path(fastem.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    script, kernels = tmp_path / "mine.py", package / "families" / "poisson.py"
    script.write_text(USER)

    def run():
        return python(script, package.parent, NUMBA_CACHE_DIR=str(tmp_path / "cache"))

    assert run() == ["-2.0", "0", "2"]
    assert run() == ["-2.0", "1", "2"]
    # The edited kernel adds 100 after its own loops.
    edited = kernels.read_text(encoding="utf-8").replace(
        "log_counts(tile, params, layout[0], -1, 0, layout[0], rows, out)",
        "log_counts(tile, params, layout[0], -1, 0, layout[0], rows, out)\n    out[0, 0] += 100.0",
    )
    kernels.write_text(edited)
    assert run() == ["98.0", "0", "2"]


def test_a_script_under_another_name_compiles_anew(tmp_path):
    """As the gallery's: run by runpy, then as the main script. The cache names the module that it came from."""
    script = tmp_path / "mine.py"
    script.write_text(USER)
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    run = f"import runpy; runpy.run_path({str(script)!r}, run_name='elsewhere')"
    place = Path(fastem.__file__).parents[1]
    assert python("-c", run, place, **environment) == ["-2.0", "0", "2"]
    assert python(script, place, **environment)[0] == "-2.0"


def test_a_cached_function_without_a_compiler_is_itself():
    code = "import fastem\nf = lambda x: x + 1\nprint(fastem.jit.cached(f) is f, fastem.jit.cached(nogil=True)(f)(1))"
    assert python("-c", code, NUMBA_DISABLE_JIT="1") == ["True", "2"]


RAISING = """
import sys, traceback
import numpy as np, fastem
from fastem.families import Kernels, poisson
from fastem.jit import kernel

@kernel
def log_prob(tile, params, layout, rows, out, latent, scratch):
    for k in rows:
        for t in range(tile.shape[1]):
            if tile[0, t] > 40:
                raise ValueError("more than forty")  # here
            out[k, t] = -((tile[0, t] - params[k, layout[0] + 1]) ** 2)

class Picky(fastem.Poisson):
    name = "picky"

    def kernels(self):
        return Kernels(log_prob, poisson.accumulate, poisson.derive)

mixture = fastem.from_parameters(Picky(), [0.5, 0.5], rates=[[1.0], [4.0]])
line = 1 + open(__file__).read().split("# here")[0].count("\\n")
for n, n_threads in ((100, 1), (200_000, 2), (200_000, 3)):  # more threads than numba has are the pool's
    X = np.random.default_rng(0).poisson(3.0, (n, 1)).astype(float)
    calls = {
        "fit": lambda X: fastem.fit(X, Picky(), 2, start=mixture, max_iter=2, n_threads=n_threads),
        "log_density": lambda X: fastem.log_density(X, mixture, n_threads=n_threads),
        "fold": lambda X: fastem.fold(X, mixture, n_threads=n_threads),
        "jit": lambda X: fastem.jit.log_density(X, fastem.jit.arguments(mixture), np.empty(n)),
    }
    for name, call in calls.items():
        X[n // 2] = 50
        try:
            call(X)
        except ValueError as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            assert str(error) == "more than forty", error
            assert (place.filename, place.lineno) == (__file__, line), (place, line)
        else:
            raise SystemExit(f"{name} raised nothing")
        X[n // 2] = 5
        call(X)
print("all")
"""


@pytest.mark.parametrize("disabled", ["0", "1"])
def test_what_a_kernel_raises_surfaces_with_its_place(disabled, tmp_path):
    """On one thread, in numba's own threads and in the pool; and the next call works."""
    script = tmp_path / "raising.py"
    script.write_text(RAISING if disabled == "0" else RAISING.replace("200_000", "300"))
    assert python(script, NUMBA_DISABLE_JIT=disabled, NUMBA_NUM_THREADS="2") == ["all"]
