"""The results of many independent fits, as stacked arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastem.families.parameters import FloatArray, IntArray
from fastem.model.model import Model
from fastem.model.result import Result, Status


@dataclass(frozen=True, eq=False, repr=False)
class Fits:
    """What `fit_many` returns: one entry for each data set, in their order. Printed, it is a line.

    Attributes
    ----------
    model : the Model that was fitted to each.
    weights : (n_sets, n_components) mixing proportions. They and the parameters are NaN where there is no fit, and
        for a component that was dropped.
    parameters : named arrays (n_sets, ...), in the units of the data, float64.
    log_likelihood : (n_sets,) nats, of exactly these parameters.
    status : (n_sets,) object array: a Status, or None for a data set that could not be fitted.
    n_iter : (n_sets,) int, steps of the best start. n_passes : (n_sets,) int, its passes over the data.
    n_samples : (n_sets,) int. total_weight : (n_sets,) the sums of the sample weights.
    errors : why there is no fit, a sentence for each data set that has none, by its index.
    n_parameters : free parameters of one fit.
    """

    model: Model
    weights: FloatArray
    parameters: Mapping[str, FloatArray]
    log_likelihood: FloatArray
    status: Any
    n_iter: IntArray
    n_passes: IntArray
    n_samples: IntArray
    total_weight: FloatArray
    errors: Mapping[int, str]
    n_parameters: int

    def __len__(self) -> int:
        return len(self.weights)

    def __repr__(self) -> str:
        ended = f"{int(self.converged.sum())} of {len(self)} converged"
        failed = f", {len(self.errors)} not fitted: see `errors`" if self.errors else ""
        return f"Fits({self.model.family!r}, n_components={self.model.n_components}, {ended}{failed})"

    @property
    def converged(self) -> Any:
        """Which fits have converged, (n_sets,) bool."""
        return np.array([status is Status.CONVERGED for status in self.status], dtype=np.bool_)

    @property
    def bic(self) -> FloatArray:
        """-2 log-likelihood + n_parameters log(total_weight), (n_sets,): smaller is better."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(-2.0 * self.log_likelihood + self.n_parameters * np.log(self.total_weight))

    @property
    def aic(self) -> FloatArray:
        """-2 log-likelihood + 2 n_parameters, (n_sets,): smaller is better."""
        return np.asarray(-2.0 * self.log_likelihood + 2.0 * self.n_parameters)

    def __getitem__(self, i: int) -> Result:
        """The fit of one data set, for every function that takes a mixture; it has no history.

        Raises
        ------
        IndexError : there is no such data set. ValueError : it could not be fitted; the message says why.
        """
        n = len(self)
        if not -n <= i < n:
            raise IndexError(f"index {i} is out of range for {n} data sets.")
        i = int(i) % n
        if i in self.errors:
            raise ValueError(f"data set {i} was not fitted: {self.errors[i]}")
        kept = np.flatnonzero(~np.isnan(self.weights[i]))
        named = {name: np.array(values[i]) for name, values in self.parameters.items()}
        return Result(
            model=replace(self.model, n_components=len(kept)),
            weights=self.weights[i, kept],
            parameters=self.model.family.take(named, kept),
            log_likelihood=float(self.log_likelihood[i]),
            objective=float(self.log_likelihood[i]),
            n_iter=int(self.n_iter[i]),
            n_passes=int(self.n_passes[i]),
            status=self.status[i],
            n_samples=int(self.n_samples[i]),
            total_weight=float(self.total_weight[i]),
        )

    def __iter__(self) -> Iterator[Result]:
        return (self[i] for i in range(len(self)))


class Found:
    """The arrays of Fits while they are filled."""

    def __init__(self, model: Model, data: Sequence[Any], weights: Sequence[Any] | None, n_features: int) -> None:
        m, self.model, self.n_features = len(data), model, n_features
        self.weights = np.full((m, model.n_components), np.nan)
        shapes = {p.name: p.shape(n_features, model.n_components) for p in model.family.parameters}
        self.parameters = {name: np.full((m, *shape), np.nan) for name, shape in shapes.items()}
        self.log_likelihood, self.total_weight = np.full(m, np.nan), np.full(m, np.nan)
        self.status = np.full(m, None, dtype=object)
        self.n_iter, self.n_passes, self.n_samples = np.zeros((3, m), dtype=np.int64)
        self.errors: dict[int, str] = {}

    def take(self, i: int, result: Result) -> None:
        """Write a Result, which may have fewer components, into the arrays."""
        k = result.n_components
        self.weights[i, :k], self.status[i] = result.weights, result.status
        self.log_likelihood[i] = result.log_likelihood
        for parameter in self.model.family.parameters:
            array, value = self.parameters[parameter.name], np.asarray(result.parameters[parameter.name])
            if "K" in parameter.axes:
                axis = parameter.axes.index("K")
                np.moveaxis(array, 1 + axis, 1)[i, :k] = np.moveaxis(value, axis, 0)
            else:
                array[i] = value
        self.n_iter[i], self.n_passes[i] = result.n_iter, result.n_passes
        self.n_samples[i], self.total_weight[i] = result.n_samples, result.total_weight

    def fits(self) -> Fits:
        """All of them."""
        return Fits(
            self.model,
            self.weights,
            self.parameters,
            self.log_likelihood,
            self.status,
            self.n_iter,
            self.n_passes,
            self.n_samples,
            self.total_weight,
            dict(sorted(self.errors.items())),
            self.model.n_parameters(self.n_features),
        )
