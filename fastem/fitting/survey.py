"""One look at the data before anything is fitted: are they usable, where do they lie, what do they decide?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.data.columns import columns, columns_of
from fastem.data.samples import Known, Samples, known_of
from fastem.data.sources import InMemory, Source, tiles_key
from fastem.data.stream import Chunks, Stream, stream
from fastem.data.threads import Team
from fastem.families.base import Array, Columns, Family, Frame
from fastem.families.constraints import Constraints
from fastem.families.priors import PRIORS, Spread
from fastem.model.mixing import FixedProportions, Proportions
from fastem.model.model import Model
from fastem.model.packed import Packed
from fastem.model.problem import Problem, problem_of

# A memory map of more bytes than this is read in chunks rather than copied.
MAPPED = 64 * 2**20


class Knowledge(NamedTuple):
    """What a user knows before the fit: arguments of `fit`."""

    labels: Any = None
    prior_resp: Any = None
    fixed: Any = None
    shared: Any = None
    weights: Any = validation.FREE
    prior: Any = None

    @classmethod
    def of(cls, model: Model) -> Knowledge:
        """What is known of the parameters of a model."""
        weights = getattr(model.mixing, "weights", validation.FREE)
        constraints = model.constraints
        fixed, shared = dict(constraints.fixed) or None, constraints.shared or None
        weights = validation.EQUAL if weights is None else weights
        return cls(fixed=fixed, shared=shared, weights=weights, prior=model.priors or None)

    def parameters(self) -> dict[str, Any]:
        """What is known of parameters, by the names of the arguments."""
        return {name: getattr(self, name) for name in ("fixed", "shared", "weights", "prior")}

    def model(self, model: Model, n_features: int) -> Model:
        """The model with what is known of its parameters, after a check."""
        weights = validation.check_mixing(self.weights, model.n_components)
        mixing = model.mixing if isinstance(weights, str) else FixedProportions(weights=weights)
        fixed = validation.check_fixed(self.fixed, model.family, n_features, model.n_components)
        shared = validation.check_shared(self.shared, model.family, fixed)
        constraints = Constraints(fixed, shared)
        held = not constraints or constraints.all_fixed(model.family)
        validation.check_constrained(held or model.family.knows_constraints, model.family)
        if constraints.all_fixed(model.family) and mixing.n_free(2):
            mixing = Proportions(roots=True)
        priors = validation.check_priors(self.prior, PRIORS, model.family, n_features, model.n_components)
        validation.check_weights_are_free(isinstance(weights, str), priors)
        return replace(model, mixing=mixing, constraints=constraints, priors=priors)


class Survey(NamedTuple):
    """Checked data and the facts about their columns, from which sources for any family are made.

    packed: the same data in tiles; then only sources of families that share these are made. known: what is known about
    the components of the samples.
    """

    data: Samples | Stream
    sample_weight: Array | None
    n_samples: int
    dtype: Any
    facts: Columns
    team: Team
    packed: Packed | None = None
    known: Known | None = None

    @property
    def n_features(self) -> int:
        """The number of columns."""
        return len(self.facts.location)

    def frame(self, family: Family) -> Frame:
        """The coordinates of a family's tiles."""
        return family.frame(self.facts.location, self.facts.spread)

    def key(self, family: Family) -> tuple[Any, ...]:
        """What a family's source depends on; families with equal keys may share one."""
        return tiles_key(family, self.frame(family))

    def source(self, family: Family) -> Source:
        """The data in the coordinates of a family. They are packed in the first pass over them."""
        source = self.unknowing(family)
        return source if self.known is None else source.knowing(self.known)

    def unknowing(self, family: Family) -> Source:
        """`source` without what is known about the components."""
        if self.packed is not None:
            return self.packed.source(self.team)
        fixed = family, self.facts, self.frame(family), self.dtype, self.team
        if isinstance(self.data, Stream):
            return Chunks(self.data, self.sample_weight, self.n_samples, *fixed)
        return InMemory(self.data, *fixed)

    def knowing(self, knowledge: Knowledge, n_components: int) -> Survey:
        """The same data, with what their user knows about the components of the samples, after a check."""
        return self._replace(known=known_of(knowledge.labels, knowledge.prior_resp, self.n_samples, n_components))

    def settled(self, model: Model) -> Model:
        """The model with those hyperparameters filled in that the data decide."""
        return replace(model, family=model.family.settled(self.facts))


