"""The textbook: mixtures in plain NumPy and SciPy. Slow, obvious, and sharing no line with the package.

Bishop (2006), Pattern Recognition and Machine Learning, section 9.2. Families are named as in the package.
"""

import numpy as np
from scipy import stats
from scipy.special import logsumexp


def covariance_matrices(name, parameters, n_components, n_features):
    """The covariances of any Gaussian shape as full matrices (K, d, d)."""
    covariances = np.asarray(parameters["covariances"], dtype=float)
    eye = np.eye(n_features)
    if name == "gaussian_full":
        return covariances
    if name == "gaussian_tied":
        return np.array([covariances] * n_components)
    if name == "gaussian_diag":
        return np.array([np.diag(row) for row in covariances])
    if name == "gaussian_spherical":
        return np.array([value * eye for value in covariances])
    if name == "gaussian_tied_diag":
        return np.array([np.diag(covariances)] * n_components)
    if name == "gaussian_tied_spherical":
        return np.array([covariances * eye] * n_components)
    raise KeyError(name)


def log_prob(name, parameters, X):
    """log p(x_i | component k), (n, K)."""
    X = np.asarray(X, dtype=float)
    if name == "poisson":
        return np.array([stats.poisson.logpmf(X, rates).sum(axis=1) for rates in parameters["rates"]]).T
    means = parameters["means"]
    matrices = covariance_matrices(name, parameters, len(means), X.shape[1])
    columns = [
        stats.multivariate_normal.logpdf(X, mean, matrix, allow_singular=False).reshape(len(X))
        for mean, matrix in zip(means, matrices, strict=True)
    ]
    return np.array(columns).T


def e_step(name, weights, parameters, X, sample_weight=None):
    """(total log-likelihood, responsibilities (n, K))."""
    with np.errstate(divide="ignore"):
        joint = log_prob(name, parameters, X) + np.log(weights)
    log_norm = logsumexp(joint, axis=1)
    resp = np.exp(joint - log_norm[:, None])
    w = np.ones(len(resp)) if sample_weight is None else np.asarray(sample_weight)
    return float(np.sum(w * log_norm)), resp


def m_step(name, resp, X, sample_weight=None):
    """(weights, parameters) that maximise the expected complete-data log-likelihood."""
    X = np.asarray(X, dtype=float)
    w = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
    r = resp * w[:, None]
    counts = r.sum(axis=0)
    weights = counts / counts.sum()
    means = (r.T @ X) / counts[:, None]
    if name == "poisson":
        return weights, {"rates": means}
    scatter = np.array([(r[:, k, None] * (X - m)).T @ (X - m) for k, m in enumerate(means)])
    d = X.shape[1]
    total = counts.sum()
    covariances = {
        "gaussian_full": lambda: scatter / counts[:, None, None],
        "gaussian_tied": lambda: scatter.sum(axis=0) / total,
        "gaussian_diag": lambda: np.array([np.diag(s) for s in scatter]) / counts[:, None],
        "gaussian_spherical": lambda: np.trace(scatter, axis1=1, axis2=2) / counts / d,
        "gaussian_tied_diag": lambda: np.diag(scatter.sum(axis=0)) / total,
        "gaussian_tied_spherical": lambda: np.array(np.trace(scatter.sum(axis=0)) / total / d),
    }[name]()
    return weights, {"means": means, "covariances": covariances}


def expected_complete_log_likelihood(name, resp, weights, parameters, X, sample_weight=None):
    """Q(theta) = sum_ik w_i r_ik (log weight_k + log p(x_i | k))."""
    w = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
    joint = log_prob(name, parameters, X) + np.log(weights)
    return float(np.sum(w[:, None] * np.where(resp > 0, resp * joint, 0.0)))
