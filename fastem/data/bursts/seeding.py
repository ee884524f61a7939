"""The seeding of k-means by greedy k-means++, without the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastem.compiled.job import Fields
from fastem.compiled.lanes.steps import steps
from fastem.data.walk import FIELDS as WALK

# walk, job: what looks at distances, and its job. known: the squared distances of each run's samples to their nearest
# centre. shares (n_samples,): sums of weights. uniforms (n_runs, 1 + (n_clusters - 1) n_trials), in the order of use.
# centres OUT (n_runs, n_clusters, d). cumulative (n_samples,), drawn (n_trials,): scratch.
FIELDS = Fields(
    "walk job n_spans closer closest n_runs n_trials n_clusters n_samples n_features tiles tile_rows tile_size n_tiles "
    "weights shares known known_run density layout statistics uniforms centres cumulative drawn"
)


def _seeding(machine: Any, real: str, job: Any, _span: Any, _worker: Any) -> None:
    job = FIELDS.read(machine, job)
    n, d, size, n_trials = job.n_samples, job.n_features, job.tile_size, job.n_trials
    walk, layout = machine.rows(job.job, (len(WALK.names),), "i8"), machine.rows(job.layout, (2,), "i8")
    tiles = machine.rows(job.tiles, (job.n_tiles * job.tile_rows * size,), real)
    density = machine.rows(job.density, (n_trials * d,), real)
    weights, shares, cumulative = (
        machine.rows(place, (n,), "f8") for place in (job.weights, job.shares, job.cumulative)
    )
    potentials = machine.rows(job.statistics, (job.n_spans * n_trials,), "f8")
    drawn = machine.rows(job.drawn, (n_trials,), "i8")
    centres = machine.rows(job.centres, (job.n_runs * job.n_clusters * d,), "f8")
    n_uniforms = 1 + (job.n_clusters - 1) * n_trials
    uniforms = machine.rows(job.uniforms, (job.n_runs * n_uniforms,), "f8")

    def look(kernel: Any, n_centres: Any) -> None:
        """A pass over the samples with the first centres of `density`."""
        for name in ("n_components", "density_rows", "statistics_rows"):
            walk.put(0, WALK.place[name], n_centres)
        walk.put(0, WALK.place["normalise"], kernel)
        layout.put(0, 1, n_centres)
        machine.repeat(0, job.n_spans, lambda span: machine.call(job.walk, job.job, span, machine.integer(0)))

    def draw(sums: Any, uniform: Any) -> Any:
        """The index of a sample, drawn in proportion to the increments of `sums`; one of 0 is never drawn."""
        total = sums.number(0, n - 1)
        key = machine.product(uniform, total)

        def count(i: Any, below: Any, last: Any) -> list[Any]:
            value = sums.number(0, i)
            return [
                machine.choose(value <= key, below + 1, below),
                machine.choose(value < total, last + 1, last),
            ]

        return machine.at_most(*machine.repeat(0, n, count, machine.integer(0), machine.integer(0)))

    def chosen(i: Any, row: Any) -> None:
        """Sample i becomes a row of `density`."""
        first = i // size * (job.tile_rows * size) + (i - i // size * size)
        machine.repeat(0, d, lambda j: density.put(0, row * d + j, tiles.number(0, first + j * size)))

    def kept(row: Any, run: Any, k: Any) -> None:
        """A row of `density` becomes the k-th centre of a run."""
        place = (run * job.n_clusters + k) * d
        machine.repeat(0, d, lambda j: centres.put(0, place + j, machine.double(density.number(0, row * d + j))))

    def of_run(run: Any) -> None:
        place, one = job.known + run * job.known_run, machine.integer(1)
        known = machine.rows(place, (job.n_tiles * size,), real)
        machine.repeat(0, known.size, lambda i: known.put(0, i, machine.zero(known) + np.inf))
        walk.put(0, WALK.place["known"], place)
        chosen(draw(shares, uniforms.number(0, run * n_uniforms)), machine.integer(0))
        kept(machine.integer(0), run, machine.integer(0))
        look(job.closest, one)

        def following(k: Any) -> None:
            def add(i: Any, total: Any) -> list[Any]:
                total = total + machine.product(weights.number(0, i), machine.double(known.number(0, i)))
                cumulative.put(0, i, total)
                return [total]

            def trial(t: Any) -> None:
                i = draw(sums, uniforms.number(0, run * n_uniforms + 1 + (k - 1) * n_trials + t))
                drawn.put(0, t, i)
                chosen(i, t)

            def left(t: Any) -> Any:
                """What is left of the distances with candidate t."""

                def more(s: Any, total: Any) -> list[Any]:
                    return [total + potentials.number(0, s * n_trials + t)]

                return machine.repeat(1, job.n_spans, more, potentials.number(0, t))[0]

            def better(t: Any, least: Any, best: Any) -> list[Any]:
                value = left(t)
                return [machine.where(value < least, value, least), machine.choose(value < least, t, best)]

            (total,) = machine.repeat(0, n, add, machine.zero(cumulative))
            # Fewer distinct points than clusters: any sample repeats one.
            sums = machine.rows(machine.choose(total > 0.0, job.cumulative, job.shares), (n,), "f8")
            machine.repeat(0, n_trials, trial)
            look(job.closer, n_trials)
            first = machine.integer(0)
            _, best = machine.repeat(1, n_trials, better, left(first), first)
            chosen(drawn.number(0, best), first)
            kept(first, run, k)
            machine.when(k + 1 < job.n_clusters, lambda: look(job.closest, one))

        machine.repeat(1, job.n_clusters, following)

    machine.repeat(0, job.n_runs, of_run)


address_of = steps(_seeding)
