"""A family from nothing: the example obeys every law, and goes through all that our own families go through."""

import importlib.util
import runpy
import sys
import warnings

import numpy as np
import pytest
from conftest import HERE
from scipy import stats

import fastem
from fastem.testing import check_family

EXAMPLE = HERE.parent / "examples" / "zero_inflated_poisson.py"


@pytest.fixture(scope="module")
def family():
    spec = importlib.util.spec_from_file_location(EXAMPLE.stem, EXAMPLE)
    sys.modules[EXAMPLE.stem] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ZeroInflatedPoisson()


def log_prob(parameters, X):
    """log p(x_i | component k), (n, K), by SciPy."""
    inflation, x = parameters["inflation"], X[:, None]
    with np.errstate(divide="ignore"):
        return np.log(inflation * (x == 0) + (1 - inflation) * stats.poisson.pmf(x, parameters["rates"])).sum(axis=2)


def test_it_obeys_every_law(family):
    report = check_family(family, log_prob=log_prob)
    assert len(report.held) == 18
    assert list(report.skipped.values()) == [
        "the family has no M-step as a kernel", "the family has no derivatives (tangent)",
        "the family does not say what its M-step is where some parameters are known (targeted)",
    ]  # fmt: skip


def test_it_fits_selects_bootstraps_saves_and_loads(family, tmp_path):
    truth = fastem.from_parameters(
        family, [0.4, 0.6], inflation=[[0.3, 0.1, 0.5], [0.0, 0.4, 0.2]], rates=[[2, 5, 9], [8, 1, 3]]
    )
    X = fastem.sample(truth, 5000, seed=0).X
    chosen = fastem.select(X, family, [1, 2, 3], seed=0)
    assert chosen.best.n_components == 2
    result = fastem.fit(X, family, 2, seed=0, accelerate="anderson", tol=1e-8)
    order = np.argsort(result.weights)
    for name, value in truth.parameters.items():
        np.testing.assert_allclose(result.parameters[name][order], value, atol=0.2)
    with pytest.raises(TypeError, match="does not say how its M-step changes where some of"):
        fastem.fit(X, family, 2, fixed={"inflation": 0.2})
    known = fastem.fit(X, family, 2, fixed=dict(truth.parameters))
    np.testing.assert_allclose(known.weights, truth.weights, atol=0.03)
    errors = fastem.bootstrap(result, X, n_replicates=10, seed=0).standard_errors
    assert (errors["rates"] < 0.2).all() and (errors["rates"] > 0).all()
    fastem.save(result, tmp_path / "model.npz")
    loaded = fastem.load(tmp_path / "model.npz")
    assert loaded.family == family
    np.testing.assert_array_equal(fastem.log_density(X, loaded), fastem.log_density(X, result))
    estimator = fastem.Mixture(family, 2, random_state=0).fit(X)
    assert estimator.predict(X).shape == (5000,)
    in_chunks = fastem.fit(fastem.stream(X, rows=700), family, 2, start=truth, max_iter=5, tol=0)
    whole = fastem.fit(X, family, 2, start=truth, max_iter=5, tol=0)
    np.testing.assert_allclose(in_chunks.history, whole.history, rtol=1e-12)


def test_other_data_are_refused(family):
    with pytest.raises(ValueError, match=r"ZeroInflatedPoisson needs counts; X\[1, 0\] is 2.5"):
        fastem.fit([[1.0], [2.5]], family, 1)


def test_it_is_short():
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 80


@pytest.mark.parametrize("script", sorted(EXAMPLE.parent.glob("plot_*.py")), ids=lambda path: path.stem)
def test_a_script_of_the_gallery_draws(script, monkeypatch):
    """Each has a title, a question in its first line, and at least one picture."""
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastem.FitWarning)
        names = runpy.run_path(str(script), run_name="__main__")
    assert plt.get_fignums()
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    plt.close("all")
    title, line, _, text = names["__doc__"].strip().split("\n", 3)
    assert set(line) == {"="}
    assert len(line) >= len(title)
    assert "?" in text.split("\n\n")[0]
