"""The direction of imports, and what `import fastem` costs."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import conftest
import pytest

import fastem
from fastem.compiled import caching

PACKAGE = Path(fastem.__file__).parent
# A room imports from its own folder and from those before it. `validation` is called from everywhere, and looks at
# families alone.
RANKS = (
    *("compiled", "families", "data", "model", "plots", "em", "starts", "fitting", "judging"),
    *("using", "estimators", "applied", "cli", "testing"),
)
# The rooms at the top: the public names, the door for users' own compiled code, and the types of users' annotations.
TOP = {
    "__init__": RANKS.index("cli"),
    "__main__": RANKS.index("cli"),
    "jit": RANKS.index("judging"),
    "typing": RANKS.index("judging"),
    "validation": RANKS.index("families"),
}
MODULES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(path):
    """Modules of the package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "fastem":
                inner = name.split(".")[1:]
                while inner and ".".join(inner) not in MODULES and not (PACKAGE / Path(*inner)).is_dir():
                    inner = inner[:-1]
                found.add(".".join(inner) or "__init__")
    return found


def rank(module):
    """How high a room stands; `validation` counts as a family, as it looks at families alone."""
    folder = module.split(".")[0]
    return RANKS.index(folder) if folder in RANKS else TOP.get(module, TOP.get(folder))


@pytest.mark.parametrize("module", MODULES)
def test_imports_never_run_upwards(module):
    """From lower folders, from its own, and from `validation`."""
    assert rank(module) is not None, f"{module} stands in no room; the folders are {RANKS}"
    upwards = {name for name in imported(MODULES[module]) if rank(name) > rank(module)}
    assert not {name for name in upwards if not name.startswith("validation")}


def test_no_two_rooms_import_each_other():
    for module, path in MODULES.items():
        for name in imported(path) - {module}:
            other = MODULES.get(name) or MODULES[f"{name}.__init__"]
            assert module not in imported(other), (module, name)


def test_every_folder_says_what_lives_there():
    for folder in RANKS:
        text = ast.get_docstring(ast.parse((PACKAGE / folder / "__init__.py").read_text()))
        rooms = {module.split(".")[1] for module in MODULES if module.startswith(f"{folder}.")}
        assert len(text.splitlines()) >= 3, folder
        assert len(rooms - {"__init__"}) <= 12, folder


def test_compiled_code_lives_where_its_changes_are_seen():
    """The key of the cache of machine code is a hash of these folders alone."""
    makers = r"^@(kernel|routine|exact|inline|part|serial_engine|parallel_engine|njit)"
    for module, path in MODULES.items():
        if module.split(".")[0] not in caching.COMPILED:
            assert not re.search(makers, path.read_text(), flags=re.MULTILINE), module


def test_the_cache_of_the_tests_is_keyed_by_the_same_folders():
    assert conftest.COMPILED == caching.COMPILED


def test_an_edited_docstring_of_an_estimator_recompiles_nothing(tmp_path):
    copy = tmp_path / "fastem"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    code = "from fastem.compiled import caching; print(caching.__file__, caching.SOURCES)"

    def stamp():
        where, found = run(code, cwd=tmp_path).split()
        assert Path(where).is_relative_to(tmp_path)
        return found

    before = stamp()
    for room, changes in (("estimators/gaussian.py", False), ("em/loop.py", False), ("data/fold.py", True)):
        path = copy / room
        path.write_text(path.read_text() + "# another line\n")
        assert (stamp() != before) is changes, room


def test_only_the_estimators_and_what_is_made_of_them_import_sklearn():
    users = {module for module, path in MODULES.items() if re.search("(import|from) sklearn", path.read_text())}
    assert users
    # `fastem compare` measures it.
    assert all(module.startswith(("estimators.", "applied.")) for module in users - {"cli.compare"})


def test_files_stay_one_room():
    for module, path in MODULES.items():
        assert len(path.read_text().splitlines()) <= 350, module


