"""Counts."""

import numpy as np
from cases import Case
from scipy import stats
from scipy.special import gammaln

import fastem


class Poisson(Case):
    family = fastem.Poisson()
    estimator = fastem.PoissonMixture

    def draw_parameters(self, rng, n_components, n_features, spread):
        return {"rates": rng.gamma(3.0, 2.0, (n_components, n_features))}

    def log_prob(self, parameters, X):
        return np.array([stats.poisson.logpmf(X, rates).sum(axis=1) for rates in parameters["rates"]]).T

    def long_log_prob(self, parameters, X):
        rates = parameters["rates"]
        return X @ np.log(rates).T - rates.sum(axis=1) - gammaln(X.astype(float) + 1).sum(axis=1)[:, None]

    def m_step(self, resp, X):
        return {"rates": (resp.T @ X) / resp.sum(axis=0)[:, None]}

    def n_parameters(self, n_features, n_components):
        return n_components * n_features

    def apart(self):
        return {"rates": np.repeat([[3.0], [60.0], [300.0]], 2, axis=1)}

    def draw_data(self, rng, n_samples, n_features):
        return rng.poisson(5.0, (n_samples, n_features)).astype(float)

    def valid(self, X):
        return np.maximum(np.round(X), 0.0)


CASES = [Poisson()]
