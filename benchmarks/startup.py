"""What starting costs: import, and the first fit in a process with a cold and a warm cache.

python -m benchmarks.startup [--rounds 5] [--start auto]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

IMPORT = """
import time
import numpy
begun = time.perf_counter()
import fastem
print(time.perf_counter() - begun)
"""
FIRST_FIT = """
import time
import numpy as np
X = np.random.default_rng(0).standard_normal((20_000, 2))
begun = time.perf_counter()
import fastem
fastem.fit(X, fastem.Gaussian("SHAPE"), 2, start="START", seed=0, max_iter=10)
print(time.perf_counter() - begun)
"""
# A first fit by an estimator; NAME is a package that has a GaussianMixture.
ESTIMATOR = """
import time
import numpy as np
X = np.random.default_rng(0).standard_normal((1_000, 4))
begun = time.perf_counter()
from NAME import GaussianMixture
GaussianMixture(3, covariance_type="SHAPE", random_state=0).fit(X)
print(time.perf_counter() - begun)
"""


def seconds(code: str, cache: str) -> float:
    """The seconds that the code prints in a fresh process with this cache folder."""
    env = {**os.environ, "NUMBA_CACHE_DIR": cache}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Print medians and ranges."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--start", default="kmeans", help="of the core's fit; its default is auto")
    options = parser.parse_args()
    rounds = options.rounds

    def show(name: str, values: list[float]) -> None:
        print(f"| {name} | {statistics.median(values):.3f} | {min(values):.3f} to {max(values):.3f} |", flush=True)

    print("| | s, median | range |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as cache:
        show("import fastem, after numpy", [seconds(IMPORT, cache) for _ in range(rounds)])
    for shape in ("full", "tied", "diag", "spherical"):
        code = FIRST_FIT.replace("SHAPE", shape).replace("START", options.start)
        cold, warm = [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as cache:
                cold.append(seconds(code, cache))
                warm.append(seconds(code, cache))
        show(f"import and first fit ever, {shape}", cold)
        show(f"import and first fit, warm cache, {shape}", warm)
        with tempfile.TemporaryDirectory() as cache:
            ours, theirs = (
                ESTIMATOR.replace("SHAPE", shape).replace("NAME", name) for name in ("fastem", "sklearn.mixture")
            )
            seconds(ours, cache)
            pairs = [(seconds(theirs, cache), seconds(ours, cache)) for _ in range(rounds)]
        show(f"GaussianMixture: import and first fit beyond scikit-learn's, {shape}", [b - a for a, b in pairs])


if __name__ == "__main__":
    main()
