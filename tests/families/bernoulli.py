"""Zeros and ones."""

import numpy as np
from cases import Case
from scipy import stats

import fastem


class Bernoulli(Case):
    family = fastem.Bernoulli()
    has_border = True
    min_features = 8
    estimator = fastem.BernoulliMixture

    def draw_parameters(self, rng, n_components, n_features, spread):
        logits = spread * rng.standard_normal((n_components, n_features))
        return {"probabilities": np.clip(1.0 / (1.0 + np.exp(-logits)), 0.05, 0.95)}

    def log_prob(self, parameters, X):
        return stats.bernoulli.logpmf(X[:, None], parameters["probabilities"]).sum(axis=2)

    def m_step(self, resp, X):
        return {"probabilities": (resp.T @ X) / resp.sum(axis=0)[:, None]}

    def n_parameters(self, n_features, n_components):
        return n_components * n_features

    def apart(self):
        return {"probabilities": np.repeat(np.eye(3), 12, axis=1) * 0.96 + 0.02}

    def draw_data(self, rng, n_samples, n_features):
        return rng.integers(0, 2, (n_samples, n_features)).astype(float)

    def valid(self, X):
        return np.minimum(np.round(np.abs(X)), 1.0)


CASES = [Bernoulli()]
