"""A family from nothing: counts with more zeros than a Poisson distribution has (Lambert 1992, Technometrics 34).

p(x) = inflation [x = 0] + (1 - inflation) rate^x exp(-rate) / x!, independent features. Row of params, with c =
log(1 - inflation) - rate: log p(0) - c (d) | log rate (d) | sum of c | inflation (d) | rate (d). Row of statistics:
sum r | sum r x (d) | sum r [x > 0] (d). The derived row of a tile is sum_j log x_j!.
"""

import numpy as np
from scipy.special import lambertw

from fastem.families import NON_NEGATIVE, PROBABILITY, Family, Kernels, Maximised, Parameter, first_where, register
from fastem.jit import kernel, log_counts, log_factorials, weighted_counts


@kernel
def log_prob(tile, params, layout, rows, out, latent, scratch):
    log_counts(tile, params, layout[0], 0, layout[0], 2 * layout[0], rows, out)


@kernel
def accumulate(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    weighted_counts(resp, tile, layout[0], rows, out)


@kernel
def derive(tile, layout):
    log_factorials(tile, layout[0])


@register
class ZeroInflatedPoisson(Family):
    name = "zero_inflated_poisson"
    parameters = (
        Parameter("inflation", ("K", "d"), PROBABILITY, has_units=False),
        Parameter("rates", ("K", "d"), NON_NEGATIVE, has_units=False),
    )

    def kernels(self):
        return Kernels(log_prob, accumulate, derive)

    def n_derived(self, n_features):
        return 1

    def statistics_shape(self, n_features, n_components):
        return n_components, 2 * n_features + 1

    def why_impossible(self, X):
        found = first_where(X, lambda x: (x < 0) | ((x != np.floor(x)) & ~np.isnan(x)))
        return found and f"ZeroInflatedPoisson needs counts; X[{found[0]}, {found[1]}] is {found[2]}."

    def pack(self, parameters, frame):
        inflation, rates = np.clip(parameters["inflation"], 0, 1 - 1e-12), np.maximum(parameters["rates"], 1e-12)
        c = np.log1p(-inflation) - rates
        zeros = np.log(inflation + np.exp(c)) - c
        return np.hstack([zeros, np.log(rates), c.sum(axis=1, keepdims=True), inflation, rates])

    def located(self, centres):
        return {"inflation": np.full(centres.shape, 0.1), "rates": np.where(centres > 0, centres, 1.0)}

    def moments(self, parameters):
        means = (1 - parameters["inflation"]) * parameters["rates"]
        return means, means * (1 + parameters["inflation"] * parameters["rates"])

    def maximise(self, statistics, params, frame, limits, starving):
        count, sums, positive = np.split(np.maximum(statistics, 1e-300), [1, 1 + len(frame.scale)], axis=1)
        mean = sums / positive  # of the positive counts: rate / (1 - exp(-rate))
        rates = np.maximum(mean + lambertw(-mean * np.exp(-mean)).real, 1e-12)
        inflation = 1 - sums / (count * rates)
        # Where there are no more zeros than a Poisson distribution has, it is one.
        rates = np.where(inflation > 0, rates, sums / count)
        rows = self.pack({"inflation": np.maximum(inflation, 0), "rates": rates}, frame)
        return Maximised(np.where(starving[:, None], params, rows), starving, np.zeros_like(starving))

    def moved(self, statistics, params, frame, to_params, to_frame, n_components):
        return statistics

    def sample(self, rng, parameters, labels):
        counts = rng.poisson(parameters["rates"][labels]).astype(float)
        return np.where(rng.random(counts.shape) < parameters["inflation"][labels], 0.0, counts)
