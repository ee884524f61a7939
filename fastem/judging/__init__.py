"""What is asked of fits.

`select` chooses among models by one of `criteria`, `diagnose` says whether a solution is a maximum, `bootstrap` how
certain it is.
Nothing here moves a start by itself: it asks `fitting`.
"""
