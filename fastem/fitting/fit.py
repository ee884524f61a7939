"""`fastem.fit`: its arguments, checked, become a model and a search, and its data are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

from fastem import validation
from fastem.data.samples import Samples
from fastem.data.stream import Stream
from fastem.data.threads import team
from fastem.em.accelerate import Hastening
from fastem.em.loop import Callback
from fastem.em.stopping import Criterion
from fastem.families.base import Family
from fastem.fitting.search import Search, Start
from fastem.fitting.solve import fitted
from fastem.fitting.survey import Knowledge, samples_or_stream, survey
from fastem.model.model import Model
from fastem.model.packed import Packed
from fastem.model.result import Result, Status
from fastem.model.starving import ASSIGNMENTS, POLICIES, SOFT, Assignment, Policy, Starving
from fastem.model.telling import tell


def fit(
    X: Any,
    family: Family,
    n_components: int,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    prior_resp: Any = None,
    fixed: Mapping[str, Any] | None = None,
    shared: Sequence[str] | None = None,
    weights: Any = "free",
    prior: Any = None,
    assignment: Assignment = "soft",
    start: Start = "auto",
    n_init: int = 1,
    tol: float = 1e-6,
    max_iter: int = 1000,
    accelerate: Hastening | None = "auto",
    criterion: Criterion = "gain",
    max_passes: int | None = None,
    time_limit: float | None = None,
    drop_losers: bool | None = None,
    min_samples: float = 0.0,
    starving: Starving = "reseed",
    progressive: bool | None = None,
    seed: Any = None,
    n_threads: int | None = None,
    callback: Callback | None = None,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_interval: float = 60.0,
) -> Result:
    """Fit a mixture by Expectation-Maximization.

    Parameters
    ----------
    X : array-like, (n_samples, n_features), or what `stream` takes, or what `pack` returns
        Finite numbers. float32 and float16 are computed in float32 (sums over tiles in float64), everything else in
        float64. X is never changed; it is copied once, into tiles. A list of matrices, a function that returns an
        iterator over matrices, and a memory map of more than 64 MB are read in chunks in each pass, see `stream`.
    family : a Family, such as ``fastem.Gaussian("full")`` or ``fastem.Poisson()``.
    n_components : int, 1 <= n_components <= n_samples
    sample_weight : array-like, (n_samples,), or None
        Non-negative, not all zero. Weight 2 is the same as the sample twice.
    labels : array-like, (n_samples,), or None
        The component of each sample, an integer from 0, where it is known; -1, or a missing value, where it is not.
        Categories of pandas and polars count by their codes. The likelihood is that of the samples and their labels.
        If every sample has a label, the fit is the supervised one, in one pass.
    prior_resp : array-like, (n_samples, n_components), or None
        Softer knowledge: q_ik >= 0 multiplies the mixing weight of component k for sample i. Ones say nothing, and a
        row with a single entry > 0 is a label. EM increases sum_i w_i log sum_k q_ik weight_k p(x_i | k).
    fixed : mapping or None
        Values of the family's parameters that are known, by name, such as ``{"means": [[0.0], [nan]]}``: NaN is free. A
        covariance matrix is fixed as a whole. An array of another shape is broadcast.
    shared : names of parameters of which all components have the same values, such as ``("means",)``
    weights : "free", "equal" or array-like, (n_components,)
        Mixing weights that are estimated, all equal, or known.
    prior : None, one or several of `Dirichlet`, `NormalInverseWishart`, `Gamma` and `Beta`, or "fraley-raftery"
        Priors of the weights and the components' parameters. EM then finds the mode of their posterior density; the
        result's `objective` is its log, up to a constant. The name stands for mclust's prior of Gaussian components.
    assignment : "soft", "hard", "stochastic" or "annealed"
        How samples are given to components. "hard" gives each to its likeliest one (classification EM; `objective` is
        then the classification likelihood). "stochastic" draws one by their posterior probabilities, for max_iter
        iterations, of which the likeliest mixture is returned. "annealed" begins with powers of these probabilities
        that rise to 1, and ends as "soft". As an iteration of "stochastic" is one over all samples, it has no parts.
    start : str, mapping, Result or array
        A method: "auto" (ten starts: one hierarchical, one by splitting, four by k-means, four from short runs; for
        full and tied Gaussians, one for long clusters instead of one by k-means; a single start if n_components is 1),
        "kmeans" (k-means from k-means++ seeds), "k-means++", "random" (random responsibilities), "random_from_data"
        (samples as centres), "splitting" (from one component, the widest is split in two until there are enough),
        "short-runs" (the best of ten short runs of EM), or "hierarchical" (model-based agglomeration of at most 2,000
        points). Parameters: a mapping with "weights" and the family's parameters, a Result, or a fitted estimator; a
        mapping with only some of them may name the "method" (default "auto") that finds the others. An assignment:
        integer labels (n_samples,) from 0, or responsibilities (n_samples, n_components), from which the first M-step
        is made; a component without samples is seeded at the samples that the mixture explains worst.
    n_init : int >= 1
        Number of random starts; they share each pass over the data, and the best is returned. "auto" makes each of its
        random starts this many times. Ignored if the whole start is given.
    tol : float >= 0
        A start has converged when `criterion` falls below this. With "auto" and "gain", the best start must satisfy
        "aitken" too. With reg_covar or ridge, the likelihood may fall on the way; a fall by more than tol is not
        convergence. 0 runs exactly max_iter iterations.
    max_iter : int >= 0
        Steps at most, M-steps or leaps. With 0 the start itself is evaluated and returned.
    accelerate : "auto", "anderson", "squarem" or None
        Leap ahead of the M-steps, which takes many times fewer passes where EM is slow. A leap that lowers the
        likelihood is refused, which costs its pass. The fit may reach another optimum than without acceleration. "auto"
        turns "anderson" on for the best start if its gains hardly shrink for 60 steps (200 on small data), unless tol
        is 0. If that start was one of "auto" and converges, its two most alike components then become one, another is
        put where the data are denser than the mixture says, and the fit goes on from there too.
    criterion : "gain", "relative", "parameters" or "aitken"
        "gain" is the last increase of the mean log-likelihood, nats per sample; "relative" is that increase relative to
        the log-likelihood; "parameters" is the largest change of a parameter by an M-step (means in standard deviations
        of the data, logarithms of standard deviations and rates, mixing weights as they are); "aitken" is Aitken's
        estimate of what is left to gain, nats per sample. An accelerated start has converged when two steps in a row,
        with "squarem" three, are below tol.
    max_passes : int >= 1 or None
        Passes over the data at most, those on refused leaps included.
    time_limit : float > 0 or None
        Seconds, from the call, after which no further pass of the loop begins. Finding the starts is not cut short.
    drop_losers : bool or None
        End starts that are clearly behind the best one after a few steps, with the status DROPPED. None means True with
        start="auto" and False otherwise.
    min_samples : float >= 0
        The sum of responsibilities that a component must hold; a sample counts by its weight over the mean weight.
    starving : "reseed", "drop" or "stop"
        What becomes of a component that holds less. "reseed" puts it at the samples that the mixture explains worst (at
        most n_components times), "drop" leaves it without weight, so that the result has fewer components, and "stop"
        ends its start with the status STARVED. Of several such components only the smallest is treated in a step, as
        the others may grow by what it held.
    progressive : bool or None
        Begin on a random part of the data, go on to a part twice as large, and end on all data. The fit leaves a part
        when a step gains little beside what the part can tell, which is the number of parameters over twice that of its
        samples, in nats per sample. Starts are then looked for on the first part, and losers are dropped there.
        `max_iter` limits the steps on each part too; `max_passes` and `n_passes` count passes over all of the data. The
        fit may reach another optimum than without parts. None means True from 32,768 samples on, unless all parameters
        of the start are given. There are no parts if tol or max_iter is 0.
    seed : int >= 0, a sequence of them, or None
        Two fits from one seed give the same bits with any n_threads. None draws fresh entropy.
    n_threads : int >= 1 or None
        None means all available cores on the main thread, or as many as OMP_NUM_THREADS or threadpoolctl allows, and 1
        elsewhere.
    callback : callable or None
        Called with a `Record` after each iteration of each start; the fit stops when it returns something true.
    checkpoint : path or None
        A file that says how far the fit has come, a `.npz` archive without pickle. If it exists, the fit goes on from
        there and ends with the same bits as one that was never interrupted. A fit of other data or with other arguments
        refuses it; only n_threads, time_limit, callback and checkpoint_interval may differ. It is written from time to
        time, and when an exception (Ctrl-C), the time limit or the callback ends the fit; any other end removes it. It
        is written first when the starts have been found: a fit that is interrupted before looks for them again.
    checkpoint_interval : float >= 0
        Seconds between two writings, the work that a killed process may lose; 0 writes after every pass.

    Returns
    -------
    Result : the best start, compared by status, then by log-likelihood.

    Raises
    ------
    ValueError, TypeError : unusable input; the message names the argument and the place, which for a pandas or polars
        frame is the column's name and the row's label.

    Warns
    -----
    FitWarning : the best start collapsed, starved, or ran out of iterations, or X has fewer distinct rows than there
        are components; the text says what to do, and the result's `notes` keep it.

    Notes
    -----
    Each iteration is one pass over the data, at O(n K d) for diagonal shapes and O(n K d^2) for full ones; the
    responsibilities are never stored. With reg_covar = ridge = 0 the likelihood never falls, except when a starving
    component is seeded anew or dropped. `fit` does not search for the number of components; `select` does.

    References
    ----------
    Varadhan and Roland (2008), Scand. J. Statist. 35, 335-353 (SQUAREM). Walker and Ni (2011), SIAM J. Numer. Anal. 49,
    1715-1735 (Anderson).
    Celeux and Govaert (1992), Comput. Statist. Data Anal. 14, 315-332 (hard). Celeux and Diebolt (1985), Comput.
    Statist. Quart. 2, 73-82 (stochastic). Ueda and Nakano (1998), Neural Networks 11, 271-282 (annealed). Meng and
    Rubin (1993), Biometrika 80, 267-278 (M-steps under constraints). Biernacki, Celeux and Govaert (2003), Comput.
    Statist. Data Anal. 41, 561-575 (short runs). Fraley (1998), SIAM J. Sci. Comput. 20, 270-281 (agglomeration).
    Boehning et al. (1994), Ann. Inst. Statist. Math. 46, 373-388 (Aitken).
    Dempster, Laird and Rubin (1977), J. R. Statist. Soc. B 39, 1-38, section 4.3. Arthur and Vassilvitskii (2007),
    k-means++, SODA, section 2.2. Schwarz (1978), Ann. Statist. 6, 461-464 (BIC).

    Examples
    --------
    >>> import fastem, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (500, 1)), rng.normal(4, 1, (500, 1))])
    >>> result = fastem.fit(X, fastem.Gaussian("diag"), 2, seed=0)
    >>> np.sort(result.parameters["means"].round(), axis=0).ravel().tolist()
    [-4.0, 4.0]
    >>> result.status.name
    'CONVERGED'
    """
    search = Search(
        start=start,
        n_init=n_init,
        tol=tol,
        max_iter=max_iter,
        accelerate=accelerate,
        criterion=criterion,
        max_passes=max_passes,
        time_limit=time_limit,
        drop_losers=drop_losers,
        progressive=progressive,
    )
    model = model_of(family, n_components, min_samples, starving, assignment)
    known = Knowledge(labels, prior_resp, fixed, shared, weights, prior)
    result = fit_model(
        X, sample_weight, model, search, seed, n_threads, callback, checkpoint, checkpoint_interval, known
    )
    tell(result.notes)
    return result


def model_of(family: Any, n_components: Any, min_samples: Any, starving: Any, assignment: Any = SOFT) -> Model:
    """A model from the arguments of `fit`, after a check of each."""
    validation.check_family(family)
    validation.check_integer("n_components", n_components, 1)
    validation.check_choice("starving", starving, POLICIES)
    validation.check_min_samples(min_samples)
    validation.check_choice("assignment", assignment, tuple(ASSIGNMENTS))
    return Model(family, int(n_components), policy=Policy(float(min_samples), starving), assignment=assignment)


def fit_model(
    X: Any,
    sample_weight: Any,
    model: Model,
    search: Search,
    seed: Any = None,
    n_threads: int | None = None,
    callback: Callback | None = None,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_interval: float = 60.0,
    known: Knowledge | None = None,
) -> Result:
    """Fit a model to a user's data, and keep what there is to tell in the result's notes."""
    validation.check_interval(checkpoint_interval)
    validation.check_n_threads(n_threads)
    validation.check_callback(callback)
    start = search.start
    validation.check_feature_names(X, validation.check_mixture(start) if validation.is_mixture(start) else start)
    if checkpoint is not None:
        validation.check_writable("checkpoint", checkpoint)
    with validation.naming(X, sample_weight):
        data = samples_or_stream(X, sample_weight)
    with team(n_threads) as threads:
        with validation.naming(X):
            surveyed = survey(data, [model.family], threads)
        if known is not None:
            surveyed = surveyed.knowing(known, model.n_components)
            model = known.model(model, surveyed.n_features)
        result = fitted(surveyed, model, search, seed, callback, checkpoint, float(checkpoint_interval))
    notes, remark = result.notes, None
    names = data.feature_names if isinstance(data, Packed | Stream) else validation.feature_names_of(X)
    if isinstance(data, Samples | Packed):
        samples = data.samples if isinstance(data, Packed) else data
        remark = validation.too_few_points(samples.X, samples.sample_weight, model.n_components)
    if remark is not None:  # then it also says why components collapsed
        notes = (remark,) if result.status is Status.COLLAPSED else (*notes, remark)
    return replace(result, feature_names=names, notes=notes)
