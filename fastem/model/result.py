"""What a fit returns: frozen records of plain arrays, and their file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastem.families.base import Family
from fastem.families.parameters import FloatArray, n_features_of
from fastem.model.model import Model
from fastem.model.showing import Showing


class Status(Enum):
    """How a start ended. The values are sentences for the user.

    CONVERGED, MAX_ITER, MAX_PASSES, TIME_LIMIT, DROPPED, MERGED, STOPPED, GIVEN, COLLAPSED, STARVED or NOT_FINITE.
    """

    CONVERGED = "Converged: what `criterion` looks at, by default the gain per sample of the last step, fell below tol."
    MAX_ITER = "Made max_iter iterations without converging to tol; to converge, raise max_iter or tol."
    MAX_PASSES = "Made max_passes passes over the data without converging; raise max_passes or tol, or accelerate."
    TIME_LIMIT = "The time limit was over before it converged to tol."
    DROPPED = "Dropped: clearly behind another start that was on its way to a better optimum."
    MERGED = "Merged: came so close to another start that both were on their way to the same optimum."
    STOPPED = "Stopped by the callback."
    GIVEN = "The parameters were given, not fitted."
    COLLAPSED = (
        "A component collapsed onto too few distinct samples (or onto collinear features) and is held at the floor "
        "of its covariance, so its likelihood means little; lower n_components, or raise ridge or reg_covar."
    )
    STARVED = (
        "Stopped: a component was left with fewer than min_samples samples; lower n_components or min_samples, or "
        'choose starving="reseed" or "drop".'
    )
    NOT_FINITE = (
        "The log-likelihood or a parameter is not finite: some sample is impossible under every component, or the "
        "numbers left the range of floating point, as variances do where data are of size 1e160 or 1e-160. The last "
        "parameters with a finite likelihood are returned, if any; rescale the data or start elsewhere."
    )

    @property
    def rank(self) -> int:
        """0 for a start that ended well, higher for worse. Starts are compared by rank, then by likelihood."""
        if self is Status.NOT_FINITE:
            return 2
        return 1 if self is Status.COLLAPSED or self is Status.STARVED else 0


class Record(NamedTuple):
    """What a callback gets after each iteration of each start.

    A fit that begins on parts of the data looks at the samples of a part, and iterations and likelihoods begin anew on
    each part.

    Attributes
    ----------
    start : index of the start.
    iteration : M-steps done so far.
    log_likelihood : total, in nats, of the parameters after that M-step.
    gain : its increase per sample since the iteration before, or since the start itself, in nats.
    n_samples, total_weight : how many samples were looked at, and the sum of their weights.
    n_starts, n_ended : how many starts there are (on a part: that move on it), and how many of them have ended.
    value : of the criterion of convergence, NaN if it has none yet.
    tol : what it must fall below.
    resumed : of a fit that goes on from a checkpoint, how many iterations all starts together had made by then, on the
        same samples; otherwise 0.
    """

    start: int
    iteration: int
    log_likelihood: float
    gain: float
    n_samples: int
    total_weight: float
    n_starts: int = 1
    n_ended: int = 0
    value: float = float("nan")
    tol: float = 0.0
    resumed: int = 0


class StartReport(NamedTuple):
    """How one start went.

    Attributes
    ----------
    status : a Status.
    log_likelihood : total, in nats; NaN for a start that was dropped before it had seen all of the data.
    n_iter : steps taken, M-steps or leaps of an accelerated fit.
    n_passes : passes over the data of the loop.
    reseeded : how often a starving component was put at the samples that the mixture explains worst; what happened on
        parts of the data does not count.
    floored : components whose covariance ended at a floor, the family's own or that of floating point.
    n_refused : passes on leaps that were refused.
    distance : for a start that reached the best likelihood (to 1e-5 nats per sample), the largest difference between
        its parameters and those of the best start, after components have been matched, in the units of the criterion
        "parameters" of `fit`; None for a start that did not reach it.
    dropped : components that held too few samples; they are left out of the result with `starving="drop"`, and have
        weight 0 otherwise.
    passes_on_parts : passes over parts of the data before those of `n_passes`, as a number (with a fraction) of passes
        over all of it.
    """

    status: Status
    log_likelihood: float
    n_iter: int
    n_passes: int
    reseeded: int
    floored: int
    n_refused: int = 0
    distance: float | None = None
    dropped: int = 0
    passes_on_parts: float = 0.0

    def __repr__(self) -> str:
        return f"StartReport({self.status.name}, {self.n_iter} iterations, log-likelihood {self.log_likelihood:.3f})"

    @property
    def sentence(self) -> str:
        """What happened, and what to do about it."""
        said = [self.status.value]
        if self.reseeded:
            said.append(f"{self.reseeded} time(s) a component without samples was put at the worst-explained samples.")
        if self.dropped:
            said.append(f"{self.dropped} component(s) held too few samples; lower n_components.")
        if self.floored and self.status is not Status.COLLAPSED:
            said.append(f"{self.floored} component(s) are held at the smallest variance allowed.")
        return " ".join(said)


@dataclass(frozen=True, eq=False, repr=False)
class Result(Showing):
    """A fitted (or given) mixture. Printed, it is a line; `summary()` says more.

    Attributes
    ----------
    model : the Model that was estimated.
    weights : (n_components,) mixing proportions, sum 1.
    parameters : named arrays, as `family` describes them, in the units of the data, float64.
    log_likelihood : total over the (weighted) samples, nats, of exactly these parameters; NaN if never evaluated.
    objective : what EM increased, nats: the log-likelihood, and with priors their log density, up to a constant.
    history : (n_iter + 1,) the objective after each step of the best start; the first is the start's own.
    n_iter : steps of the best start: M-steps, or leaps beyond them if the fit was accelerated.
    n_passes : passes over the data that the loop made for the best start, on refused leaps too.
    status : how the best start ended.
    criterion : the criterion of convergence, as in `fit`; "" if nothing was fitted.
    criterion_value : its last value for the best start, to be compared with tol; NaN if there is none.
    starts : a StartReport for each start, in order.
    best_start : the index of the start that is returned.
    n_samples : rows of the data.
    total_weight : the sum of the sample weights, which is n in BIC; n_samples without weights.
    collapsed : the components that are held at the floor of floating point.
    notes : sentences about a fit that needs a second look; `fit` gives them as a FitWarning.
    entropy : of the responsibilities, summed over the (weighted) samples, nats, for `icl`; NaN if never evaluated.
    paths : for each start, the objective after each of its passes over all of the data; NaN where a leap was refused.
    n_labelled : samples about whose components something was known, from `labels` or `prior_resp`. With such samples,
        `log_likelihood`, `bic` and `aic` are of the samples and their labels together, not of the samples alone.
    feature_names : the names of the columns of the data frame that was fitted, if all are strings; otherwise None.
        Functions that take a mixture and a frame refuse one with other columns, or with these in another order.
    """

    model: Model
    weights: FloatArray
    parameters: Mapping[str, FloatArray]
    log_likelihood: float = float("nan")
    objective: float = float("nan")
    history: FloatArray = field(default_factory=lambda: np.empty(0))
    n_iter: int = 0
    n_passes: int = 0
    status: Status = Status.GIVEN
    starts: tuple[StartReport, ...] = ()
    best_start: int = 0
    n_samples: int = 0
    total_weight: float = 0.0
    criterion: str = ""
    criterion_value: float = float("nan")
    collapsed: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    entropy: float = float("nan")
    feature_names: tuple[str, ...] | None = None
    n_labelled: int = 0
    paths: tuple[FloatArray, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """The fields. Addresses in memory, which predictions keep with a result, stay out of pickles and copies."""
        return {name: value for name, value in vars(self).items() if name != "_ready"}

    @property
    def family(self) -> Family:
        """The Family of its components."""
        return self.model.family

    @property
    def n_reached(self) -> int:
        """How many starts reached the best likelihood, to 1e-5 nats per sample. Many suggest that it is the best."""
        return sum(report.distance is not None for report in self.starts)

    @property
    def same_solution(self) -> bool:
        """Whether the starts in `n_reached` agree, up to the order of components, to 0.05 in every parameter."""
        return all(report.distance is None or report.distance <= 0.05 for report in self.starts)

    @property
    def n_components(self) -> int:
        """The number of components."""
        return len(self.weights)

    @property
    def n_features(self) -> int:
        """The number of features of a sample."""
        return n_features_of(self.family.parameters, self.parameters)

    @property
    def n_parameters(self) -> int:
        """Free parameters: the components' and the mixing's."""
        return self.model.n_parameters(self.n_features)

    def covariance_matrices(self) -> FloatArray:
        """The covariance of each component as a matrix, for every covariance shape.

        Returns
        -------
        (n_components, n_features, n_features), float64, a copy

        Raises
        ------
        TypeError : components of this family have no covariances.
        """
        return self.family.covariance_matrices(self.parameters)

    @property
    def bic(self) -> float:
        """-2 log-likelihood + n_parameters log(total_weight): smaller is better (mclust's is its negative)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            penalty = self.n_parameters * float(np.log(self.total_weight))
        return -2.0 * self.log_likelihood + penalty

    @property
    def aic(self) -> float:
        """-2 log-likelihood + 2 n_parameters: smaller is better."""
        return -2.0 * self.log_likelihood + 2.0 * self.n_parameters

    @property
    def icl(self) -> float:
        """BIC plus twice the entropy of the responsibilities: smaller is better.

        The entropy takes a pass over the data, which `select` makes and `fit` does not. After `fit` it is NaN, unless
        there is a single component, whose entropy is 0; call ``select(X, family, n_components)`` to know it.
        """
        return self.bic + 2.0 * (0.0 if self.n_components == 1 else self.entropy)


class Fitted(Protocol):
    """What holds the Result of a fit, such as a fitted estimator: every function that takes a Result takes it too."""

    @property
    def result_(self) -> Result:
        """The Result."""
