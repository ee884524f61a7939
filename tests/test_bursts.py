"""Passes in bursts: the same bits as one by one, in the same number of passes, whatever ends a burst."""

import numpy as np
import pytest
from tables import FAMILIES, blobs

import fastem
from fastem.compiled import numpys
from fastem.compiled.numpys import LONGEST
from fastem.data.bursts import passes as burst
from fastem.data.fold import Plan, Task, shape_of
from fastem.data.pack import pack
from fastem.data.threads import Team
from fastem.em import crawling, rivals
from fastem.em import loop as looping
from fastem.families.base import Limits, identity_frame
from fastem.families.gaussian.full import GaussianFull
from fastem.fitting import brief

BURST = ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical")
every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
SETTINGS = {
    "to the end": {"start": "kmeans", "n_init": 2},
    "brief": {"start": "kmeans"},
    "brief and small": {"start": "kmeans", "min_samples": 90.0, "starving": "drop"},
    "random": {"start": "random", "n_init": 3, "tol": 0, "max_iter": 40},
    "auto": {"start": "auto"},
    "losers dropped": {"start": "random_from_data", "n_init": 4, "drop_losers": True},
    "few passes": {"start": "kmeans", "max_passes": 17, "tol": 0},
    "one iteration": {"start": "kmeans", "max_iter": 1},
    "none": {"start": "kmeans", "max_iter": 0},
    "two": {"start": "kmeans", "max_iter": 2, "tol": 0},
    "starving": {"start": "random_from_data", "min_samples": 60.0, "starving": "drop"},
    "reseeded": {"start": "random_from_data", "min_samples": 60.0},
    "plain": {"start": "kmeans", "tol": 1e-9, "accelerate": None},
    "accelerated": {"start": "kmeans", "accelerate": "squarem"},
    "leaping": {"start": "random_from_data", "n_init": 2, "accelerate": "anderson", "tol": 1e-9, "max_iter": 90},
    "crawling": {"start": "auto", "tol": 1e-10, "max_iter": 400},
    "aitken": {"start": "kmeans", "criterion": "aitken"},
}
every_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
pytestmark = pytest.mark.filterwarnings("ignore::fastem.FitWarning")


def parts(result):
    starts = [(report.status, *report[1:]) for report in result.starts]
    arrays = [result.weights, *result.parameters.values(), result.history]
    return (
        [array.tobytes() for array in arrays],
        starts,
        result.status,
        result.n_iter,
        result.n_passes,
        result.criterion_value,
    )


def both(monkeypatch, fit):
    """A fit in bursts and one by one."""
    quick = fit()
    monkeypatch.setattr(looping, "bursts", lambda *_arguments, **_named: None)
    monkeypatch.setattr(brief, "begun", lambda *_arguments: None)
    return quick, fit()


@every_setting
@every_family
def test_bursts_change_no_bit(case, settings, rng, monkeypatch):
    for k, d, dtype, weighted in [(4, 3, "f8", False), (3, 9, "f4", True), (9, 1, "f8", True)]:
        _, X = blobs(case, rng, 400, k, d)
        X, weights = X.astype(dtype), rng.random(400) * 3 if weighted else None
        with monkeypatch.context() as patch:
            quick, slow = both(
                patch,
                lambda X=X, k=k, w=weights: fastem.fit(
                    X, case.family, k, sample_weight=w, seed=3, n_threads=1, **settings
                ),
            )
        assert repr(parts(quick)) == repr(parts(slow)), (k, d)


def test_a_floor_ends_a_burst(rng, monkeypatch):
    """Repeated samples make a component collapse on the way."""
    X = np.concatenate([rng.standard_normal((60, 2)), np.full((20, 2), 3.0)])
    for shape in ("full", "diag", "spherical"):
        with monkeypatch.context() as patch:
            quick, slow = both(
                patch, lambda s=shape: fastem.fit(X, fastem.Gaussian(s), 3, start="kmeans", n_init=4, seed=1)
            )
        assert repr(parts(quick)) == repr(parts(slow)), shape
        assert any(report.status.name == "COLLAPSED" for report in quick.starts), shape


