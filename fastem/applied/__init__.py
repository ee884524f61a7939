"""What is made of mixtures for scikit-learn: a classifier, a regressor and a detector of outliers.

Estimators of mixtures themselves are in `estimators`. An estimator here fits one or several mixtures by the core, and
answers in other terms than components. No other room of the package imports this one.
"""
