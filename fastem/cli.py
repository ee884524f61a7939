"""The command line: `fastem fit data.csv --components 1:9`."""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastem import Family, Result

Array = NDArray[Any]

_EPILOG = """\
examples:
  fastem fit faithful.csv --components 1:9 --covariance full,tied,diag,spherical
  fastem fit counts.csv --family poisson --components 2,4,8 --n-init 10 --seed 1
  fastem fit iris.csv --drop Species --components 3 --labels-out labels.csv --save iris.npz
"""


class CommandError(Exception):
    """Something that the user can mend; its message is the whole explanation."""


class Table(NamedTuple):
    """What was read: a matrix and the names of its columns."""

    X: Array
    names: list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 for success, 2 for bad input."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        _fit(options)
    except (CommandError, OSError, ValueError, TypeError) as error:
        print(f"fastem: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fastem: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    from fastem import __version__

    parser = argparse.ArgumentParser(prog="fastem", description="Fit mixture models by Expectation-Maximization.")
    parser.add_argument("--version", action="version", version=f"fastem {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    fit = commands.add_parser(
        "fit",
        help="fit a grid of mixtures to a table and report the best by BIC",
        description="Fit every combination of number of components and covariance shape; choose the one of lowest BIC.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fit.add_argument("data", type=Path, help="a .csv (or .csv.gz) with a header, a .npy matrix, or a .npz archive")
    fit.add_argument("--key", help="which array of a .npz archive (default: X, or its only array)")
    fit.add_argument("--columns", type=_names, help="comma-separated columns to use, by name or 0-based index")
    fit.add_argument("--drop", type=_names, help="comma-separated columns to leave out")
    fit.add_argument("--family", choices=("gaussian", "poisson"), default="gaussian", help="default: gaussian")
    fit.add_argument(
        "--components", type=_components, default=[1, 2, 3], help="such as 3, 1:9 (inclusive) or 2,4,8; default: 1:3"
    )
    fit.add_argument(
        "--covariance",
        type=_names,
        default=["full"],
        help="comma-separated: full, tied, diag, spherical, tied_diag, tied_spherical; default: full",
    )
    fit.add_argument("--n-init", type=int, default=1, help="random starts per model (default: 1)")
    fit.add_argument("--tol", type=float, default=1e-6, help="gain per sample to stop at, nats (default: 1e-6)")
    fit.add_argument("--max-iter", type=int, default=1000, help="iterations at most (default: 1000)")
    fit.add_argument("--reg-covar", type=float, default=0.0, help="added to every variance (default: 0)")
    fit.add_argument("--seed", type=int, help="seed of all randomness; the same seed gives the same result")
    fit.add_argument("--threads", type=int, help="number of threads (default: all cores)")
    fit.add_argument("--save", type=Path, metavar="MODEL.npz", help="write the chosen model")
    fit.add_argument(
        "--labels-out", type=Path, metavar="LABELS.csv", help="write each row's component, one per line after a header"
    )
    return parser


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _components(text: str) -> list[int]:
    numbers: list[int] = []
    for part in _names(text):
        first, _, last = part.partition(":")
        try:
            low, high = int(first), int(last or first)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{part!r} is neither an integer nor a range such as 1:9") from None
        if low < 1 or high < low:
            raise argparse.ArgumentTypeError(f"{part!r} is empty or begins below 1")
        numbers.extend(range(low, high + 1))
    if not numbers:
        raise argparse.ArgumentTypeError("no number of components given")
    return numbers


def _fit(options: argparse.Namespace) -> None:
    for target in (options.save, options.labels_out):
        if target is not None and not target.resolve().parent.is_dir():
            raise CommandError(f"{target} cannot be written: its folder does not exist.")
    begun = time.perf_counter()
    table = read_table(options.data, options.key, options.columns, options.drop)
    print(
        f"{options.data}: {table.X.shape[0]} samples x {table.X.shape[1]} features ({', '.join(table.names[:8])}",
        end="",
    )
    print(", ...)" if len(table.names) > 8 else ")")
    read = time.perf_counter()
    fitted = _grid(table.X, options)
    _print_grid(fitted)
    name, best = min(fitted, key=lambda model: (model[1].status.rank, model[1].bic))
    _print_mixture(name, best, table.names)
    if options.save is not None:
        from fastem import save

        save(best, options.save)
        print(f"model written to {options.save}")
    if options.labels_out is not None:
        from fastem import predict

        labels = predict(table.X, best, n_threads=options.threads)
        np.savetxt(options.labels_out, labels, fmt="%d", header="label", comments="")
        print(f"labels written to {options.labels_out}")
    done = time.perf_counter()
    print(f"\n{len(fitted)} models in {done - read:.2f} s (reading: {read - begun:.2f} s)")


def _grid(X: Array, options: argparse.Namespace) -> list[tuple[str, Result]]:
    from fastem import Gaussian, Poisson, fit

    families: list[tuple[str, Family]] = [("poisson", Poisson())]
    if options.family == "gaussian":
        families = [(shape, Gaussian(shape, reg_covar=options.reg_covar)) for shape in options.covariance]
    return [
        (
            name,
            fit(
                X,
                family,
                n_components,
                n_init=options.n_init,
                tol=options.tol,
                max_iter=options.max_iter,
                seed=options.seed,
                n_threads=options.threads,
            ),
        )
        for name, family in families
        for n_components in options.components
    ]


def _print_grid(fitted: list[tuple[str, Result]]) -> None:
    print(f"\n{'model':>15} {'K':>4} {'log-likelihood':>16} {'BIC':>14} {'AIC':>14} {'iter':>5}  status")
    for name, result in fitted:
        print(
            f"{name:>15} {result.n_components:>4} {result.log_likelihood:>16.4f} {result.bic:>14.4f} "
            f"{result.aic:>14.4f} {result.n_iter:>5}  {result.status.name.lower()}"
        )
    for status in dict.fromkeys(result.status for _, result in fitted):
        if status.rank > 0 or status.name == "MAX_ITER":
            print(f"{status.name.lower()}: {status.value}")


def _print_mixture(name: str, result: Result, names: list[str]) -> None:
    print(f"\nchosen (lowest BIC, smaller is better): {name}, {result.n_components} component(s)")
    print(f"features: {', '.join(names)}")
    with np.printoptions(precision=6, suppress=False, threshold=400, linewidth=110):
        print(f"weights\n{result.weights}")
        for parameter, value in result.parameters.items():
            print(f"{parameter}\n{value}")


def read_table(path: Path, key: str | None, columns: list[str] | None, drop: list[str] | None) -> Table:
    """A numeric table from a .csv, .npy or .npz file."""
    if not path.exists():
        raise CommandError(f"{path} does not exist.")
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        X = _read_numpy(path, key)
        names = [str(j) for j in range(X.shape[1])]
        chosen = _choose(names, columns, drop)
        return Table(X if len(chosen) == len(names) else X[:, chosen], [names[j] for j in chosen])
    return _read_csv(path, columns, drop)


def _read_numpy(path: Path, key: str | None) -> Array:
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise CommandError(f"{path} cannot be read: {error}") from None
    if isinstance(loaded, np.ndarray):
        array = loaded
    else:
        with loaded:
            if key is None:
                key = "X" if "X" in loaded.files else loaded.files[0] if len(loaded.files) == 1 else None
            if key not in loaded.files:
                raise CommandError(f"{path} holds the arrays {', '.join(loaded.files)}; choose one with --key.")
            array = loaded[key]
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise CommandError(f"{path} holds an array of shape {array.shape}; expected a matrix (samples, features).")
    return array


def _read_csv(path: Path, columns: list[str] | None, drop: list[str] | None) -> Table:
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        try:
            names = [name.strip() for name in next(reader)]
        except StopIteration:
            raise CommandError(f"{path} is empty; expected a header and rows of numbers.") from None
        first = next(reader, None)
    if first is None:
        raise CommandError(f"{path} has a header but no rows.")
    if all(_is_number(name) for name in names):
        raise CommandError(f"{path} has no header: its first line is all numbers. Add a line of column names.")
    chosen = _choose(names, columns, drop)
    text = [names[j] for j in chosen if j < len(first) and not _is_number(first[j])]
    if text:
        raise CommandError(
            f"column(s) {', '.join(text)} of {path} hold text, such as {first[names.index(text[0])]!r}; "
            f"leave them out with --drop {','.join(text)}, or choose others with --columns."
        )
    try:
        X = np.loadtxt(path, delimiter=",", skiprows=1, usecols=chosen, ndmin=2, quotechar='"', encoding="utf-8-sig")
    except ValueError as error:
        raise CommandError(f"{path}: {error}. Every chosen cell must be a number.") from None
    return Table(X, [names[j] for j in chosen])


def _choose(names: list[str], columns: list[str] | None, drop: list[str] | None) -> list[int]:
    kept = range(len(names)) if columns is None else [_index(name, names) for name in columns]
    dropped = {_index(name, names) for name in drop or []}
    chosen = [j for j in kept if j not in dropped]
    if not chosen:
        raise CommandError("no column is left; mend --columns or --drop.")
    return chosen


def _index(name: str, names: list[str]) -> int:
    if name in names:
        return names.index(name)
    if name.isdigit() and int(name) < len(names):
        return int(name)
    raise CommandError(f"there is no column {name!r}; the columns are {', '.join(names)}.")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
