"""What is estimated, and what is known about it.

A `model` is a family, how many components, their `mixing`, and what becomes of a `starving` one; a `problem` is a model
of the data in a source. `matching` says which component is which, `evidence` and `evaluation` are the functional core,
`packed` data for many calls of it; `result` is what a fit returns, `files` keeps it, `showing` says what it prints, and
`telling` gives its warning. Nothing here loops or looks for a start.
"""