@pytest.mark.parametrize("word", ["print(", "logging", "jitclass", "os.environ", "NotImplementedError"])
def test_words_that_have_no_room_in_the_core(word):
    # OMP_NUM_THREADS, for whoever started the process, is all that the environment may say.
    # `fastem --version --verbose` shows what it says.
    printers = {"cli.main", "cli.models", "cli.compare", "cli.writing", "estimators.kmeans", "estimators.verbose"}
    free = {"os.environ": {"data.threads", "cli.environment"}}.get(word, printers)
    for module, path in MODULES.items():
        if module not in free:
            assert word not in path.read_text(), module


def test_numba_is_spelled_in_few_rooms():
    users = {module for module, path in MODULES.items() if "njit" in path.read_text().replace("@njit code", "")}
    assert users <= {"compiled.jit", "families.kernels"}  # the latter in a docstring


def run(code, **settings):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120, **settings
    )
    return done.stdout.strip()


def test_import_fastem_imports_neither_numba_nor_scipy_nor_sklearn():
    code = "import fastem, sys; print([m for m in ('numba', 'scipy', 'sklearn', 'numpy') if m in sys.modules])"
    assert run(code) == "[]"


def test_help_of_the_command_line_needs_no_numba():
    code = (
        "import sys\nfrom fastem.cli.main import main\n"
        "try: main(['fit', '--help'])\n"
        "except SystemExit as e: print(e.code, 'numba' in sys.modules)"
    )
    assert run(code).splitlines()[-1] == "0 False"


def test_the_core_never_imports_sklearn():
    code = (
        "import fastem, numpy as np, sys\n"
        "fastem.fit(np.random.default_rng(0).standard_normal((50, 2)), fastem.Gaussian('diag'), 2)\n"
        "print('sklearn' in sys.modules, 'dask' in sys.modules)"
    )
    assert run(code) == "False False"


def test_the_core_and_the_command_line_work_where_sklearn_is_blocked(tmp_path):
    """scikit-learn is a dependency of the wheel, for the estimators; whoever has no room for it still has the rest."""
    code = (
        "import sys\nsys.modules['sklearn'] = None\n"
        "import fastem, numpy as np\n"
        "X = np.random.default_rng(0).standard_normal((60, 2))\n"
        "result = fastem.fit(X, fastem.Gaussian('full'), 2, seed=0)\n"
        "assert len(fastem.predict(X, result)) == len(fastem.log_density(X, result)) == 60\n"
        "assert fastem.select(X, [fastem.Gaussian('diag')], [1, 2], seed=0).best is not None\n"
        "fastem.diagnose(result, X), fastem.bootstrap(result, X, n_replicates=2, seed=0)\n"
        "fastem.save(result, 'model'), fastem.load('model'), fastem.sample(result, 3, seed=0)\n"
        "fastem.maximise(fastem.fold(X, result)), fastem.jit.arguments(result)\n"
        "np.savetxt('data.csv', X, delimiter=',', header='a,b', comments='')\n"
        "from fastem.cli.main import main\n"
        "assert not main(['fit', 'data.csv', '--components', '1:2', '--seed', '0', '--save', 'out'])\n"
        "try: fastem.GaussianMixture\n"
        "except ImportError as error: print('without:', error)"
    )
    assert run(code, cwd=tmp_path).splitlines()[-1].startswith("without: No module named 'sklearn")


def test_every_function_but_kernels_is_annotated():
    """The type checker skips functions without annotations, which is meant for kernels alone."""
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                compiled = any(isinstance(d, ast.Name) or "overload" in ast.dump(d) for d in node.decorator_list)
                methods = {"property", "abstractmethod", "contextmanager", "intrinsic"}
                names = {d.id for d in node.decorator_list if isinstance(d, ast.Name)}
                if not compiled or names & methods:
                    assert node.returns is not None, f"{module}.{node.name}"
