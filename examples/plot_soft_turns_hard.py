"""
Soft assignments turn hard
==========================

What has k-means to do with a mixture? Hold all covariances at a number eps times the identity and let eps go to 0: the
responsibilities tend to 0 and 1, those of the nearest centre.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastem

x = np.linspace(-2, 6, 400)[:, None]
centres = [[0.0], [1.5], [4.0]]

fig, axes = plt.subplots(1, 4, figsize=(12, 3), layout="constrained", sharey=True)
for ax, eps in zip(axes, (2.0, 0.5, 0.1, 0.001), strict=True):
    mixture = fastem.from_parameters(fastem.Gaussian("tied_spherical"), np.ones(3) / 3, means=centres, covariances=eps)
    for resp, line in zip(fastem.responsibilities(x, mixture).T, ("-", "--", ":"), strict=True):
        ax.plot(x[:, 0], resp, line, lw=2)
    ax.set(title=f"eps = {eps:g}", xlabel="x")
axes[0].set_ylabel("responsibility")

# %%
# EM with hard assignments is then k-means, to the label.

X = np.random.default_rng(0).normal(np.repeat([0.0, 1.5, 4.0], 100)[:, None], 0.4)
kmeans = fastem.KMeans(3, random_state=0).fit(X)
start = {"weights": np.ones(3) / 3, "means": kmeans.cluster_centers_, "covariances": 1.0}
known = {"fixed": {"covariances": 1.0}, "weights": "equal", "assignment": "hard"}
hard = fastem.fit(X, fastem.Gaussian("tied_spherical"), 3, start=start, **known)
print("samples that hard EM moves after k-means:", np.count_nonzero(kmeans.labels_ != fastem.predict(X, hard)))
