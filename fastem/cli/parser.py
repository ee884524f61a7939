"""The commands of `fastem` and their options.

If the value of an option is one of a list, that list is read from the package. Nothing that compiles is imported: the
lists are in files of their own, and a family's options are looked up only if --family names it. An option that is not
given is not passed on, so the default is that of the package.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from fastem.cli import makers
from fastem.em.accelerate import CHOICES as ACCELERATORS
from fastem.judging.criteria import CRITERIA
from fastem.model.starving import ASSIGNMENTS, FATES
from fastem.starts.names import METHODS as STARTS

# The numbers of components if none are given; with labels, as many from the first that has room for them.
COMPONENTS = [1, 2, 3]
_EPILOG = """\
examples:
  fastem fit faithful.csv --components 1:9 --covariance full,tied,diag,spherical
  fastem fit counts.csv --family poisson --components 2,4,8 --n-init 10 --seed 1
  fastem fit iris.csv --drop Species --components 3 --labels-out labels.csv --save iris.npz
"""


def parse(arguments: Sequence[str] | None, version: str) -> argparse.Namespace:
    """The options of a call; `command` is its first word."""
    scout = _Parser(prog="fastem fit", usage="fastem fit [--help]", add_help=False)
    scout.add_argument("--family")
    return _parser(scout.parse_known_args(arguments)[0].family, version).parse_args(arguments)


def search(options: argparse.Namespace) -> dict[str, Any]:
    """The options that say how to look for a model, as keyword arguments of `fastem.select`; only those given."""
    given = {name: getattr(options, name) for name in SEARCH if hasattr(options, name)}
    return {name: None if name == "accelerate" and value == NEVER else value for name, value in given.items()}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as those of the commands are."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"fastem: error: {message}; see {self.prog} --help\n")


def _parser(family: str | None, version: str) -> argparse.ArgumentParser:
    """The parser, with the options of this family."""
    parser = _Parser(prog="fastem", description="Fit mixture models by Expectation-Maximization.")
    parser.add_argument("--version", action="version", version=f"fastem {version}")
    parser.add_argument("--verbose", action="store_true", help="with --version: details, for bug reports")
    commands = parser.add_subparsers(required=True, metavar="command", dest="command")
    fit = commands.add_parser(
        "fit",
        help="fit a grid of mixtures to a table and report the best",
        description="Fit every combination of family and number of components; choose the one of lowest BIC, or by "
        "another criterion, among those that did not collapse.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands.add_parser("families", help="name the families and their options")
    ahead = commands.add_parser(
        "compile",
        help="compile ahead, so that no first fit waits",
        description="Compile what fits and predictions need and keep it in the cache on disk, for this processor and "
        "this version. Set NUMBA_CACHE_DIR to choose the folder.",
    )
    ahead.add_argument(
        "--families",
        type=_names,
        help="comma-separated names, such as gaussian_full, gaussian or poisson (default: all)",
    )
    ahead.add_argument(
        "--dtypes", type=_names, default=["float64", "float32"], help="of the data (default: float64,float32)"
    )
    ahead.add_argument("--jobs", type=int, metavar="N", help="processes that compile at a time (default: all cores)")
    _add_models(commands)
    _add_table(fit)
    fit.add_argument(
        "--family",
        default=makers.DEFAULT,
        help="kind of components, by name, or module:name of one of your own; `fastem families` names all "
        f"(default: {makers.DEFAULT})",
    )
    fit.add_argument(
        "--components", type=_components, default=COMPONENTS, help="such as 3, 1:9 (inclusive) or 2,4,8 (default: 1:3)"
    )
    fit.add_argument("--fixed", type=Path, metavar="FILE.npz", help="known values by parameter; NaN is free")
    fit.add_argument("--shared", type=_names, help="parameters of which all components have the same values: means")
    fit.add_argument(
        "--weights", type=_weights, default="free", help="mixing weights: free (default), equal, or numbers"
    )
    fit.add_argument("--prior", choices=("fraley-raftery",), help="mclust's prior of Gaussian components")
    for name, settings in SEARCH.items():
        fit.add_argument(makers.flag(name), default=argparse.SUPPRESS, **settings)
    fit.add_argument("--seed", type=int, default=0, help="of all randomness; one seed, one result (default: 0)")
    fit.add_argument("--threads", type=int, help="number of threads (default: all cores)")
    _add_output(fit)
    makers.add_options(fit, family)
    return parser


def _add_models(commands: Any) -> None:
    """Add the commands that take a model which was saved."""
    predict = commands.add_parser("predict", help="say which component each row of a table is of")
    sample = commands.add_parser("sample", help="draw new rows from a model")
    show = commands.add_parser("show", help="describe a model")
    plot = commands.add_parser("plot", help="draw a model, and data")
    compare = commands.add_parser(
        "compare",
        help="measure fastem beside scikit-learn on this machine",
        description="Measure fits of a few shapes by both, and print a table. This takes half a minute.",
    )
    for command in (predict, sample, show, plot):
        command.add_argument("model", type=Path, metavar="MODEL.npz", help="what `fastem fit --save` wrote")
    _add_source(predict)
    predict.add_argument(
        "--what",
        type=_of(("labels", "probabilities", "density")),
        default=["labels"],
        help="comma-separated: labels (default), probabilities, density (its logarithm)",
    )
    predict.add_argument("--threads", type=int, help="number of threads (default: all cores)")
    sample.add_argument("n", type=int, metavar="N", help="how many rows")
    sample.add_argument("--seed", type=int, default=0, help="one seed, the same rows (default: 0)")
    sample.add_argument("--labels", action="store_true", help="write the component of each row, too")
    for command in (predict, sample):
        command.add_argument(
            "--out", type=Path, metavar="FILE", help=".csv, .tsv, .parquet or .npy (default: CSV to standard output)"
        )
    for command in (show, compare):
        command.add_argument("--json", action="store_true", help="print JSON, for a script")
    _add_source(plot, needed=False)
    plot.add_argument("--out", type=Path, required=True, metavar="PICTURE", help=".png, .svg, .pdf or .jpg")
    plot.add_argument(
        "--what",
        choices=("classification", "uncertainty", "density", "components"),
        default="classification",
        help="what is drawn (default: classification)",
    )
    plot.add_argument("--features", type=_names, help="comma-separated, by name or number (default: up to 8)")
    plot.add_argument("--level", type=float, default=0.95, help="probability of each ellipse (default: 0.95)")


def _of(words: Sequence[str]) -> Callable[[str], list[str]]:
    """The type of an option whose value is some of these words."""

    def chosen(text: str) -> list[str]:
        names = _names(text)
        if not names or set(names) - set(words):
            raise argparse.ArgumentTypeError(f"{text!r}: expected some of {', '.join(words)}")
        return names

    return chosen


def _add_source(command: argparse.ArgumentParser, needed: bool = True) -> None:
    """Add the options that say which table is read."""
    command.add_argument(
        "data",
        type=Path,
        nargs=None if needed else "?",
        help="a .csv or .tsv (or .csv.gz) with a header, a .parquet table, a .npy matrix, a .npz archive, or - for CSV "
        "on standard input",
    )
    command.add_argument("--key", help="which array of a .npz archive (default: X, or its only array)")
    command.add_argument("--columns", type=_names, help="comma-separated columns to use, by name or 0-based index")
    command.add_argument("--drop", type=_names, help="comma-separated columns to leave out")


def _add_table(fit: argparse.ArgumentParser) -> None:
    """Add the options that say what is read."""
    _add_source(fit)
    fit.add_argument(
        "--labels",
        metavar="COLUMN",
        help="the column (of a .npz archive, the array) of known components: whole numbers from 0, with -1 for "
        "unknown, or names, with empty cells for unknown",
    )
    fit.add_argument(
        "--sample-weight",
        metavar="COLUMN",
        help="the column (of a .npz archive, the array) of the rows' weights: 2 is the same as the row twice",
    )


def _add_output(fit: argparse.ArgumentParser) -> None:
    """Add the options that say what is written."""
    fit.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="a bar of the models done (with cv: after all folds), on standard error, by tqdm "
        "(default: where that is a terminal and tqdm is installed)",
    )
    fit.add_argument("--json", action="store_true", help="print JSON instead, for a script")
    fit.add_argument("--save", type=Path, metavar="MODEL.npz", help="write the chosen model")
    fit.add_argument(
        "--labels-out", type=Path, metavar="LABELS.csv", help="write each row's component, one per line after a header"
    )


def _listed(choices: Mapping[Any, str]) -> str:
    """Choices with a few words on each."""
    return ", ".join(f"{name} ({words})" for name, words in choices.items())


def _default(choices: Iterable[str]) -> str:
    return f"(default: {next(iter(choices))})"


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"{text!r} names nothing")
    return names


def _weights(text: str) -> str | list[float]:
    if text in ("free", "equal"):
        return text
    try:
        return [float(part) for part in _names(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither free nor equal nor numbers such as 0.3,0.7") from None


def _components(text: str) -> list[int]:
    numbers: list[int] = []
    for part in _names(text):
        first, _, last = part.partition(":")
        try:
            low, high = int(first), int(last or first)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{part!r} is neither an integer nor a range such as 1:9") from None
        if low < 1 or high < low:
            raise argparse.ArgumentTypeError(f"{part!r}: expected numbers of at least 1, and ranges that do not fall")
        numbers.extend(range(low, high + 1))
    return numbers


def _chosen(choices: Mapping[Any, str], words: str, default: str | None = None) -> dict[str, Any]:
    """Settings of an option whose value is one of these choices."""
    return {"choices": tuple(choices), "help": f"{words} {_listed(choices)} {default or _default(choices)}"}


def _number(kind: Callable[[str], Any], words: str) -> dict[str, Any]:
    return {"type": kind, "help": words}


# On the command line, this stands for None.
NEVER = "none"
# How a model is looked for: keyword arguments of `fastem.select`. The texts name the defaults of that function.
SEARCH: dict[str, dict[str, Any]] = {
    "criterion": _chosen(CRITERIA, "what chooses the model, one of"),
    "start": {"help": f"where EM begins, one of {_listed(STARTS)} {_default(STARTS)}"},
    "n_init": _number(int, "random starts per model, the best is kept; auto repeats them (default: 1)"),
    "accelerate": _chosen({**ACCELERATORS, NEVER: "plain EM"}, "fewer iterations where EM is slow, by"),
    "tol": _number(float, "gain per sample to stop at, nats (default: 1e-6)"),
    "max_iter": _number(int, "iterations at most (default: 1000)"),
    "min_samples": _number(float, "samples that each component must hold (default: 0)"),
    "assignment": _chosen(ASSIGNMENTS, "how rows are given to components, one of"),
    "starving": _chosen(FATES, "what becomes of a component below --min-samples, one of"),
    "progressive": {
        "action": argparse.BooleanOptionalAction,
        "help": "begin on random parts of the data (default: from 32,768 rows on)",
    },
}
