"""The loop of Expectation-Maximization over several starts, and what steers it.

`loop` moves the starts, `accelerate` leaps ahead, `stopping` says when one has come close enough, `reseed` puts a
starving component elsewhere; `fixed_points` offers the same to maps that fastem did not write.
"""
