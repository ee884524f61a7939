"""
K-means and a mixture on unequal clusters
=========================================

When is k-means the wrong tool? It cuts halfway between centres, so it takes from a large cluster and gives to a small
one. A mixture knows sizes and widths.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import adjusted_rand_score

import fastem
from fastem.plots import MixtureDisplay
from fastem.plots.style import look_of

rng = np.random.default_rng(0)
sizes, centres, widths = (900, 60, 60), [(0, 0), (4.2, 0), (0, 4.2)], (1.4, 0.3, 0.3)
X = np.concatenate([rng.normal(c, w, (n, 2)) for n, c, w in zip(sizes, centres, widths, strict=True)])
truth = np.repeat([0, 1, 2], sizes)

# %%
# The same start for both: k-means itself.

kmeans = fastem.KMeans(3, random_state=0).fit(X)
mixture = fastem.fit(X, fastem.Gaussian("spherical"), 3, start="kmeans", seed=0)
for name, labels in (("k-means", kmeans.labels_), ("mixture", fastem.predict(X, mixture))):
    print(f"{name}: adjusted Rand index {adjusted_rand_score(truth, labels):.2f}")

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharex=True, sharey=True)
for k in range(3):
    look, own = look_of(k), kmeans.labels_ == k
    left.scatter(*X[own].T, s=10, color=look["color"], marker=look["marker"], alpha=0.6)
left.plot(*kmeans.cluster_centers_.T, "k+", ms=12, mew=2)
left.set(title="k-means", xlabel="feature 0", ylabel="feature 1")
MixtureDisplay.from_result(mixture, X, ax=right)
right.set_title("mixture")
