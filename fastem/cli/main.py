"""The command line: `fastem fit data.csv --components 1:9`."""

from __future__ import annotations

import argparse
import errno
import io
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import fastem
from fastem.cli import makers
from fastem.cli.compare import compare
from fastem.cli.compiling import Compiling, expected
from fastem.cli.models import draw, facts_of, plot, predict, show
from fastem.cli.parser import COMPONENTS, parse, search
from fastem.cli.reading import CommandError, Table, read_fixed, read_labels, read_table, read_weights
from fastem.cli.words import in_options
from fastem.cli.writing import check_target, print_json
from fastem.judging.criteria import CRITERIA

if TYPE_CHECKING:
    from fastem import ProgressBar, Row, Selection

Array = NDArray[Any]

# The command line ends with a ranking of this many models.
LEADERS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 for success, 2 for bad input."""
    try:
        if arguments is None:
            _print_anything()
        given = sys.argv[1:] if arguments is None else list(arguments)
        if {"--version", "--verbose"} <= set(given):
            _print_environment()
            return 0
        options = parse(given, fastem.__version__)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fastem.FitWarning)  # its sentences are printed instead
            _COMMANDS[options.command](options)
    except (CommandError, OSError, ValueError, TypeError) as error:
        if _is_closed(error):  # the reader of our output has seen enough
            sys.stderr.close()
            return 0
        said = in_options(str(error)) if isinstance(error, ValueError | TypeError) else error
        print(f"fastem: error: {said}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fastem: interrupted", file=sys.stderr)
        return 130
    return 0


def _is_closed(error: Exception) -> bool:
    """Whether an error says that nobody reads what is written; Windows has another number for that."""
    numbers = (errno.EPIPE, errno.EINVAL) if sys.platform == "win32" else (errno.EPIPE,)
    return isinstance(error, OSError) and error.filename is None and error.errno in numbers


def _print_anything() -> None:
    """Let names that the terminal or pipe has no letters for be printed as escapes, rather than end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print_environment() -> None:
    """Everything that a report of a bug should say."""
    from fastem.cli.environment import facts

    print(f"fastem {fastem.__version__}")
    for name, value in facts().items():
        print(f"{name}: {value}")


def _print_families(_: argparse.Namespace) -> None:
    from fastem.families import MAKERS

    for family in MAKERS:
        takes = makers.flags(makers.keywords(family))
        print(f"{family}{' (default)' if family == makers.DEFAULT else ''}{takes and ': '}{takes}")


def _fit(options: argparse.Namespace) -> None:
    for target in (options.save, options.labels_out):
        check_target(target)
    if options.json:
        with redirect_stdout(io.StringIO()):
            chosen, names = _fitted(options)
        rows = [{**row._asdict(), "status": row.status.name} for row in chosen.table]
        best = facts_of(replace(chosen.best, feature_names=tuple(names)))
        print_json({"criterion": chosen.criterion, "models": rows, "chosen": chosen.best_index, "best": best})
    else:
        _fitted(options)


def _fitted(options: argparse.Namespace) -> tuple[Selection, list[str]]:
    """Fit, print and write; what was chosen, and the names of the features."""
    begun = time.perf_counter()
    labels = None if options.labels is None else _labels(options)
    weights = None if options.sample_weight is None else _weights(options)
    table = read_table(options.data, options.key, options.columns, options.drop)
    print(
        f"{options.data.as_posix()}: {table.X.shape[0]} samples x {table.X.shape[1]} features "
        f"({_shortened(table.names)})"
    )
    read = time.perf_counter()
    _print_unnamed(table)
    chosen = _grid(table.X, labels, weights, options)
    _print_statuses(chosen, table.names)
    _print_ranking(chosen)
    best = chosen.best
    _print_mixture(chosen, table.names)
    if options.save is not None:
        names = tuple(table.names) if table.named else None
        fastem.save(replace(best, feature_names=names), options.save)
        print(f"model written to {options.save}")
    if options.labels_out is not None:
        labels = fastem.predict(table.X, best, n_threads=options.threads)
        np.savetxt(options.labels_out, labels, fmt="%d", header="label", comments="")
        print(f"labels written to {options.labels_out}")
    done = time.perf_counter()
    print(f"\n{len(chosen.table)} models in {done - read:.2f} s (reading: {read - begun:.2f} s)")
    return chosen, table.names


def _shortened(names: list[str]) -> str:
    return ", ".join([*names[:8], "..."] if len(names) > 8 else names)


def _shape(row: Row) -> str:
    """The covariance shape of a Gaussian as the command line spells it; the name of any other family."""
    return row.family.removeprefix("gaussian_")


def _labels(options: argparse.Namespace) -> Array:
    """The known components of the rows; their column is then no feature."""
    found = read_labels(options.data, options.labels)
    if options.data.suffix.lower() != ".npz":
        options.drop = [*(options.drop or []), options.labels]
    least = int(found.codes.max(initial=0)) + 1
    if options.components is COMPONENTS:
        options.components = [least + k for k in range(len(COMPONENTS))]
    smallest = min(options.components)
    if smallest < least:
        raise CommandError(
            f"--components {smallest} is too few for the labels, which need {least}; give --components {least}, or "
            f"such as {least}:{least + 3}."
        )
    known = int((found.codes >= 0).sum())
    print(f"labels of {known} of {len(found.codes)} rows", end="")
    print("".join(f"{':' if k == 0 else ','} component {k} is {name}" for k, name in enumerate(found.names)))
    return found.codes


