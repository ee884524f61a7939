"""scikit-learn's interface: the only importers of scikit-learn.

`base` and `predicting` are what all mixtures share, `gaussian`, `poisson` and `kmeans` the estimators; `precisions` and
`files` are theirs alone. A name that ends in an underscore lives here and nowhere else.
"""

from fastem.estimators.gaussian import GaussianMixture
from fastem.estimators.kmeans import KMeans
from fastem.estimators.poisson import PoissonMixture

__all__ = ["GaussianMixture", "KMeans", "PoissonMixture"]
