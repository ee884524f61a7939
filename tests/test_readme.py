"""The README's Python examples, in order, and the examples in docstrings."""

import doctest
import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE

import fastem

README = (HERE.parent / "README.md").read_text()


def test_the_examples_of_the_readme_run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").symlink_to(HERE)
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 9
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    out = capsys.readouterr().out
    assert "-1130.26" in out
    assert "Converged" in out
    assert "0.6268215" in out
    assert "gaussian_tied 3" in out
    result, X = names["result"], names["X"]
    assert names["probabilities"].shape == (272, 2)
    np.testing.assert_allclose(result.bic, 2322.192, atol=1e-2)
    density = names["fastem"].log_density(X, names["mixture"])
    assert names["count_novel"](X, names["arguments"], -6.0) == (density < -6.0).sum()
    # The tile kernel's joint density is that of the mixture.
    joint = names["out"] + np.log(names["mixture"].weights)[:, None]
    np.testing.assert_allclose(np.log(np.exp(joint).sum(axis=0)), density[:64], rtol=1e-10)


def test_the_two_commands_are_near_the_top():
    top = "\n".join(README.splitlines()[:25])
    assert (
        "pip install . && fastem fit tests/data/faithful.csv --components 1:9 --covariance full,tied,diag,spherical"
        in top
    )
    assert "pip install '.[test]' && pytest" in top


PACKAGE = Path(fastem.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("module", MODULES)
def test_docstring_examples(module):
    failed, tried = doctest.testmod(importlib.import_module(module.removesuffix(".__init__")))
    assert tried and not failed
