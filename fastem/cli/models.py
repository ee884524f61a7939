"""What the command line does with a model that was saved: predict, sample, show and plot."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import fastem
from fastem.cli.reading import CommandError, Table, read_table
from fastem.cli.writing import SUFFIXES, check_target, print_json, write_columns

PICTURES = (".png", ".svg", ".pdf", ".jpg")


def predict(options: argparse.Namespace) -> None:
    """Labels, probabilities and densities of the rows of a table."""
    check_target(options.out, SUFFIXES)
    mixture = _loaded(options)
    X = _table_for(mixture, options).X
    columns: dict[str, Any] = {}
    resp = None
    if "probabilities" in options.what:
        resp = fastem.responsibilities(X, mixture, n_threads=options.threads)
    if "labels" in options.what:
        columns["label"] = fastem.predict(X, mixture, n_threads=options.threads)
    if resp is not None:
        columns |= {f"probability_{k}": resp[:, k] for k in range(mixture.n_components)}
    if "density" in options.what:
        columns["log_density"] = fastem.log_density(X, mixture, n_threads=options.threads)
    write_columns(columns, options.out)


def draw(options: argparse.Namespace) -> None:
    """New samples."""
    check_target(options.out, SUFFIXES)
    mixture = _loaded(options)
    draws = fastem.sample(mixture, options.n, seed=options.seed)
    columns: dict[str, Any] = dict(zip(names_of(mixture), draws.X.T, strict=True))
    if options.labels:
        columns["component"] = draws.labels
    write_columns(columns, options.out)


def show(options: argparse.Namespace) -> None:
    """A summary that a person can read, or JSON for a script."""
    mixture = _loaded(options)
    if options.json:
        print_json(facts_of(mixture))
        return
    print(mixture.summary())
    for name, value in mixture.parameters.items():
        with np.printoptions(precision=6, suppress=True, threshold=200, linewidth=110):
            print(f"\n{name}\n{value}")


def plot(options: argparse.Namespace) -> None:
    """A picture of a model, and of data if there are any."""
    check_target(options.out, PICTURES)
    mixture = _loaded(options)
    X = None if options.data is None else _table_for(mixture, options).X
    features = None
    if options.features is not None:
        features = [int(name) if name.isdigit() else name for name in options.features]
    settings: dict[str, Any] = {"what": options.what, "level": options.level, "features": features}
    n = mixture.n_features if features is None else len(features)
    kind: Any = fastem.plots.PairsDisplay if n > 2 else fastem.plots.MixtureDisplay
    try:
        display = kind.from_result(mixture, X, **settings)
    except ImportError as error:  # it says what to install
        raise CommandError(str(error)) from None
    display.figure_.savefig(options.out)
    print(f"picture written to {options.out}")


def _loaded(options: argparse.Namespace) -> Any:
    """The model, or an error that says that there is none."""
    if not options.model.is_file():
        raise CommandError(f"there is no model {options.model}; `fastem fit DATA --save {options.model}` writes one.")
    return fastem.load(options.model)


def names_of(mixture: Any) -> list[str]:
    """The names of the features."""
    if mixture.feature_names is not None:
        return list(mixture.feature_names)
    return [f"feature_{j}" for j in range(mixture.n_features)]


def facts_of(mixture: Any) -> dict[str, Any]:
    """What is known of a Result, for JSON."""
    return {
        "family": mixture.family.name,
        "n_components": mixture.n_components,
        "n_features": mixture.n_features,
        "feature_names": mixture.feature_names,
        "n_samples": mixture.n_samples,
        "n_parameters": mixture.n_parameters,
        "status": mixture.status.name,
        "log_likelihood": mixture.log_likelihood,
        "bic": mixture.bic,
        "aic": mixture.aic,
        "weights": mixture.weights,
        "parameters": dict(mixture.parameters),
        "notes": mixture.notes,
    }


def _table_for(mixture: Any, options: argparse.Namespace) -> Table:
    """The columns that a model was fitted to, by their names if both know these, in the model's order."""
    columns = options.columns
    if columns is None and mixture.feature_names is not None and options.data.suffix.lower() not in (".npy", ".npz"):
        columns = list(mixture.feature_names)
    table = read_table(options.data, options.key, columns, options.drop)
    if table.X.shape[1] != mixture.n_features:
        raise CommandError(
            f"{options.data} has {table.X.shape[1]} feature(s), and the model was fitted to {mixture.n_features}"
            f"{'' if mixture.feature_names is None else ': ' + ', '.join(mixture.feature_names)}; choose them with "
            "--columns."
        )
    return table
