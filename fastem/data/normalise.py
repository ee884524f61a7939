"""Log densities in, responsibilities out: the kernels between a family's two, blind to families.

Each takes (block, log_weights, sample_weight, prior, log_norm, total, scratch) for one tile and one mixture:
block INOUT (K, T), log densities in, responsibilities times sample_weight out; log_weights IN (K,); sample_weight IN
(T,); prior IN (rows, T), what is known of each sample; log_norm OUT (T,), the log of each sample's normaliser; total
INOUT float64 (1,), to which sum_t sample_weight log_norm is added; scratch OUT (>= 2, T).
"""

from __future__ import annotations

import numpy as np

from fastem.compiled.jit import routine, wide
from fastem.compiled.vectorised import exp, log64


@routine
def soft(block, log_weights, sample_weight, prior, log_norm, total, scratch):
    """Posterior probabilities and log_norm = log sum_k weight_k p_k(x), shifted by the largest term.

    -inf minus -inf is NaN: a sample that is impossible everywhere keeps resp 0, log_norm -inf, and poisons nothing
    else. A NaN stays visible in log_norm. About 1 exp and 6 flops per entry.
    """
    wide()
    n_components, size = block.shape
    real = block.dtype.type
    zero, lowest = real(0), real(-np.inf)
    for k in range(n_components):
        log_weight = log_weights[k]
        if k == 0:
            for t in range(size):
                value = block[k, t] + log_weight
                block[k, t] = value
                log_norm[t] = value
        else:
            for t in range(size):
                value = block[k, t] + log_weight
                block[k, t] = value
                log_norm[t] = max(log_norm[t], value)
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
        # norm - norm is 0, or NaN where a NaN must not get lost in the bits that log64 takes apart.
        value = scratch[0, t] + real(log64(np.float64(norm if possible else real(1)))) + (norm - norm)
        value = value if possible else lowest
        log_norm[t] = value
        scratch[1, t] = sample_weight[t] / norm if possible else zero
        # 0 times -inf is NaN: a sample of weight 0 adds nothing, not even that it is impossible.
        added += np.float64(sample_weight[t]) * np.float64(value) if sample_weight[t] > zero else 0.0
    total[0] += added
    for k in range(n_components):
        for t in range(size):
            block[k, t] *= scratch[1, t]


@routine
def hard(block, log_weights, sample_weight, prior, log_norm, total, scratch):
    """All of a sample to its likeliest component, the first of equals; log_norm is that component's term.

    scratch[0] OUT is that component, -1 for a sample that is impossible under all.
    """
    wide()
    n_components, size = block.shape
    real = block.dtype.type
    zero, lowest = real(0), real(-np.inf)
    for t in range(size):
        log_norm[t] = lowest
        scratch[0, t] = real(-1)
    for k in range(n_components):
        log_weight = log_weights[k]
        for t in range(size):
            value = block[k, t] + log_weight
            better = value > log_norm[t]
            log_norm[t] = value if better else log_norm[t]
            scratch[0, t] = real(k) if better else scratch[0, t]
    added = 0.0
    for t in range(size):
        added += np.float64(sample_weight[t]) * np.float64(log_norm[t]) if sample_weight[t] > zero else 0.0
    total[0] += added
    for k in range(n_components):
        for t in range(size):
            block[k, t] = sample_weight[t] if scratch[0, t] == real(k) else zero


@routine
def nearest(block, log_weights, sample_weight, prior, log_norm, total, scratch):
    """The component of the largest entry, the first of equals, in scratch[0], and the sample's weight in scratch[1].

    For kernels that need no responsibilities; log_weights are not looked at. A NaN is never the largest.
    """
    wide()
    n_components, size = block.shape
    real = block.dtype.type
    for t in range(size):
        log_norm[t] = block[0, t]
        scratch[0, t] = real(0)
        scratch[1, t] = sample_weight[t]
    for k in range(1, n_components):
        for t in range(size):
            value = block[k, t]
            better = value > log_norm[t]
            log_norm[t] = value if better else log_norm[t]
            scratch[0, t] = real(k) if better else scratch[0, t]
    added = 0.0
    for t in range(size):
        added += np.float64(sample_weight[t]) * np.float64(log_norm[t])
    total[0] += added


@routine
def given(block, log_weights, sample_weight, prior, log_norm, total, scratch):
    """The responsibilities are the prior's rows; nothing is added to the total."""
    n_components, size = block.shape
    for t in range(size):
        log_norm[t] = 0
    for k in range(n_components):
        for t in range(size):
            block[k, t] = prior[k, t] * sample_weight[t]