def _weights(options: argparse.Namespace) -> Array:
    """The weights of the rows; their column is then no feature."""
    found = read_weights(options.data, options.sample_weight)
    if options.data.suffix.lower() != ".npz":
        options.drop = [*(options.drop or []), options.sample_weight]
    print(f"weights of {len(found)} rows: {options.sample_weight}, which sum to {found.sum():.6g}")
    return found


def _grid(X: Array, labels: Array | None, weights: Array | None, options: argparse.Namespace) -> Selection:
    """Fit the grid, printing a row as each model is ready."""
    families = makers.families(options)
    if options.components is COMPONENTS:
        options.components = [k for k in COMPONENTS if k <= len(X)]
    settings = search(options)
    criterion = settings.setdefault("criterion", next(iter(CRITERIA)))
    if max(options.components) > len(X):
        raise CommandError(f"--components {max(options.components)} is more than the {len(X)} rows of data.")
    extra = {"icl": f" {'ICL':>14}", "cv": f" {'held out':>9} {'(error)':>8}"}.get(criterion, "")
    criteria = f"{'BIC':>14} {'AIC':>14}{extra}"
    print(f"\n{'model':>15} {'K':>4} {'log-likelihood':>16} {criteria} {'iter':>5} {'starts':>6}  status")
    bar = _bar(options.progress, len(families) * len(options.components))
    compiling = Compiling(expected(families), None if bar is None else bar.say)

    def show(row: Row) -> None:
        compiling.clear()
        _print_model(row, criterion, bar)

    with bar or nullcontext(), compiling:
        return fastem.select(
            X,
            families,
            options.components,
            sample_weight=weights,
            labels=labels,
            fixed=None if options.fixed is None else read_fixed(options.fixed),
            shared=options.shared,
            weights=options.weights,
            prior=options.prior,
            seed=options.seed,
            n_threads=options.threads,
            callback=show,
            **settings,
        )


def _bar(wanted: bool | None, total: int) -> ProgressBar | None:
    """A progress bar; None if none is wanted, or if tqdm is not installed and the user did not ask for a bar."""
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        return None
    try:
        return fastem.progress_bar(total=total, unit="model", file=sys.stderr)
    except ImportError:
        if wanted:
            raise CommandError("--progress needs tqdm: pip install 'fastem[progress]'") from None
        return None


def _print_unnamed(table: Table) -> None:
    if table.names[0] == "":
        print("note: the first column has no name; if it numbers the rows, leave it out with --drop 0.")


def _print_model(row: Row, criterion: str, bar: ProgressBar | None) -> None:
    extra = {"icl": f" {row.icl:>14.4f}", "cv": f" {row.cv:>9.4f} {row.cv_error:>8.4f}"}.get(criterion, "")
    line = (
        f"{_shape(row):>15} {row.n_components:>4} {row.log_likelihood:>16.4f} {row.bic:>14.4f} {row.aic:>14.4f}{extra} "
        f"{row.n_iter:>5} {f'{row.n_reached}/{row.n_starts}':>6}  {row.status.name.lower()}"
    )
    if bar is None:
        print(line, flush=True)
    else:
        bar.write(line, file=sys.stdout)
        bar(row)


def _print_statuses(chosen: Selection, names: list[str]) -> None:
    for status in dict.fromkeys(row.status for row in chosen.table):
        if status.rank > 0 or status.name == "MAX_ITER":
            print(f"{status.name.lower()}: {in_options(status.value, names)}")
    for note in chosen.notes:
        print(f"note: {in_options(note, names)}")


def _print_ranking(chosen: Selection) -> None:
    """The best models of the grid by its criterion, and how far the BIC of each is from the lowest."""
    if len(chosen.table) < 2:
        return
    criterion = chosen.criterion
    name = "held out" if criterion == "cv" else criterion.upper()
    print(f"\n    {'best':>15} {'K':>4} {name:>14} {'delta BIC':>14}")
    for place, i in enumerate(chosen.ranking[:LEADERS], 1):
        row = chosen.table[i]
        value, delta = getattr(row, criterion), chosen.delta_bic[i]
        print(f"{place:>2}. {_shape(row):>15} {row.n_components:>4} {value:>14.4f} {delta:>14.4f}")


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


def _compile(options: argparse.Namespace) -> None:
    done = fastem.compile(options.families, options.dtypes, options.jobs)
    what = f"{done.n_kernels} function(s) compiled in {done.seconds:.1f} s"
    where = done.folder or "no folder can be written, so nothing is kept: set NUMBA_CACHE_DIR"
    print(f"{what if done.n_kernels else 'all functions were compiled before'}; cache: {where}")


_COMMANDS = {
    **{"fit": _fit, "families": _print_families, "compile": _compile},
    **{"predict": predict, "sample": draw, "show": show, "plot": plot, "compare": compare},
}

if __name__ == "__main__":
    sys.exit(main())
