"""What is asked of fits.

`select` chooses among models, `diagnose` says whether a solution is a maximum, `bootstrap` how certain it is.
Nothing here moves a start by itself: it asks `fitting`.
"""
