"""
A few labelled digits, and many without labels
==============================================

Do samples without labels help? A few digits of each class have labels, the others have none. A Gaussian for each class
is fitted to both, after the 64 pixels have been projected to ten numbers. With two labels a class the others help much;
with fifty they harm, as the classes are no Gaussians, and the many samples without labels decide what is fitted.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import fastem

X, y = load_digits(return_X_y=True)
X = PCA(10, random_state=0).fit_transform(X)
rng = np.random.default_rng(0)
order = rng.permutation(len(X))
test, rest = order[:500], order[500:]

# %%
# -1 stands for an unknown class.

scores = {}
for n in (2, 5, 10, 50):
    named = np.concatenate([rest[y[rest] == c][:n] for c in range(10)])
    labels = np.full(len(X), -1)
    labels[named] = y[named]
    settings = {"n_components": 1, "covariance_type": "tied", "random_state": 0}
    alone = fastem.MixtureClassifier(**settings).fit(X[named], y[named])
    both = fastem.MixtureClassifier(**settings).fit(X[rest], labels[rest])
    scores[n] = alone.score(X[test], y[test]), both.score(X[test], y[test])
    print(f"{n} labels a class: {scores[n][0]:.1%} without, {scores[n][1]:.1%} with the others")

fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
for place, (name, mark) in enumerate((("labelled samples only", "s--"), ("and 1,297 without labels", "o-"))):
    ax.plot(list(scores), [score[place] for score in scores.values()], mark, label=name)
ax.set(xscale="log", xticks=list(scores), xticklabels=list(scores), xlabel="labels a class", ylabel="accuracy")
ax.minorticks_off()
ax.legend()
