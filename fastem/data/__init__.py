"""Everything that touches each sample.

`tiles` packs a user's data once, `fold` passes over the tiles and gathers evidence, `evaluate` answers for new data,
`normalise` turns log densities into responsibilities, `threads` and `memory` are what they run on.
Kernels of families are called by address; nothing here knows which family it serves.
"""
