"""Tables from files and from standard input, with one sentence for each way in which that can fail."""

from __future__ import annotations

import csv
import gzip
import io
import sys
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


# The path that stands for standard input.
STDIN = "-"
# Endings of tables that others read.
NOT_READ = (
    *(".xlsx", ".xls", ".ods", ".json", ".feather", ".h5", ".hdf5"),
    *(".mat", ".pkl", ".sav", ".dta", ".xpt", ".fcs"),
)


class CommandError(Exception):
    """An error that the user can mend; its message is the whole explanation."""


class Table(NamedTuple):
    """What was read: a matrix and the names of its columns; named: whether the file told them."""

    X: Array
    names: list[str]
    named: bool = False


def read_table(path: Path, key: str | None, columns: list[str] | None, drop: list[str] | None) -> Table:
    """A numeric table from a .csv, .tsv, .parquet, .npy or .npz file, or from standard input, "-"."""
    _check_file(path)
    try:
        return _read_table(path, key, columns, drop)
    except UnicodeDecodeError:
        raise CommandError(f"{path} cannot be read: it is not UTF-8 text; save it as UTF-8.") from None
    except (OSError, EOFError, zipfile.BadZipFile, csv.Error) as error:
        raise CommandError(f"{path} cannot be read: it is damaged, or no {path.suffix} file ({error}).") from None


def _check_file(path: Path) -> None:
    if str(path) != STDIN and not path.is_file():
        raise CommandError(f"{path} does not exist, or is not a file.")
    if path.suffix.lower() in NOT_READ:
        raise CommandError(f"fastem does not read {path.suffix} files; write {path} as .csv or .parquet.")


class Labels(NamedTuple):
    """Known components, (n_samples,) int64 with -1 for unknown, and what the file calls each, [] if by its number."""

    codes: Array
    names: list[str]


def read_labels(path: Path, name: str) -> Labels:
    """The labels in a column of a .csv file, or in an array of a .npz archive.

    Whole numbers are components. Other text is counted in alphabetical order; an empty cell is unknown.
    """
    cells = [cell for cell, _ in _cells(path, name, "--labels")]
    texts = ["" if cell is None or cell != cell else str(cell) for cell in cells]  # noqa: PLR0124
    known = sorted({text for text in texts if text})
    if all(_is_whole(text) for text in known):
        return Labels(np.array([int(float(text)) if text else -1 for text in texts]), [])
    codes = {text: code for code, text in enumerate(known)}
    return Labels(np.array([codes.get(text, -1) for text in texts]), known)


def read_weights(path: Path, name: str) -> Array:
    """The weights in a column of a table, or in an array of a .npz archive, (n_samples,) float64."""
    found = []
    for cell, place in _cells(path, name, "--sample-weight"):
        text = "" if cell is None else str(cell)
        if not _is_number(text) or not 0.0 <= float(text) < np.inf:
            said = f"is {text!r}" if text else "is empty"
            raise CommandError(
                f"{path}, {place}, column {name!r} {said}; a weight must be a number that is not negative."
            )
        found.append(float(text))
    return np.array(found)


def _cells(path: Path, name: str, option: str) -> Iterator[tuple[Any, str]]:
    """The cells of a column of a table, or of an array of a .npz archive, and the place of each."""
    _check_file(path)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        raise CommandError(f"{option} needs a column of a table or an array of a .npz archive; {path} is a matrix.")
    if suffix in (".npz", ".parquet"):
        if suffix == ".npz":
            values = _from_archive(path, name).reshape(-1).tolist()
        else:
            table = _parquet(path)
            values = table.column(_index(name, table.column_names)).to_pylist()
        for i, value in enumerate(values):
            yield value, f"row {i}"
        return
    with _open_text(path) as file:
        reader = _rows(path, file)
        place = _index(name, [column.strip() for column in next(reader)])
        for row in reader:
            yield row[place].strip() if place < len(row) else "", f"near line {reader.line_num}"


