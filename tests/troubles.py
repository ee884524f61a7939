"""Small inputs on which version 0.1.0 went wrong, made by its founders; each docstring says what should come out.

They are the generators of the project's collection of cases (2026), some with more arguments.
"""

import numpy as np


def far_apart(rng, dtype=np.float32, distance=30000.0, n=500):
    """Two groups of standard deviation 1, far apart. Both standard deviations should be about 1, and converge."""
    return np.concatenate([c + rng.normal(0, 1.0, (n, 1)) for c in (0, distance)]).astype(dtype)


def one_gross_value(rng, gross=1e9):
    """20 values near 0, 20 near 10 and a gross one: K = 3 should find these three means."""
    return np.r_[rng.normal(0, 1, 20), rng.normal(10, 1, 20), gross][:, None]


def fill_value(rng, dtype=np.float32, fill=-9999.0):
    """1,000 values in two groups of standard deviation 0.01 and a fill value; K = 3 should find that twice."""
    groups = np.concatenate([rng.normal(0, 1, 500), rng.normal(10, 1, 500)]) * 0.01
    return np.append(groups, fill)[:, None].astype(dtype)


def repeated_value(rng):
    """100 normal values and 10 that are exactly 10. With min_variance=0.01, select should take full, K = 2."""
    return np.append(rng.standard_normal(100), np.full(10, 10.0))[:, None]


def a_third_zeros(rng):
    """3,000 exact zeros, 4,000 values near 2, 3,000 near 6; K = 3 should find the means 0, 2 and 6."""
    return np.concatenate([np.zeros(3000), rng.normal(2, 0.5, 4000), rng.normal(6, 1, 3000)])[:, None]


def long_clusters(seed, n_components=3, n_features=10):
    """200 samples in each of K parallel clusters, 80 times as long as wide: (X, labels).

    The log-likelihood should be that of a fit begun at the true labels.
    """
    rng = np.random.default_rng(seed)
    z, y = rng.standard_normal((200 * n_components, n_features)), np.repeat(np.arange(n_components), 200)
    z[:, 0] += 5.0 * (y - (n_components - 1) / 2)
    z[:, 0] *= 0.15
    z[:, 1] *= 12.0
    rotation = np.eye(n_features)
    rotation[:2, :2] = [[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]]
    return z @ rotation.T, y


def few_rows_many_features(n_features=768, n=300):
    """Embeddings in six groups, more features than samples."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (6, n_features))
    return centres[np.repeat(range(6), n // 6)] + rng.normal(0, 0.8, (n, n_features))


def returns():
    """1,000 daily returns of two volatilities and nearly one mean; K = 3 should reach 2571.617 nats or more."""
    rng = np.random.default_rng(7)
    rng.normal(0.10, 0.012, 300), rng.normal(0.16, 0.03, 650), rng.exponential(0.08, 50)
    return np.concatenate([rng.normal(4e-4, 0.012, 700), rng.normal(-9e-4, 0.03, 300)])[:, None]
