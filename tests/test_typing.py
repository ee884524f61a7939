"""What a type checker sees: planted mistakes are found, correct code passes, and the types say what comes out."""

import ast
import os
import re
import subprocess
import sys
import typing
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tables import FAMILIES, blobs

import fastem
import fastem.testing
from fastem import typing as types
from fastem.em.accelerate import METHODS as ACCELERATORS
from fastem.em.stopping import CRITERIA
from fastem.families.gaussian import SHAPES
from fastem.judging.bootstrap import KINDS
from fastem.judging.criteria import CRITERIA as SELECTION
from fastem.model.starving import POLICIES
from fastem.starts.names import METHODS as STARTS

PACKAGE = Path(fastem.__file__).parent

GOOD = """
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import fastem
from fastem import families, jit
from fastem.families import POSITIVE, REAL, Array, Family, Frame, Kernels, Limits, Maximised, Parameter, Parameters
from fastem.testing import check_family
from fastem.typing import Acceleration, Criterion, Start, Starving

X = np.random.default_rng(0).normal(size=(100, 2))


def callback(record: fastem.Record) -> bool:
    return record.iteration > 3


def fits(criterion: Criterion, accelerate: Acceleration | None, starving: Starving, start: Start) -> fastem.Result:
    result = fastem.fit(
        X, fastem.Gaussian("tied_diag", ridge=1e-6), 2, criterion=criterion, accelerate=accelerate, starving=starving,
        start=start, callback=callback, checkpoint=None, seed=[1, 2],
    )
    assert_type(result.weights, NDArray[np.float64])
    assert_type(result.parameters["means"], NDArray[np.float64])
    assert_type(result.history, NDArray[np.float64])
    assert_type(result.status, fastem.Status)
    assert_type(result.starts[0].distance, float | None)
    return result


result = fits("aitken", "squarem", "drop", "short-runs")
for start in (result, {"method": "kmeans", "means": [[1.0, 2.0], [3.0, 4.0]]}, [0, 1] * 50, X > 0, [[0.5, 0.5]] * 100):
    fastem.fit(X, fastem.Poisson(), 2, start=start)
assert_type(fastem.log_density(X, result), NDArray[np.float64])
assert_type(fastem.predict(X, result), NDArray[np.int64])
assert_type(fastem.responsibilities(X, result), NDArray[np.floating[Any]])
assert_type(fastem.sample(result, 5, seed=0).labels, NDArray[np.int64])
assert_type(fastem.maximise(fastem.fold(X, result) + fastem.fold(X, result)), fastem.Result)
assert_type(fastem.from_parameters(fastem.Bernoulli(), [1.0], probabilities=[[0.5]]), fastem.Result)

chosen = fastem.select(X, [fastem.Gaussian(), fastem.Gaussian("full")], range(1, 4), criterion="icl", callback=print)
assert_type(chosen.best, fastem.Result)
assert_type(chosen.table[0].bic, float)
assert_type(fastem.bootstrap(result, X, kind="weighted").interval()["weights"][0], NDArray[np.float64])
assert_type(fastem.diagnose(result, X).verdict, fastem.Verdict)
fastem.likelihood_ratio_test(X, fastem.Gaussian(), 1, start="splitting", starving="stop")
assert_type(fastem.fixed_point(np.cos, [1.0], accelerate="squarem").theta, NDArray[np.float64])
fastem.save(result, "result.npz")
fastem.fit(fastem.stream([X, X]), fastem.load("result.npz").family, 2)

estimator = fastem.GaussianMixture(2, covariance_type="diag", init_params="k-means++", starving="drop").fit(X)
assert_type(estimator, fastem.GaussianMixture)
assert_type(estimator.predict(X), NDArray[np.int64])
assert_type(fastem.PoissonMixture(2, accelerate="anderson").fit(X).score(X), float)
assert_type(fastem.BernoulliMixture(2).fit(X).bic(X), float)
assert_type(fastem.KMeans(2, init=[[0.0, 0.0], [1.0, 1.0]], n_init="auto").predict(X), NDArray[np.int32])
fastem.Mixture("poisson", 2, init_params="hierarchical").fit(X, callback=callback)
assert_type(jit.arguments(result), jit.Arguments)
assert_type(families.Gaussian("full"), Family)


@jit.kernel
def log_prob(tile, params, layout, rows, out, latent, scratch):  # type: ignore[no-untyped-def]
    pass


@jit.kernel
def accumulate(tile, resp, labels, latent, weight, params, layout, rows, out, scratch):  # type: ignore[no-untyped-def]
    pass


@fastem.register
@dataclass(frozen=True)
class Mine(Family):
    name = "mine"
    parameters = (Parameter("centres", ("K", "d"), REAL), Parameter("widths", ("K", "d"), POSITIVE))
    floor: float = 1e-6

    def kernels(self) -> Kernels:
        return Kernels(log_prob, accumulate)

    def statistics_shape(self, n_features: int, n_components: int) -> tuple[int, int]:
        return n_components, 2 * n_features + 1

    def pack(self, parameters: Parameters, frame: Frame) -> NDArray[np.float64]:
        return np.hstack([parameters["centres"] - frame.shift, parameters["widths"] / frame.scale])

    def located(self, centres: Array) -> Parameters:
        return {"centres": centres, "widths": np.ones(centres.shape)}

    def moments(self, parameters: Parameters) -> tuple[Array, Array]:
        return parameters["centres"], parameters["widths"] ** 2

    def maximise(self, statistics: Array, params: Array, frame: Frame, limits: Limits, starving: Array) -> Maximised:
        return Maximised(np.maximum(params, limits.floor.min()), starving, starving)

    def sample(self, rng: np.random.Generator, parameters: Parameters, labels: Array) -> Array:
        return rng.normal(parameters["centres"][labels])


def log_density(parameters: Mapping[str, Array], X: Array) -> Array:
    return np.asarray(-np.abs(X[:, None] - parameters["centres"]).sum(axis=2))


assert_type(check_family(Mine(), log_prob=log_density).held, tuple[str, ...])
fastem.fit(X, Mine(floor=1e-3), 2)
"""