@pytest.mark.parametrize("family", [*map(fastem.Gaussian, BURST), fastem.Poisson(), fastem.Bernoulli()], ids=str)
@pytest.mark.parametrize(("k", "d"), [(1, 1), (3, 2), (4, 9), (2, 40)])
def test_an_m_step_as_a_kernel_is_maximise(family, k, d, rng):
    counts = rng.poisson(4.0, (300, d))
    X = (counts > 4 if family.name == "bernoulli" else counts).astype(float)
    mixture = fastem.from_parameters(
        family, np.ones(k) / k, **family.unpack(family.reference(X[:k]), family.frame(np.zeros(d), np.ones(d)), k)
    )
    evidence = fastem.fold(X, mixture)
    frame, limits = evidence.frame, Limits(np.full(d, 1e-9), np.full(d, 0.01), None, 1e-12, 1e-15)
    params, statistics = family.pack(mixture.parameters, frame), evidence.statistics
    if family.name == "gaussian_tied" and not (2 <= d <= 7 and 2 <= k <= 7):  # by BLAS, in its own order
        assert family.m_step(frame, limits, k) is None
        return
    step, rows, flags = family.m_step(frame, limits, k), np.full(params.shape, np.nan), np.zeros((2, k), dtype=bool)
    step.kernel(statistics, params, step.constants, family.layout(d, k), rows, np.empty(step.n_scratch), flags)
    expected = family.maximise(statistics, params, frame, limits, np.zeros(k, dtype=bool))
    assert not flags[1, 0]
    np.testing.assert_array_equal(rows, expected.params)
    if family.name not in ("poisson", "bernoulli"):
        high = limits._replace(floor=np.full(d, 1e9))
        step = family.m_step(frame, high, k)
        step.kernel(statistics, params, step.constants, family.layout(d, k), rows, np.empty(step.n_scratch), flags)
        assert flags[1, 0]


def test_a_class_with_a_maximise_of_its_own_goes_by_that(rng):
    class Biased(type(fastem.Poisson())):
        def maximise(self, statistics, params, *rest):
            statistics = statistics.copy()
            statistics[:, 1:] *= 2.0
            return super().maximise(statistics, params, *rest)

    X = rng.poisson(4.0, (200, 2)).astype(float)
    found = fastem.fit(X, Biased(), 1, start="kmeans", tol=0, max_iter=5).parameters["rates"][0]
    np.testing.assert_allclose(found, 2 * X.mean(axis=0))


def test_a_burst_of_much_data_is_short():
    data = pack(np.zeros((200_000, 4)), None, GaussianFull(), identity_frame(4), np.float64, Team(1, "serial"))
    shape = shape_of(GaussianFull(), 4, 8)
    task = Task(8, GaussianFull().layout(4, 8), (GaussianFull().kernels(), shape), (GaussianFull().kernels(), shape))
    plan = Plan(data, task, Team(1, "serial"))
    assert burst.longest(plan, 1, 8) < 10
    assert burst.longest(plan, 20, 8) == 0
    assert burst.longest(plan, 1, LONGEST + 1) == 0
    assert burst.longest(Plan(data, task, Team(2, "pool")), 1, 8) == 0


def test_large_families_keep_the_way_through_numpy():
    d = 200
    frame, limits = GaussianFull().frame(np.zeros(d), np.ones(d)), Limits(np.zeros(d), np.zeros(d))
    for family in (GaussianFull(), fastem.Gaussian("diag"), fastem.Poisson()):
        assert family.m_step(frame, limits, 2) is None


def test_the_next_time_to_look_is_the_first_one():
    for module in (rivals, crawling):
        for n in range(400):
            time = module.next_time(n)
            assert module.is_time(time)
            assert not any(module.is_time(m) for m in range(n + 1, time))
    for n in range(100):
        for wait in (1, 30, 200):
            time = crawling.next_time(n, wait)
            assert crawling.is_time(time)
            assert not any(crawling.is_time(m) for m in range(max(n + wait, n + 1), time))


def test_sums_and_logarithms_have_numpys_bits(rng):
    for n in range(1, LONGEST + 1):
        x = rng.standard_normal((3, n))
        assert [total(row) for row in x] == x.sum(axis=1).tolist(), n
    x = np.exp(rng.uniform(-700, 700, 5000))
    out = np.empty_like(x)
    logs(x, out)
    np.testing.assert_array_equal(out, np.log(x))
    with np.errstate(divide="ignore"):
        logs(np.zeros(3), out[:3])
        assert (out[:3] == -np.inf).all()


def test_the_fallback_of_the_logarithm_is_numpys_own(rng):
    x = np.exp(rng.standard_normal(20))
    for loop in (numpys.with_numpy(np.log), numpys.loop_of(np.log, x), numpys.loop_of(np.log, np.full(1, np.nan))):
        np.testing.assert_array_equal(numpys.run_loop(loop, x), np.log(x))


def logs(x, out):
    _logs(x, out)


@fastem.jit.cached
def total(x):
    return numpys.total_of(x)


@fastem.jit.cached
def _logs(x, out):
    numpys.log_into(x, out)