def read_fixed(path: Path) -> dict[str, Array]:
    """Known values of parameters from a .npz archive, by their names."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise CommandError(f"{path} cannot be read as a .npz archive of known values ({error}).") from None


def _is_whole(text: str) -> bool:
    return _is_number(text) and float(text).is_integer() and float(text) >= -1


def _read_table(path: Path, key: str | None, columns: list[str] | None, drop: list[str] | None) -> Table:
    if path.suffix.lower() in (".npy", ".npz"):
        X = _read_numpy(path, key)
        names = [str(j) for j in range(X.shape[1])]
        chosen = _choose(names, columns, drop)
        return Table(X if len(chosen) == len(names) else X[:, chosen], [names[j] for j in chosen])
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path, columns, drop)
    return _read_csv(path, columns, drop)


def _read_numpy(path: Path, key: str | None) -> Array:
    try:
        array = _from_archive(path, key) if path.suffix.lower() == ".npz" else np.load(path, mmap_mode="r")
    except ValueError:
        raise CommandError(f"{path} cannot be read: it holds no plain numeric array, or is damaged.") from None
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise CommandError(f"{path} holds an array of shape {array.shape}; expected a matrix (samples, features).")
    return array


def _from_archive(path: Path, key: str | None) -> Array:
    with path.open("rb") as file, np.load(file) as archive:
        if key is None:
            key = "X" if "X" in archive.files else archive.files[0] if len(archive.files) == 1 else None
        if key not in archive.files:
            absent = "" if key is None else f"there is no array {key!r}; "
            raise CommandError(f"{absent}{path} holds the arrays {', '.join(archive.files)}; choose one with --key.")
        array: Array = archive[key]
    return array


def _parquet(path: Path) -> Any:
    """A table of pyarrow's."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise CommandError(f"{path} needs pyarrow: pip install 'fastem[parquet]'") from None
    try:
        return parquet.read_table(path)
    except ArrowException as error:
        raise CommandError(f"{path} cannot be read: it is damaged, or no .parquet file ({error}).") from None


def _read_parquet(path: Path, columns: list[str] | None, drop: list[str] | None) -> Table:
    table = _parquet(path)
    from pyarrow import types  # not before `_parquet`, which says what to install if there is none

    names = list(table.column_names)
    chosen = _choose(names, columns, drop)
    _check_once(path, names, chosen)
    text = [names[j] for j in chosen if not _is_numeric(types, table.schema.field(j).type)]
    if text:
        raise CommandError(
            f"column(s) {', '.join(text)} of {path} hold no numbers; leave them out with --drop {','.join(text)}, or "
            "choose others with --columns."
        )
    empty = [names[j] for j in chosen if table.column(j).null_count]
    if empty:
        raise CommandError(f"column(s) {', '.join(empty)} of {path} have empty cells; remove or impute such rows.")
    if table.num_rows == 0:
        raise CommandError(f"{path} has columns but no rows.")
    X = np.column_stack([table.column(j).to_numpy().astype(np.float64) for j in chosen])
    return Table(X, [names[j] for j in chosen], named=True)


def _is_numeric(types: Any, kind: Any) -> bool:
    return any(test(kind) for test in (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal))


@lru_cache(maxsize=1)
def _read_once(file: IO[str]) -> str:
    """What a stream says, which can be read once. Its bytes are UTF-8, whatever the system's encoding is."""
    bytes_of = getattr(file, "buffer", None)
    text = file.read() if bytes_of is None else bytes_of.read().decode("utf-8-sig")
    return text.removeprefix("\ufeff")


def _rows(path: Path, file: IO[str]) -> Any:
    """The rows of a table in text, whose cells are separated by commas, or by tabs in a .tsv file."""
    tabs = path.name.lower().removesuffix(".gz").endswith((".tsv", ".tab"))
    return csv.reader(file, delimiter="\t" if tabs else ",")


def _open_text(path: Path) -> IO[str]:
    if str(path) == STDIN:
        return io.StringIO(_read_once(sys.stdin))
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", newline="", encoding="utf-8-sig")
    return path.open(newline="", encoding="utf-8-sig")


