"""Squared distances and weighted sums over one tile: loops that several families share.

Log densities are made for two components, a group of features and two registers' worth of samples at a time, so that
they are read and written once for each group. Sums are kept for four features of two components, or of one if there are
only 16 registers. An odd component, and in sums up to three features that are left, go through plain loops.
"""

from __future__ import annotations

from typing import Any

from fastem.compiled.jit import kernel, part
from fastem.compiled.lanes import fetching, staged
from fastem.compiled.lanes.target import FEW

# Log densities are made for this many features at a time. The rows of a tile lie a power of two apart, so that more of
# them would push each other out of the first-level cache: all 64 at a time took 1.3 times as long on a Zen 4. With many
# registers, the coefficients of four features and two components stay in sixteen of them.
GROUP = 8 if FEW else 4


def in_groups(
    machine: Any, tile: Any, points: Any, d: Any, j: Any, components: Any, constants: Any, slopes: Any, lone: Any,
    coefficients: Any, deviation: Any, out: Any, sweep: Any,
) -> None:  # fmt: skip
    """Add - slope_k sum deviation(x_j, coefficients(j, k))^2 over GROUP features from j on to row k of out.

    That is for some components k. The first group begins with the constants. lone(z, slope): the term of a feature that
    no group of four holds. sweep: as in `fetching`.
    """
    n, zeros, fetch = 2 * points.lanes, machine.zeros(points, 2 * points.lanes), fetching(machine, tile, sweep)
    end = machine.at_most(j + GROUP, d)
    kept = {}
    if not FEW:
        kept = {
            (q, i): coefficients(machine.at_most(j + q, d - 1), k) for q in range(4) for i, k in enumerate(components)
        }

    def chunk(t: Any) -> None:
        def four(i: Any, *totals: Any) -> list[Any]:
            found: list[Any] = []
            for q in range(4):  # feature by feature, so that few values are in registers at a time
                x = points.vector(4 * i + q, t, n)
                for c, k in enumerate(components):
                    z = deviation(x, kept[q, c] if kept else coefficients(4 * i + q, k))
                    if q == 0:
                        found.append(machine.product(z, z))
                    else:
                        found[c] = found[c] + z * z
            return [total - slope * square for total, slope, square in zip(totals, slopes, found, strict=True)]

        def one(i: Any, *totals: Any) -> list[Any]:
            x, results = points.vector(i, t, n), []
            for k, slope, total in zip(components, slopes, totals, strict=True):
                results.append(total - lone(deviation(x, coefficients(i, k)), slope))
            return results

        begun = [
            machine.where(j == 0, zeros + constant, out.vector(k, t, n))
            for k, constant in zip(components, constants, strict=True)
        ]
        totals = machine.repeat(j // 4, end // 4, four, *begun)
        for k, total in zip(components, machine.repeat(end // 4 * 4, end, one, *totals), strict=True):
            out.put(k, t, total)
        fetch(t)

    machine.samples(points.width, n, chunk)


def from_squares(
    machine: Any, tile: Any, points: Any, n_features: Any, params: Any, start: Any, constant: Any, precision: Any,
    rows: Any, out: Any,
) -> None:  # fmt: skip
    """For staged functions: out[k, t] = constant_k - precision_k / 2 sum_j (points[j, t] - params[k, start + j])**2.

    tile IN; points IN (>= n_features, T), the tile or what was made of it; out OUT (n_components, T). `constant` and
    `precision` are columns of params; None stands for a constant of 0 and a precision of 1. 3 flops per entry.
    """
    zero, n, repeat = machine.zero(points), 2 * points.lanes, machine.repeat
    n_pairs, n_groups = rows.width // 2, (n_features + (GROUP - 1)) // GROUP

    def coefficients(j: Any, k: Any) -> Any:
        return params.number(k, start + j)

    def deviation(x: Any, mean: Any) -> Any:
        return x - mean

    def lone(z: Any, slope: Any) -> Any:
        return slope * machine.product(z, z)

    def parts_of(k: Any) -> tuple[Any, Any]:
        """The constant of a component, and half its precision."""
        first = zero if constant is None else params.number(k, constant)
        return first, zero + 0.5 if precision is None else 0.5 * params.number(k, precision)

    def group_of(group: Any) -> None:
        def pair_of(i: Any) -> None:
            pair, sweep = (rows.number(0, 2 * i), rows.number(0, 2 * i + 1)), (group * n_pairs + i, n_groups * n_pairs)
            constants, slopes = zip(*map(parts_of, pair), strict=True)
            functions = lone, coefficients, deviation
            in_groups(machine, tile, points, n_features, GROUP * group, pair, constants, slopes, *functions, out, sweep)

        repeat(0, n_pairs, pair_of)

    def left(i: Any) -> None:
        k = rows.number(0, i)
        first, slope = parts_of(k)

        def chunk(t: Any) -> None:
            def one(j: Any, total: Any) -> list[Any]:
                return [total - lone(points.vector(j, t, n) - coefficients(j, k), slope)]

            out.put(k, t, repeat(0, n_features, one, machine.zeros(points, n) + first)[0])

        machine.samples(points.width, n, chunk)

    repeat(0, n_groups, group_of)
    repeat(2 * n_pairs, rows.width, left)


@staged
def distances(machine: Any, tile: Any, n_features: Any, centres: Any, rows: Any, out: Any) -> None:
    """out[k, t] = -1/2 |x_t - centre_k|^2; tile IN (>= n_features, T); out OUT (n_components, T)."""
    from_squares(machine, tile, tile, n_features, centres, 0, None, None, rows, out)


def sums_of_16(machine: Any, resp: Any, tile: Any, k: Any, j: Any, out: Any) -> None:
    """For staged functions: out[0, 4 a + b] = sum_t resp[k[a], t] tile[j[b], t] for four components and features."""
    n, n_rows = tile.lanes, 2 if FEW else 4
    for first in range(0, 4, n_rows):

        def step(t: Any, *sums: Any, first: int = first) -> list[Any]:
            shares = [resp.vector(k[first + r], t, n) for r in range(n_rows)]
            x = [tile.vector(j[q], t, n) for q in range(4)]
            return [sums[4 * r + q] + shares[r] * x[q] for r in range(n_rows) for q in range(4)]

        sums = machine.samples(tile.width, n, step, *4 * n_rows * [machine.zeros(tile, n)])
        out.put(0, 4 * first, machine.sums(sums))


def fours(machine: Any, rows: Any, n_features: Any, body: Any) -> None:
    """Call body(i, its four components, j, its four features) for every fourth component and feature.

    A block that goes beyond the last component or feature repeats it.
    """

    def components(i: Any) -> None:
        k = [rows.number(0, machine.at_most(i + a, rows.width - 1)) for a in range(4)]

        def features(j: Any) -> None:
            body(i, k, j, [machine.at_most(j + b, n_features - 1) for b in range(4)])

        machine.repeat(0, n_features, features, step=4)

    machine.repeat(0, rows.width, components, step=4)


def sum_weights(machine: Any, resp: Any, rows: Any, out: Any) -> None:
    """For staged functions: add sum_t resp[k, t] to out[k, 0]."""

    def component(i: Any) -> None:
        k = rows.number(0, i)
        (count,) = machine.totals(resp, lambda t, n: [resp.vector(k, t, n)], [True])
        out.add(k, 0, count)

    machine.repeat(0, rows.width, component)


def sum_products(machine: Any, resp: Any, tile: Any, n_features: Any, rows: Any, out: Any, scratch: Any) -> None:
    """For staged functions: `weighted_sums`."""

    def block(i: Any, k: Any, j: Any, features: Any) -> None:
        sums_of_16(machine, resp, tile, k, features, scratch)

        def add(a: Any) -> None:
            own = rows.number(0, i + a)
            last = machine.at_most(machine.integer(4), n_features - j)
            machine.repeat(0, last, lambda b: out.add(own, 1 + j + b, scratch.number(0, 4 * a + b)))

        machine.repeat(0, machine.at_most(machine.integer(4), rows.width - i), add)

    sum_weights(machine, resp, rows, out)
    fours(machine, rows, n_features, block)


_weighted_sums = staged(sum_products)


@part
def weighted_sums(resp, tile, n_features, rows, out, scratch):
    """Add sum_t resp[k, t] to out[k, 0] and sum_t resp[k, t] tile[j, t] to out[k, 1 + j]. 2 flops per entry.

    scratch OUT (>= 1, T). Sixteen sums at a time take 0.023 ns per entry at d = 64 on a Zen 5; two components at a time
    took 0.032.
    """
    _weighted_sums(resp, tile, n_features, rows, out, scratch)


def _squares_of_4(
    machine: Any, tile: Any, resp: Any, params: Any, components: Any, j: Any, d: Any, out: Any, rows: Any
) -> None:
    """Add sum r z and sum r z^2, z = x - mean_k, of four features from j on to columns 1 + j and 1 + d + j.

    components: one of them or two; rows: where the squares of each go.
    """
    n, groups = tile.lanes, [[pair] for pair in enumerate(components)] if FEW else [list(enumerate(components))]
    for group in groups:

        def step(t: Any, *sums: Any, group: Any = group) -> list[Any]:
            x, results = [tile.vector(j + q, t, n) for q in range(4)], []
            for i, (_, k) in enumerate(group):
                share, own = resp.vector(k, t, n), sums[8 * i : 8 * i + 8]
                z = [x[q] - params.number(k, j + q) for q in range(4)]
                weighted = [machine.product(share, each) for each in z]
                results += [own[q] + weighted[q] for q in range(4)]
                results += [own[4 + q] + weighted[q] * z[q] for q in range(4)]
            return results

        sums = machine.samples(tile.width, n, step, *8 * len(group) * [machine.zeros(tile, n)])
        for i, (place, k) in enumerate(group):
            out.add(k, j + 1, machine.sums(sums[8 * i : 8 * i + 4]))
            out.add(rows[place], d + (j + 1), machine.sums(sums[8 * i + 4 : 8 * i + 8]))


def weighted_squares(
    machine: Any, tile: Any, resp: Any, params: Any, d: Any, rows: Any, out: Any, shared: Any = None
) -> None:
    """For staged functions: add sum r and sum r z to out[k], and sum r z^2 to its columns 1 + d ..., z = x - mean_k.

    5 d flops an entry. If `shared` is a row, the squares of all components are pooled there.
    """
    n_paired, blocked, repeat = rows.width // 2 * 2, d // 4 * 4, machine.repeat

    def row_of(k: Any) -> Any:
        return k if shared is None else shared

    def group(j: Any) -> None:
        def pair(i: Any) -> None:
            k = rows.number(0, i), rows.number(0, i + 1)
            _squares_of_4(machine, tile, resp, params, k, j, d, out, [row_of(each) for each in k])

        repeat(0, n_paired, pair, step=2)

    def component(i: Any) -> None:
        k = rows.number(0, i)

        def feature(j: Any) -> None:
            mean = params.number(k, j)

            def terms(t: Any, n: int) -> list[Any]:
                z = tile.vector(j, t, n) - mean
                weighted = machine.product(resp.vector(k, t, n), z)
                return [weighted, weighted * z]

            first, second = machine.totals(tile, terms, [False, True])
            out.add(k, 1 + j, first)
            out.add(row_of(k), d + 1 + j, second)

        repeat(machine.choose(i < n_paired, blocked, 0), d, feature)

    repeat(0, blocked, group, step=4)
    sum_weights(machine, resp, rows, out)
    repeat(0, rows.width, component)


@staged
def _pooled_squares(machine: Any, tile: Any, resp: Any, params: Any, d: Any, rows: Any, out: Any, shared: Any) -> None:
    weighted_squares(machine, tile, resp, params, d, rows, out, shared)


@staged
def _scaled(machine: Any, tile: Any, params: Any, layout: Any, rows: Any, out: Any, scratch: Any) -> None:
    """`scaled_log_prob`."""
    d, n_components, n = layout.number(0, 0), layout.number(0, 1), tile.lanes

    def feature(j: Any) -> None:
        factor = params.number(n_components, j)
        machine.samples(tile.width, n, lambda t: scratch.put(j, t, tile.vector(j, t, n) * factor))

    machine.repeat(0, d, feature)
    from_squares(machine, tile, scratch, d, params, d, 2 * d, None, rows, out)


@kernel
def scaled_log_prob(tile, params, layout, rows, out, latent, scratch):
    """out[k, t] = constant_k - 1/2 |x_t / sd - mean_k / sd|^2 with one sd per feature; x is scaled once. 3 K d flops.

    Row k of params: mean (d) | mean / sd (d) | constant; the shared row begins with 1/sd (d). tile IN (d, T);
    out OUT (K, T); scratch OUT (>= d, T).
    """
    _scaled(tile, params, layout, rows, out, scratch)


@kernel
def tied_squares(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add sum r and sum r z to row k of out, and sum r z^2 over all components to its shared row. 5 d flops per entry.

    tile IN (d, T); resp IN (K, T); params IN, beginning with the means; out INOUT float64; scratch unused.
    """
    _pooled_squares(tile, resp, params, layout[0], rows, out, layout[1])
