"""Estimators as .npz archives, readable by numpy without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np

from fastem.families import FAMILIES
from fastem.families.base import Family
from fastem.families.priors import Prior, prior_of
from fastem.model.files import arrays_of, result_of
from fastem.model.result import Result, StartReport, Status
from fastem.validation import estimators as checks
from fastem.validation.data import as_array

FORMAT = 1
RESULT = "result_"


def write(estimator: Any, path: str | PathLike[str]) -> None:
    """Write the constructor's arguments and the fitted attributes: arrays as arrays, everything else as JSON.

    A mapping of arrays is written as an array for each entry, named by the mapping and the entry with a dot between
    them. A family is written as its registered name and its hyper-parameters. The Result of the fit is written in the
    arrays of `fastem.save`, with names that begin with RESULT; older versions wrote none, and ignore it.
    """
    fitted = {name: value for name, value in vars(estimator).items() if name.endswith("_")}
    if "fit_report_" in fitted:
        fitted["fit_report_"] = [[report.status.name, *report[1:]] for report in fitted["fit_report_"]]
    if "feature_names_in_" in fitted:
        fitted["feature_names_in_"] = fitted["feature_names_in_"].tolist()
    arrays: dict[str, Any] = {"format": np.array(FORMAT), "estimator": np.array(type(estimator).__name__)}
    for kind, values in (("parameter", estimator.get_params(deep=False)), ("attribute", fitted)):
        plain = {}
        for name, value in values.items():
            if isinstance(value, Prior):
                plain[name] = value.to_json()
            elif isinstance(value, Family):
                plain[name] = {"family": value.name, "hyperparameters": value.to_json()}
            elif isinstance(value, Mapping) and (name.endswith("_init") or name == "fixed"):
                plain[name] = {}
                arrays.update({f"{kind}_{name}.{key}": as_array(name, entry) for key, entry in value.items()})
            elif _is_array(kind, name, value):
                arrays[f"{kind}_{name}"] = as_array(name, value)
            else:
                plain[name] = value
        arrays[f"{kind}s"] = np.array(json.dumps(checks.check_plain(plain)))
    kept: Result | None = vars(estimator).get("_result")
    if kept is not None:
        arrays.update({f"{RESULT}{name}": value for name, value in arrays_of(kept).items()})
    with Path(path).open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _is_array(kind: str, name: str, value: Any) -> bool:
    """Whether a value is kept as an array. Initial parameters are, even if they are lists or data frames."""
    if kind == "attribute":
        return isinstance(value, np.ndarray)
    return (name.endswith("_init") or name in ("init", "weights")) and not (
        isinstance(value, int | str | None) or callable(value)
    )


def read(cls: type[Any], path: str | PathLike[str]) -> Any:
    """The estimator of class `cls` that `write` wrote."""
    with Path(path).open("rb") as file:
        try:
            archive = np.load(file, allow_pickle=False)
        except (ValueError, EOFError, BadZipFile):
            archive = None
        checks.check_estimator_file(path, archive, cls.__name__)
        checks.check_state_format(int(archive["format"]), FORMAT, str(path))
        values = {kind: _values(archive, kind, path) for kind in ("parameter", "attribute")}
        stored = {name.removeprefix(RESULT): archive[name] for name in archive.files if name.startswith(RESULT)}
    estimator, fitted = cls(**values["parameter"]), values["attribute"]
    if "feature_names_in_" in fitted:
        fitted["feature_names_in_"] = np.array(fitted["feature_names_in_"], dtype=object)
    if "fit_report_" in fitted:
        fitted["fit_report_"] = tuple(StartReport(Status[name], *rest) for name, *rest in fitted["fit_report_"])
    vars(estimator).update(fitted)
    if stored:
        vars(estimator)["_result"] = result_of(stored)
    estimator._begin_memory()
    return estimator


def _values(archive: Any, kind: str, path: str | PathLike[str]) -> dict[str, Any]:
    """The constructor's arguments, or the fitted attributes, by name."""
    values: dict[str, Any] = json.loads(str(archive[f"{kind}s"]))
    for name, value in values.items():
        if isinstance(value, dict) and "prior" in value:
            values[name] = prior_of(value)
        if isinstance(value, dict) and value.keys() == {"family", "hyperparameters"}:
            checks.check_kept_family(path, value["family"], FAMILIES)
            values[name] = FAMILIES[value["family"]](**value["hyperparameters"])
    prefix = f"{kind}_"
    for stored in archive.files:
        if stored.startswith(prefix):
            name, _, key = stored.removeprefix(prefix).partition(".")
            if key:
                values[name][key] = archive[stored]
            else:
                values[name] = archive[stored]
    return values


class Saving:
    """The methods that write an estimator to a file and read it again."""

    def save(self, path: str | PathLike[str]) -> None:
        """Write the estimator to `path` as an uncompressed .npz archive, readable by numpy without pickle.

        It holds the constructor's arguments (arrays and lists come back as arrays) and the attributes that end in an
        underscore. Metadata requests (`set_fit_request`) are not in it; a pickle keeps them.

        Raises
        ------
        TypeError : something that is neither a number, text nor an array, such as a RandomState as `random_state`; the
            message names it. OSError : the file cannot be written.
        """
        write(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read what `save` of this class wrote.

        Raises
        ------
        ValueError : the file holds something else (an estimator of another class, for example), is damaged, or was
            written by a newer version with another format.
        FileNotFoundError : there is no such file.
        """
        estimator: Self = read(cls, path)
        return estimator
