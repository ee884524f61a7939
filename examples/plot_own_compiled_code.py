"""
A mixture in your own compiled code
===================================

Can a loop of mine, compiled by numba, ask a mixture? ``fastem.jit`` has densities that can be called from ``@njit``.
Here a Metropolis walk draws from the product of a mixture and a constraint that no library knows.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastem
from fastem import jit
from fastem.plots import MixtureDisplay

mixture = fastem.from_parameters(
    fastem.Gaussian("full"),
    [0.5, 0.5],
    means=[[-1.5, 0.0], [1.5, 0.0]],
    covariances=[[[1.0, 0.8], [0.8, 1.0]], [[1.0, -0.8], [-0.8, 1.0]]],
)


@jit.cached
def walk(steps, moves, uniforms, arguments):
    """Positions of a walk whose density is the mixture's on the ring 1 < |x| < 3, and 0 elsewhere."""
    place, found, out = np.array([[1.5, 0.5]]), np.empty((steps, 2)), np.empty(1)
    jit.log_density(place, arguments, out)
    density = out[0]
    for i in range(steps):
        there = place + moves[i]
        radius = np.sqrt(there[0, 0] ** 2 + there[0, 1] ** 2)
        if 1.0 < radius < 3.0:
            jit.log_density(there, arguments, out)
            if np.log(uniforms[i]) < out[0] - density:
                place, density = there, out[0]
        found[i] = place[0]
    return found


rng, steps = np.random.default_rng(0), 20_000
points = walk(steps, 0.7 * rng.standard_normal((steps, 1, 2)), rng.random(steps), jit.arguments(mixture))
fig, ax = plt.subplots(figsize=(5.5, 4.5), layout="constrained")
ax.plot(*points[::5].T, ".", ms=2, color="0.5")
MixtureDisplay.from_result(mixture, what="components", ax=ax)
ax.set_aspect("equal")
print(f"{len(np.unique(points[:, 0])) / steps:.0%} of the moves were accepted")
