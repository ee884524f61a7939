"""
EM's path on the likelihood, and a quicker one
==============================================

Why is EM slow, and what does acceleration do? Two Gaussians of one known width, of which only the means are
free: the likelihood is a surface over two numbers. EM takes short steps along its ridge; SQUAREM leaps.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastem

rng = np.random.default_rng(1)
X = np.concatenate([rng.normal(-1.0, 1.0, (300, 1)), rng.normal(1.0, 1.0, (300, 1))])
family, known = fastem.Gaussian("tied_spherical"), {"fixed": {"covariances": 1.0}, "weights": "equal"}
start = {"weights": [0.5, 0.5], "means": [[-0.2], [2.6]], "covariances": 1.0}


def path(accelerate):
    """The means after each iteration, and the fit."""
    fits = [fastem.fit(X, family, 2, start=start, max_iter=n, tol=0, accelerate=accelerate, **known) for n in range(25)]
    whole = fastem.fit(X, family, 2, start=start, tol=1e-9, accelerate=accelerate, **known)
    return np.array([fit.parameters["means"][:, 0] for fit in fits]), whole


a, b = np.meshgrid(np.linspace(-2, 1, 70), np.linspace(0, 3, 70))
surface = np.log(0.5 * np.exp(-0.5 * (X - a.ravel()) ** 2) + 0.5 * np.exp(-0.5 * (X - b.ravel()) ** 2)).mean(axis=0)

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.contour(
    a,
    b,
    surface.reshape(a.shape),
    levels=np.quantile(surface, np.linspace(0.3, 0.999, 14)),
    colors="0.7",
    linestyles="solid",
)
for name, accelerate, mark in (("EM", None, "o-"), ("SQUAREM", "squarem", "s--")):
    means, whole = path(accelerate)
    left.plot(*means.T, mark, ms=4, label=f"{name}: {whole.n_passes} passes to 1e-9")
    right.semilogy(np.maximum(whole.history[-1] - whole.history[:-1], 1e-10), mark, ms=3, label=name)
left.set(xlabel="first mean", ylabel="second mean")
right.set(xlabel="iteration", ylabel="log-likelihood left to gain")
left.legend()
right.legend()
