"""The processor that numba compiles for: how large its vector registers are, and how many."""

from __future__ import annotations

import platform

from llvmlite import binding
from numba import config
from numba.core.codegen import get_host_cpu_features

# Processors by the names that NUMBA_CPU_NAME takes, which are looked at if it comes without features.
_AVX512 = (
    "skylake-avx512", "skx", "cascadelake", "cooperlake", "cannonlake", "icelake", "tigerlake", "rocketlake",
    "sapphire", "emerald", "granite", "diamond", "znver4", "znver5", "x86-64-v4",
)  # fmt: skip
_NONE = ("generic", "x86-64", "x86-64-v2", "nocona", "core2", "penryn", "nehalem", "westmere", "k8", "amdfam10")


def register_bytes() -> int:
    """The size of a vector register of the processor that numba compiles for."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return 16
    name, features = config.CPU_NAME or binding.get_host_cpu_name(), config.CPU_FEATURES
    if features is None or features:
        features = (get_host_cpu_features() if features is None else features).split(",")
        return 64 if "+avx512f" in features else 32 if "+avx" in features else 16
    return 64 if name.startswith(_AVX512) else 16 if name in _NONE else 32


REGISTER = register_bytes()
# AVX has 16 registers, AVX-512 and NEON have 32.
FEW = REGISTER == 32 or (REGISTER == 16 and platform.machine() in ("x86_64", "AMD64"))
