"""Everything that touches each sample.

`samples` and `stream` hold a user's data, `columns` looks at them once, `pack` puts them into `tiles`. `walk` goes over
tiles and calls kernels by address; `fold` gathers evidence with it and `evaluate` answers for new data. `sources` is
what the driver asks. `normalise` has the kernels between a family's two; `threads` and `memory` are what all of it runs
on. Nothing here knows which family it serves.
"""
