"""From a user's arguments to a fit.

`fit` checks them and begins, `parts` passes over random parts of the data first, `checkpoint` keeps on disk how far a
fit has come, `best` makes a result of starts that have ended.
"""
