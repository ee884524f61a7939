"""
Old Faithful: from a table to a model
=====================================

How many kinds of eruptions are there? A grid of shapes and numbers of components is fitted; the lowest BIC chooses, and
pictures show what it chose.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fastem
from fastem.plots import MixtureDisplay

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
X = np.loadtxt(DATA / "faithful.csv", delimiter=",", skiprows=1)  # minutes of an eruption, minutes until the next

# %%
# Four covariance shapes times six numbers of components, ten starts each.

families = [fastem.Gaussian(shape) for shape in ("full", "tied", "diag", "spherical")]
selection = fastem.select(X, families, range(1, 7), seed=0)
print(selection.summary())
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
selection.plot(left)
MixtureDisplay.from_result(selection.best, X, ax=right)

# %%
# Two full components are within 8 of that BIC, and easier to tell about: short eruptions after which the wait is short,
# and long ones. Is that fit a maximum, and how certain are its means?

two = fastem.fit(X, fastem.Gaussian("full"), 2, seed=0, tol=1e-9).sorted_by("means")
print(fastem.diagnose(X, two).summary())
