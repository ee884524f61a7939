"""The documentation: its examples run and print what it says, its links lead somewhere, its figures were measured.

Blocks of Python are executed, and so are the `fastem ...` commands in blocks of sh: all of a page in order, in one
namespace, in a folder where the data lie at tests/data. Where a block of text follows, it is what they print; three
dots in it stand for anything.
"""

import doctest
import importlib
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE

import fastem
from benchmarks import plot, results
from fastem.cli.main import main

ROOT = HERE.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*PAGES, results.RESULTS]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def run_commands(block):
    """Run the `fastem` commands of a block of sh: the others install something, or take long."""
    for command in re.split(r"&&|\n", block.replace("\\\n", " ")):
        words = shlex.split(command, comments=True)
        if words[:1] == ["fastem"]:
            assert main(words[1:]) == 0, command


def run_page(page, capsys):
    """Execute a page; its names."""
    names = {"__name__": "__main__"}  # numba looks for the module of a function that it has cached
    out, text = "", page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        language, block = found.groups()
        if language == "text":
            agrees = doctest.OutputChecker().check_output(block, out, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
            assert agrees, f"{page.name} says\n{block}\nand it prints\n{out}"
        elif language == "python":
            # Lines have the numbers that they have in the page, where numba and tracebacks look for them.
            exec(compile("\n" * text[: found.start(2)].count("\n") + block, str(page), "exec"), names)
            out = capsys.readouterr().out
        elif language == "sh":
            run_commands(block)
            out = capsys.readouterr().out
        else:
            raise AssertionError(f"{page.name} has a block of {language}, which nothing runs")
    return names


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where examples run: data lie at tests/data, examples/ can be imported, and what they write is gone afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    (tmp_path / "tests").mkdir()
    try:
        (tmp_path / "tests" / "data").symlink_to(HERE / "data")
    except OSError:  # Windows, without the right to make links
        shutil.copytree(HERE / "data", tmp_path / "tests" / "data")
    return tmp_path


def check_readme(names):
    assert names["probabilities"].shape == (272, 2)
    np.testing.assert_allclose(names["result"].log_likelihood, -1130.264, atol=1e-2)
    np.testing.assert_allclose(names["result"].bic, 2322.192, atol=1e-2)


def check_embedding(names):
    X, mixture = names["X"], names["mixture"]
    density = fastem.log_density(X, mixture)
    assert names["count_novel"](X, names["arguments"], -6.0) == (density < -6.0).sum()
    # The tile kernel's joint density is that of the mixture.
    joint = names["out"] + np.log(mixture.weights)[:, None]
    np.testing.assert_allclose(np.log(np.exp(joint).sum(axis=0)), density[:64], rtol=1e-10)


def check_algorithms(names):
    """The likelihood of the hidden Markov model is that of the textbook's forward recursion, and it never falls."""
    history, X = np.array(names["history"]), names["X"]
    assert (np.diff(history) > -1e-9).all()
    log_prob = fastem.component_log_density(X, names["emissions"])
    resp, counts = np.empty((len(X), 2)), np.empty((2, 2))
    start, transition = names["start"], names["transition"]
    actual = names["smooth"](X, fastem.jit.arguments(names["emissions"]), start, transition, resp, counts)
    with np.errstate(divide="ignore"):
        forward, log_transition = np.log(start) + log_prob[0], np.log(transition)
    for row in log_prob[1:]:
        forward = row + np.logaddexp.reduce(forward[:, None] + log_transition, axis=0)
    np.testing.assert_allclose(actual, np.logaddexp.reduce(forward), rtol=1e-12)
    np.testing.assert_allclose(resp.sum(axis=1), 1.0, rtol=1e-9)
    np.testing.assert_allclose(counts.sum(), len(X) - 1, rtol=1e-9)


CHECKS = {"README": check_readme, "algorithms": check_algorithms, "embedding": check_embedding}


@every_page
def test_the_examples_of_a_page_run_and_print_what_it_says(page, folder, capsys):
    names = run_page(page, capsys)
    CHECKS.get(page.stem, len)(names)


def test_the_readme_is_short_and_begins_with_its_two_commands():
    text = README.read_text(encoding="utf-8")
    assert len(text.split()) <= 1200
    first, second = (block.strip() for language, block in BLOCK.findall(text)[:2] if language == "sh")
    grid = "--components 1:9 --covariance full,tied,diag,spherical"
    assert first == f"pip install . && fastem fit tests/data/faithful.csv {grid}"
    assert second == "pip install '.[test]' && pytest -n auto"
    assert text.index(second) < text.index("\n## ")


def anchors(path):
    """The names by which GitHub links to the headings of a page."""
    outside = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", outside, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_public_name_is_on_a_page_of_the_api():
    text = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    named = set(re.findall(r"^   (\w+)$|``(?:[\w.]+\.)?(\w+)``", text, flags=re.MULTILINE))
    named = {name for pair in named for name in pair}
    modules = [
        importlib.import_module(f"fastem{name}") for name in ("", ".families", ".jit", ".plots", ".testing", ".typing")
    ]
    missing = {name for module in modules for name in module.__all__} - named - {"__version__"}
    assert not missing
    assert "compile" in named


def test_every_page_is_in_the_table_of_contents():
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^[\w-]+$", text[text.index(":::{toctree}") :], flags=re.MULTILINE))
    assert {page.stem for page in (ROOT / "docs").glob("*.*") if page.suffix in (".md", ".rst")} - {"index"} <= listed


def test_the_tutorial_quotes_its_example():
    """The lines that are indented there are those of the file."""
    code = [
        line.strip()
        for line in (ROOT / "examples" / "zero_inflated_poisson.py").read_text(encoding="utf-8").splitlines()
    ]
    code = [line for line in code[code.index("import numpy as np") :] if line]
    text = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    quoted = [line.strip() for line in outside.splitlines() if line.startswith("    ")]
    assert sorted([*quoted, "@register"]) == sorted(code)


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.stem)
def test_links_lead_to_files_and_headings_that_exist(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        file, _, heading = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.exists(), target
        assert not heading or heading in anchors(linked), target


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in PAGES[1:]:
        assert page.name == "index.md" or f"({page.name})" in index, page.name


def test_the_results_name_the_commands_that_measure_them():
    text = results.RESULTS.read_text(encoding="utf-8")
    for name, section in results.SECTIONS.items():
        inside = results.between(text, name)[1]
        assert all(command in inside for command in section.commands), name
        assert re.search(r"[Cc]ommits? ", inside), name


def test_a_section_of_the_results_is_rewritten_and_nothing_else(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text("# T\n\nBy hand.\n\n<!-- begin fake -->\nold\n<!-- end fake -->\n\nBelow.\n")
    fake = results.Section(("python -c \"print('| a |')\"", "python -c \"print('| b |')\""))
    results.main(["fake"], {"fake": fake, "other": fake}, path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# T\n\nBy hand.\n\n<!-- begin fake -->\n")
    assert text.endswith("\n| a |\n\n| b |\n<!-- end fake -->\n\nBelow.\n")
    assert "old" not in text
    assert fake.commands[0] in text
    for fact in ("cores", "numba", f"fastem {fastem.__version__}", "Commit"):
        assert fact in text, fact
    with pytest.raises(ValueError, match="no place for the section other"):
        results.main(["other"], {"other": fake}, path)


def test_a_command_that_fails_leaves_its_section_as_it_was(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text("<!-- begin fake -->\nold\n<!-- end fake -->\n")
    fake = results.Section(('python -c "raise SystemExit(3)"',), plain=True)
    with pytest.raises(SystemExit, match="ended with 3"):
        results.main([], {"fake": fake}, path)
    assert "\nold\n" in path.read_text(encoding="utf-8")


def test_the_readme_shows_the_figures_of_the_results(tmp_path):
    rows = plot.read()
    shown = results.between(README.read_text(encoding="utf-8"), "figures")[1].strip()
    assert shown == plot.table(rows), "run python -m benchmarks.plot"
    assert {row.shape for row in rows} == set(plot.SHAPES)
    assert plot.Row("1 x 1, 1", "full", {"a": "1,240 (3.0x)", "b": "not installed"}).milliseconds("a") == 1240.0
    assert plot.Row("1 x 1, 1", "full", {"a": "1,240 (3.0x)", "b": "not installed"}).milliseconds("b") is None
    pytest.importorskip("matplotlib")
    plot.draw(rows, tmp_path / "speed.svg")
    assert (tmp_path / "speed.svg").stat().st_size > 10_000


PACKAGE = Path(fastem.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("module", MODULES)
def test_docstring_examples(module):
    failed, tried = doctest.testmod(importlib.import_module(module.removesuffix(".__init__")))
    assert tried and not failed


def test_every_file_names_the_same_version():
    def named(pattern, path):
        return re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE)[1]

    assert named(r'^version = "(\S+)"', "pyproject.toml") == fastem.__version__
    assert named(r"^version: (\S+)", "CITATION.cff") == fastem.__version__
    assert named(r"^## (\S+)", "CHANGELOG.md") == fastem.__version__
