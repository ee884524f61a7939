"""check_family on families that are not ours: a sound one passes, and each fault is named by the law that it breaks."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from families.poisson import Poisson
from scipy import stats

import fastem
from fastem.families.poisson import Poisson as PoissonFamily
from fastem.testing import LAWS, check_family
from fastem.testing.subject import REGULARISED


def test_a_family_that_nobody_registered_and_that_has_no_density_skips_two_laws():
    @dataclass(frozen=True)
    class Stranger(PoissonFamily):
        name: ClassVar[str] = "stranger"

    report = check_family(Stranger())
    assert len(report.held) == len(LAWS) - 2
    assert sorted(report.skipped.values()) == [
        "no independent density was given (log_prob)", "the family was not registered (fastem.register)",
    ]  # fmt: skip


def test_a_ridge_skips_the_laws_of_the_likelihood():
    report = check_family(fastem.Gaussian("diag", ridge=0.1))
    assert list(report.skipped.values()).count(REGULARISED) == 3


class Biased(PoissonFamily):
    def maximise(self, statistics, params, *rest):
        statistics = statistics.copy()
        statistics[:, 1:] *= 1.05
        return super().maximise(statistics, params, *rest)


class Forgetful(PoissonFamily):
    def unpack(self, params, frame, n_components):
        return {"rates": super().unpack(params, frame, n_components)["rates"].astype(np.float32).astype(float)}


class Elsewhere(PoissonFamily):
    def sample(self, rng, parameters, labels):
        return super().sample(rng, {"rates": 1.2 * np.asarray(parameters["rates"])}, labels)


class Steep(PoissonFamily):
    def tangent(self, params, n_features, n_components):
        found = super().tangent(params, n_features, n_components)
        errors = found.standard_errors
        found.standard_errors = lambda *arguments: {"rates": 1.1 * errors(*arguments)["rates"]}
        return found


class Welcoming(PoissonFamily):
    def limits(self, frame, facts, dtype):
        limits = super().limits(frame, facts, dtype)
        return limits._replace(floor=np.where(facts.spread > 0, limits.floor, np.inf))


@pytest.mark.parametrize(
    ("family", "law"),
    [
        (Biased(), "The M-step beats random perturbations"),
        (Forgetful(), "Rows made of named parameters"),
        (Elsewhere(), "Data sampled from a mixture and fitted from it"),
        (Steep(), "Standard errors at a maximum"),
        (Welcoming(), "Data of awkward shapes"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, PoissonFamily) else "",
)
def test_a_fault_is_named_by_the_law_that_it_breaks(family, law):
    with pytest.raises(AssertionError, match=f"poisson breaks a law. {law}"):
        check_family(family, log_prob=Poisson().log_prob)


def test_a_density_that_disagrees_is_the_first_law():
    def log_prob(parameters, X):
        return stats.poisson.logpmf(X[:, None], 1.001 * parameters["rates"]).sum(axis=2)

    with pytest.raises(AssertionError, match="poisson breaks a law. Log densities and responsibilities agree"):
        check_family(fastem.Poisson(), log_prob=log_prob)


def test_what_is_no_family_is_refused():
    with pytest.raises(TypeError):
        check_family("poisson")
