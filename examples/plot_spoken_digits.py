"""
Spoken digits: a mixture for each, and the larger likelihood
============================================================

Which digit was said? Each utterance is some forty frames of 13 cepstral coefficients. A mixture is fitted to the frames
of each digit; an utterance goes to the mixture under which the sum of its log densities is largest.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fastem

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
with np.load(DATA / "spoken_digits.npz") as archive:
    X, digit, utterance = archive["X"].astype(np.float32), archive["digit"], archive["utterance"]

# %%
# Every fourth utterance is for the test.

test = utterance % 4 == 0
mixtures = [fastem.fit(X[~test & (digit == d)], fastem.Gaussian("diag"), 8, seed=0) for d in range(10)]
density = np.stack([fastem.log_density(X[test], mixture) for mixture in mixtures], axis=1)
names, place = np.unique(utterance[test], return_inverse=True)
total = np.zeros((len(names), 10))
np.add.at(total, place, density)
truth = np.array([digit[utterance == name][0] for name in names])
found = total.argmax(axis=1)
print(f"{(found == truth).mean():.1%} of {len(names)} utterances are recognised")

# %%
# What is taken for what, and by how much the right digit wins: the log-likelihood ratio to the best of the others.

confusion = np.zeros((10, 10), dtype=int)
np.add.at(confusion, (truth, found), 1)
right = total[np.arange(len(names)), truth]
others = total.copy()
others[np.arange(len(names)), truth] = -np.inf
fig, (left, right_hand) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.imshow(confusion, cmap="Blues")
for i, j in np.argwhere(confusion):
    left.text(j, i, confusion[i, j], ha="center", va="center", color="w" if confusion[i, j] > 4 else "k")
left.set(xlabel="found", ylabel="said", xticks=range(10), yticks=range(10))
right_hand.hist(right - others.max(axis=1), bins=30, color="#0072B2")
right_hand.axvline(0, color="k")
right_hand.set(xlabel="log-likelihood ratio of the right digit to the next, nats", ylabel="utterances")
