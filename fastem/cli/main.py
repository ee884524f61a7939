"""The command line: `fastem fit data.csv --components 1:9`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastem.cli.reading import CommandError, Table, read_table

if TYPE_CHECKING:
    from fastem import Family, ProgressBar, Row, Selection

Array = NDArray[Any]

_EPILOG = """\
examples:
  fastem fit faithful.csv --components 1:9 --covariance full,tied,diag,spherical
  fastem fit counts.csv --family poisson --components 2,4,8 --n-init 10 --seed 1
  fastem fit iris.csv --drop Species --components 3 --labels-out labels.csv --save iris.npz
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 for success, 2 for bad input."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        _fit(options)
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return 0
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
        help="fit a grid of mixtures to a table and report the best",
        description="Fit every combination of number of components and covariance shape; choose the one of lowest BIC, "
        "or by another criterion, among those that did not collapse.",
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
        default=None,
        help="comma-separated: full, tied, diag, spherical, tied_diag, tied_spherical; default: full",
    )
    fit.add_argument(
        "--criterion",
        choices=("bic", "aic", "icl", "cv"),
        default="bic",
        help="what chooses the model; cv is held-out log-likelihood, of 5 folds (default: bic)",
    )
    fit.add_argument(
        "--start",
        default="auto",
        help="auto (ten starts of several kinds), kmeans, splitting, short-runs, hierarchical, ... (default: auto)",
    )
    fit.add_argument(
        "--n-init",
        type=int,
        default=1,
        help="random starts per model, the best is kept; auto repeats them (default: 1)",
    )
    fit.add_argument("--accelerate", choices=("anderson", "squarem"), help="fewer iterations where EM is slow")
    fit.add_argument("--tol", type=float, default=1e-6, help="gain per sample to stop at, nats (default: 1e-6)")
    fit.add_argument("--max-iter", type=int, default=1000, help="iterations at most (default: 1000)")
    fit.add_argument(
        "--ridge",
        type=float,
        default=0.0,
        help="fraction of each column's variance added to every variance (default: 0)",
    )
    fit.add_argument(
        "--reg-covar", type=float, default=0.0, help="added to every variance, in squared units (default: 0)"
    )
    fit.add_argument("--seed", type=int, default=0, help="of all randomness; one seed, one result (default: 0)")
    fit.add_argument(
        "--progressive",
        action=argparse.BooleanOptionalAction,
        help="begin on random parts of the data (default: from 32,768 rows on)",
    )
    fit.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="a bar on standard error, by tqdm, of the models done, which with cv is after all folds "
        "(default: where that is a terminal and tqdm is installed)",
    )
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
    _print_constant(table)
    chosen = _grid(table.X, options)
    _print_statuses(chosen)
    best = chosen.best
    _print_mixture(chosen, table.names)
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
    print(f"\n{len(chosen.table)} models in {done - read:.2f} s (reading: {read - begun:.2f} s)")


def _shortened(names: list[str]) -> str:
    return ", ".join([*names[:8], "..."] if len(names) > 8 else names)


def _families(options: argparse.Namespace) -> list[Family]:
    from fastem import Gaussian, Poisson

    if options.family == "gaussian":
        settings = {"reg_covar": options.reg_covar, "ridge": options.ridge}
        return [Gaussian(shape, **settings) for shape in options.covariance or ["full"]]
    if options.covariance is not None or options.reg_covar or options.ridge:
        raise CommandError("--covariance, --ridge and --reg-covar have no meaning with --family poisson.")
    return [Poisson()]


def _shape(row: Row) -> str:
    """A covariance shape as the command line spells it; poisson as it is."""
    return row.family.removeprefix("gaussian_")


def _grid(X: Array, options: argparse.Namespace) -> Selection:
    """Fit the grid, printing a row as each model is ready."""
    families = _families(options)
    if max(options.components) > len(X):
        raise CommandError(f"--components {max(options.components)} is more than the {len(X)} rows of data.")
    extra = {"icl": f" {'ICL':>14}", "cv": f" {'held out':>9} {'(error)':>8}"}.get(options.criterion, "")
    print(f"\n{'model':>15} {'K':>4} {'log-likelihood':>16} {'BIC':>14} {'AIC':>14}{extra} {'iter':>5}  status")
    bar = _bar(options.progress, len(families) * len(options.components))

    def show(row: Row) -> None:
        _print_model(row, options.criterion, bar)

    with bar or nullcontext():
        return _select(X, families, options, show)


def _bar(wanted: bool | None, total: int) -> ProgressBar | None:
    """A progress bar, where one is wanted and can be had."""
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        return None
    from fastem import progress_bar

    try:
        return progress_bar(total=total, unit="model", file=sys.stderr)
    except ImportError:
        if wanted:
            raise CommandError("--progress needs tqdm: pip install 'fastem[progress]'") from None
        return None


def _select(X: Array, families: list[Family], options: argparse.Namespace, show: Callable[[Row], None]) -> Selection:
    from fastem import select

    return select(
        X,
        families,
        options.components,
        criterion=options.criterion,
        start=options.start,
        n_init=options.n_init,
        tol=options.tol,
        max_iter=options.max_iter,
        accelerate=options.accelerate,
        progressive=options.progressive,
        seed=options.seed,
        n_threads=options.threads,
        callback=show,
    )


def _print_constant(table: Table) -> None:
    constant = [name for j, name in enumerate(table.names) if (table.X[:, j] == table.X[0, j]).all()]
    if constant:
        print(f"note: constant column(s) {', '.join(constant[:8])}: they say nothing; leave them out with --drop.")


def _print_model(row: Row, criterion: str, bar: ProgressBar | None) -> None:
    extra = {"icl": f" {row.icl:>14.4f}", "cv": f" {row.cv:>9.4f} {row.cv_error:>8.4f}"}.get(criterion, "")
    line = (
        f"{_shape(row):>15} {row.n_components:>4} {row.log_likelihood:>16.4f} {row.bic:>14.4f} {row.aic:>14.4f}{extra} "
        f"{row.n_iter:>5}  {row.status.name.lower()}"
    )
    if bar is None:
        print(line, flush=True)
    else:
        bar.write(line, file=sys.stdout)
        bar(row)


def _print_statuses(chosen: Selection) -> None:
    for status in dict.fromkeys(row.status for row in chosen.table):
        if status.rank > 0 or status.name == "MAX_ITER":
            print(f"{status.name.lower()}: {status.value}")


def _print_mixture(chosen: Selection, names: list[str]) -> None:
    row, best = chosen.table[chosen.best_index], chosen.best
    which = {"cv": "the smallest within one standard error of the best held-out likelihood"}.get(
        chosen.criterion, f"lowest {chosen.criterion.upper()}, smaller is better"
    )
    if best.status.rank > 0:
        which += "; every model collapsed"
    print(f"\nchosen ({which}): {_shape(row)}, {best.n_components} component(s)")
    reached = f"{best.n_reached} of {len(best.starts)} start(s) reached this likelihood"
    print(f"{reached}{'' if best.same_solution else ', with different solutions'}")
    print(f"features: {_shortened(names)}")
    with np.printoptions(precision=6, suppress=False, threshold=400, linewidth=110):
        print(f"weights\n{best.weights}")
        for parameter, value in best.parameters.items():
            print(f"{parameter}\n{value}")


if __name__ == "__main__":
    sys.exit(main())
