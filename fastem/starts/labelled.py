"""Starts where something is known about the components of samples, such as the labels of some.

A method finds its starts without that knowledge, in any order of components. They are put into the order that agrees
with it best, and one more start is made from it: the means of the samples that are known best are centres, as in
seeded k-means (Basu, Banerjee and Mooney 2002, ICML), and each other sample goes to the nearest.
"""

from __future__ import annotations

import numpy as np

from fastem import validation
from fastem.data.samples import Known
from fastem.families.base import Array
from fastem.model.model import Step
from fastem.model.problem import Problem
from fastem.starts import auto
from fastem.starts import given as initialise

# Components are put in order by so many of the samples that something is known about, at most.
SAMPLE = 65536


def from_method(problem: Problem, at: Problem, method: str, n_init: int, seed: np.random.SeedSequence) -> list[Step]:
    """The starts of a method, found at all of the data or at a part; if anything is known, one more from that."""
    if problem.source.known is None:
        return auto.from_method(at, method, n_init, seed)
    if problem.n_components == 1:
        return auto.from_method(at, method, n_init, seed)[:1]
    found = auto.from_method(at.at(at.source.knowing(None)), method, n_init, seed)
    sample, known = _informed(problem)
    if known is None:
        return found
    steps = [_arranged(sample, known, step) for step in found]
    centres = _centres(sample, known, steps[0])
    return [*initialise.from_centres(at, centres[None]), *steps]


def labels_of_all(problem: Problem) -> Array | None:
    """The component of each sample if all that count are known for certain, -1 for others; None if some are not."""
    known, weights = problem.source.known, problem.source.sample_weight
    if known is None:
        return None
    labels = known.labels(problem.n_components)
    counts = np.ones(len(labels), dtype=np.bool_) if weights is None else weights > 0
    return labels if (labels[counts] >= 0).all() else None


def _informed(problem: Problem) -> tuple[Problem, Known | None]:
    """The samples that something is known about, many of them, as a problem that does not know it; and what that is."""
    source, known = problem.source, problem.source.known
    assert known is not None
    counts = known.informative(problem.n_components)
    if source.sample_weight is not None:
        counts &= source.sample_weight > 0
    rows = np.flatnonzero(counts)
    if not len(rows):
        return problem, None
    if len(rows) > SAMPLE:
        rows = rows[np.linspace(0, len(rows) - 1, SAMPLE).astype(np.int64)]
    return problem.at(source.knowing(None).take(rows).in_memory()), known.take(rows)


def _shares(sample: Problem, known: Known) -> Array:
    """How much of each sample's weight is known to be of each component, (n, K); each column sums to 1, or to 0."""
    shares = known.shares(sample.n_components)
    # What is said of all components alike says nothing.
    excess = shares - shares.min(axis=1, keepdims=True)
    if sample.source.sample_weight is not None:
        excess = excess * sample.source.sample_weight[:, None]
    totals = excess.sum(axis=0)
    return np.asarray(excess / np.where(totals > 0, totals, 1.0))


def _arranged(sample: Problem, known: Known, step: Step) -> Step:
    """A step with its components in the order that agrees best with what is known."""
    from scipy.optimize import linear_sum_assignment

    wanted = _shares(sample, known)
    resp = sample.evaluate(step, "resp").astype(np.float64)
    order = np.asarray(linear_sum_assignment(-(wanted.T @ resp))[1])
    named = sample.family.unpack(step.params, sample.source.frame, sample.n_components)
    return initialise.from_parameters(sample, np.exp(step.log_weights[order]), sample.family.take(named, order))


def _centres(sample: Problem, known: Known, step: Step) -> Array:
    """Centres (K, d) in the tiles' coordinates: the means of known samples; for other components, those of a step."""
    points = sample.source.in_memory().points()
    certain = known.labels(sample.n_components) >= 0
    wanted = _shares(sample, known) * certain[:, None]
    held = np.asarray(wanted.any(axis=0))
    wanted = wanted / np.where(held, wanted.sum(axis=0), 1.0)
    centres = sample.family.moments(sample.named(step))[0]
    return np.where(held[:, None], wanted.T @ points, centres)


def settled(problem: Problem, labels: Array) -> Step:
    """The supervised fit: the M-step from the labels of all samples that count.

    Raises
    ------
    ValueError : a component has no sample.
    """
    held = np.bincount(labels[labels >= 0], minlength=problem.n_components) > 0
    validation.check_all_held(held)
    return initialise.from_labels(problem, np.maximum(labels, 0))
