"""Questions about fits.

`select` chooses among models by one of `criteria`, `diagnose` says whether a solution is a maximum, `bootstrap` how
certain it is. Whatever here needs a fit asks `fitting` for it.
"""
