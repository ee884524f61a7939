"""For authors of @njit code: the log density of a mixture over a whole array, and the tile kernels.

`log_density` runs in the calling thread and may be called from your own kernels, inside prange too. The tile kernels
of a family are `family.kernels()`; their contracts are in `fastem.families.Kernels`. To write the kernels of a new
family, there are `kernel`, `weighted_sums`, `weighted_counts`, `log_counts`, `log_factorials`, `exp` and `log`.
"""

from __future__ import annotations

import numpy as np

from fastem.compiled.counts import log_counts, log_factorials, weighted_counts
from fastem.compiled.jit import kernel
from fastem.compiled.squares import weighted_sums
from fastem.compiled.vectorised import exp
from fastem.compiled.vectorised import log64 as log
from fastem.data import fold as folding
from fastem.data.evaluate import Arguments, log_density
from fastem.data.pack import derive_address
from fastem.model.evidence import density_frame, mixture_rows
from fastem.model.result import Fitted, Result
from fastem.validation import check_mixture

__all__ = [
    "Arguments", "arguments", "exp", "kernel", "log", "log_counts", "log_density", "log_factorials", "weighted_counts",
    "weighted_sums",
]  # fmt: skip


def arguments(mixture: Result | Fitted) -> Arguments:
    """The arguments that `log_density` takes for this mixture, in float64.

    Raises
    ------
    TypeError : `mixture` is neither a Result nor a fitted estimator.
    """
    result: Result = check_mixture(mixture)
    frame = density_frame(result)
    params, log_weights = mixture_rows(result, frame)
    family, dtype = result.family, np.float64
    modes = folding.mode_addresses("soft", dtype)
    shape = folding.shape_of(family, result.n_features, result.n_components)
    return Arguments(
        folding.log_prob_address(family.kernels(), dtype),
        modes["weigh"],
        modes["normalise"],
        derive_address(family, dtype),
        np.ascontiguousarray(params),
        np.ascontiguousarray(log_weights),
        family.layout(result.n_features, result.n_components),
        np.array(frame.shift),
        2.0 / frame.scale,
        result.n_features + family.n_derived(result.n_features),
        shape.latent_rows,
        shape.scratch_rows,
    )
