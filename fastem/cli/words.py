"""What the package says about arguments and features, in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Arguments of functions that are options of the command line, too: by names that are no words of English, and others,
# which are arguments only where a value follows.
NAMES = ("n_components", "n_init", "n_threads", "max_iter", "min_samples", "min_variance", "reg_covar", "ridge", "tol")
WORDS = ("accelerate", "floor", "prior", "progressive", "seed", "start", "starving")
OPTIONS = {
    **{name: "--" + name.replace("_", "-") for name in (*NAMES, *WORDS)},
    **{"n_components": "--components", "n_threads": "--threads"},
}


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
