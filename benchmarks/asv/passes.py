"""One E-step over many samples, one M-step, and what prediction costs."""

import numpy as np

import fastem

from .cases import FAMILIES, KNOWN, SHAPES, overlapping, start, variants

SIZES = ((200_000, 4, 8), (100_000, 16, 16), (20_000, 64, 16))


class Fold:
    """fastem.fold: packing, densities, responsibilities and statistics."""

    params = (FAMILIES, SIZES)
    param_names = ("family", "n, d, K")

    def setup(self, family, size):
        n, d, k = size
        X = overlapping(n, d, k)
        self.X = np.abs(X).round() if family == "poisson" else X
        self.mixture = start(family, self.X, k)
        self.evidence = fastem.fold(self.X, self.mixture)

    def time_fold(self, family, size):
        fastem.fold(self.X, self.mixture)

    def time_maximise(self, family, size):
        fastem.maximise(self.evidence)


class Iterations:
    """Twenty iterations on packed data: the loop itself."""

    params = (SHAPES[:4], SIZES, ("float64", "float32"))
    param_names = ("shape", "n, d, K", "dtype")

    def setup(self, shape, size, dtype):
        n, d, k = size
        self.X = overlapping(n, d, k, dtype)
        self.arguments = {"family": fastem.Gaussian(shape), "n_components": k, "tol": 0}
        self.start = start(shape, self.X, k)
        self.time_twenty_iterations(shape, size, dtype, 1)

    def time_twenty_iterations(self, shape, size, dtype, iterations=20):
        fastem.fit(self.X, start=self.start, max_iter=iterations, **self.arguments)


class Knowledge:
    """Twenty iterations where something is known, or of another assignment."""

    params = (("full", "diag"), (KNOWN[0], *KNOWN[2:]))
    param_names = ("shape", "what")

    def setup(self, shape, what):
        self.X = overlapping(200_000, 16, 16)
        self.start = start(shape, self.X, 16)
        self.arguments = {"family": fastem.Gaussian(shape), "n_components": 16, "tol": 0, "accelerate": None}
        self.arguments |= variants(self.X, self.start)[what]
        self.time_twenty_iterations(shape, what, 1)

    def time_twenty_iterations(self, shape, what, iterations=20):
        fastem.fit(self.X, start=self.start, max_iter=iterations, **self.arguments)


class Prediction:
    params = (SHAPES[:4],)
    param_names = ("shape",)

    def setup(self, shape):
        self.X = overlapping(200_000, 16, 16)
        self.mixture = start(shape, self.X, 16)
        for method in (self.time_predict, self.time_responsibilities, self.time_log_density):
            method(shape)

    def time_predict(self, shape):
        fastem.predict(self.X, self.mixture)

    def time_responsibilities(self, shape):
        fastem.responsibilities(self.X, self.mixture)

    def time_log_density(self, shape):
        fastem.log_density(self.X, self.mixture)
