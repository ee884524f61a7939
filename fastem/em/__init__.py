"""The loop of Expectation-Maximization over several starts, and what steers it.

A `track` is one start on its way. `loop` moves all of them, `verdicts` says what becomes of each after a pass, `rivals`
drops losers, `stopping` says when a start has come close enough to its limit, `accelerate` leaps ahead, `crawling` says
when to, and `reseed` puts a starving component elsewhere. `fixed_points` offers the same to maps that fastem did not
write.
"""
