"""Questions about fits.

`select` chooses among models by one of `criteria` and returns a `selection`, `diagnose` says whether a solution is a
maximum, `bootstrap` how certain it is, `ratio_test` whether one more component is needed, and `match` which component
is which of another solution. `replicates` runs what bootstraps repeat. Whatever here needs a fit asks `fitting` for it.
"""
