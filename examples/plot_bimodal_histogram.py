"""
One Gaussian, two, and five on a histogram
==========================================

How many components does a histogram with two hills need? One is wrong between them; two are enough; with five, BIC is
worse again.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fastem
from fastem.plots import MixtureDisplay

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
waiting = np.loadtxt(DATA / "faithful.csv", delimiter=",", skiprows=1)[:, 1:]

fig, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained", sharey=True)
for ax, k in zip(axes, (1, 2, 5), strict=True):
    result = fastem.fit(waiting, fastem.Gaussian("diag"), k, seed=0)
    MixtureDisplay.from_result(result, waiting, what="components", ax=ax)
    ax.set(title=f"{k}: log-likelihood {result.log_likelihood:.1f}, BIC {result.bic:.1f}", xlabel="minutes")

# %%
# The same question as a test: how likely is such a gain if one component is true? Data drawn from one Gaussian say.

test = fastem.likelihood_ratio_test(waiting, fastem.Gaussian("diag"), 1, n_replicates=19, seed=0)
print(test)
