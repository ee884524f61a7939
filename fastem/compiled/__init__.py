"""Compiled code that knows no mixture.

`jit` is the only place that spells numba's options; `caching` keeps machine code, and `compiling` tells when some is
made. `job` is what a compiled step is told. `vectorised` has exp and log; `squares`, `counts`, `triangular` and
`merging` are loops that several kernels or starts share, `factors` has Cholesky factors above a floor, and `arrays`
operations on small arrays. Nothing here knows a family, a component or a user.
"""
