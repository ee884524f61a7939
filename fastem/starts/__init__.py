"""Where EM begins.

`given` makes starts from centres, labels, responsibilities or parameters; `kmeans` (with its `potentials`),
`agglomerate`, `sibling` (with its `projections`) and `auto` look for good ones, by short `runs` of EM among others;
`births` changes a solution that EM reached only by crawling; `names` lists what starts are called. Nothing here runs EM
to convergence, and all randomness comes from the seed that is handed in.
"""
