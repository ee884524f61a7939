"""scikit-learn's estimator checks, none of them skipped.

They run in a process of their own, because SCIPY_ARRAY_API is read when SciPy is imported.
"""

import os
import subprocess
import sys

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

RUN = """
import sys, warnings
import numpy as np
from sklearn.utils.estimator_checks import check_estimator
import fastem
warnings.simplefilter("ignore")

class Counting:
    '''The checks feed real numbers, a Poisson mixture takes counts.'''
    def _checked(self, X, reset):
        X = super()._checked(X, reset)
        return np.where(np.isfinite(X) & (X >= 0), np.floor(X), X)

class CountingPoissonMixture(Counting, fastem.PoissonMixture):
    pass

class CountingMixture(Counting, fastem.Mixture):
    pass

n_components = int(sys.argv[1])
estimators = {
    shape: fastem.GaussianMixture(n_components, covariance_type=shape)
    for shape in ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical")
}
estimators["counts"] = CountingPoissonMixture(n_components)
estimators["Mixture of counts"] = CountingMixture(fastem.Poisson(), n_components)
estimators["Mixture of diag"] = fastem.Mixture(fastem.Gaussian("diag", reg_covar=1e-6), n_components)
if n_components == 1:  # their checks have classes of few samples
    for shape in ("full", "tied", "diag"):
        estimators[f"outliers {shape}"] = fastem.MixtureOutlierDetector(covariance_type=shape, min_variance=1e-3)
        estimators[f"classifier {shape}"] = fastem.MixtureClassifier(covariance_type=shape, min_variance=1e-3)
    estimators["regressor"] = fastem.MixtureRegressor(min_variance=1e-3)
for name, estimator in estimators.items():
    for result in check_estimator(estimator, on_skip=None, on_fail=None):
        if result["status"] != "passed":
            print(name, result["check_name"], result["status"], result["exception"], sep="|")
    print("done", name, sep="|")
"""
# Rows are shuffled and the start is random, so another optimum is found if there are several components. Law 3 is
# tested at K > 1 from given parameters, in test_mixture.py.
MARKED = {3: {"check_sample_weight_equivalence_on_dense_data"}}


@pytest.mark.parametrize("n_components", [1, 3])
def test_estimator_checks(n_components):
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(n_components)],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line.split("|") for line in done.stdout.strip().splitlines()]
    assert sum(line[0] == "done" for line in lines) == (16 if n_components == 1 else 9)
    failures = [line for line in lines if line[0] != "done"]
    assert {line[1] for line in failures if len(line) > 1} <= MARKED.get(n_components, set()), failures
    assert not any("skipped" in line for line in failures), failures
