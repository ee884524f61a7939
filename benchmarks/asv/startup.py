"""Importing, the first fit of a process with a warm and a cold cache, and what compiling alone takes."""

import os
import subprocess
import sys
import tempfile

from .cases import SHAPES

FIRST_FIT = """
import time
import numpy as np
X = np.random.default_rng(0).standard_normal((20_000, 2))
begun = time.perf_counter()
import fastem
{fit}
print(time.perf_counter() - begun)
"""
CORE = 'fastem.fit(X, fastem.Gaussian("{shape}"), 2, seed=0, max_iter=10)'
ESTIMATOR = 'fastem.GaussianMixture(2, covariance_type="{shape}", random_state=0).fit(X)'


def seconds(fit: str, cache: str) -> float:
    """Import and first fit in a fresh process."""
    env = {**os.environ, "NUMBA_CACHE_DIR": cache}
    code = FIRST_FIT.format(fit=fit)
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return float(done.stdout)


def timeraw_import():
    return "import fastem"


def timeraw_import_estimator():
    return "from fastem import GaussianMixture"


class FirstFit:
    params = (SHAPES[:4],)
    param_names = ("shape",)
    unit = "s"

    def setup(self, shape):
        self.folder = tempfile.TemporaryDirectory()

    def teardown(self, shape):
        self.folder.cleanup()

    def track_cold(self, shape):
        return seconds(CORE.format(shape=shape), self.folder.name)

    def track_warm(self, shape):
        seconds(CORE.format(shape=shape), self.folder.name)
        return seconds(CORE.format(shape=shape), self.folder.name)

    def track_warm_estimator(self, shape):
        seconds(ESTIMATOR.format(shape=shape), self.folder.name)
        return seconds(ESTIMATOR.format(shape=shape), self.folder.name)

    def track_compilation(self, shape):
        cold = seconds(CORE.format(shape=shape), self.folder.name)
        return cold - seconds(CORE.format(shape=shape), self.folder.name)
