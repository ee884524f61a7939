"""What the user of a fit should know about how it ended: sentences that are true of the case at hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastem.em.stopping import Stopping
from fastem.em.track import Track
from fastem.model.problem import Problem
from fastem.model.result import Status

# So many components are described one by one.
SHOWN = 3


def notes_of(problem: Problem, tracks: Sequence[Track], winner: Track, stopping: Stopping) -> tuple[str, ...]:
    """Sentences about a fit that needs a second look; none if it ended well, or just as its user had asked."""
    found: list[str] = []
    if stopping.max_iter == 0:
        return ()
    if winner.status is Status.COLLAPSED:
        found.append(_collapse(problem, tracks, winner, stopping))
    elif winner.status is Status.MAX_ITER and stopping.tol > 0 and stopping.max_iter > 0:
        found.append(
            f"The fit made max_iter={stopping.max_iter} iterations without converging to tol={stopping.tol:g}; its "
            f"last step still gained {_gain(problem, winner):.2g} nats per sample. Raise max_iter or tol, or give "
            f"{_accelerated(winner)}."
        )
    elif winner.status is Status.MAX_PASSES:
        found.append(
            f"The fit made max_passes={stopping.max_passes} passes over the data without converging to "
            f"tol={stopping.tol:g}; raise max_passes or tol, or give {_accelerated(winner)}."
        )
    elif winner.status in (Status.STARVED, Status.NOT_FINITE):
        found.append(winner.status.value)
    if found and winner.status is not Status.COLLAPSED:
        refused = sum(track.status is Status.COLLAPSED and track.objective > winner.objective for track in tracks)
        if refused:
            found.append(
                f"{refused} of {len(tracks)} starts reached a higher likelihood with a component that collapsed onto a "
                "few points; they were passed over, because such a likelihood means little."
            )
    return tuple(found)


def _gain(problem: Problem, track: Track) -> float:
    gain = track.history[-1] - track.history[-2] if len(track.history) > 1 else np.nan
    return float(gain / problem.source.total_weight)


def _accelerated(track: Track) -> str:
    return 'accelerate="anderson"' if track.accelerator is None else "another start"


def _collapse(problem: Problem, tracks: Sequence[Track], winner: Track, stopping: Stopping) -> str:
    """Which components of a solution collapsed, in which features, and what to do about it."""
    step, source = winner.solution, problem.source
    which = np.flatnonzero(step.collapsed)
    unit = source.total_weight / source.n_samples
    said = []
    for k in which[:SHOWN]:
        held = float(np.exp(step.log_weights[k])) * source.total_weight / unit
        if problem.family.affine and not problem.family.pooled and held <= source.n_features:
            reason = f"fewer than it takes to vary in all {source.n_features} features"
        else:
            reason = problem.family.why_collapsed(
                step.params, int(k), problem.n_components, source.frame, problem.limits
            )
        said.append(f"component {k}, which holds {held:.4g} of {source.n_samples} samples{reason and ', '}{reason}")
    more = f"; and {len(which) - SHOWN} more" if len(which) > SHOWN else ""
    n_collapsed = sum(track.status is Status.COLLAPSED for track in tracks)
    every = f" So did each of the {n_collapsed} starts." if n_collapsed == len(tracks) > 1 else ""
    if stopping.thorough and len(tracks) == 1 < problem.n_components:
        every = " This was found in the first start, so no others were made."
    return (
        f"{len(which)} of {problem.n_components} components collapsed: {'; '.join(said)}{more}.{every} The "
        f"likelihood is as high as the floor is low, so bic and aic mean little. {problem.family.remedy}"
    )
