"""The direction of imports, and what `import fastem` costs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastem

PACKAGE = Path(fastem.__file__).parent
# Each room may import the rooms named here, and nothing else of the package.
ALLOWED = {
    "__init__": {"*"},
    "_jit": set(),
    "_math": {"_jit"},
    "guards": {"_jit", "families.base"},  # the latter for types only
    "families.base": {"families.tangents"},  # for types only
    "families.squares": {"_jit"},
    "families.triangular": {"_jit"},
    "families.gaussian": {"families.base", "families.squares", "families.tangents", "guards"},
    "families.__init__": {"*families", "validation"},
    "memory": set(),
    "threads": {"_jit", "memory"},
    "assign": {"_jit", "_math"},
    "tiles": {"_jit", "families.base", "memory", "threads"},
    "folding": {"_jit", "assign", "families.base", "threads", "tiles"},
    "evaluating": {"_jit", "families.base", "folding", "memory", "threads", "tiles"},
    "problem": {"folding", "guards", "families.base", "threads", "tiles"},
    "kmeans": {"_jit", "folding", "families.centroids", "families.base", "threads", "tiles"},
    "initialise": {"folding", "guards", "kmeans", "families.base", "problem", "tiles"},
    "accelerate": set(),
    "stopping": set(),
    "loop": {
        "accelerate", "folding", "guards", "families.base", "problem", "reseeding", "results", "stopping"
    },
    "reseeding": {"evaluating", "initialise", "families.base", "problem", "tiles"},
    "checkpoint": {"accelerate", "families.base", "loop", "problem", "results", "validation"},
    "progressive": {
        "checkpoint", "families.base", "guards", "initialise", "loop", "problem", "results", "stopping", "tiles"
    },
    "finishing": {"guards", "families.base", "loop", "problem", "results"},
    "agglomerate": {"_jit", "families.base"},
    "starts": {
        "agglomerate", "evaluating", "folding", "guards", "initialise", "families.base", "kmeans", "loop", "problem",
        "stopping", "tiles"
    },
    "diagnosing": {
        "families.base", "families.tangents", "functional", "results", "threads", "validation"
    },
    "families.tangents": {"families.base"},
    "fixed_points": {"accelerate", "results", "stopping", "validation"},
    "selecting": {
        "accelerate", "em", "families.base", "functional", "progressive", "results", "starts", "stopping", "threads",
        "validation"
    },
    "bootstrapping": {
        "em", "families.base", "functional", "initialise", "results", "starts", "stopping", "threads", "validation"
    },
    "validation.__init__": {"validation.data", "validation.mixtures", "validation.settings"},
    "validation.data": {"families.base"},
    "validation.mixtures": {"families.base", "validation.data"},
    "validation.settings": {"families.base", "validation.data"},
    "results": {"families", "families.base", "validation"},
    "em": {
        "_jit", "accelerate", "checkpoint", "families.base", "finishing", "guards", "initialise", "loop", "problem",
        "progressive", "results", "starts", "stopping", "threads", "tiles", "validation"
    },
    "functional": {
        "evaluating", "folding", "guards", "validation", "families.base", "problem", "results", "threads", "tiles"
    },
    "validation.estimators": {"families.base", "validation.data"},
    "cluster": {
        "families", "families.base", "functional", "kmeans", "results", "threads", "tiles", "validation",
        "validation.estimators"
    },
    "mixture.__init__": {"mixture.gaussian", "mixture.poisson"},
    "mixture.precisions": {"families.base", "guards"},
    "mixture.progress": {"results"},
    "progress": {"results"},
    "mixture.files": {"results", "validation.data", "validation.estimators"},
    "mixture.predicting": {"families.base", "functional", "results", "validation", "validation.estimators"},
    "mixture.base": {
        "accelerate", "em", "families.base", "guards", "mixture.files", "mixture.predicting", "mixture.progress",
        "results", "starts", "validation", "validation.estimators"
    },
    "mixture.gaussian": {
        "families", "families.base", "functional", "mixture.base", "mixture.precisions", "validation.estimators"
    },
    "mixture.poisson": {"families", "families.base", "functional", "mixture.base", "validation.estimators"},
    "jit": {"folding", "_jit", "families.base", "functional", "results", "tiles", "validation"},
    "cli": {"__init__", "reading"},
    "reading": set(),
}  # fmt: skip
FAMILY = {
    "_jit", "_math", "families.base", "families.gaussian", "families.squares", "families.tangents",
    "families.triangular", "guards",
}  # fmt: skip
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


@pytest.mark.parametrize("module", MODULES)
def test_dependencies_point_one_way(module):
    allowed = ALLOWED.get(module, FAMILY if module.startswith("families.") else set())
    found = imported(MODULES[module])
    if "*" in allowed:
        return
    if "*families" in allowed:
        found = {name for name in found if not name.startswith("families.")}
    assert found <= allowed, f"{module} imports {sorted(found - allowed)}"


def test_only_the_estimators_import_sklearn():
    users = {module for module, path in MODULES.items() if re.search("(import|from) sklearn", path.read_text())}
    assert users == {"cluster", "mixture.base", "mixture.gaussian", "mixture.predicting"}


def test_files_stay_one_room():
    for module, path in MODULES.items():
        assert len(path.read_text().splitlines()) <= 350, module


@pytest.mark.parametrize("word", ["print(", "logging", "jitclass", "os.environ", "NotImplementedError"])
def test_words_that_have_no_room_in_the_core(word):
    for module, path in MODULES.items():
        if module not in ("cli", "cluster", "mixture.progress"):
            assert word not in path.read_text(), module


def test_numba_is_spelled_in_few_rooms():
    users = {module for module, path in MODULES.items() if "njit" in path.read_text().replace("@njit code", "")}
    assert users <= {"_jit", "families.base"}  # the latter in a docstring


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.strip()


def test_import_fastem_imports_neither_numba_nor_scipy_nor_sklearn():
    code = "import fastem, sys; print([m for m in ('numba', 'scipy', 'sklearn', 'numpy') if m in sys.modules])"
    assert run(code) == "[]"


def test_help_of_the_command_line_needs_no_numba():
    code = (
        "import sys, fastem.cli\n"
        "try: fastem.cli.main(['fit', '--help'])\n"
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
