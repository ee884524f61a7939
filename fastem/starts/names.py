"""The names of the methods that find starts, with a few words on each for the command line.

They have a file of their own, so that `fastem fit --help` need not import compiled code. The first is the default.
"""

from __future__ import annotations

# These make a start from centres or at random, as in scikit-learn.
SIMPLE = {
    "kmeans": "k-means from k-means++ seeds",
    "k-means++": "its seeds alone",
    "random": "random responsibilities",
    "random_from_data": "samples as centres",
}
METHODS = {
    "auto": "ten starts of several kinds",
    **SIMPLE,
    "splitting": "the widest component in two, until there are enough",
    "short-runs": "the best of ten short runs of EM",
    "hierarchical": "model-based agglomeration",
}
