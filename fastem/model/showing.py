"""Records in words: a line, or a table in plain text, which does not depend on the terminal or its width.

A Result is an argument here, and `result` imports this file, so it is typed as Any.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from textwrap import wrap
from typing import Any, Self, cast

import numpy as np

from fastem import validation
from fastem.families.parameters import REAL, Array, Parameter

# A table shows so many components and features, and says how many there are besides.
COMPONENTS, FEATURES = 8, 6
WEIGHTS = Parameter("weights", ("K",), REAL, has_units=False)
# Names of features are cut after so many characters.
WIDTH = 16


def counted(n: int, noun: str) -> str:
    """A number and a noun, in the plural where there is not exactly one."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under a head, every column as wide as it must be, and aligned to the right."""
    widths = [max(len(row[j]) for row in (head, *rows)) for j in range(len(head))]
    return "\n".join("  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True)) for row in (head, *rows))


def shortened(n: int, limit: int, noun: str) -> list[str]:
    """A line that says how many of `n` things a table leaves out, if any."""
    return [f"... and {n - limit:,} more {noun}{'' if n == limit + 1 else 's'}"] if n > limit else []


def features_of(n_features: int, names: Sequence[str] | None) -> list[str]:
    """Headings of the columns of a table, as many as it shows."""
    shown = [f"feature {j}" for j in range(n_features)] if names is None else [str(name) for name in names]
    return [name if len(name) <= WIDTH else name[: WIDTH - 2] + ".." for name in shown[:FEATURES]]


def wrapped(notes: Sequence[str]) -> list[str]:
    """Notes in lines of a readable length."""
    return [line for note in notes for line in wrap(f"Note: {note}", 118)]


def line_of(result: Any) -> str:
    """A Result in a line."""
    said = [result.family.name, counted(len(result.weights), "component"), counted(result.n_features, "feature")]
    if not np.isnan(result.log_likelihood):
        said += [f"log-likelihood {result.log_likelihood:.1f}", f"BIC {result.bic:.1f}"]
    said.append(result.status.name)
    if len(result.starts) > 1:
        agree = "agree" if result.same_solution else "reached its likelihood"
        said.append(f"{result.n_reached} of {len(result.starts)} starts {agree}")
    return f"Result({', '.join(said)})"


def summary_of(result: Any, names: Sequence[str] | None) -> str:
    """A Result in some lines: sizes and criteria, a table of the components, and how the starts ended."""
    n_components, d = len(result.weights), result.n_features
    sizes = (counted(n_components, "component"), counted(d, "feature"), counted(result.n_parameters, "parameter"))
    lines = [f"Mixture of {result.family.name}: {', '.join(sizes)}"]
    if not np.isnan(result.log_likelihood):
        fit = [f"log-likelihood {result.log_likelihood:.3f}", f"BIC {result.bic:.2f}", f"AIC {result.aic:.2f}"]
        if not np.isnan(result.icl):
            fit.append(f"ICL {result.icl:.2f}")
        weight = "" if result.total_weight == result.n_samples else f" of total weight {result.total_weight:g}"
        labelled = f", {result.n_labelled} of them labelled" if result.n_labelled else ""
        lines.append(f"{counted(result.n_samples, 'sample')}{weight}{labelled}, {', '.join(fit)}")
    lines += ["", "Mean (and standard deviation) of each feature in each component:"]
    lines.append(table(*_components(result, names)))
    lines += shortened(n_components, COMPONENTS, "component") + shortened(d, FEATURES, "feature")
    return "\n".join([*lines, "", *_ending(result)])


def _components(result: Any, names: Sequence[str] | None) -> tuple[list[str], list[tuple[str, ...]]]:
    """The head and the rows of a table of the first components."""
    n_components, d = len(result.weights), result.n_features
    head = ["component", "weight", *features_of(d, names)]
    means, variances = result.family.moments(result.parameters)
    deviations = np.sqrt(variances)
    columns = [[str(k) for k in range(n_components)], [f"{weight:.4f}" for weight in result.weights]]
    for j in range(min(d, FEATURES)):
        form = _form_of(float(max(np.abs(means[:, j]).max(), deviations[:, j].max())))
        columns.append([f"{m:{form}} ({s:{form}})" for m, s in zip(means[:, j], deviations[:, j], strict=True)])
    return head, list(zip(*columns, strict=True))[:COMPONENTS]


def html_table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for notebooks."""
    cells = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{names}</tr></thead><tbody>{cells}</tbody></table>"


def _form_of(largest: float) -> str:
    """A format that shows numbers up to this one with the same number of decimals, four digits of the largest."""
    if largest == 0:
        return ".0f"
    return f".{max(0, 3 - math.floor(math.log10(largest)))}f" if 1e-4 <= largest < 1e7 else ".3e"


def _ending(result: Any) -> list[str]:
    """How the starts ended, and what the best one has to say."""
    if not result.starts:
        return [result.status.value]
    notes = [note for note in result.notes if note != result.status.value]
    best = [result.starts[result.best_start].sentence, *wrapped(notes)]
    if len(result.starts) == 1:
        return best
    ends = Counter(report.status.name for report in result.starts)
    ended = ", ".join(f"{n} {name}" for name, n in ends.items())
    same = "" if result.n_reached < 2 else f" and {'agree' if result.same_solution else 'are different solutions'}"
    reached = f"{result.n_reached} of {len(result.starts)} starts reached this likelihood{same}"
    return [f"{reached} ({ended}).", *best]


def arrays_in_words(arrays: Mapping[str, Any]) -> list[str]:
    """Named arrays in some lines each: rounded, and long ones abbreviated."""
    lines = []
    for name, value in arrays.items():
        text = np.array2string(np.asarray(value), precision=3, threshold=40, edgeitems=2, max_line_width=100)
        lines += [f"{name}:", text]
    return lines


class Showing:
    """What a Result shows of itself, and itself with its components in another order."""

    def __repr__(self) -> str:
        return line_of(self)

    def _repr_html_(self) -> str:
        """For notebooks."""
        return html_table(line_of(self), *_components(self, getattr(self, "feature_names", None)))

    def summary(self) -> str:
        """Some lines of text: sizes, criteria, a table of the components, and how the starts ended.

        The table has the weight of each component, and the mean and standard deviation of each feature in it. It shows
        the first 8 components and the first 6 features, and says how many there are besides.

        Examples
        --------
        >>> import fastem
        >>> mixture = fastem.from_parameters(fastem.Poisson(), [0.25, 0.75], rates=[[1.0, 4.0], [25.0, 9.0]])
        >>> mixture.summary().splitlines()[4:6]
        ['        0  0.2500   1.00 (1.00)  4.000 (2.000)', '        1  0.7500  25.00 (5.00)  9.000 (3.000)']
        """
        return summary_of(self, cast(Any, self).feature_names)

    def reorder(self, order: Any) -> Self:
        """The same mixture with its components in another order; everything else stays as it is.

        Only notes that name collapsed components by their numbers are left out.

        Parameters
        ----------
        order : (n_components,) integers, each component once: ``order[k]`` is the one that becomes component k.

        Raises
        ------
        ValueError, TypeError : `order` is no permutation of the components.
        """
        result: Any = self
        places = validation.check_order(order, len(result.weights))
        parameters = result.family.take(result.parameters, places)
        collapsed = tuple(k for k, place in enumerate(places) if place in result.collapsed)
        notes = () if collapsed else result.notes  # those of a collapse name components by their old numbers
        return cast(
            Self,
            replace(
                result,
                model=result.model.take(places),
                weights=result.weights[places],
                parameters=parameters,
                collapsed=collapsed,
                notes=notes,
            ),
        )

    def sorted_by(self, name: str = "means", feature: int | str | None = None, *, descending: bool = False) -> Self:
        """The same mixture with its components sorted by a parameter, or by their weights.

        Parameters
        ----------
        name : "weights", or a parameter that each component has its own of, such as "means".
        feature : the feature by whose value to sort, as a number from 0 or, if the features have names, by name
            By a covariance matrix, components are sorted by this feature's variance. None sorts by the first feature,
            and where two components agree in it, by the next.
        descending : whether the largest comes first.

        Raises
        ------
        ValueError, TypeError : no such parameter or feature; the message names those there are.

        Examples
        --------
        >>> import fastem
        >>> mixture = fastem.from_parameters(fastem.Poisson(), [0.3, 0.7], rates=[[25.0, 1.0], [1.0, 4.0]])
        >>> mixture.sorted_by("rates").weights.tolist(), mixture.sorted_by("rates", 1).weights.tolist()
        ([0.7, 0.3], [0.3, 0.7])
        """
        return self.reorder(order_by(self, name, feature, descending))


def order_by(result: Any, name: str, feature: int | str | None, descending: bool) -> Array:
    """The order (n_components,) of a Result's components by a parameter; the arguments are those of `sorted_by`."""
    named = {"weights": WEIGHTS, **{parameter.name: parameter for parameter in result.family.parameters}}
    parameter = named[validation.check_sortable(name, [n for n, p in named.items() if "K" in p.axes])]
    values = np.asarray(result.weights if name == "weights" else result.parameters[name])
    axes = list(parameter.axes)
    if feature is not None:
        chosen = validation.check_feature(feature, result.n_features, result.feature_names, name, "d" in parameter.axes)
        # The variance of a feature has the feature twice in its place.
        values = values[tuple(chosen if axis == "d" else slice(None) for axis in axes)]
        axes = [axis for axis in axes if axis != "d"]
    keys = np.moveaxis(values, axes.index("K"), 0).reshape(len(result.weights), -1)
    return np.lexsort((-keys if descending else keys).T[::-1])
