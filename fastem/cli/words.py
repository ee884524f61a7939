"""What the package says about arguments and features, in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fastem.cli import makers
from fastem.cli.parser import SEARCH

# Arguments of functions that are options of the command line, too.
OPTIONS = {
    **{name: makers.flag(name) for name in (*SEARCH, *makers.SHARED, "prior", "seed")},
    **{"n_components": "--components", "n_threads": "--threads"},
}
# Those whose names are no words of English, and so arguments wherever they stand. Others are where a value follows.
NAMES = [name for name in OPTIONS if "_" in name or name in ("ridge", "tol")]


def in_options(text: str, names: Sequence[str] = ()) -> str:
    """A sentence with options for arguments, and with columns by their names."""
    text = re.sub(r"""\b\w+\((?:'\w+', )?(\w+=[^()]*?)\)""", r"\1", text)  # Gaussian('full', ridge=1e-3)
    text = re.sub(r"""\b(\w+)=(["']?)([\w.+-]*)\2""", _option, text)
    text = re.sub(rf"(?<![-\w])({'|'.join(NAMES)})(?![-\w])", lambda found: OPTIONS[found[1]], text)
    return re.sub(r"\b([Ff]eatures?) (\d+(?:, \d+)*)", lambda found: f"{found[1]} {_columns(found[2], names)}", text)


def _option(found: re.Match[str]) -> str:
    name, _, value = found.groups()
    return found[0] if name not in OPTIONS else f"{OPTIONS[name]} {value}".rstrip()


def _columns(numbers: str, names: Sequence[str]) -> str:
    return ", ".join(names[int(j)] if int(j) < len(names) else j for j in numbers.split(", "))
