"""From surveyed data, a model and a search to a result: starts are found and moved to their ends, and one is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from fastem import validation
from fastem.data.bursts.passes import Outcome
from fastem.data.samples import Samples
from fastem.em.accelerate import Hastening, accelerator
from fastem.em.annealing import N_STAGES, anneal
from fastem.em.loop import Callback, loop
from fastem.em.stochastic import wander
from fastem.em.stopping import Stopping
from fastem.em.track import Plain, Track
from fastem.families.base import Array
from fastem.fitting import brief
from fastem.fitting.best import best
from fastem.fitting.checkpoint import Checkpoint, words
from fastem.fitting.parts import Keep, Parts, Progress, evaluate_all, move, random_parts
from fastem.fitting.search import Search
from fastem.fitting.survey import Survey, with_settled_priors
from fastem.model.model import Model, Step
from fastem.model.problem import Problem, problem_of
from fastem.model.result import Result, Status
from fastem.model.starving import ANNEALED, RESEED, SOFT, STOCHASTIC
from fastem.starts import auto as starts
from fastem.starts import given as initialise
from fastem.starts.labelled import from_method, labels_of_all, settled

# What a fit does not depend on, or what `accelerate` says already.
UNKEPT = ("deadline", "clock", "hasten")


def begin(steps: Sequence[Step], accelerate: Hastening | None) -> Progress:
    """Starts before their first pass."""
    return Progress(0, 0, [Track(index, Plain(step), accelerator(accelerate)) for index, step in enumerate(steps)])


def solve(
    problem: Problem,
    progress: Progress,
    stopping: Stopping,
    callback: Callback | None = None,
    parts: Parts | None = None,
) -> Result:
    """Move starts until each has ended; the best one is the result."""
    move(problem, parts, progress, stopping, callback)
    return best(problem, progress.tracks, stopping)


def _supervised(problem: Problem, stopping: Stopping) -> Result | None:
    """The fit of samples all of whose components are known, which is one M-step; None for others."""
    labels = None if problem.model.constraints else labels_of_all(problem)
    if labels is None:
        return None
    track = Track(0, Plain(settled(problem, labels)))
    loop(problem, [track], stopping._replace(max_iter=0))
    if track.status is Status.MAX_ITER:  # the M-step from labels is the maximum
        track.status = Status.CONVERGED
    return best(problem, [track], stopping)


def search_for(problem: Problem, search: Search, seed: np.random.SeedSequence, more: Sequence[Step] = ()) -> Result:
    """Look for the best solution from the starts of a method, and from some more."""
    # A fresh sequence, as spawning changes a sequence: the same model must get the same starts in every call.
    problem, stopping = with_settled_priors(problem), _stopping(problem.model, search, search.start)
    supervised = _supervised(problem, stopping)
    if supervised is not None:
        return supervised
    seed = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)
    in_parts = problem.model.assignment != STOCHASTIC and search.is_in_parts(problem.source.n_samples)
    parts = random_parts(problem, seed, search.smallest_part) if in_parts else None
    assert isinstance(search.start, str)  # see Search.by_method
    at = parts.part(0) if parts else problem
    steps = [*_found(problem, at, search.start, search.n_init, seed), *more]
    progress = begin(steps, search.accelerate)
    _move(problem, parts, progress, stopping, seed)
    return best(problem, progress.tracks, stopping)


def _move(
    problem: Problem,
    parts: Parts | None,
    progress: Progress,
    stopping: Stopping,
    seed: np.random.SeedSequence,
    callback: Callback | None = None,
    keep: Keep | None = None,
    begun: Outcome | None = None,
) -> bool:
    """Move starts to their ends in the way that the model assigns samples; whether they were cut short."""
    tracks = progress.tracks
    if problem.model.assignment == STOCHASTIC:
        if keep is not None:
            keep(progress)
        kept = None if keep is None else lambda n_passes: keep(Progress(0, n_passes, tracks))
        return wander(problem, tracks, stopping, seed, callback, kept, progress.n_passes)
    if problem.model.assignment == ANNEALED:
        return _cooled(problem, parts, progress, stopping, seed, callback, keep)
    return move(problem, parts, progress, stopping, callback, keep, begun)


def _cooled(
    problem: Problem,
    parts: Parts | None,
    progress: Progress,
    stopping: Stopping,
    seed: np.random.SeedSequence,
    callback: Callback | None,
    keep: Keep | None,
) -> bool:
    """`_move` of a fit that is annealed, on the first part if there are any, before EM."""
    tracks = progress.tracks
    later = None if keep is None else lambda at: keep(at._replace(stage=at.stage + N_STAGES))
    if progress.stage < N_STAGES:
        if keep is not None:
            keep(progress)
        kept = None if keep is None else lambda stage, n_passes: keep(Progress(stage, n_passes, tracks))
        at = problem if parts is None else parts.part(0)
        share = at.source.total_weight / problem.source.total_weight
        if anneal(at, tracks, stopping, seed, callback, kept, progress[:2], share):
            evaluate_all(problem, tracks, stopping)
            return True
        # After the time limit nothing new is kept.
        later, progress = None if stopping.late() else later, Progress(N_STAGES, 0, tracks)
    return move(problem, parts, progress._replace(stage=progress.stage - N_STAGES), stopping, callback, later)


def _stopping(model: Model, search: Search, method: Any) -> Stopping:
    """What ends the starts. Where the mixing alone is free, one start is enough, as there is one maximum."""
    stopping = search.stopping(None if model.constraints.all_fixed(model.family) else method)
    return stopping._replace(tol=0.0) if model.assignment == STOCHASTIC else stopping


def _found(problem: Problem, at: Problem, method: str, n_init: int, seed: np.random.SeedSequence) -> list[Step]:
    """The starts of a method, which satisfy what is known; they are looked for at a part of the data, without that."""
    model = problem.model
    if not model.is_held and model.is_symmetric:
        return from_method(problem, at, method, n_init, seed)
    known = initialise.wholly_held(problem)
    if known is not None:
        return [known]
    free, part = replace(problem, model=model.anonymous()), replace(at, model=at.model.anonymous())
    steps = [initialise.held(problem, step) for step in from_method(free, part, method, n_init, seed)]
    places = {p.name for p in model.family.parameters if p.is_place}
    if method == "auto" and places & set(model.constraints.shared) and problem.source.known is None:
        steps.append(initialise.by_distance(problem))
    return steps


def fitted(
    surveyed: Survey,
    model: Model,
    search: Search,
    seed: Any = None,
    callback: Callback | None = None,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_interval: float = 60.0,
) -> Result:
    """Fit a model to data that have been surveyed; the other arguments are as in `fit`."""
    seeds, model = validation.check_seed(seed), surveyed.settled(model)
    n_samples, shape = surveyed.n_samples, (surveyed.n_samples, surveyed.n_features)
    validation.check_n_components(model.n_components, n_samples, surveyed.sample_weight)
    given = validation.check_start(search.start, starts.NAMES, model.family, model.n_components, shape)
    method = given.method if isinstance(given, validation.Given) else None
    stopping = _stopping(model, search, method)
    whole = model.assignment == STOCHASTIC
    validation.check_in_parts(whole and search.progressive is True, model.assignment)
    in_parts = not whole and search.is_in_parts(n_samples, sought=method is not None)
    kept, resumed = None, None
    if checkpoint is not None:
        arguments = {
            "X": surveyed.data.X if isinstance(surveyed.data, Samples) else surveyed.data,
            "sample_weight": surveyed.sample_weight,
            "family": model.family,
            "n_components": model.n_components,
            "start": given,
            "n_init": search.n_init,
            "accelerate": search.accelerate,
            **model.to_json(),
            "progressive": in_parts,
            "seed": None if seed is None else words(seeds),
            **({} if surveyed.known is None else {"labels and prior_resp": list(surveyed.known)}),
            **{name: value for name, value in stopping._asdict().items() if name not in UNKEPT},
        }
        kept = Checkpoint(checkpoint, checkpoint_interval, arguments, seeds, search.clock)
        resumed = kept.read()
    seeds = seeds if resumed is None else resumed[1]
    problem = with_settled_priors(problem_of(model, surveyed.source(model.family)))
    supervised = _supervised(problem, stopping)
    if supervised is not None:
        return supervised
    parts = random_parts(problem, seeds, search.smallest_part) if in_parts else None
    plain = surveyed.known is None and model.assignment == SOFT
    is_brief = plain and _is_brief(search, given, parts, kept, callback)
    first = brief.begun(problem, seeds, stopping) if is_brief else None
    if first is not None:
        progress = Progress(0, 0, [first[0]])
    elif resumed is None:
        steps = _steps_from(problem, parts.part(0) if parts and method else problem, given, int(search.n_init), seeds)
        progress = begin(steps, search.accelerate)
        if not isinstance(given, validation.Given) and search.max_iter == 0 and model.policy.starving == RESEED:
            # There is no iteration that could seed the components without samples.
            step, progress.tracks[0].reseeded = initialise.seeded(problem, steps[0], given)
            progress.tracks[0].proposal = Plain(step)
    else:
        progress = resumed[0]
        callback = None if callback is None else _resumed(callback, sum(track.n_iter for track in progress.tracks))
    try:
        keep, done = None if kept is None else kept.keep, None if first is None else first[1]
        cut_short = _move(problem, parts, progress, stopping, seeds, callback, keep, done)
        result = best(problem, progress.tracks, stopping)
    except BaseException:
        if kept is not None:
            kept.write()
        raise
    if kept is not None:
        if cut_short:
            kept.write()
        else:
            kept.done()
    return result


def _is_brief(search: Search, given: Any, parts: Any, kept: Any, callback: Any) -> bool:
    """Whether a fit makes one start by k-means, and nobody looks at it on its way."""
    by_kmeans = isinstance(given, validation.Given) and given.method == "kmeans" and not given.parameters
    plain = search.n_init == 1 and search.accelerate in (None, "auto")
    return by_kmeans and plain and parts is None and kept is None and callback is None


def _resumed(callback: Callback, n_iter: int) -> Callback:
    """A callback whose records say that the fit goes on from a checkpoint, after this many iterations."""
    return lambda record: callback(record._replace(resumed=n_iter))


def _held(problem: Problem, step: Step) -> Step:
    """A given start, which satisfies what is known of the parameters."""
    return initialise.held(problem, step, match=False) if problem.model.is_held else step


def _steps_from(
    problem: Problem, at: Problem, given: validation.Given | Array, n_init: int, seed: np.random.SeedSequence
) -> list[Step]:
    if not isinstance(given, validation.Given):
        from_assignment = initialise.from_labels if given.ndim == 1 else initialise.from_responsibilities
        return [_held(problem, from_assignment(replace(problem, model=problem.model.unheld()), given))]
    if given.method is None:
        parameters = dict(given.parameters)
        return [_held(problem, initialise.from_parameters(problem, parameters.pop("weights"), parameters))]
    steps = _found(problem, at, given.method, n_init, seed)
    return [initialise.with_given(problem, step, given.parameters) for step in steps] if given.parameters else steps
