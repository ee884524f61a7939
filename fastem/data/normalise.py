"""The kernels that turn log densities into responsibilities. They run between the two of a family, and know no family.

`weigh` kernels, (block, log_weights, known), add the log mixing weights to the log densities.
`normalise` kernels, (block, sample_weight, known, log_norm, labels, total, scratch), make responsibilities of these.

For one tile and one mixture: block INOUT (K, T), log densities in, responsibilities times sample_weight out;
log_weights IN (K,); sample_weight IN (T,); known (rows, T), what is known about each sample; log_norm OUT (T,), the log
of each sample's normaliser; labels OUT (T,), the component of each sample, if the kernel chooses one; total INOUT
float64 (1,), to which sum_t sample_weight log_norm is added; scratch OUT (>= 2, T).
"""

from __future__ import annotations

import numpy as np

from fastem.compiled.jit import routine, wide
from fastem.compiled.vectorised import exp, log64


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


@routine
def soft(block, sample_weight, known, log_norm, labels, total, scratch):
    """Posterior probabilities and log_norm = log sum_k exp(block_k), shifted by the largest term.

    -inf minus -inf is NaN: a sample that is impossible everywhere keeps resp 0, log_norm -inf, and poisons nothing
    else. A NaN stays visible in log_norm. About 1 exp and 5 flops per entry. Labels are left alone.
    """
    wide()
    n_components, size = block.shape
    real = block.dtype.type
    zero, lowest = real(0), real(-np.inf)
    for k in range(n_components):
        if k == 0:
            for t in range(size):
                log_norm[t] = block[k, t]
        else:
            for t in range(size):
                log_norm[t] = max(log_norm[t], block[k, t])
    for t in range(size):
        scratch[0, t] = zero if log_norm[t] == lowest else log_norm[t]
        scratch[1, t] = zero
    for k in range(n_components):
        for t in range(size):
            value = exp(block[k, t] - scratch[0, t])
            block[k, t] = value
            scratch[1, t] += value
    added = 0.0
    for t in range(size):
        norm = scratch[1, t]
        possible = norm != zero  # true for NaN
        # log64 takes bits apart and would lose a NaN, so norm - norm, which is 0 or NaN, is added.
        value = scratch[0, t] + real(log64(np.float64(norm if possible else real(1)))) + (norm - norm)
        value = value if possible else lowest
        log_norm[t] = value
        scratch[1, t] = sample_weight[t] / norm if possible else zero
        # 0 times -inf is NaN, so a sample of weight 0 is skipped even if it is impossible.
        added += np.float64(sample_weight[t]) * np.float64(value) if sample_weight[t] > zero else 0.0
    total[0] += added
    for k in range(n_components):
        for t in range(size):
            block[k, t] *= scratch[1, t]


@routine
def hard(block, sample_weight, known, log_norm, labels, total, scratch):
    """Give all of a sample to its likeliest component, the first of equals; log_norm is that component's term.

    labels OUT: that component, or -1 for a sample that is impossible under all.
    """
    wide()
    n_components, size = block.shape
    real = block.dtype.type
    zero, lowest = real(0), real(-np.inf)
    for t in range(size):
        log_norm[t] = lowest
        labels[t] = real(-1)
    for k in range(n_components):
        for t in range(size):
            value = block[k, t]
            better = value > log_norm[t]
            log_norm[t] = value if better else log_norm[t]
            labels[t] = real(k) if better else labels[t]
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
    wide()
    n_components, size = block.shape
    real = block.dtype.type
    for t in range(size):
        log_norm[t] = real(-np.inf)
        labels[t] = real(-1)
    for k in range(n_components):
        for t in range(size):
            value = block[k, t]
            better = value > log_norm[t]
            log_norm[t] = value if better else log_norm[t]
            labels[t] = real(k) if better else labels[t]


@routine
def nearest(block, sample_weight, known, log_norm, labels, total, scratch):
    """Write the component of the largest entry, the first of equals, into labels. The block stays as it is.

    This is for kernels that need no responsibilities. A NaN is never the largest.
    """
    wide()
    n_components, size = block.shape
    real = block.dtype.type
    for t in range(size):
        log_norm[t] = block[0, t]
        labels[t] = real(0)
    for k in range(1, n_components):
        for t in range(size):
            value = block[k, t]
            better = value > log_norm[t]
            log_norm[t] = value if better else log_norm[t]
            labels[t] = real(k) if better else labels[t]
    added = 0.0
    for t in range(size):
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
