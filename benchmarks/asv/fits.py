"""Whole fits, start included, through the core and through the estimator."""

import warnings

import numpy as np

import fastem

from .cases import SHAPES, overlapping


class Fit:
    """Default starts and stopping, from a fixed seed."""

    params = (SHAPES[:4], ((300, 4, 3), (20_000, 8, 8), (200_000, 16, 16)))
    param_names = ("shape", "n, d, K")

    def setup(self, shape, size):
        n, d, self.k = size
        self.X = overlapping(n, d, self.k)
        warnings.simplefilter("ignore")
        self.time_core(shape, size, 1)
        self.time_estimator(shape, size, 1)

    def time_core(self, shape, size, max_iter=50):
        fastem.fit(self.X, fastem.Gaussian(shape), self.k, seed=0, max_iter=max_iter)

    def time_estimator(self, shape, size, max_iter=50):
        fastem.GaussianMixture(self.k, covariance_type=shape, random_state=0, max_iter=max_iter).fit(self.X)


class Starts:
    params = (("auto", "kmeans", "k-means++", "random", "random_from_data", "splitting", "short-runs", "hierarchical"),)
    param_names = ("method",)

    def setup(self, method):
        self.X = overlapping(200_000, 16, 16)
        self.time_start(method)

    def time_start(self, method):
        fastem.fit(self.X, fastem.Gaussian("diag"), 16, start=method, seed=0, max_iter=0)

    def time_ten_starts(self, method):
        if method == "auto":  # makes ten starts by itself
            raise NotImplementedError
        fastem.fit(self.X[:20_000], fastem.Gaussian("diag"), 8, start=method, seed=0, n_init=10, tol=0, max_iter=10)


class Driver:
    """Calls of the layers above the loop."""

    def setup(self):
        self.X = overlapping(300, 2, 3)
        self.families = [fastem.Gaussian(shape) for shape in SHAPES]
        self.many = np.random.default_rng(0).standard_normal((500, 100, 2))
        self.many[:, 50:] += 6.0
        self.time_select()
        self.time_many()

    def time_select(self):
        fastem.select(self.X, self.families, range(1, 7), seed=0)

    def time_accelerated(self):
        fastem.fit(self.X, self.families[0], 4, start="kmeans", seed=0, tol=1e-9, accelerate="anderson")

    def time_diagnose(self):
        fastem.diagnose(fastem.fit(self.X, self.families[0], 3, start="kmeans", seed=0), self.X)

    def time_many(self):
        fastem.fit_many(self.many, fastem.Gaussian(), 2, seed=0)

    def time_bootstrap(self):
        start = fastem.fit(self.X, self.families[0], 3, start="kmeans", seed=0)
        fastem.bootstrap(start, self.X, n_replicates=20, seed=0)


class Parts:
    """Fits that begin on random parts of the data, and the same fits on all of it."""

    params = ((True, False),)
    param_names = ("progressive",)

    def setup(self, progressive):
        self.X = overlapping(200_000, 4, 8)
        self.time_fit(progressive)

    def time_fit(self, progressive):
        fastem.fit(self.X, fastem.Gaussian("full"), 8, start="kmeans", seed=0, progressive=progressive)