def _read_csv(path: Path, columns: list[str] | None, drop: list[str] | None) -> Table:
    with _open_text(path) as file:
        reader = _rows(path, file)
        try:
            names = [name.strip() for name in next(reader)]
        except StopIteration:
            raise CommandError(f"{path} is empty; expected a header and rows of numbers.") from None
        first = next(reader, None)
    if first is None:
        raise CommandError(f"{path} has a header but no rows.")
    separator = next((each for each in (";", "\t", "|") if len(names) == 1 and each in names[0]), None)
    if separator is not None:
        raise CommandError(
            f"{path} seems to use {separator!r} between cells; expected commas, with decimal points, or tabs in a file "
            "that ends in .tsv."
        )
    if all(_is_number(name) for name in names):
        raise CommandError(f"{path} has no header: its first line is all numbers. Add a line of column names.")
    chosen = _choose(names, columns, drop)
    _check_once(path, names, chosen)
    text = [j for j in chosen if j < len(first) and not _is_number(first[j])]
    if text and any(first[j].strip() for j in text):
        labels = [names[j] if names.count(names[j]) == 1 else str(j) for j in text]
        sample = next(first[j] for j in text if first[j].strip())
        raise CommandError(
            f"column(s) {', '.join(labels)} of {path} hold text, such as {sample!r}; "
            f"leave them out with --drop {','.join(labels)}, or choose others with --columns."
        )
    with _open_text(path) as file:
        reader = _rows(path, file)
        next(reader)
        X = np.concatenate(list(_pieces(path, reader, names, chosen)))
    return Table(X, [names[j] for j in chosen], named=True)


def _check_once(path: Path, names: list[str], chosen: list[int]) -> None:
    """Refuse two columns of one name: a model tells columns by their names."""
    seen: set[str] = set()
    for j in chosen:
        if names[j] in seen:
            raise CommandError(
                f"two columns of {path} are called {names[j]!r}; rename one, or leave it out with --drop {j}."
            )
        seen.add(names[j])


def _pieces(path: Path, reader: Any, names: list[str], chosen: list[int]) -> Iterator[Array]:
    """The chosen cells of a CSV file as float64, a few thousand rows at a time."""
    while rows := list(islice(reader, 4096)):
        last = reader.line_num
        for offset, row in enumerate(rows):
            if len(row) != len(names):
                hint = "; it seems to use ';' between cells" if any(";" in cell for cell in (*row, *names)) else ""
                raise CommandError(
                    f"{path}, near line {last - len(rows) + 1 + offset}: {len(row)} cell(s), but the header has "
                    f"{len(names)}{hint}. Expected comma-separated cells, with decimal points, and no blank lines."
                )
        try:
            piece = np.array([[float(row[j]) for j in chosen] for row in rows])
            if not np.isfinite(piece).all():
                raise ValueError
            yield piece
        except ValueError:
            place, bad, j = next(
                (offset, row[j], j) for offset, row in enumerate(rows) for j in chosen if not _is_finite(row[j])
            )
            what = f"is {bad!r}" if bad.strip() else "is empty"
            raise CommandError(
                f"{path}, near line {last - len(rows) + 1 + place}, column {names[j]!r} {what}; every chosen cell "
                "must be a finite number. Remove or impute such rows, or leave the column out with --drop."
            ) from None


def _choose(names: list[str], columns: list[str] | None, drop: list[str] | None) -> list[int]:
    kept = range(len(names)) if columns is None else [_index(name, names) for name in columns]
    dropped = {_index(name, names) for name in drop or []}
    chosen = [j for j in kept if j not in dropped]
    if len(set(chosen)) < len(chosen):
        raise CommandError("a column is chosen twice; correct --columns.")
    if not chosen:
        raise CommandError("no column is left; correct --columns or --drop.")
    return chosen


def _index(name: str, names: list[str]) -> int:
    if names.count(name) > 1:
        raise CommandError(f"column name {name!r} appears {names.count(name)} times; give its 0-based index instead.")
    if name in names:
        return names.index(name)
    if name.isdigit() and int(name) < len(names):
        return int(name)
    raise CommandError(f"there is no column {name!r}; the columns are {', '.join(names)}.")


def _is_finite(text: str) -> bool:
    return _is_number(text) and bool(np.isfinite(float(text)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
