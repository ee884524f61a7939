"""The file of a Result: an archive of plain arrays, which NumPy reads without pickle."""

from __future__ import annotations

import json
from contextlib import nullcontext
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fastem.families import FAMILIES
from fastem.families.constraints import from_json
from fastem.families.priors import prior_of
from fastem.model.mixing import mixing_of
from fastem.model.model import Model
from fastem.model.result import Fitted, Result, StartReport, Status
from fastem.model.starving import SOFT, Policy

FORMAT = 4


def save(result: Result | Fitted, path: str | PathLike[str]) -> None:
    """Write a result to `path` as an uncompressed .npz archive, readable by numpy without pickle.

    The archive holds `format` (an integer), `family`, `family_class` ("module:class", for error messages),
    `hyperparameters` and `model` (JSON), `weights`, one array `parameter_<name>` each, and the fields of the result.
    The path is used as it is; no suffix is added. Of a fitted estimator, its `result_` is written; its own `save`
    writes the estimator.

    Parameters
    ----------
    result : a Result, or a fitted estimator
    path : str or path

    Raises
    ------
    TypeError : `result` is neither a Result nor a fitted estimator.
    OSError : the file cannot be written.
    """
    from fastem.validation import check_mixture

    kept: Result = check_mixture(result)
    with Path(path).open("wb") as file:
        np.savez(file, **arrays_of(kept))


def arrays_of(result: Result) -> dict[str, Any]:
    """A result as named arrays, for a file."""
    reports = np.array(
        [[np.nan if value is None else value for value in report[1:]] for report in result.starts], dtype=np.float64
    ).reshape(-1, len(StartReport._fields) - 1)
    return {
        "format": np.array(FORMAT),
        "family": np.array(result.family.name),
        "hyperparameters": np.array(json.dumps(result.family.to_json())),
        "family_class": np.array(f"{type(result.family).__module__}:{type(result.family).__qualname__}"),
        "model": np.array(json.dumps(result.model.to_json())),
        "weights": result.weights,
        "log_likelihood": np.array(result.log_likelihood),
        "objective": np.array(result.objective),
        "history": result.history,
        "counts": np.array([result.n_iter, result.n_passes, result.best_start, result.n_samples]),
        "total_weight": np.array(result.total_weight),
        "criterion": np.array(result.criterion),
        "criterion_value": np.array(result.criterion_value),
        "collapsed": np.array(result.collapsed, dtype=np.int64),
        "notes": np.array(result.notes, dtype=np.str_),
        "entropy": np.array(result.entropy),
        "status": np.array(result.status.name),
        "starts": reports,
        "start_statuses": np.array([report.status.name for report in result.starts], dtype=np.str_),
        "feature_names": np.array(json.dumps(result.feature_names)),
        "n_labelled": np.array(result.n_labelled),
        "paths": np.concatenate([np.empty(0), *result.paths]),
        "path_lengths": np.array([len(path) for path in result.paths], dtype=np.int64),
        **{f"parameter_{name}": np.asarray(value) for name, value in result.parameters.items()},
    }


def load(path: str | PathLike[str]) -> Result:
    """Read what `save` wrote.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Result : equal to the one that was saved, to the last bit. `GaussianMixture.from_result` makes an estimator of it.

    Raises
    ------
    ValueError : the file is no fastem model, or was written by a newer version with another format.
    FileNotFoundError : there is no such file.

    Examples
    --------
    >>> import fastem, pathlib, tempfile
    >>> mixture = fastem.from_parameters(fastem.Poisson(), [0.5, 0.5], rates=[[1.0], [9.0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fastem.save(mixture, pathlib.Path(folder) / "model.npz")
    ...     fastem.load(pathlib.Path(folder) / "model.npz").parameters["rates"].tolist()
    [[1.0], [9.0]]
    """
    from fastem.validation import check_model_file

    try:
        archive = np.load(path, allow_pickle=False)
    except ValueError:
        archive = None
    with archive if hasattr(archive, "files") else nullcontext():
        check_model_file(path, archive, FORMAT, FAMILIES)
        return result_of({name: archive[name] for name in archive.files})


def result_of(stored: dict[str, Any]) -> Result:
    """The inverse of `arrays_of`."""
    names = json.loads(str(stored.get("feature_names", "null")))  # older files had none
    n_iter, n_passes, best_start, n_samples = (int(count) for count in stored["counts"])
    reports = tuple(
        StartReport(
            Status[str(status)],
            float(row[0]),
            int(row[1]),
            int(row[2]),
            int(row[3]),
            int(row[4]),
            int(row[5]),
            None if np.isnan(row[6]) else float(row[6]),
            int(row[7]),
            float(row[8]) if len(row) > 8 else 0.0,  # format 2 had none
        )
        for status, row in zip(stored["start_statuses"], stored["starts"], strict=True)
    )
    prefix = "parameter_"
    return Result(
        model=_model(stored),
        weights=stored["weights"],
        parameters={name[len(prefix) :]: value for name, value in stored.items() if name.startswith(prefix)},
        log_likelihood=float(stored["log_likelihood"]),
        objective=float(stored.get("objective", stored["log_likelihood"])),
        history=stored["history"],
        n_iter=n_iter,
        n_passes=n_passes,
        status=Status[str(stored["status"])],
        starts=reports,
        best_start=best_start,
        n_samples=n_samples,
        total_weight=float(stored["total_weight"]),
        criterion=str(stored["criterion"]),
        criterion_value=float(stored["criterion_value"]),
        collapsed=tuple(int(k) for k in stored.get("collapsed", ())),
        notes=tuple(str(note) for note in stored.get("notes", ())),
        entropy=float(stored.get("entropy", np.nan)),  # older files had none
        feature_names=None if names is None else tuple(names),
        n_labelled=int(stored.get("n_labelled", 0)),  # older files had none
        paths=_paths(stored),
    )


def _model(stored: dict[str, Any]) -> Model:
    family = FAMILIES[str(stored["family"])](**json.loads(str(stored["hyperparameters"])))
    # Before format 4, every model had free proportions, and a file did not keep its policy.
    kept = json.loads(str(stored.get("model", "{}")))
    mixing, constraints = mixing_of(kept), from_json(kept.pop("constraints", {}))
    priors, assignment = tuple(prior_of(prior) for prior in kept.pop("priors", ())), kept.pop("assignment", SOFT)
    return Model(family, len(stored["weights"]), mixing, Policy(**kept), constraints, priors, assignment)


def _paths(stored: dict[str, Any]) -> tuple[Any, ...]:
    """Those of a result; older files had none."""
    lengths = stored.get("path_lengths", ())
    return tuple(np.split(stored["paths"], np.cumsum(lengths)[:-1])) if len(lengths) else ()
