"""Families by the names that the command line gives them, and the options that each of them takes."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fastem.cli.reading import CommandError

if TYPE_CHECKING:
    from fastem import Family

DEFAULT = "gaussian"
# Options that several families share, in words for --help, which imports no family. The other options of a family are
# read from its signature, but only when --family names it.
SHARED = {
    "covariance": "comma-separated shapes, a model of the grid each: full, tied, diag, spherical, tied_diag, "
    "tied_spherical (default: full)",
    "ridge": "fraction of each column's variance added to every variance (default: 0)",
    "reg_covar": "added to every variance, in squared units (default: 0)",
    "floor": "smallest variance of a component, relative to the data's (default: what floating point resolves)",
    "min_variance": "the same as a number in squared units (default: 0)",
}
# The one option that takes several values.
SEVERAL = "covariance"
# The names of these options among all options begin with this.
PREFIX = "family_"


def flag(name: str) -> str:
    """A keyword argument as the option of the command line."""
    return "--" + name.replace("_", "-")


def flags(names: Iterable[str]) -> str:
    """Several keyword arguments as options, separated by commas."""
    return ", ".join(map(flag, names))


def maker(family: str) -> Callable[..., Family]:
    """The class or function that makes the family of this name, or of this module:name."""
    from fastem.families import MAKERS

    if family in MAKERS:
        return MAKERS[family]
    module, _, name = family.partition(":")
    if not name:
        raise CommandError(
            f"--family is {family!r}; it must be one of {', '.join(MAKERS)}, or module:name of one of your own, such "
            "as mypackage.families:MyFamily."
        )
    sys.path.append("")  # the current folder, after all that is installed
    try:
        made = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise CommandError(f"--family is {family!r}, but {module} cannot be imported: {error}") from None
    finally:
        sys.path.remove("")
    if not callable(made):
        raise CommandError(f"--family is {family!r}, but {module} has no class or function of the name {name!r}.")
    return made


def keywords(family: str) -> dict[str, Any]:
    """The options of a family by keyword, with their defaults, or `inspect.Parameter.empty` if they have none."""
    parameters = inspect.signature(maker(family)).parameters.values()
    return {p.name: p.default for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def add_options(parser: argparse.ArgumentParser, family: str | None) -> None:
    """Add the options that several families share, and those of this family."""
    options = dict(SHARED)
    for name, default in (keywords(family) if family else {}).items():
        needed = default is inspect.Parameter.empty
        options.setdefault(name, f"of {family}{', which needs it' if needed else f' (default: {default})'}")
    group = parser.add_argument_group("options of families")
    for name, words in options.items():
        try:
            group.add_argument(flag(name), dest=PREFIX + name, default=argparse.SUPPRESS, metavar="VALUE", help=words)
        except argparse.ArgumentError:
            raise CommandError(
                f"--family {family} takes {flag(name)}, which fastem fit means otherwise; name a function that calls "
                "it something else."
            ) from None


def families(options: argparse.Namespace) -> list[Family]:
    """The families that the user named: one, or one for each covariance shape."""
    make, known = maker(options.family), keywords(options.family)
    given = {name.removeprefix(PREFIX): text for name, text in vars(options).items() if name.startswith(PREFIX)}
    strange = given.keys() - known.keys()
    if strange:
        takes = f"which takes {flags(known)}" if known else "which takes no options"
        names = flags(name for name in given if name in strange)
        have = "has" if len(strange) == 1 else "have"
        raise CommandError(f"{names} {have} no meaning with --family {options.family}, {takes}.")
    needed = [name for name, default in known.items() if default is inspect.Parameter.empty and name not in given]
    if needed:
        raise CommandError(f"--family {options.family} needs {flags(needed)}.")
    several = [text.strip() for text in given.pop(SEVERAL, "").split(",") if text.strip()]
    settings = {name: _value(text) for name, text in given.items()}
    return [make(**{SEVERAL: value}, **settings) for value in several] or [make(**settings)]


def _value(text: str) -> Any:
    """A number, true, false or null as a Python value, anything else as text. The family refuses what it cannot use."""
    try:
        return json.loads(text)
    except ValueError:
        return text
