"""From a user's arguments to a fit.

`survey` looks at the data once, `search` says how the optimum is looked for, and `fit` puts both together with a model.
`solve` moves starts to their ends, and `parts` moves them over random parts of the data first. `checkpoint` keeps on
disk how far a fit has come, `best` makes a result from the starts that have ended, and `notes` says what their user
should know.
"""
