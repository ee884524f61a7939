"""Fits with the arguments that `fastem.fit` does not offer: sizes of parts, a clock, an engine."""

from fastem.data.threads import SMALL, team
from fastem.fitting.search import Search
from fastem.fitting.solve import fitted
from fastem.fitting.survey import samples_or_stream, survey
from fastem.model.model import Model
from fastem.model.starving import Policy


def fit(
    X, family, n_components, *, sample_weight=None, min_samples=0.0, starving="reseed", seed=None, n_threads=None,
    engine=None, small=SMALL, callback=None, checkpoint=None, checkpoint_interval=60.0, assignment="soft", **search
):  # fmt: skip
    """`fastem.fit`, where `search` may name any field of Search; engine: "serial", "parallel", "pool" or None.

    small: flops of the steps that run in the calling thread.
    """
    model = Model(family, n_components, policy=Policy(float(min_samples), starving), assignment=assignment)
    search = Search(**search)
    with team(n_threads, engine, small) as threads:
        surveyed = survey(samples_or_stream(X, sample_weight), [family], threads)
        return fitted(surveyed, model, search, seed, callback, checkpoint, checkpoint_interval)


class Clock:
    """A clock that moves on by a second whenever it is read."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now
