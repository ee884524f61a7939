"""The criteria that choose among models, with a few words on each for the command line. The first is the default."""

from __future__ import annotations

from typing import Literal

SelectionCriterion = Literal["bic", "aic", "icl", "cv"]
CRITERIA: dict[SelectionCriterion, str] = {
    "bic": "Bayesian information criterion",
    "aic": "Akaike's",
    "icl": "BIC that also asks how well components are told apart",
    "cv": "held-out log-likelihood, of 5 folds",
}
