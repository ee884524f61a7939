"""
Deaths in the Times: counts with two rates
==========================================

Do deaths come at one rate? For 1,096 days, the notices of deaths of women over 80 in the Times were counted. One
Poisson distribution does not fit: there are two rates, of summer and winter (Hasselblad 1969).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fastem

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
counts, days = np.loadtxt(DATA / "deaths_times.csv", delimiter=",", skiprows=1).T

# %%
# Ten rows stand for all days: their weights say how many days had so many notices.

fits = [fastem.fit(counts[:, None], fastem.Poisson(), k, sample_weight=days, seed=0, tol=1e-10) for k in (1, 2)]
for fit in fits:
    print(fit.n_components, "rates:", fit.parameters["rates"].ravel().round(3), "BIC", round(fit.bic, 1))
print("standard errors", fastem.diagnose(fits[1], counts[:, None], sample_weight=days).standard_errors["rates"].ravel())

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.bar(counts, days, color="0.8", label="days")
for fit, mark in zip(fits, ("s--", "o-"), strict=True):
    expected = days.sum() * np.exp(fastem.log_density(counts[:, None], fit))
    ax.plot(counts, expected, mark, label=f"{fit.n_components} component(s)")
ax.set(xlabel="notices in a day", ylabel="days", xticks=counts)
ax.legend()
