"""scikit-learn's interface: the only importers of scikit-learn.

`base`, `predicting` and `keeping` are what all mixtures share; `mixture` is that of any family, `gaussian`, `poisson`,
`bernoulli` and `kmeans` are the named ones; `precisions`, `files` and `verbose` help them. A name that ends in an
underscore lives here and nowhere else.
"""

from fastem.estimators.bernoulli import BernoulliMixture
from fastem.estimators.gaussian import GaussianMixture
from fastem.estimators.kmeans import KMeans
from fastem.estimators.mixture import Mixture
from fastem.estimators.poisson import PoissonMixture

__all__ = ["BernoulliMixture", "GaussianMixture", "KMeans", "Mixture", "PoissonMixture"]
