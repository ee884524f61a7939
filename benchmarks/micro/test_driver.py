"""What Python adds: one E-step, one M-step, small fits."""

from pathlib import Path

import numpy as np
import pytest

import fastem
from benchmarks.asv.cases import FAMILIES, SHAPES, overlapping, start

TESTS = Path(__file__).parents[2] / "tests" / "data"


@pytest.mark.parametrize("family", FAMILIES)
def test_fold_of_a_thousand_samples(benchmark, family):
    X = np.abs(overlapping(1000, 4, 8)).round()
    benchmark(fastem.fold, X, start(family, X, 8))


@pytest.mark.parametrize("family", FAMILIES)
def test_maximise(benchmark, family):
    X = np.abs(overlapping(1000, 4, 8)).round()
    benchmark(fastem.maximise, fastem.fold(X, start(family, X, 8)))


@pytest.mark.parametrize("shape", SHAPES)
def test_iris_by_the_estimator(benchmark, shape):
    X = np.loadtxt(TESTS / "iris.csv", delimiter=",", skiprows=1, usecols=range(4))
    benchmark(fastem.GaussianMixture(3, covariance_type=shape, random_state=0).fit, X)


def test_a_hundred_samples_on_one_thread(benchmark):
    X = overlapping(100, 2, 2)
    benchmark(fastem.fit, X, fastem.Gaussian("full"), 2, seed=0, n_threads=1)
