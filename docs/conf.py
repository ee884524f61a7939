"""The documentation site: `sphinx-build -W -n docs build/docs`. Pages are Markdown, which reads well without it."""

from __future__ import annotations

import builtins
import re
from datetime import date
from pathlib import Path
from typing import Any

import fastem

ROOT = Path(__file__).parents[1]

project, author = "fastem", "The fastem developers"
copyright = f"{date.today().year}, {author}"
version = release = fastem.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "sphinx_copybutton"]
extensions += ["sphinx_gallery.gen_gallery"]


def place(_: Any, path: str) -> None:
    """Tell a script of the gallery where it lies, which sphinx-gallery does not."""
    builtins.__file__ = str(ROOT / "examples" / Path(path).name)  # type: ignore[attr-defined]


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(assignments|few_labels|zero_inflated_poisson)\.py$",
    "within_subsection_order": "FileNameSortKey",
    "show_memory": False,
    "plot_gallery": True,  # -D sphinx_gallery_conf.plot_gallery=0 leaves the scripts unrun
    "write_computation_times": False,
    "min_reported_time": 1e9,
    "reset_modules": ("matplotlib", place),
}
templates_path = ["_templates"]
exclude_patterns = ["generated/README.md"]
suppress_warnings = ["config.cache"]  # of `place`, which is a function
html_theme = "pydata_sphinx_theme"
html_title = f"fastem {version}"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False, "secondary_sidebar_items": ["page-toc"]}
html_show_sourcelink = False

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
autosummary_generate = True
autodoc_typehints = "none"
autodoc_default_options = {"member-order": "bysource"}
numpydoc_show_class_members = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
# Bases that are no part of the interface, or that are other packages'.
nitpick_ignore_regex = [("py:.*", r"(numpy|sklearn|typing|collections|enum|abc|dataclasses|_io|os|pathlib)\b.*")]
nitpick_ignore_regex += [("py:.*", r"fastem\..*")]

# Pages that are files elsewhere: their text takes the place of a pointer to it.
ELSEWHERE = {"overview": "README.md", "results": "benchmarks/RESULTS.md", "changelog": "CHANGELOG.md"}
LINKS = {
    "](../benchmarks/RESULTS.md": "](results.md",
    "](../README.md)": "](overview.md)",
    "](benchmarks/RESULTS.md": "](results.md",
    "[LICENSE](LICENSE)": "LICENSE",
    "](../examples)": "](gallery/index.rst)",
    "](../CHANGELOG.md)": "](changelog.md)",
    "](../docs/": "](",
    "](docs/": "](",
}


def read(_: Any, name: str, source: list[str]) -> None:
    """Put in what lies elsewhere, and turn links to it into links within the site."""
    if name in ELSEWHERE:
        source[0] = (ROOT / ELSEWHERE[name]).read_text(encoding="utf-8")
    if name == "cite":
        citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
        source[0] = source[0].replace("[CITATION.cff](../CITATION.cff)", f"```yaml\n{citation}```")
    for link, target in LINKS.items():
        source[0] = source[0].replace(link, target)
    # Lexers do not know that a block of output is text.
    source[0] = re.sub(r"^```text$", "```none", source[0], flags=re.MULTILINE)


def skip(_: Any, what: str, name: str, member: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out what scikit-learn's bases bring: its own pages have it, and our pages none of their targets."""
    theirs = name.endswith("_request") or str(getattr(member, "__module__", "")).startswith("sklearn")
    return True if theirs else None


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", read)
    app.connect("autodoc-skip-member", skip)
