"""
Grades: EM of your own, by ``fixed_point``
==========================================

What if the model is no mixture of fastem's? In an example of Andrew Moore's, students get A with probability 1/2, B
with m, C with 2m and D with 1/2 - 3m. Of h students it is only known that they have an A or a B. An EM step is a line;
``fixed_point`` iterates and accelerates it.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastem

h, c, d = 20, 10, 10


def step(m):
    """The expected number of B's, and the m that is likeliest given that."""
    b = h * m / (0.5 + m)
    return (b + c) / (6 * (b + c + d))


def log_likelihood(m):
    return h * np.log(0.5 + m) + c * np.log(2 * m) + d * np.log(0.5 - 3 * m)


plain = fastem.fixed_point(step, 0.001, objective=log_likelihood, accelerate=None, tol=1e-12)
quick = fastem.fixed_point(step, 0.001, objective=log_likelihood, accelerate="squarem", tol=1e-12)
print(f"m = {float(quick.theta):.7f}: {plain.n_steps} steps of EM, {quick.n_steps} with leaps")

m = np.linspace(0.0005, 0.16, 300)
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
left.plot(m, log_likelihood(m), "k")
left.axvline(float(quick.theta), ls=":", color="k")
left.set(xlabel="m", ylabel="log-likelihood")
right.plot(m, step(m), label="one step")
right.plot(m, m, ls="--", color="0.5", label="the point itself")
right.set(xlabel="m", ylabel="m after a step")
right.legend()
