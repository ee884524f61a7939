"""The table of all families: what the files in tests/families say. A new family is a new file there."""

import importlib
from pathlib import Path

from cases import Case, blobs, draw
from families.gaussian import CASES as GAUSSIANS
from families.gaussian import DIAG, FULL

from fastem.data.samples import Samples
from fastem.fitting.survey import prepare
from fastem.model.files import arrays_of
from fastem.model.model import Model
from fastem.model.result import Result

__all__ = ["DIAG", "FAMILIES", "FULL", "GAUSSIANS", "Case", "blobs", "draw", "plain", "problem_on"]

_FILES = sorted(path.stem for path in (Path(__file__).parent / "families").glob("*.py"))
FAMILIES = [case for name in _FILES for case in importlib.import_module(f"families.{name}").CASES]


def problem_on(X, sample_weight, family, n_components, threads):
    """The problem of a mixture on data, as `fit` makes it."""
    return prepare(Model(family, n_components), Samples(X, sample_weight), threads)


def plain(value):
    """A Result as arrays by name, for comparisons; anything else as it is."""
    return arrays_of(value) if isinstance(value, Result) else value
