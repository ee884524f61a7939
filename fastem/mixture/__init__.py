"""scikit-learn compatible estimators: the only importers of scikit-learn."""

from fastem.mixture.gaussian import GaussianMixture
from fastem.mixture.poisson import PoissonMixture

__all__ = ["GaussianMixture", "PoissonMixture"]
