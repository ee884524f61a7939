"""Peak memory of the process, including the 122 MiB of the data."""

import fastem

from .cases import SHAPES, overlapping


class Peak:
    params = (SHAPES[:4],)
    param_names = ("shape",)

    def setup(self, shape):
        self.X = overlapping(1_000_000, 16, 4)
        fastem.fit(self.X[:1000], fastem.Gaussian(shape), 4, seed=0, max_iter=1)

    def peakmem_fit(self, shape):
        fastem.fit(self.X, fastem.Gaussian(shape), 16, start="kmeans", seed=0, max_iter=3)

    def peakmem_responsibilities(self, shape):
        mixture = fastem.fit(self.X[:10_000], fastem.Gaussian(shape), 16, seed=0, max_iter=1)
        fastem.responsibilities(self.X, mixture)
