"""The kernels that turn log densities into responsibilities. They run between the two of a family, and know no family.

`weigh` kernels, (block, log_weights, known), add the log mixing weights to the log densities, and what is known about
each sample.
`normalise` kernels, (block, sample_weight, known, log_norm, labels, total, scratch), make responsibilities of these.

For one tile and one mixture: block INOUT (K, T), log densities in, responsibilities times sample_weight out;
log_weights IN (K,); sample_weight IN (T,); known (rows, T), what is known about each sample; log_norm OUT (T,), the log
of each sample's normaliser; labels OUT (T,), the component of each sample, if the kernel chooses one; total INOUT
float64 (1,), to which sum_t sample_weight log_norm is added; scratch OUT (>= 2, T).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastem.compiled.jit import rounded, routine, wide
from fastem.compiled.lanes import staged
from fastem.compiled.lanes.target import REGISTER
from fastem.compiled.numpys import log_into, total_of
from fastem.compiled.vectorised import exp_of, log_of


@routine
def proportions(block, log_weights, known):
    """Add the log weight of each component.

    That this is a kernel of its own costs nothing: fused with `soft`, an iteration took 0.99 to 1.01 times as long on a
    Zen 4.
    """
    for k in range(block.shape[0]):
        log_weight = log_weights[k]
        for t in range(block.shape[1]):
            block[k, t] += log_weight


def _where(machine: Any, block: Any, log_weights: Any, known: Any, n_rows: int, impossible: Any) -> None:
    """Add the log weight of a component to the samples that it may have produced; for others, -inf.

    impossible: whether it may not, from the component's number and the first n_rows rows of `known`. Rows of `block`
    lie 2 kB apart: taken one after the other, rather than for a few samples each, two threads gain 4% of an iteration
    of 16 diagonal components in 16 dimensions.
    """
    n = 2 * block.lanes

    def one(k: Any) -> None:
        log_weight = log_weights.number(0, k)

        def chunk(t: Any) -> None:
            rows = [known.vector(r, t, n) for r in range(n_rows)]
            value = block.vector(k, t, n) + log_weight
            block.put(k, t, machine.where(impossible(machine.float_of(k, value), *rows), -np.inf, value))

        machine.samples(block.width, n, chunk)

    machine.repeat(0, block.height, one)


@staged
def _labelled(machine: Any, block: Any, log_weights: Any, known: Any) -> None:
    # One comparison, which NaN survives.
    _where(machine, block, log_weights, known, 1, lambda place, label: (label < place) | (label > place))


@staged
def _within(machine: Any, block: Any, log_weights: Any, known: Any) -> None:
    _where(machine, block, log_weights, known, 2, lambda place, first, end: (first > place) | (end <= place))


@routine
def labelled(block, log_weights, known):
    """Add the log weight of each component that may have produced a sample; the others become impossible.

    known IN (>= 1, T): the component in row 0, or NaN if it may be any. There are no two rows where one says enough:
    with `within`, an iteration of 8 diagonal components in 4 dimensions took 12% longer than without labels.
    """
    _labelled(block, log_weights, known)


@routine
def within(block, log_weights, known):
    """`labelled`, for ranges of components: known IN (>= 2, T), the first one, and the one after the last."""
    _within(block, log_weights, known)


@routine
def believed(block, log_weights, known):
    """Add the log weight of each component and the log of what is believed of it; known IN (K, T)."""
    for k in range(block.shape[0]):
        log_weight = log_weights[k]
        for t in range(block.shape[1]):
            block[k, t] += log_weight + known[k, t]


@rounded
def log_shares(counts, out):
    """out = log(counts / their sum), the log mixing weights that maximise the likelihood; counts INOUT, all above 0."""
    total = total_of(counts)
    for k in range(counts.size):
        counts[k] /= total
    log_into(counts, out)


@staged
def _soft(machine: Any, block: Any, sample_weight: Any, log_norm: Any, total: Any) -> None:
    """`soft`; a sample's values stay in registers or close by from the first step to the last."""
    n, n_components = 2 * total.lanes, block.height
    # The total is added up as LLVM did it before this was written out, by the registers that there are.
    n_totals = n if REGISTER == 64 else n // 2

    def chunk(t: Any, added: Any) -> list[Any]:
        def larger(k: Any, top: Any) -> list[Any]:
            return [machine.larger(top, block.vector(k, t, n))]

        def one(k: Any, norm: Any) -> list[Any]:
            value = exp_of(machine, block.vector(k, t, n) - shift)
            block.put(k, t, value)
            return [norm + value]

        def shared(k: Any) -> None:
            block.put(k, t, block.vector(k, t, n) * share)

        (top,) = machine.repeat(1, n_components, larger, block.vector(0, t, n))
        shift = machine.where(top == -np.inf, 0.0, top)
        (norm,) = machine.repeat(0, n_components, one, machine.zeros(block, n))
        possible = norm != 0.0  # true for NaN
        logarithm = machine.like(log_of(machine, machine.double(machine.where(possible, norm, 1.0))), norm)
        # The logarithm takes bits apart and would lose a NaN, so norm - norm, which is 0 or NaN, is added.
        value = machine.where(possible, (shift + logarithm) + (norm - norm), -np.inf)
        log_norm.put(0, t, value)
        weight = sample_weight.vector(0, t, n)
        share = machine.where(possible, weight / norm)
        machine.repeat(0, n_components, shared)
        # 0 times -inf is NaN, so a sample of weight 0 is skipped even if it is impossible.
        w, v = machine.double(weight), machine.double(value)
        if REGISTER == 64:
            return [machine.where(weight > 0.0, added + w * v, added)]
        for piece in machine.pieces(machine.where(weight > 0.0, machine.product(w, v)), n_totals):
            added = added + piece
        return [added]

    (added,) = machine.samples(block.width, n, chunk, machine.zeros(total, n_totals))
    total.add(0, 0, machine.sums([added]))


