"""One file per library. Each runs in an environment of its own, so it may import that library and NumPy only.

A side has VERSION (str), SHAPES (the covariance types it fits), DTYPES (those it computes in), NOTE (how it departs
from plain EM, "" if it does not), and

    fit(problem, iterations) -> Fitted      exactly so many EM iterations from the problem's start, stop rules off
    solve(problem) -> Solved                the library's own start and stop rules

`problem` and what comes back are in `benchmarks.peers.worker`.
"""
