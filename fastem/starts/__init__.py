"""Where EM begins.

`given` makes starts from centres, labels, responsibilities or parameters; `kmeans` (with its `potentials`),
`agglomerate` and `auto` look for good ones; `names` has what they are called. Nothing here iterates to the end, and all
randomness comes from the seed that is handed in.
"""
