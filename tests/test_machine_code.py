"""LLVM makes packed arithmetic of the hot kernels on two kinds of processor, and no call of a scalar exp or log."""

import json
import os
import platform
import subprocess
import sys

import pytest

RUN = r"""
import json, math, re
from fastem.compiled import jit as _jit
from fastem.data import normalise as assign
from fastem.families import FAMILIES
from fastem.starts.potentials import CENTROIDS  # NEAREST's own kernel, gather, is a scatter of scalars by nature

def assembly(function, types):
    _jit.address(function, *types)
    return _jit._bare_twin(function).inspect_asm(tuple(_jit._numba_type(*kind) for kind in types))

@_jit.kernel
def control(x, out):
    for i in range(x.size):
        out[i] = math.exp(x[i]) + math.log(x[i])

found = {"control": assembly(control, (_jit.vector("f8"), _jit.vector("f8")))}
for dtype in ("f8", "f4"):
    real, row, integers, sums = _jit.matrix(dtype), _jit.vector(dtype), _jit.vector("i8"), _jit.matrix("f8")
    kernels = {name: family().kernels() for name, family in FAMILIES.items()}
    kernels["centroids"] = CENTROIDS
    for name, k in kernels.items():
        found[f"{name} log_prob {dtype}"] = assembly(k.log_prob, (real, real, integers, integers, real, real, real))
        types = (real, real, row, real, row, real, integers, integers, sums, real)
        found[f"{name} accumulate {dtype}"] = assembly(k.accumulate, types)
    for mode in ("soft", "hard", "nearest"):
        types = (real, row, real, row, row, _jit.vector("f8"), real)
        found[f"{mode} {dtype}"] = assembly(getattr(assign, mode), types)
arithmetic = r"\tv(?:add|sub|mul|max|fn?m(?:add|sub)\d+)p[ds]\t.*%[yz]mm"
print(json.dumps({
    name: [len(re.findall(arithmetic, text)), sorted(set(re.findall(r"\b((?:exp|log)\d?p?f?)\b", text)))]
    for name, text in found.items()
}))
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="looks for x86-64 instructions")
@pytest.mark.parametrize("processor", ["haswell", "icelake-server"])
def test_the_hot_kernels_are_packed_and_call_no_scalar_exp_or_log(processor, tmp_path):
    env = {
        **os.environ, "NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    packed, calls = found.pop("control")
    assert calls == ["exp", "log"], "the control calls both: a call would be seen"
    for name, (packed, calls) in found.items():
        assert calls == [], name
        assert packed >= 8, f"{name}: {packed} packed instructions"