@routine
def soft(block, sample_weight, known, log_norm, labels, total, scratch):
    """Posterior probabilities and log_norm = log sum_k exp(block_k), shifted by the largest term.

    -inf minus -inf is NaN: a sample that is impossible everywhere keeps resp 0, log_norm -inf, and poisons nothing
    else. A NaN stays visible in log_norm. About 1 exp and 5 flops per entry. Labels and scratch are left alone.
    """
    _soft(block, sample_weight, log_norm, total)


@routine
def tempered(block, sample_weight, known, log_norm, labels, total, scratch):
    """`soft` of the log densities times the inverse temperature, which is the last row of `known`.

    log_norm, and what is added to the total, are the inverse temperature times the tempered log-likelihood.
    """
    inverse = known[known.shape[0] - 1, 0]
    for k in range(block.shape[0]):
        for t in range(block.shape[1]):
            block[k, t] *= inverse
    _soft(block, sample_weight, log_norm, total)


@routine
def drawn(block, sample_weight, known, log_norm, labels, total, scratch):
    """`soft`, and then all of a sample to one component, drawn by a number in [0, 1): the last row of `known`."""
    _soft(block, sample_weight, log_norm, total)
    n_components, size = block.shape
    last, zero = known.shape[0] - 1, block.dtype.type(0)
    for t in range(size):
        target, reached, chosen = known[last, t] * sample_weight[t], zero, -1
        for k in range(n_components):
            if block[k, t] > zero and reached <= target:
                chosen = k
            reached += block[k, t]
        for k in range(n_components):
            block[k, t] = sample_weight[t] if k == chosen else zero


