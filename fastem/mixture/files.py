"""Estimators as .npz archives, readable by numpy without pickle."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fastem.results import StartReport, Status
from fastem.validation import estimators as validation

FORMAT = 1


def write(estimator: Any, path: str | PathLike[str]) -> None:
    """Arrays among the constructor's arguments and the fitted attributes as arrays, everything else as JSON."""
    parameters = estimator.get_params(deep=False)
    validation.check_saveable(parameters)
    fitted = {name: value for name, value in vars(estimator).items() if name.endswith("_")}
    if "fit_report_" in fitted:
        fitted["fit_report_"] = [[report.status.name, *report[1:]] for report in fitted["fit_report_"]]
    arrays: dict[str, Any] = {"format": np.array(FORMAT), "estimator": np.array(type(estimator).__name__)}
    for kind, values in (("parameter", parameters), ("attribute", fitted)):
        plain = {}
        for name, value in values.items():
            if name == "feature_names_in_":
                arrays[f"{kind}_{name}"] = np.asarray(value, dtype=np.str_)
            elif (name.endswith("_init") and value is not None and name != "n_init") or (
                isinstance(value, np.ndarray | list) and name != "fit_report_"
            ):
                arrays[f"{kind}_{name}"] = np.asarray(value)
            else:
                plain[name] = value.item() if isinstance(value, np.generic) else value
        arrays[f"{kind}s"] = np.array(json.dumps(plain))
    with Path(path).open("wb") as file:
        np.savez(file, **arrays)


def read(cls: type[Any], path: str | PathLike[str]) -> Any:
    """The estimator of class `cls` that `write` wrote."""
    try:
        archive = np.load(path, allow_pickle=False)
    except ValueError:
        archive = None
    validation.check_estimator_file(path, archive, cls.__name__)
    with archive:
        validation.check_state_format(int(archive["format"]), FORMAT, str(path))
        values = {
            kind: {
                **json.loads(str(archive[f"{kind}s"])),
                **{
                    name.removeprefix(f"{kind}_"): archive[name]
                    for name in archive.files
                    if name.startswith(f"{kind}_")
                },
            }
            for kind in ("parameter", "attribute")
        }
    estimator = cls(**values["parameter"])
    fitted = values["attribute"]
    if "feature_names_in_" in fitted:
        fitted["feature_names_in_"] = fitted["feature_names_in_"].astype(object)
    if "lower_bounds_" in fitted:
        fitted["lower_bounds_"] = fitted["lower_bounds_"].tolist()
    if "fit_report_" in fitted:
        fitted["fit_report_"] = tuple(StartReport(Status[name], *rest) for name, *rest in fitted["fit_report_"])
    vars(estimator).update(fitted)
    return estimator
