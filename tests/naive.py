"""The textbook of mixtures in plain NumPy, for any case of tests/families. Slow, obvious, and sharing no line with us.

Bishop (2006), Pattern Recognition and Machine Learning, section 9.3.
"""

import numpy as np
from scipy.special import logsumexp


def _weights(sample_weight, n):
    return np.ones(n) if sample_weight is None else np.asarray(sample_weight)


def joint_log_prob(case, weights, parameters, X):
    """log weight_k + log p(x_i | k), (n, K)."""
    with np.errstate(divide="ignore"):
        return case.log_prob(parameters, np.asarray(X, dtype=float)) + np.log(weights)


def e_step(case, weights, parameters, X, sample_weight=None):
    """(total log-likelihood, responsibilities (n, K))."""
    joint = joint_log_prob(case, weights, parameters, X)
    log_norm = logsumexp(joint, axis=1)
    return float(np.sum(_weights(sample_weight, len(joint)) * log_norm)), np.exp(joint - log_norm[:, None])


def m_step(case, resp, X, sample_weight=None):
    """(weights, parameters) that maximise the expected complete-data log-likelihood."""
    r = resp * _weights(sample_weight, len(resp))[:, None]
    counts = r.sum(axis=0)
    return counts / counts.sum(), case.m_step(r, np.asarray(X, dtype=float))


def expected_complete_log_likelihood(case, resp, weights, parameters, X, sample_weight=None):
    """Q(theta) = sum_ik w_i r_ik (log weight_k + log p(x_i | k))."""
    joint = joint_log_prob(case, weights, parameters, X)
    return float(np.sum(_weights(sample_weight, len(resp))[:, None] * np.where(resp > 0, resp * joint, 0.0)))
