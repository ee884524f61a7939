"""
Flow cytometry: kinds of cells, and how many
============================================

Which kinds of cells are in this bone marrow, and how many of each? A cytometer measured four markers on each of 83,411
cells. A mixture finds the kinds, and says how surely each cell belongs to one. Ten models on all cells take seconds.
"""

import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import fastem
from fastem.plots import PairsDisplay

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
with np.load(DATA / "flow_cytometry.npz") as archive:
    # arcsinh(compensated fluorescence / 150): linear near zero, logarithmic far from it
    X = pd.DataFrame(archive["X"] / 1000.0, columns=archive["markers"])

# %%
# With so many cells BIC finds use for ever more components: no cloud of cells is exactly Gaussian. The first seven gain
# thousands of nats each; the later ones gain less, and split clouds into pieces.

began = time.perf_counter()
selection = fastem.select(X, fastem.Gaussian("full"), range(2, 12), seed=0)
print(f"{time.perf_counter() - began:.1f} s")
print(selection.summary())
fig, ax = plt.subplots(layout="constrained")
selection.plot(ax)

# %%
# Seven components. A marker is called present where its mean is above 3, some 1,500 units of fluorescence. Cells with
# CD19 are B cells: those with CD10 are precursors, those with CD20 and without CD10 are mature. CD45 alone: T and NK
# cells. CD45 with some CD10: granulocytes. The last component, twice as wide as the others, is no kind of cell: it
# gathers doublets and whatever is rare.

seven = fastem.fit(X, fastem.Gaussian("full"), 7, seed=0)
order = np.argsort(-seven.weights)
for k in order:
    spread = np.sqrt(np.linalg.eigvalsh(seven.parameters["covariances"][k])[-1])
    signs = " ".join(m + ("+" if mean > 3 else "-") for m, mean in zip(X, seven.parameters["means"][k], strict=True))
    print(f"{seven.weights[k]:6.1%}  {signs}  largest standard deviation {spread:.2f}")

# %%
# Each pair of markers, with the ellipses that hold 95% of each component in that plane.

PairsDisplay.from_result(seven, X, level=0.95, figure=plt.figure(figsize=(9, 9), layout="constrained"))

# %%
# How sure is each cell's label? A gate, drawn by hand, says yes or no; a posterior probability says how sure.

posterior = fastem.responsibilities(X, seven)
sure = posterior.max(axis=1) > 0.9
print(f"{sure.mean():.1%} of the cells belong to one component with a probability above 0.9")
fig, ax = plt.subplots(layout="constrained")
ax.hist(posterior.max(axis=1), bins=50, color="#0072B2")
ax.set(xlabel="largest posterior probability", ylabel="cells", yscale="log")
