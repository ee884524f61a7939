"""The names of the methods that find starts, with a few words on each for the command line.

They have a file of their own, so that `fastem fit --help` need not import compiled code. The first is the default.
"""

from __future__ import annotations

from typing import Literal

StartMethod = Literal[
    "auto", "kmeans", "k-means++", "random", "random_from_data", "splitting", "short-runs", "hierarchical"
]
# These make a start from centres or at random, as in scikit-learn.
SIMPLE: dict[StartMethod, str] = {
    "kmeans": "k-means from k-means++ seeds",
    "k-means++": "its seeds alone",
    "random": "random responsibilities",
    "random_from_data": "samples as centres",
}
METHODS: dict[StartMethod, str] = {
    "auto": "ten starts of several kinds",
    **SIMPLE,
    "splitting": "the widest component in two, until there are enough",
    "short-runs": "the best of ten short runs of EM",
    "hierarchical": "model-based agglomeration",
}
