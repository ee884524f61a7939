"""
Handwritten digits: a mixture for each class
============================================

How is a seven written? With a bar, or without. A class of digits is a mixture of ways to write it, and Bayes' rule
makes a classifier of ten mixtures. The images are 2,000 of MNIST's.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fastem

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
with np.load(DATA / "digits2000.npz") as archive:
    X, y = archive["X"].astype(np.float32) / 255, archive["y"]
train = np.arange(len(X)) % 4 > 0

# %%
# Three components with diagonal covariances for each class. Pixels at the border never vary, so variances need a floor.

for n_components in (1, 3, 6):
    classifier = fastem.MixtureClassifier(n_components, covariance_type="diag", min_variance=0.02, random_state=0)
    classifier.fit(X[train], y[train])
    print(f"{n_components} components a class: {classifier.score(X[~train], y[~train]):.1%} right")

# %%
# The means are the ways in which each digit is written.

fig, axes = plt.subplots(3, 10, figsize=(9, 3), layout="constrained")
for label in range(10):
    mixture = fastem.fit(X[train & (y == label)], fastem.Gaussian("diag", min_variance=0.02), 3, start="kmeans", seed=0)
    for k in range(3):
        axes[k, label].imshow(mixture.parameters["means"][k].reshape(28, 28), cmap="gray_r")
        axes[k, label].set_axis_off()
