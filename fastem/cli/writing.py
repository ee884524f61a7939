"""Tables to files and to standard output: .csv, .tsv, .parquet and .npy."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastem.cli.reading import CommandError

SUFFIXES = (".csv", ".tsv", ".parquet", ".npy")


def check_target(path: Path | None, suffixes: tuple[str, ...] = ()) -> None:
    """Refuse a file that cannot be written, before anything is computed."""
    if path is None:
        return
    if not path.resolve().parent.is_dir():
        raise CommandError(f"{path} cannot be written: its folder does not exist.")
    if suffixes and path.suffix.lower() not in suffixes:
        raise CommandError(f"{path} has an unknown ending; expected one of {', '.join(suffixes)}.")


def write_columns(columns: Mapping[str, Any], path: Path | None) -> None:
    """Write columns of one length to a file, by its ending, or as CSV to standard output."""
    suffix = ".csv" if path is None else path.suffix.lower()
    if suffix == ".npy":
        values = list(columns.values())
        np.save(path, values[0] if len(values) == 1 else np.column_stack(values))  # type: ignore[arg-type]
    elif suffix == ".parquet":
        _write_parquet(columns, path)
    elif path is None:
        _write_text(columns, sys.stdout, ",")
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            _write_text(columns, file, "\t" if suffix == ".tsv" else ",")


def _write_parquet(columns: Mapping[str, Any], path: Any) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise CommandError(f"{path} needs pyarrow: pip install 'fastem[parquet]'") from None
    parquet.write_table(pyarrow.table({name: np.asarray(value) for name, value in columns.items()}), path)


def _write_text(columns: Mapping[str, Any], file: Any, delimiter: str) -> None:
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(np.asarray(value).tolist() for value in columns.values()), strict=True))


def print_json(value: Any) -> None:
    """Print something as JSON: arrays as lists, and numbers that are none as null."""
    print(json.dumps(_plain(value), indent=1))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