# Each mistake on a line of its own, with the mypy error that it must be.
BAD = """
import numpy as np
import fastem
from fastem.families import Family, Parameter
X = np.zeros((9, 2))
G = fastem.Gaussian()
fastem.fitt(3)  # attr-defined
fastem.gaussian("full")  # attr-defined
fastem.fit(X, "full", 2)  # arg-type
fastem.fit(X, fastem.Gaussian, 2)  # arg-type
fastem.fit(X, G)  # call-arg
fastem.fit(X, G, 2, 1)  # call-arg
fastem.fit(X, G, 2, criterion="nonsense")  # arg-type
fastem.fit(X, G, 2, start="nonsense")  # arg-type
fastem.fit(X, G, 2, starving="nonsense")  # arg-type
fastem.fit(X, G, 2, accelerate="nonsense")  # arg-type
fastem.fit(X, G, 2, n_int=3)  # call-arg
fastem.fit(X, G, 2, n_init=2.5)  # arg-type
fastem.fit(X, G, 2, callback=lambda: True)  # arg-type misc
fastem.Gaussian("nonsense")  # arg-type
fastem.Gaussian(covariance_type="full")  # call-arg
fastem.fit(X, G, 2).mean  # attr-defined
fastem.fit(X, G, 2).status.valu  # attr-defined
fastem.fit(X, G, 2).weights.means  # attr-defined
fastem.fit(X, G, 2).weights = np.ones(2)  # misc
fastem.Status.CONVERGD  # attr-defined
word: str = fastem.fit(X, G, 2).weights  # assignment
variable = "".join(["g", "ain"])
fastem.fit(X, G, 2, criterion=variable)  # arg-type
fastem.select(X, G, criterion="nonsense")  # arg-type
fastem.select(X, G, start={"means": [[1.0]]})  # arg-type
fastem.select(X, G).best_row  # attr-defined
fastem.bootstrap(fastem.fit(X, G, 2), X, kind="nonsense")  # arg-type
fastem.likelihood_ratio_test(X, G, 1, start="nonsense")  # arg-type
fastem.fixed_point(np.cos, [1.0], accelerate="nonsense")  # arg-type
fastem.GaussianMixture(2, covariance_type="nonsense")  # arg-type
fastem.GaussianMixture(2, init_params="nonsense")  # arg-type
fastem.GaussianMixture(2, covariance="full")  # call-arg
fastem.PoissonMixture(2, starving="nonsense")  # arg-type
fastem.BernoulliMixture(2, accelerate="nonsense")  # arg-type
fastem.Mixture(G, 2, init_params="nonsense")  # arg-type
fastem.KMeans(2, init="nonsense")  # arg-type
fastem.KMeans(2, algorithm="nonsense")  # arg-type
fastem.jit.argument(fastem.fit(X, G, 2))  # attr-defined
fastem.families.Gausian("full")  # attr-defined
Parameter("rates", ("K", "d"), "positive")  # arg-type
class Half(Family): name = 3  # assignment
Half()  # abstract
"""


def complaints(folder):
    """mypy's errors in both files, as {(file, line): codes}. One run, as most of its time goes to NumPy's stubs."""
    (folder / "good.py").write_text(GOOD)
    (folder / "bad.py").write_text(BAD)
    # A package that is not installed is found by MYPYPATH, and one that is must not be named there.
    path = {} if "site-packages" in PACKAGE.parts else {"MYPYPATH": str(PACKAGE.parent)}
    cache = Path(os.environ["NUMBA_CACHE_DIR"]) / "mypy"  # the tests' own
    options = ["--strict", "--follow-imports=silent", "--no-error-summary", "--hide-error-context", "--no-pretty"]
    command = [sys.executable, "-m", "mypy", *options, "--config-file=", f"--cache-dir={cache}", "good.py", "bad.py"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **path}, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = {}
    for line in done.stdout.splitlines():
        if ": note: " in line:
            continue
        match = re.fullmatch(r"(\w+\.py):(\d+): error: .*\[([\w-]+)\]", line)
        assert match is not None, line
        found.setdefault((match[1], int(match[2])), set()).add(match[3])
    return found