def _largest(machine: Any, block: Any, log_norm: Any, labels: Any, begin: Any) -> None:
    """The largest entry of each sample, the first of equals, and its component. begin: both, before any is seen."""
    n = 2 * block.lanes

    def chunk(t: Any) -> None:
        def one(k: Any, largest: Any, label: Any) -> list[Any]:
            value = block.vector(k, t, n)
            better = value > largest
            return [machine.where(better, value, largest), machine.where(better, machine.float_of(k, largest), label)]

        largest, label = machine.repeat(0, block.height, one, *begin(t, n))
        log_norm.put(0, t, largest)
        labels.put(0, t, label)

    machine.samples(block.width, n, chunk)


@staged
def _likeliest(machine: Any, block: Any, log_norm: Any, labels: Any) -> None:
    """`_largest`, or -1 and -inf for a sample that is impossible under all."""

    def begin(t: Any, n: int) -> list[Any]:
        zeros = machine.zeros(block, n)
        return [zeros - np.inf, zeros - 1.0]

    _largest(machine, block, log_norm, labels, begin)


@staged
def _nearest(machine: Any, block: Any, log_norm: Any, labels: Any) -> None:
    """`_largest`, beginning with the first component, whatever its entry."""
    _largest(machine, block, log_norm, labels, lambda t, n: [block.vector(0, t, n), machine.zeros(block, n)])


@routine
def hard(block, sample_weight, known, log_norm, labels, total, scratch):
    """Give all of a sample to its likeliest component, the first of equals; log_norm is that component's term.

    labels OUT: that component, or -1 for a sample that is impossible under all.
    """
    wide()
    n_components, size = block.shape
    real = block.dtype.type
    zero = real(0)
    _likeliest(block, log_norm, labels)
    added = 0.0
    for t in range(size):
        added += np.float64(sample_weight[t]) * np.float64(log_norm[t]) if sample_weight[t] > zero else 0.0
    total[0] += added
    for k in range(n_components):
        for t in range(size):
            block[k, t] = sample_weight[t] if labels[t] == real(k) else zero


@routine
def likeliest(block, sample_weight, known, log_norm, labels, total, scratch):
    """The likeliest component of each sample, the first of equals, in labels; -1 if a sample is impossible under all.

    For those who want no responsibilities: block is left as it is, and nothing is added to the total.
    """
    _likeliest(block, log_norm, labels)


@routine
def nearest(block, sample_weight, known, log_norm, labels, total, scratch):
    """Write the component of the largest entry, the first of equals, into labels. The block stays as it is.

    This is for kernels that need no responsibilities. A NaN is never the largest, but for one in the first component.
    """
    wide()
    _nearest(block, log_norm, labels)
    added = 0.0
    for t in range(block.shape[1]):
        added += np.float64(sample_weight[t]) * np.float64(log_norm[t])
    total[0] += added


@routine
def given(block, sample_weight, known, log_norm, labels, total, scratch):
    """Take the known responsibilities. Nothing is added to the total."""
    n_components, size = block.shape
    for t in range(size):
        log_norm[t] = 0
    for k in range(n_components):
        for t in range(size):
            block[k, t] = known[k, t] * sample_weight[t]


@routine
def closer(block, sample_weight, known, log_norm, labels, total, scratch):
    """The squared distances to the nearest centre if centre c were added: block[c, t] = min(known_t, -2 block[c, t]).

    block INOUT (C, T), in: minus half the squared distances to candidate centres; known IN (1, T), the squared distance
    to the nearest centre so far. Nothing is added to the total.
    """
    real = block.dtype.type
    for c in range(block.shape[0]):
        for t in range(block.shape[1]):
            block[c, t] = min(known[0, t], real(-2) * block[c, t])


@routine
def closest(block, sample_weight, known, log_norm, labels, total, scratch):
    """Add a centre: the squared distances to the nearest one go to block and to `known`, which is INOUT here."""
    real = block.dtype.type
    for t in range(block.shape[1]):
        known[0, t] = min(known[0, t], real(-2) * block[0, t])
        block[0, t] = known[0, t]
