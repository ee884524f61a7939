"""
Local optima, and what starts find
==================================

Is one start enough? EM climbs the hill on which it begins. On 25 spots of a grid, no random start ends at the best
optimum, and k-means, which is blind to widths, does well: the ten starts of ``start="auto"`` are of several kinds.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastem

rng = np.random.default_rng(0)
X = np.concatenate([rng.normal((i, j), 0.12, (40, 2)) for i in range(5) for j in range(5)])

# %%
# Thirty starts of each of the simple methods, and one call of "auto".

ends = {
    method: [
        fastem.fit(X, fastem.Gaussian("spherical"), 25, start=method, seed=seed, accelerate=None).log_likelihood
        / len(X)
        for seed in range(30)
    ]
    for method in ("random", "random_from_data", "k-means++", "kmeans")
}
best = fastem.fit(X, fastem.Gaussian("spherical"), 25, seed=0).log_likelihood / len(X)

fig, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
for row, (method, values) in enumerate(ends.items()):
    ax.plot(values, np.full(30, row) + rng.uniform(-0.15, 0.15, 30), "o", alpha=0.6)
    print(f"{method}: {np.mean(np.array(values) > best - 1e-3):.0%} of starts as good as auto")
ax.axvline(best, color="k", label='"auto"')
ax.set(yticks=range(4), yticklabels=list(ends), xlabel="log-likelihood per sample at the end")
ax.legend()
