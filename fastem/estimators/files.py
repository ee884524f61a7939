"""Estimators as .npz archives, readable by numpy without pickle."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from fastem.model.result import StartReport, Status
from fastem.validation import estimators as checks
from fastem.validation.data import as_array

FORMAT = 1


def write(estimator: Any, path: str | PathLike[str]) -> None:
    """Arrays among the constructor's arguments and the fitted attributes as arrays, everything else as JSON."""
    fitted = {name: value for name, value in vars(estimator).items() if name.endswith("_")}
    if "fit_report_" in fitted:
        fitted["fit_report_"] = [[report.status.name, *report[1:]] for report in fitted["fit_report_"]]
    if "feature_names_in_" in fitted:
        fitted["feature_names_in_"] = fitted["feature_names_in_"].tolist()
    arrays: dict[str, Any] = {"format": np.array(FORMAT), "estimator": np.array(type(estimator).__name__)}
    for name, value in estimator.get_params(deep=False).items():
        if name.endswith("_init") and not isinstance(value, int | str | None):
            arrays[f"parameter_{name}"] = as_array(name, value)
    for name, value in fitted.items():
        if isinstance(value, np.ndarray):
            arrays[f"attribute_{name}"] = as_array(name, value)
    for kind, values in (("parameter", estimator.get_params(deep=False)), ("attribute", fitted)):
        plain = {name: value for name, value in values.items() if f"{kind}_{name}" not in arrays}
        arrays[f"{kind}s"] = np.array(json.dumps(checks.check_plain(plain)))
    with Path(path).open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read(cls: type[Any], path: str | PathLike[str]) -> Any:
    """The estimator of class `cls` that `write` wrote."""
    with Path(path).open("rb") as file:
        try:
            archive = np.load(file, allow_pickle=False)
        except (ValueError, EOFError, BadZipFile):
            archive = None
        checks.check_estimator_file(path, archive, cls.__name__)
        checks.check_state_format(int(archive["format"]), FORMAT, str(path))
        values = {}
        for kind in ("parameter", "attribute"):
            prefix = f"{kind}_"
            names = [name for name in archive.files if name.startswith(prefix)]
            plain = json.loads(str(archive[f"{kind}s"]))
            values[kind] = {**plain, **{name.removeprefix(prefix): archive[name] for name in names}}
    estimator, fitted = cls(**values["parameter"]), values["attribute"]
    if "feature_names_in_" in fitted:
        fitted["feature_names_in_"] = np.array(fitted["feature_names_in_"], dtype=object)
    if "fit_report_" in fitted:
        fitted["fit_report_"] = tuple(StartReport(Status[name], *rest) for name, *rest in fitted["fit_report_"])
    vars(estimator).update(fitted)
    return estimator