def test_every_planted_mistake_is_found_and_correct_code_passes(tmp_path):
    """The correct code also asserts what types come out."""
    pytest.importorskip("mypy")
    found = complaints(tmp_path)
    lines = enumerate(BAD.splitlines(), start=1)
    expected = {("bad.py", i): set(line.split("  # ")[1].split()) for i, line in lines if "  # " in line}
    texts = {"bad.py": BAD.splitlines(), "good.py": GOOD.splitlines()}
    assert {where: texts[where[0]][where[1] - 1] for where in expected.keys() ^ found.keys()} == {}
    assert found == expected


OPTIONS = {
    "Acceleration": ACCELERATORS,
    "BootstrapKind": KINDS,
    "CovarianceShape": SHAPES,
    "Criterion": CRITERIA,
    "SelectionCriterion": SELECTION,
    "StartMethod": STARTS,
    "Starving": POLICIES,
}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_type_of_an_option_lists_what_is_accepted_at_run_time(name):
    assert typing.get_args(getattr(types, name)) == tuple(OPTIONS[name])


def test_the_options_of_kmeans_are_those_that_scikit_learn_checks():
    hints = typing.get_type_hints(fastem.KMeans.__init__)
    for name in ("init", "n_init", "algorithm"):
        literals = {value for hint in (hints[name], *typing.get_args(hints[name])) for value in typing.get_args(hint)}
        accepted = fastem.KMeans._parameter_constraints[name][0]
        assert {value for value in literals if isinstance(value, str)} == accepted.options


PUBLIC = {
    "fastem": fastem,
    **{f"fastem.{name}": getattr(fastem, name) for name in ("families", "jit", "typing", "testing")},
}
NAMES = [(module, name) for module, inside in PUBLIC.items() for name in inside.__all__ if name != "__version__"]


def test_annotations_can_be_read_at_run_time():
    for _, value in ((name, getattr(PUBLIC[module], name)) for module, name in NAMES):
        if isinstance(value, type) and value.__module__.startswith("fastem"):
            typing.get_type_hints(value.__init__)
        elif isinstance(value, type(blobs)):
            typing.get_type_hints(value)


def test_a_type_checker_is_told_the_names_that_exist_at_run_time():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    told = {alias.asname: node.module for node in blocks[0].body for alias in node.names}
    assert set(told) == {*fastem._HOME, *fastem._MODULES}
    assert {name: f"fastem.{home}" for name, home in fastem._HOME.items()} == {
        name: told[name] for name in fastem._HOME
    }
    assert {*fastem.__all__, "compile"} == {"__version__", "families", "jit", "plots", *fastem._HOME}
    assert "compile" not in fastem.__all__  # Python's own must not be hidden
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        fastem.fitt  # noqa: B018


@pytest.mark.parametrize("case", FAMILIES, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_arrays_come_out_in_the_types_that_are_declared(case, dtype, rng):
    _, X = blobs(case, rng, 200, 2, 2)
    result = fastem.fit(X.astype(dtype), case.family, 2, start="kmeans", seed=0, max_iter=3)
    floats = [result.weights, result.history, *result.parameters.values(), fastem.log_density(X, result)]
    evidence = fastem.fold(X.astype(dtype), result)
    floats += [evidence.statistics, *evidence.frame, fastem.maximise(evidence).weights, fastem.sample(result, 3).X]
    assert {np.asarray(array).dtype for array in floats} == {np.dtype(np.float64)}
    integers = fastem.predict(X.astype(dtype), result), fastem.sample(result, 3).labels
    assert {array.dtype for array in integers} == {np.dtype(np.int64)}
    assert fastem.responsibilities(X.astype(dtype), result).dtype == dtype


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_every_public_name_is_on_a_page_of_the_documentation_and_has_a_docstring(module, name):
    pages = [PACKAGE.parent / "README.md", *(PACKAGE.parent / "docs").glob("*.md")]
    if not pages[0].exists():
        pytest.skip("installed without its documentation")
    assert any(re.search(rf"`[^`\n]*\b{re.escape(name)}\b", page.read_text(encoding="utf-8")) for page in pages)
    value = getattr(PUBLIC[module], name)
    if callable(value) and value.__module__.split(".")[0] == "fastem":
        assert value.__doc__
        assert not (isinstance(value, type) and value.__doc__.startswith(f"{name}(")), "a dataclass's own"


def test_the_wheel_says_that_the_package_is_typed(tmp_path):
    assert (PACKAGE / "py.typed").is_file()
    if not (PACKAGE.parent / "pyproject.toml").is_file():
        pytest.skip("installed without its sources")
    wheel = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(PACKAGE.parent))
    (path,) = wheel.build(directory=str(tmp_path), versions=["standard"])
    assert "fastem/py.typed" in zipfile.ZipFile(path).namelist()
