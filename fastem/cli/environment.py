"""What `fastem --version --verbose` says, for whoever reports a bug."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("numba", "llvmlite", "numpy", "scipy", "scikit-learn")


def facts() -> dict[str, Any]:
    """Versions, processor, threads and the folder of machine code, by their names."""
    import numba
    from llvmlite import binding
    from numba.np.ufunc import parallel

    from fastem.compiled.caching import folder_of
    from fastem.data.normalise import log_shares
    from fastem.data.threads import available_threads

    found = {"Python": f"{platform.python_version()} ({platform.python_implementation()})"}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    found["system"] = platform.platform()
    features = binding.get_host_cpu_features()
    vectors = [name for name in ("avx2", "avx512f", "neon", "sve") if features.get(name)]
    found["processor"] = f"{binding.get_host_cpu_name()} ({', '.join(vectors) or 'no wide vectors'})"
    found["threads"] = str(available_threads())
    parallel._launch_threads()
    found["threading layer"] = numba.threading_layer()
    found["cache of machine code"] = folder_of(log_shares) or "no folder can be written; set NUMBA_CACHE_DIR"
    names = sorted(name for name in os.environ if name.startswith(("NUMBA_", "OMP_", "OPENBLAS_", "MKL_")))
    found["variables"] = ", ".join(f"{name}={os.environ[name]}" for name in names) or "none"
    return found
