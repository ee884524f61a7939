"""The one walk over tiles, for several starts at once. It calls kernels by address.

Tiles are stored, or packed from rows on the way. A fold, the packing itself, the answers for new data and the seeding
of k-means are all this walk, with different kernels. It knows no family, no mixing and no algorithm; a field that is 0
stands for a kernel or an array that is not there.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fastem.compiled.jit import INTEGER, address, matrix, routine, vector
from fastem.compiled.job import Fields
from fastem.compiled.lanes import staged
from fastem.compiled.lanes.steps import steps
from fastem.data.tiles import into_tile

FIELDS = Fields("""
    item_bytes n_features tile_rows tile_size tiles first_tile last_tile weights weighted bounds layout n_layout
    source n_samples shift factor pack derive finite
    log_prob weigh normalise accumulate known known_rows known_start known_tile
    density density_rows density_width params params_rows params_width log_weights
    n_components starts n_starts rows latent_rows scratch_rows block
    totals statistics statistics_rows statistics_width
    log_density resp labels
""")


def _walk(machine: Any, real: str, job: Any, span: Any, worker: Any) -> None:
    """Walk over the tiles of one span, in order; only pointers move here.

    Each worker has a block of its own: log densities (K rows), log_norm, labels, latent, scratch, and a tile if rows
    are packed on the way.
    """
    job, rows_at, when, repeat = FIELDS.read(machine, job), machine.rows, machine.when, machine.repeat
    size, n_components, d = job.tile_size, job.n_components, job.n_features
    row_bytes, partial = job.item_bytes * size, 8 * job.statistics_rows * job.statistics_width
    bounds = rows_at(job.bounds + 8 * span, (2,), "i8")
    layout = rows_at(job.layout, (job.n_layout,), "i8")
    starts = rows_at(job.starts, (job.n_starts,), "i8")
    rows = rows_at(job.rows, (n_components,), "i8")
    packs, stored = job.source != 0, job.tiles != 0
    own_tile = machine.choose(stored, 0, job.tile_rows)
    place = job.block + worker * row_bytes * (n_components + 2 + job.latent_rows + job.scratch_rows + own_tile)
    block = rows_at(place, (n_components, size), real)
    place = place + row_bytes * n_components
    log_norm, labels = rows_at(place, (size,), real), rows_at(place + row_bytes, (size,), real)
    place = place + 2 * row_bytes
    latent = rows_at(place, (job.latent_rows, size), real)
    place = place + row_bytes * job.latent_rows
    scratch = rows_at(place, (job.scratch_rows, size), real)
    buffer = place + row_bytes * job.scratch_rows
    source = rows_at(job.source, (machine.choose(packs, job.n_samples, 0), d), real)
    n_scales = machine.choose(packs, d, 0)
    shift, factor = rows_at(job.shift, (n_scales,), "f8"), rows_at(job.factor, (n_scales,), "f8")
    judged = job.finite != 0
    finite = rows_at(job.finite + 8 * span, (machine.choose(judged, 1, 0),), "f8")
    when(judged, lambda: finite.put(0, 0, machine.zero(finite)))

    def of_start(g: Any) -> tuple[Any, Any]:
        """The total and the statistics of the g-th start in this span."""
        slot = span * job.n_starts + g
        shape = job.statistics_rows, job.statistics_width
        return rows_at(job.totals + 8 * slot, (1,), "f8"), rows_at(job.statistics + partial * slot, shape, "f8")

    def begin(g: Any) -> None:
        total, statistics = of_start(g)
        total.put(0, 0, machine.zero(total))
        repeat(0, statistics.size, lambda s: statistics.put(0, s, machine.zero(statistics)))

    def visit(i: Any) -> None:
        place = machine.choose(stored, job.tiles + i * (row_bytes * job.tile_rows), buffer)
        tile = rows_at(place, (job.tile_rows, size), real)
        which = machine.choose(job.weighted != 0, i, machine.choose(i == job.last_tile, 1, 0))
        weights = rows_at(job.weights + row_bytes * which, (size,), real)
        first = i * size
        count = machine.at_most(size, job.n_samples - first)

        def pack() -> None:
            machine.call(job.pack, source, first, count, shift, factor, weights, job.weighted, finite, tile)
            when(job.derive != 0, lambda: machine.call(job.derive, tile, layout))

        def move(g: Any) -> None:
            start = starts.number(0, g)
            total, statistics = of_start(g)
            density = _of(machine, start, job.density, job.density_rows, job.density_width, job, real)
            params = _of(machine, start, job.params, job.params_rows, job.params_width, job, real)
            log_weights = rows_at(job.log_weights + job.item_bytes * n_components * start, (n_components,), real)
            place = job.known + start * job.known_start + (i - job.first_tile) * job.known_tile
            known = rows_at(place, (job.known_rows, size), real)
            for kernel, arguments in (
                (job.log_prob, (tile, density, layout, rows, block, latent, scratch)),
                (job.weigh, (block, log_weights, known)),
                (job.normalise, (block, weights, known, log_norm, labels, total, scratch)),
                (
                    job.accumulate,
                    (tile, block, labels, latent, weights, params, layout, rows, statistics, scratch),
                ),
            ):
                when(kernel != 0, lambda kernel=kernel, arguments=arguments: machine.call(kernel, *arguments))

        when(packs, pack)
        repeat(0, job.n_starts, move)
        _answer(machine, job, block, log_norm, labels, first, count)

    repeat(0, job.n_starts, begin)
    repeat(bounds.number(0, 0), bounds.number(0, 1), visit)


def _of(machine: Any, start: Any, place: Any, height: Any, width: Any, job: Any, real: str) -> Any:
    """The rows of one start among those of all."""
    return machine.rows(place + start * (job.item_bytes * height * width), (height, width), real)


def _answer(machine: Any, job: Any, block: Any, log_norm: Any, labels: Any, first: Any, count: Any) -> None:
    """Write what was asked for about the samples of a tile, from the `first` on."""
    n_samples, n_components = job.n_samples, job.n_components

    def log_density() -> None:
        values = machine.rows(job.log_density, (n_samples,), "f8")
        machine.repeat(0, count, lambda t: values.put(0, first + t, machine.double(log_norm.number(0, t))))

    def responsibilities() -> None:
        shares = machine.rows(job.resp, (n_samples, n_components), block.code)

        def sample(t: Any) -> None:
            machine.repeat(0, n_components, lambda k: shares.put(first + t, k, block.number(k, t)))

        machine.repeat(0, count, sample)

    def chosen() -> None:
        labelled = machine.rows(job.labels, (n_samples,), "i8")

        def sample(t: Any) -> None:
            label = machine.whole(labels.number(0, t))
            # -1: impossible under every component
            labelled.put(0, first + t, machine.choose(label < 0, 0, label))

        machine.repeat(0, count, sample)

    for place, answer in ((job.log_density, log_density), (job.resp, responsibilities), (job.labels, chosen)):
        machine.when(place != 0, answer)


walk_address = steps(_walk)


@staged
def _packed(
    machine: Any,
    source: Any,
    first: Any,
    count: Any,
    shift: Any,
    factor: Any,
    weights: Any,
    weighted: Any,
    finite: Any,
    tile: Any,
) -> None:
    """`_pack`."""
    n, d = tile.lanes, source.width

    def judge() -> None:
        def more(t: Any, zeros: Any) -> list[Any]:
            return [zeros + 0.0 * source.vector(0, first * d + t, n)]

        (zeros,) = machine.samples(count * d, n, more, machine.zeros(source, n))
        finite.add(0, 0, machine.sums([zeros]))

    def hide(t: Any) -> None:
        def clear() -> None:
            machine.repeat(0, d, lambda j: tile.put(j, t, machine.zero(tile)))

        machine.when(weights.number(0, t) == 0.0, clear)

    machine.when(finite.size != 0, judge)
    into_tile(machine, source, first, count, d, shift, factor, tile)
    machine.when(weighted != 0, lambda: machine.repeat(0, count, hide))


@routine
def _pack(source, first, count, shift, factor, weights, weighted, finite, tile):
    """Pack rows of a user's array into a tile; samples of weight 0 go to the origin, where nothing can overflow.

    source IN (n, d); shift, factor IN (d,) float64; weights IN (T,); finite INOUT float64 (1,), which becomes NaN if a
    value is not finite, or (0,); tile OUT (>= d, T). Memory-bound: reads and writes each value once.
    """
    _packed(source, first, count, shift, factor, weights, weighted, finite, tile)


@cache
def pack_address(dtype: Any) -> int:
    """The address of the kernel that packs rows of this dtype."""
    real, row, doubles = matrix(dtype), vector(dtype), vector("f8")
    return address(_pack, real, INTEGER, INTEGER, doubles, doubles, row, INTEGER, doubles, real)
