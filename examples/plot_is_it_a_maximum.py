"""
Is it a maximum? A saddle where EM stops
========================================

EM has converged; is that a maximum? Two components that begin equal stay equal for ever, and EM stops at once, at a
saddle point. ``diagnose`` looks at second derivatives.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fastem
from fastem.plots import MixtureDisplay

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
X = np.loadtxt(DATA / "faithful.csv", delimiter=",", skiprows=1)
mean, covariance = X.mean(axis=0), np.cov(X.T, bias=True)

# %%
# The start is one Gaussian, twice.

equal = {"weights": [0.5, 0.5], "means": [mean, mean], "covariances": [covariance, covariance]}
stuck = fastem.fit(X, fastem.Gaussian("full"), 2, start=equal)
print(stuck.status.name, "-", fastem.diagnose(X, stuck).verdict.value)

# %%
# A nudge is enough to leave it.

nudged = {**equal, "means": [mean - 0.05, mean + 0.05]}
free = fastem.fit(X, fastem.Gaussian("full"), 2, start=nudged, tol=1e-9)
found = fastem.diagnose(X, free)
print(free.status.name, "-", found.verdict.value)
print("standard errors of the means", found.standard_errors["means"].round(2).tolist())

fig, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
for ax, result, title in ((axes[0], stuck, "saddle"), (axes[1], free, "maximum")):
    MixtureDisplay.from_result(result, X, ax=ax)
    ax.set_title(f"{title}: log-likelihood {result.log_likelihood:.1f}")
axes[2].plot(free.history)
axes[2].set(xlabel="iteration", ylabel="log-likelihood", title="the way from the one to the other")
