"""Squared distances and weighted sums over one tile: loops that several families share.

The loops take two components and four features at a time. A tile of 64 features is 128 kB and comes from the
second-level cache, which halves the speed if the tile is read once for each component. On a Zen 5, blocks took the
diagonal log_prob from 0.059 to 0.036 ns per entry and the diagonal accumulate from 0.060 to 0.039. An odd component and
up to three features may be left; they go through plain loops. Plain sums take four components at a time.
"""

from __future__ import annotations

from fastem.compiled.jit import kernel, part, prefetch, wide


@part
def prefetch_next(tile, step, n_steps):
    """Ask for the step-th of n_steps parts of what lies behind a tile: in a fit, the next tile.

    The requests are spread over a kernel's steps, so that memory is read while the loops compute. On a Zen 5 at
    (200k, 16, 16), a diagonal iteration went from 3.5 to 3.25 ms and a tied one from 4.9 to 4.65. All requests at once,
    between two kernels, gained nothing.
    """
    n_bytes = tile.size * tile.itemsize
    for offset in range(n_bytes * step // n_steps // 64, n_bytes * (step + 1) // n_steps // 64):
        prefetch(tile, n_bytes + 64 * offset)


@part
def from_squares(tile, points, n_features, params, start, constant, precision, rows, out):
    """out[k, t] = constant_k - precision_k / 2 * sum_j (points[j, t] - params[k, start + j])**2. 3 flops per entry.

    tile IN; points IN (>= n_features, T), the tile or what was made of it; out OUT (n_components, T). `constant` and
    `precision` are columns of params; -1 stands for a constant of 0 and a precision of 1.
    """
    wide()
    size = points.shape[1]
    blocked = n_features // 4 * 4
    paired = rows.size // 2 * 2
    half = points.dtype.type(0.5)
    for i in range(rows.size):
        k = rows[i]
        first = params[k, constant] if constant >= 0 else points.dtype.type(0)
        for t in range(size):
            out[k, t] = first
    for i in range(0, paired, 2):
        k = rows[i]
        m = rows[i + 1]
        slope_k = half * params[k, precision] if precision >= 0 else half
        slope_m = half * params[m, precision] if precision >= 0 else half
        for j in range(0, blocked, 4):
            prefetch_next(tile, (i * blocked + 2 * j) // 8, paired * blocked // 8)
            m0 = params[k, start + j]
            m1 = params[k, start + j + 1]
            m2 = params[k, start + j + 2]
            m3 = params[k, start + j + 3]
            n0 = params[m, start + j]
            n1 = params[m, start + j + 1]
            n2 = params[m, start + j + 2]
            n3 = params[m, start + j + 3]
            for t in range(size):
                z0 = points[j, t] - m0
                z1 = points[j + 1, t] - m1
                z2 = points[j + 2, t] - m2
                z3 = points[j + 3, t] - m3
                out[k, t] -= slope_k * (z0 * z0 + z1 * z1 + z2 * z2 + z3 * z3)
                z0 = points[j, t] - n0
                z1 = points[j + 1, t] - n1
                z2 = points[j + 2, t] - n2
                z3 = points[j + 3, t] - n3
                out[m, t] -= slope_m * (z0 * z0 + z1 * z1 + z2 * z2 + z3 * z3)
    for i in range(rows.size):
        k = rows[i]
        slope_k = half * params[k, precision] if precision >= 0 else half
        for j in range(blocked if i < paired else 0, n_features):
            m0 = params[k, start + j]
            for t in range(size):
                z0 = points[j, t] - m0
                out[k, t] -= slope_k * (z0 * z0)


@part
def sums_of_16(resp, tile, k, j, out):
    """out[0, 4 a + b] = sum_t resp[k[a], t] tile[j[b], t] for four components k and four features j."""
    k0, k1, k2, k3 = k
    j0, j1, j2, j3 = j
    zero = tile.dtype.type(0)
    s0 = s1 = s2 = s3 = zero
    u0 = u1 = u2 = u3 = zero
    v0 = v1 = v2 = v3 = zero
    w0 = w1 = w2 = w3 = zero
    for t in range(tile.shape[1]):
        x0 = tile[j0, t]
        x1 = tile[j1, t]
        x2 = tile[j2, t]
        x3 = tile[j3, t]
        r = resp[k0, t]
        s0 += r * x0
        s1 += r * x1
        s2 += r * x2
        s3 += r * x3
        r = resp[k1, t]
        u0 += r * x0
        u1 += r * x1
        u2 += r * x2
        u3 += r * x3
        r = resp[k2, t]
        v0 += r * x0
        v1 += r * x1
        v2 += r * x2
        v3 += r * x3
        r = resp[k3, t]
        w0 += r * x0
        w1 += r * x1
        w2 += r * x2
        w3 += r * x3
    out[0, 0], out[0, 1], out[0, 2], out[0, 3] = s0, s1, s2, s3
    out[0, 4], out[0, 5], out[0, 6], out[0, 7] = u0, u1, u2, u3
    out[0, 8], out[0, 9], out[0, 10], out[0, 11] = v0, v1, v2, v3
    out[0, 12], out[0, 13], out[0, 14], out[0, 15] = w0, w1, w2, w3


@part
def weighted_sums(resp, tile, n_features, rows, out, scratch):
    """Add sum_t resp[k, t] to out[k, 0] and sum_t resp[k, t] tile[j, t] to out[k, 1 + j]. 2 flops per entry.

    scratch OUT (>= 1, T). Sixteen sums at a time take 0.023 ns per entry at d = 64 on a Zen 5; two components at a time
    took 0.032. A block that goes beyond the last component or feature repeats it, to no effect.
    """
    wide()
    for i in range(rows.size):
        count = tile.dtype.type(0)
        for t in range(tile.shape[1]):
            count += resp[rows[i], t]
        out[rows[i], 0] += count
    last, end = rows.size - 1, n_features - 1
    for i in range(0, rows.size, 4):
        k = rows[i], rows[min(i + 1, last)], rows[min(i + 2, last)], rows[min(i + 3, last)]
        for j in range(0, n_features, 4):
            sums_of_16(resp, tile, k, (j, min(j + 1, end), min(j + 2, end), min(j + 3, end)), scratch)
            for a in range(min(4, rows.size - i)):
                for b in range(min(4, n_features - j)):
                    out[rows[i + a], 1 + j + b] += scratch[0, 4 * a + b]


@part
def weighted_squares(tile, resp, params, n_features, rows, out, shared):
    """Add sum r and sum r z to out[k], and sum r z^2 to its columns 1 + d ..., z = x - mean_k. 5 d flops an entry.

    With shared >= 0 the squares of all components are pooled in that row.
    """
    wide()
    d = n_features
    size = tile.shape[1]
    blocked = d // 4 * 4
    paired = rows.size // 2 * 2
    zero = tile.dtype.type(0)
    for i in range(0, paired, 2):
        k = rows[i]
        m = rows[i + 1]
        row_k = shared if shared >= 0 else k
        row_m = shared if shared >= 0 else m
        for j in range(0, blocked, 4):
            m0 = params[k, j]
            m1 = params[k, j + 1]
            m2 = params[k, j + 2]
            m3 = params[k, j + 3]
            n0 = params[m, j]
            n1 = params[m, j + 1]
            n2 = params[m, j + 2]
            n3 = params[m, j + 3]
            s0 = s1 = s2 = s3 = zero
            q0 = q1 = q2 = q3 = zero
            u0 = u1 = u2 = u3 = zero
            v0 = v1 = v2 = v3 = zero
            for t in range(size):
                r = resp[k, t]
                z0 = tile[j, t] - m0
                z1 = tile[j + 1, t] - m1
                z2 = tile[j + 2, t] - m2
                z3 = tile[j + 3, t] - m3
                w0 = r * z0
                w1 = r * z1
                w2 = r * z2
                w3 = r * z3
                s0 += w0
                s1 += w1
                s2 += w2
                s3 += w3
                q0 += w0 * z0
                q1 += w1 * z1
                q2 += w2 * z2
                q3 += w3 * z3
                r = resp[m, t]
                z0 = tile[j, t] - n0
                z1 = tile[j + 1, t] - n1
                z2 = tile[j + 2, t] - n2
                z3 = tile[j + 3, t] - n3
                w0 = r * z0
                w1 = r * z1
                w2 = r * z2
                w3 = r * z3
                u0 += w0
                u1 += w1
                u2 += w2
                u3 += w3
                v0 += w0 * z0
                v1 += w1 * z1
                v2 += w2 * z2
                v3 += w3 * z3
            out[k, 1 + j] += s0
            out[k, 2 + j] += s1
            out[k, 3 + j] += s2
            out[k, 4 + j] += s3
            out[row_k, d + 1 + j] += q0
            out[row_k, d + 2 + j] += q1
            out[row_k, d + 3 + j] += q2
            out[row_k, d + 4 + j] += q3
            out[m, 1 + j] += u0
            out[m, 2 + j] += u1
            out[m, 3 + j] += u2
            out[m, 4 + j] += u3
            out[row_m, d + 1 + j] += v0
            out[row_m, d + 2 + j] += v1
            out[row_m, d + 3 + j] += v2
            out[row_m, d + 4 + j] += v3
    for i in range(rows.size):
        k = rows[i]
        row_k = shared if shared >= 0 else k
        s0 = zero
        for t in range(size):
            s0 += resp[k, t]
        out[k, 0] += s0
        for j in range(blocked if i < paired else 0, d):
            mean = params[k, j]
            s0 = q0 = zero
            for t in range(size):
                z0 = tile[j, t] - mean
                w0 = resp[k, t] * z0
                s0 += w0
                q0 += w0 * z0
            out[k, 1 + j] += s0
            out[row_k, d + 1 + j] += q0


@kernel
def scaled_log_prob(tile, params, layout, rows, out, latent, scratch):
    """out[k, t] = constant_k - 1/2 |x_t / sd - mean_k / sd|^2 with one sd per feature; x is scaled once. 3 K d flops.

    Row k of params: mean (d) | mean / sd (d) | constant; the shared row begins with 1/sd (d). tile IN (d, T);
    out OUT (K, T); scratch OUT (>= d, T).
    """
    wide()
    d, n_components = layout[0], layout[1]
    size = tile.shape[1]
    for j in range(d):
        factor = params[n_components, j]
        for t in range(size):
            scratch[j, t] = tile[j, t] * factor
    from_squares(tile, scratch, d, params, d, 2 * d, -1, rows, out)


@kernel
def tied_squares(tile, resp, labels, latent, sample_weight, params, layout, rows, out, scratch):
    """Add sum r and sum r z to row k of out, and sum r z^2 over all components to its shared row. 5 d flops per entry.

    tile IN (d, T); resp IN (K, T); params IN, beginning with the means; out INOUT float64; scratch unused.
    """
    weighted_squares(tile, resp, params, layout[0], rows, out, layout[1])
