"""Compiled code that knows no mixture.

`jit` is the only place that spells numba's options. `vectorised` has exp and log, `squares`, `triangular` and `merging`
are loops that several kernels or starts share, `factors` has Cholesky factors above a floor, `compiling` tells what is
being compiled.
Nothing here knows a family, a component or a user.
"""