def samples_or_stream(X: Any, sample_weight: Any) -> Samples | Stream | Packed:
    """A user's data: checked samples in memory, in tiles or not, or a stream."""
    if isinstance(X, Packed):
        validation.check_weights_are_packed(sample_weight)
        return X
    if isinstance(X, Stream):
        validation.check_one_weight(sample_weight, X.sample_weight)
        return X if sample_weight is None else X.weighted(sample_weight)
    in_chunks = callable(X) or (isinstance(X, list | tuple) and len(X) > 0 and all(np.ndim(x) == 2 for x in X))
    if in_chunks or (isinstance(X, np.memmap) and X.nbytes > MAPPED):
        return stream(X, sample_weight=sample_weight)
    checked = validation.check_data(X)
    return Samples(checked, validation.check_sample_weight(sample_weight, len(checked)))


def survey(data: Samples | Stream | Packed, families: Sequence[Family], team: Team) -> Survey:
    """Look at the data, and refuse values that are not finite or that one of the families cannot produce."""
    if isinstance(data, Packed):
        for family in families:
            data.check(family)
        return Survey(data.samples, data.sample_weight, data.n_samples, data.dtype, data.facts, team, data)
    if isinstance(data, Stream):
        return _survey_of_stream(data, families, team)
    dtype = validation.working_dtype(data.X)
    facts = columns(data.X, data.sample_weight, dtype, team)
    for family in families:
        validation.check_columns(data.X, facts, family, dtype)
    assert facts is not None
    validation.check_spread(facts, families)
    return Survey(data, data.sample_weight, data.n_samples, dtype, facts, team)


def _survey_of_stream(data: Stream, families: Sequence[Family], team: Team) -> Survey:
    n_samples, dtype = 0, np.dtype(np.float32)

    def pieces() -> Iterator[tuple[Array, Array | None, Any]]:
        nonlocal n_samples, dtype
        for first, (X, weights, _) in data.pieces():
            n_samples, own = first + len(X), validation.working_dtype(X)
            dtype = np.promote_types(dtype, own)
            validation.check_piece(X, first, families, own)
            yield X, weights, own

    facts = columns_of(pieces, next(data.pieces())[1].X[0], team)
    assert facts is not None
    validation.check_spread(facts, families)
    weights = validation.check_sample_weight(data.sample_weight, n_samples)
    return Survey(data, weights, n_samples, dtype, facts, team)


def with_settled_priors(problem: Problem) -> Problem:
    """The problem with what its priors take from the data filled in."""
    model = problem.model
    if all(prior.is_settled for prior in model.priors):
        return problem
    # One component of the family itself, without its ridges and floors, for no kernels need be compiled but its own.
    source, n, one = problem.source, problem.source.total_weight, type(model.family)()
    centre = one.reference(np.zeros((1, source.n_features)))
    sums = source.gather(one, 1, lambda first, last: np.ones((last - first, 1)), centre)
    nobody = np.zeros(1, dtype=np.bool_)
    found = one.maximise(sums, centre, source.frame, one.limits(source.frame, source.facts, source.dtype), nobody)
    named = one.unpack(found.params, source.frame, 1)
    covariance = named["covariances"] if one.pooled else named["covariances"][0]
    spread = Spread(named["means"][0], np.asarray(covariance) * (n / max(n - 1.0, 1.0)))
    settled = tuple(prior.settled(model.family, model.n_components, spread) for prior in model.priors)
    return problem.changed(priors=settled)


def prepare(model: Model, samples: Samples, team: Team) -> Problem:
    """The problem of a model on checked samples."""
    surveyed = survey(samples, [model.family], team)._replace(known=samples.known)
    model = surveyed.settled(model)
    return problem_of(model, surveyed.source(model.family))
