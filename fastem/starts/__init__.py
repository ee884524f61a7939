"""Where EM begins.

`given` makes starts from centres, labels, responsibilities or parameters; `kmeans` (with its `potentials`),
`agglomerate` and `auto` look for good ones; `names` lists what they are called. Nothing here runs EM to convergence,
and all randomness comes from the seed that is handed in.
"""
