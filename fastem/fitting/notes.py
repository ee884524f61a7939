"""What the user of a fit should know about how it ended: sentences that are true of the case at hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastem.em.stopping import Stopping
from fastem.em.track import Track
from fastem.families.base import Array
from fastem.model.problem import Problem
from fastem.model.result import Status

# So many components are described one by one.
SHOWN = 3


def notes_of(
    problem: Problem, tracks: Sequence[Track], winner: Track, stopping: Stopping, kept: Array
) -> tuple[str, ...]:
    """Sentences about a fit that needs a second look; none if it ended well, or just as its user had asked.

    kept: the components of the solution that the result has, by their numbers.
    """
    found: list[str] = []
    if stopping.max_iter == 0:
        return ()
    if winner.status is Status.COLLAPSED:
        found.append(_collapse(problem, tracks, winner, stopping, kept))
    elif winner.status is Status.MAX_ITER and stopping.tol > 0:
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


def _collapse(problem: Problem, tracks: Sequence[Track], winner: Track, stopping: Stopping, kept: Array) -> str:
    """Which components of a solution collapsed, in which features, and what to do about it."""
    family, step = problem.family, winner.solution
    which = np.flatnonzero(step.collapsed[kept])  # by their numbers in the result
    if family.pooled:
        said = [f"the covariance that they share {_reason(problem, winner, int(kept[which[0]]))}"]
    else:
        said = [_described(problem, winner, int(k), int(kept[k])) for k in which[:SHOWN]]
    more = f"; and {len(which) - SHOWN} more" if len(which) > SHOWN and not family.pooled else ""
    n_collapsed = sum(track.status is Status.COLLAPSED for track in tracks)
    every = f" So did each of the {n_collapsed} starts." if n_collapsed == len(tracks) > 1 else ""
    if stopping.thorough and len(tracks) == 1 < problem.n_components:
        every = " This was found in the first start, so no others were made."
    spike = "" if len(which) == len(kept) else " If the data do have such a spike, the other components are sound."
    return (
        f"{len(which)} of {len(kept)} components collapsed: {'; '.join(said)}{more}.{every} The likelihood is as high "
        f"as the floor is low, so bic and aic mean little.{spike} {family.remedy}"
    )


def _described(problem: Problem, winner: Track, number: int, k: int) -> str:
    """What is wrong with component k of a solution, which is called by its number in the result."""
    n, share = problem.source.n_positive, float(np.exp(winner.solution.log_weights[k]))
    total = problem.source.total_weight
    held = f"{share * n:.4g} of {n} samples" if total == n else f"{share * total:.4g} of the weight {total:.4g}"
    d = problem.source.n_features
    if problem.family.affine and share * n <= d:
        reason = f"fewer than it takes to vary in all {d} features"
    else:
        reason = _reason(problem, winner, k)
    return f"component {number}, which holds {held}{reason and ', '}{reason}"


def _reason(problem: Problem, winner: Track, k: int) -> str:
    step = winner.solution
    return problem.family.why_collapsed(step.params, k, problem.n_components, problem.source.frame, problem.limits)
