"""What is done with a fitted mixture: it is adapted to other data, and turned into other mixtures.

Plain functions from a Result to another. They use the functional core and the families, and nothing here fits a mixture
from nothing or knows scikit-learn.
"""
