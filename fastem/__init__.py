"""fastem: mixture models by fast Expectation-Maximization.

    result = fastem.fit(X, fastem.Gaussian("full"), 3, seed=0)     # or fastem.select(X), which finds K and the shape
    labels = fastem.predict(X, result)
    result.summary(), result.weights, result.parameters["means"]

``fastem.GaussianMixture(3).fit(X)`` is the same in scikit-learn's interface, and `fastem.plots` draws. ``help`` of any
name says its arguments, units and errors; docs/index.md lists the pages.

The folders are ranks: a file imports from its own folder and from those before it.

    compiled    numba's options, vectorised functions, blocks of linear algebra
    families    kinds of components, a file each, and their registry
    data        tiles, threads, and the fold over tiles
    model       what is estimated, the evidence about it, results and their files
    plots       pictures of mixtures, selections and fits
    em          the loop over several starts, acceleration, stopping
    starts      where the loop begins
    fitting     from a user's arguments to a fit: parts of the data, checkpoints
    judging     which model, is it a maximum, how certain
    using       what is done with a fitted mixture
    estimators  scikit-learn's interface
    applied     a classifier, a regressor and an outlier detector, for scikit-learn
    cli         the command line
    testing     the laws that a family must obey

`validation` has every check of user input and its error message; all of them call it.

Names are imported when they are first used, so that `import fastem` costs a few milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from fastem import families as families
    from fastem import jit as jit
    from fastem import plots as plots
    from fastem import typing as typing
    from fastem.applied.classifier import MixtureClassifier as MixtureClassifier
    from fastem.applied.outliers import MixtureOutlierDetector as MixtureOutlierDetector
    from fastem.applied.regressor import MixtureRegressor as MixtureRegressor
    from fastem.cli.progress import ProgressBar as ProgressBar
    from fastem.cli.progress import progress_bar as progress_bar
    from fastem.data.stream import Stream as Stream
    from fastem.data.stream import stream as stream
    from fastem.em.fixed_points import FixedPoint as FixedPoint
    from fastem.em.fixed_points import FixedPointStatus as FixedPointStatus
    from fastem.em.fixed_points import fixed_point as fixed_point
    from fastem.estimators import BernoulliMixture as BernoulliMixture
    from fastem.estimators import GaussianMixture as GaussianMixture
    from fastem.estimators import KMeans as KMeans
    from fastem.estimators import Mixture as Mixture
    from fastem.estimators import PoissonMixture as PoissonMixture
    from fastem.families import Bernoulli as Bernoulli
    from fastem.families import Gaussian as Gaussian
    from fastem.families import Poisson as Poisson
    from fastem.families import register as register
    from fastem.families.base import Family as Family
    from fastem.families.priors import Beta as Beta
    from fastem.families.priors import Dirichlet as Dirichlet
    from fastem.families.priors import Gamma as Gamma
    from fastem.families.priors import NormalInverseWishart as NormalInverseWishart
    from fastem.fitting.ahead import Compiled as Compiled
    from fastem.fitting.ahead import compile as compile
    from fastem.fitting.fit import fit as fit
    from fastem.fitting.fits import Fits as Fits
    from fastem.fitting.many import fit_many as fit_many
    from fastem.judging.bootstrap import Bootstrap as Bootstrap
    from fastem.judging.bootstrap import bootstrap as bootstrap
    from fastem.judging.diagnose import Diagnosis as Diagnosis
    from fastem.judging.diagnose import Verdict as Verdict
    from fastem.judging.diagnose import diagnose as diagnose
    from fastem.judging.match import Match as Match
    from fastem.judging.match import match as match
    from fastem.judging.ratio_test import LikelihoodRatioTest as LikelihoodRatioTest
    from fastem.judging.ratio_test import likelihood_ratio_test as likelihood_ratio_test
    from fastem.judging.replicates import Replicate as Replicate
    from fastem.judging.select import select as select
    from fastem.judging.selection import Row as Row
    from fastem.judging.selection import Selection as Selection
    from fastem.model.evaluation import component_log_density as component_log_density
    from fastem.model.evaluation import evaluate as evaluate
    from fastem.model.evaluation import log_density as log_density
    from fastem.model.evaluation import predict as predict
    from fastem.model.evaluation import responsibilities as responsibilities
    from fastem.model.evidence import Draws as Draws
    from fastem.model.evidence import Evidence as Evidence
    from fastem.model.evidence import fold as fold
    from fastem.model.evidence import from_parameters as from_parameters
    from fastem.model.evidence import maximise as maximise
    from fastem.model.evidence import sample as sample
    from fastem.model.files import load as load
    from fastem.model.files import save as save
    from fastem.model.model import Model as Model
    from fastem.model.packed import Packed as Packed
    from fastem.model.packed import pack as pack
    from fastem.model.result import Record as Record
    from fastem.model.result import Result as Result
    from fastem.model.result import StartReport as StartReport
    from fastem.model.result import Status as Status
    from fastem.model.telling import FitWarning as FitWarning
    from fastem.using.adapting import adapt as adapt
    from fastem.using.clusters import Merged as Merged
    from fastem.using.clusters import merge as merge
    from fastem.using.clusters import overlap as overlap
    from fastem.using.fisher import fisher_vector as fisher_vector
    from fastem.using.parts import Regression as Regression
    from fastem.using.parts import conditional as conditional
    from fastem.using.parts import marginal as marginal
    from fastem.using.parts import regress as regress
    from fastem.using.sums import convolve as convolve
    from fastem.using.sums import transform_affine as transform_affine

_HOME = {
    "fit": "fitting.fit",
    "fit_many": "fitting.many",
    **dict.fromkeys(("Compiled", "compile"), "fitting.ahead"),
    "Fits": "fitting.fits",
    "Bernoulli": "families",
    "Gaussian": "families",
    "Poisson": "families",
    "register": "families",
    "Family": "families.base",
    **dict.fromkeys(("Beta", "Dirichlet", "Gamma", "NormalInverseWishart"), "families.priors"),
    **dict.fromkeys(("Packed", "pack"), "model.packed"),
    **dict.fromkeys(("Stream", "stream"), "data.stream"),
    **dict.fromkeys(
        ("component_log_density", "evaluate", "log_density", "predict", "responsibilities"), "model.evaluation"
    ),
    **dict.fromkeys(("Draws", "Evidence", "fold", "from_parameters", "maximise", "sample"), "model.evidence"),
    **dict.fromkeys(("Bootstrap", "bootstrap"), "judging.bootstrap"),
    **dict.fromkeys(("LikelihoodRatioTest", "likelihood_ratio_test"), "judging.ratio_test"),
    "Replicate": "judging.replicates",
    **dict.fromkeys(("FixedPoint", "FixedPointStatus", "fixed_point"), "em.fixed_points"),
    **dict.fromkeys(("Row", "Selection"), "judging.selection"),
    "select": "judging.select",
    **dict.fromkeys(("Diagnosis", "Verdict", "diagnose"), "judging.diagnose"),
    **dict.fromkeys(("Match", "match"), "judging.match"),
    **dict.fromkeys(("ProgressBar", "progress_bar"), "cli.progress"),
    **dict.fromkeys(("BernoulliMixture", "GaussianMixture", "KMeans", "Mixture", "PoissonMixture"), "estimators"),
    "MixtureClassifier": "applied.classifier",
    "MixtureOutlierDetector": "applied.outliers",
    "MixtureRegressor": "applied.regressor",
    "Model": "model.model",
    **dict.fromkeys(("Record", "Result", "StartReport", "Status"), "model.result"),
    **dict.fromkeys(("load", "save"), "model.files"),
    "FitWarning": "model.telling",
    "adapt": "using.adapting",
    **dict.fromkeys(("Merged", "merge", "overlap"), "using.clusters"),
    **dict.fromkeys(("Regression", "conditional", "marginal", "regress"), "using.parts"),
    **dict.fromkeys(("convolve", "transform_affine"), "using.sums"),
    "fisher_vector": "using.fisher",
}

# Modules that are public as wholes. `from fastem import *` must not hide the standard library's `typing`, nor Python's
# own `compile`.
_MODULES = ("families", "jit", "plots", "typing")
__all__ = ["__version__", "families", "jit", "plots", *(name for name in _HOME if name != "compile")]  # noqa: PLE0604

# Type checkers would take a module's __getattr__ to mean that it has any name whatever.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return importlib.import_module(f"fastem.{name}")
        if name not in _HOME:
            raise AttributeError(f"module 'fastem' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"fastem.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*__all__, "compile"])
