"""For authors of @njit code: the log densities of a mixture over a whole array, and the tile kernels.

`log_density` and `component_log_density` run in the calling thread and may be called from your own kernels, inside
prange too. Compile these with `cached`, so that their machine code is renewed when fastem's is. The tile kernels of a
family are `family.kernels()`; their contracts are in `fastem.families.Kernels`. To write the kernels of a new
family, there are `kernel`, `weighted_sums`, `weighted_counts`, `log_counts`, `log_factorials`, `exp` and `log`.
"""

from __future__ import annotations

import numpy as np

from fastem.compiled.counts import log_counts, log_factorials, weighted_counts
from fastem.compiled.jit import cached, kernel
from fastem.compiled.squares import weighted_sums
from fastem.compiled.vectorised import exp
from fastem.compiled.vectorised import log64 as log
from fastem.data.evaluate import Arguments, arguments_of, component_log_density, log_density
from fastem.families.base import Frame
from fastem.model.evaluation import density_frame, mixture_rows
from fastem.model.result import Fitted, Result
from fastem.validation import check_mixture, check_usable

__all__ = [
    "Arguments", "arguments", "cached", "component_log_density", "exp", "kernel", "log", "log_counts", "log_density",
    "log_factorials", "weighted_counts", "weighted_sums",
]  # fmt: skip


def arguments(mixture: Result | Fitted) -> Arguments:
    """The arguments that `log_density` and `component_log_density` take for this mixture, in float64.

    Making them takes some 40 microseconds, once the kernels are compiled, so make them for each mixture anew.

    Raises
    ------
    TypeError : `mixture` is neither a Result nor a fitted estimator.
    """
    result: Result = check_mixture(mixture)
    check_usable(result)
    frame = density_frame(result)
    params, log_weights = mixture_rows(result, frame)
    own = Frame(np.array(frame.shift), np.array(frame.scale))
    return arguments_of(result.family, own, np.ascontiguousarray(params), np.ascontiguousarray(log_weights))
