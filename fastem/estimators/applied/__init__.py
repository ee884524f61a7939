"""What is made of mixtures for scikit-learn: classifiers. Estimators of mixtures themselves are in the folder above.

An estimator here fits one or several mixtures by the core, and answers in scikit-learn's terms.
"""
