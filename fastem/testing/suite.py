"""All laws, run on one family."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastem import validation
from fastem.families.base import Family
from fastem.model.telling import FitWarning
from fastem.testing import components, fits
from fastem.testing.subject import Draw, LogProb, Skipped, Subject

Law = Callable[[Subject, np.random.Generator], Any]

LAWS: tuple[Law, ...] = (
    components.log_density_agrees_with_an_independent_one,
    components.log_density_is_never_nan,
    components.statistics_are_additive,
    components.maximise_beats_perturbations,
    components.an_m_step_as_a_kernel_is_maximise,
    components.unpack_inverts_pack,
    components.float32_agrees_with_float64,
    components.derivatives_agree_with_finite_differences,
    components.a_saved_mixture_is_loaded,
    fits.weight_two_is_the_sample_twice,
    fits.weight_zero_is_no_sample,
    fits.a_fit_from_the_truth_stays_near_it,
    fits.an_iteration_never_lowers_the_likelihood,
    fits.the_bits_do_not_depend_on_threads,
    fits.the_reported_likelihood_is_that_of_the_returned_parameters,
    fits.a_start_is_the_same_alone_or_beside_others,
    fits.a_fit_that_is_watched_is_the_same,
    fits.a_label_is_a_responsibility_of_one,
    fits.what_is_fixed_stays_fixed,
    fits.a_component_without_samples_goes_on,
    fits.awkward_data_are_fitted,
)


@dataclass(frozen=True)
class Report:
    """What `check_family` found.

    Attributes
    ----------
    held : the laws that the family obeys, a sentence each.
    skipped : the laws that say nothing of it, with the reasons.
    """

    held: tuple[str, ...]
    skipped: dict[str, str]


def check_family(family: Family, *, draw: Draw | None = None, log_prob: LogProb | None = None, seed: int = 0) -> Report:
    """Hold a family of components against every law that fastem's own families obey.

    Parameters
    ----------
    family : a Family, of the author's own making.
    draw : callable or None
        ``draw(rng, n_components, n_features, spread)`` returns mixing weights, which sum to 1, and a mapping of the
        family's named parameters, of components that lie about `spread` standard deviations apart. None draws each
        parameter as its Kind does: give one where the components of such a mixture could not be told apart.
    log_prob : callable or None
        ``log_prob(parameters, X)`` returns the log densities (n_samples, n_components) of samples under each component,
        by other means than the family's kernels, such as SciPy. Without one, the first law is skipped, and others
        compare the family with itself.
    seed : int >= 0, of all draws.

    Returns
    -------
    Report : the laws that held, and those that were skipped.

    Raises
    ------
    AssertionError : the family breaks a law. The message is the law, followed by what was found.
    TypeError : `family` is no Family.

    Notes
    -----
    Data are drawn by the family's own `sample`. A family that compiles for the first time takes about a minute, one
    whose kernels are in numba's cache a few seconds. What it does not do: judge speed, or the sentences of
    `why_impossible`.

    Examples
    --------
    >>> import fastem, fastem.testing
    >>> from scipy import stats
    >>> def log_prob(parameters, X):
    ...     return stats.poisson.logpmf(X[:, None], parameters["rates"]).sum(axis=2)
    >>> report = fastem.testing.check_family(fastem.Poisson(), log_prob=log_prob)
    >>> len(report.held), report.skipped
    (21, {})
    """
    validation.check_family(family)
    subject, held, skipped = Subject(family, draw, log_prob), [], {}
    for law in LAWS:
        sentence = (law.__doc__ or law.__name__).split("\n")[0]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FitWarning)  # the laws look at hard cases on purpose
                law(subject, np.random.default_rng(seed))
        except Skipped as reason:
            skipped[sentence] = str(reason)
        except AssertionError as found:
            raise AssertionError(f"{family.name} breaks a law. {sentence}\n{found}") from found
        else:
            held.append(sentence)
    return Report(tuple(held), skipped)
