"""What is estimated, and what is known about it.

A `model` is a family, how many components, their `mixing`, and what becomes of a `starving` one; a `problem` is a model
of the data in a source. `matching` says which component is which, `evidence` is the functional core, `result` what a
fit returns and its file, and `showing` what records print. Nothing here loops or looks for a start.
"""
