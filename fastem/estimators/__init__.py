"""scikit-learn's interface: the only importers of scikit-learn.

`base`, `predicting` and `keeping` are what all mixtures share. `mixture` is the estimator for any family; `gaussian`,
`poisson`, `bernoulli` and `kmeans` are the named ones; `theirs`, `units`, `files` and `verbose` help them. Only names
in here end in an underscore.
"""

from fastem.estimators.bernoulli import BernoulliMixture
from fastem.estimators.gaussian import GaussianMixture
from fastem.estimators.kmeans import KMeans
from fastem.estimators.mixture import Mixture
from fastem.estimators.poisson import PoissonMixture

__all__ = ["BernoulliMixture", "GaussianMixture", "KMeans", "Mixture", "PoissonMixture"]
