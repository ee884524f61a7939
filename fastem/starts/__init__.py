"""Where EM begins.

`given` makes starts from centres, labels, responsibilities or parameters; `kmeans` (with its `potentials`),
`agglomerate` and `auto` look for good ones. Nothing here iterates to the end, and all randomness comes from the seed
that is handed in.
"""
