"""fastem: mixture models by fast Expectation-Maximization.

Names are imported when they are first used, so that `import fastem` costs a few milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fastem import jit as jit
    from fastem.bootstrapping import Bootstrap as Bootstrap
    from fastem.bootstrapping import LikelihoodRatioTest as LikelihoodRatioTest
    from fastem.bootstrapping import bootstrap as bootstrap
    from fastem.bootstrapping import likelihood_ratio_test as likelihood_ratio_test
    from fastem.cluster import KMeans as KMeans
    from fastem.diagnosing import Diagnosis as Diagnosis
    from fastem.diagnosing import Verdict as Verdict
    from fastem.diagnosing import diagnose as diagnose
    from fastem.em import fit as fit
    from fastem.families import Gaussian as Gaussian
    from fastem.families import Poisson as Poisson
    from fastem.families.base import Family as Family
    from fastem.fixed_points import FixedPoint as FixedPoint
    from fastem.fixed_points import fixed_point as fixed_point
    from fastem.functional import Draws as Draws
    from fastem.functional import Evidence as Evidence
    from fastem.functional import fold as fold
    from fastem.functional import from_parameters as from_parameters
    from fastem.functional import log_density as log_density
    from fastem.functional import maximise as maximise
    from fastem.functional import predict as predict
    from fastem.functional import responsibilities as responsibilities
    from fastem.functional import sample as sample
    from fastem.mixture import GaussianMixture as GaussianMixture
    from fastem.mixture import PoissonMixture as PoissonMixture
    from fastem.progress import ProgressBar as ProgressBar
    from fastem.progress import progress_bar as progress_bar
    from fastem.results import Record as Record
    from fastem.results import Result as Result
    from fastem.results import StartReport as StartReport
    from fastem.results import Status as Status
    from fastem.results import load as load
    from fastem.results import save as save
    from fastem.selecting import Row as Row
    from fastem.selecting import Selection as Selection
    from fastem.selecting import select as select

_HOME = {
    "fit": "em",
    "Gaussian": "families",
    "Poisson": "families",
    "Family": "families.base",
    **dict.fromkeys(
        (
            "Draws",
            "Evidence",
            "fold",
            "from_parameters",
            "log_density",
            "maximise",
            "predict",
            "responsibilities",
            "sample",
        ),
        "functional",
    ),
    **dict.fromkeys(("Bootstrap", "LikelihoodRatioTest", "bootstrap", "likelihood_ratio_test"), "bootstrapping"),
    **dict.fromkeys(("FixedPoint", "fixed_point"), "fixed_points"),
    **dict.fromkeys(("Row", "Selection", "select"), "selecting"),
    **dict.fromkeys(("Diagnosis", "Verdict", "diagnose"), "diagnosing"),
    "KMeans": "cluster",
    **dict.fromkeys(("ProgressBar", "progress_bar"), "progress"),
    **dict.fromkeys(("GaussianMixture", "PoissonMixture"), "mixture"),
    **dict.fromkeys(("Record", "Result", "StartReport", "Status", "load", "save"), "results"),
}

__all__ = ["__version__", "jit", *_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "jit":
        return importlib.import_module("fastem.jit")
    if name not in _HOME:
        raise AttributeError(f"module 'fastem' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"fastem.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
