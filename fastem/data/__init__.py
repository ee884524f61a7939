"""Everything that touches each sample.

`samples` and `stream` hold a user's data, `columns` looks at them once, `pack` puts them into `tiles`. `walk` goes over
tiles and calls kernels by address; `fold` gathers evidence with it and `evaluate` answers for new data. The rest of the
package asks `sources`. `normalise` has the kernels that run between the two of a family; all of it runs on `threads`
and `memory`. Nothing here knows which family it serves.
"""
