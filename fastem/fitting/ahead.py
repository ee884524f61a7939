"""Compiling ahead: fill the cache of machine code before the first fit, in several processes."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastem import validation
from fastem.compiled.caching import folder_of, listen
from fastem.data import fold, pack, walk
from fastem.data.bursts import lloyd, passes, seeding, whole
from fastem.data.normalise import log_shares
from fastem.data.threads import available_threads
from fastem.families import FAMILIES
from fastem.families.base import Array, Columns, Family
from fastem.families.kernels import m_step_address
from fastem.fitting.fit import fit
from fastem.fitting.many import fit_many
from fastem.model.evaluation import limits_in, log_density, predict, responsibilities
from fastem.starts import kmeans, potentials

DTYPES = ("float64", "float32")
# What is compiled by itself for each family and dtype, and what for each dtype alone.
OWN = ("log_prob", "accumulate", "m_step")
SHARED = (
    *("walk", "pack", "lloyd", "seeding", "burst", "whole"),
    *("soft", "hard", "tempered", "drawn", "labels", "given", "nearest", "closer", "knowing"),
)
# Samples of a fit that all threads make together, and of one that runs without the interpreter.
LARGE, SMALL = 40_000, 60
# A family's own data here have so many features; what is compiled depends on no size.
N_FEATURES = 3


class Compiled(NamedTuple):
    """What `compile` did.

    Attributes
    ----------
    n_kernels : how many functions were compiled, some of them in several processes at a time; 0 if the cache held all.
    seconds : how long it took.
    folder : where the machine code lies, "" if no folder can be written.
    """

    n_kernels: int
    seconds: float
    folder: str


def compile(
    families: str | Family | Iterable[str | Family] | None = None,
    dtypes: str | Iterable[str] = DTYPES,
    n_jobs: int | None = None,
) -> Compiled:
    """Compile what fits and predictions of some families need, and keep it in the cache on disk.

    It is for container images, for the nodes of a cluster that share a cache, and for tests that must not wait. The
    first fit of each later process then has nothing to compile. The cache is numba's; the variable NUMBA_CACHE_DIR
    says where it lies. It holds machine code for this processor and this version of fastem.

    Parameters
    ----------
    families : a name such as "gaussian_full", "gaussian" for all six shapes, a Family, several of these, or None
        None means all families that are known. A family of your own must be in a module that can be imported.
    dtypes : "float64", "float32", or both
        That of the data.
    n_jobs : int >= 1 or None
        How many processes compile at a time. None means one for each core.

    Returns
    -------
    Compiled

    Raises
    ------
    ValueError, TypeError : unknown families or dtypes, or a wrong n_jobs. RuntimeError : a process failed; its last
        words are in the message.

    Examples
    --------
    >>> import fastem
    >>> done = fastem.compile("poisson", "float64", n_jobs=1)
    >>> fastem.compile("poisson", "float64", n_jobs=1).n_kernels  # nothing is left
    0
    """
    begun = time.perf_counter()
    chosen, kinds = families_of(families), dtypes_of(dtypes)
    if n_jobs is not None:
        validation.check_integer("n_jobs", n_jobs, 1)
    n = available_threads() if n_jobs is None else int(n_jobs)
    own = [(part, family, dtype) for family in chosen for dtype in kinds for part in OWN]
    kernels = [*own, *((part, None, dtype) for dtype in kinds for part in SHARED)]
    fits = [("fits", family, dtype) for dtype in kinds for family in chosen]
    # Kernels first, each in one process, so that the fits, which need the same ones, find them in the cache.
    count = sum(_in_processes(tasks, n) for tasks in (kernels, fits))
    return Compiled(count, time.perf_counter() - begun, folder_of(log_shares))


def families_of(families: Any) -> list[Family]:
    """The families that a user named."""
    if families is None:
        return [make() for make in FAMILIES.values()]
    if isinstance(families, str | Family):
        families = [families]
    found: list[Family] = []
    for family in families:
        if isinstance(family, Family):
            found.append(family)
        elif family in FAMILIES:
            found.append(FAMILIES[family]())
        else:
            shapes = [make() for name, make in FAMILIES.items() if name.startswith(f"{family}_")]
            if not shapes:
                raise ValueError(
                    f"families: {family!r} is unknown; it must be a Family, or one of {', '.join(FAMILIES)}."
                )
            found.extend(shapes)
    if not found:
        raise ValueError("families is empty; name at least one.")
    return found


def dtypes_of(dtypes: Any) -> list[str]:
    """The dtypes that a user named."""
    named = [dtypes] if isinstance(dtypes, str | type | np.dtype) else list(dtypes)
    try:
        found = [np.dtype(dtype).name for dtype in named]
    except TypeError:
        found = [""]
    if not found or any(name not in DTYPES for name in found):
        raise ValueError(f"dtypes is {dtypes!r}; it must be one or both of {', '.join(DTYPES)}.")
    return list(dict.fromkeys(found))


Task = tuple[str, Family | None, str]


def _in_processes(tasks: Sequence[Task], n_jobs: int) -> int:
    """Do the tasks in so many processes; how many functions were compiled."""
    n_jobs = min(n_jobs, len(tasks))
    if n_jobs == 1:
        return run(tasks)
    shares = [tasks[job::n_jobs] for job in range(n_jobs)]
    try:
        texts = [base64.b64encode(pickle.dumps(share)).decode() for share in shares]
    except (pickle.PicklingError, AttributeError, TypeError):  # a family that was defined on the fly
        return run(tasks)
    if any(family is not None and type(family).__module__ == "__main__" for _, family, _ in tasks):
        return run(tasks)
    with ThreadPoolExecutor(n_jobs) as pool:
        return sum(pool.map(_in_process, texts))


_CODE = """
import base64, json, pickle, sys
sys.path[:] = json.loads(sys.argv[1])
from fastem.fitting.ahead import run
sys.stdout.write(str(run(pickle.loads(base64.b64decode(sys.stdin.read())))))
"""


def _in_process(text: str) -> int:
    """Do some tasks in another process."""
    path = json.dumps([str(Path(folder).resolve()) for folder in sys.path])
    done = subprocess.run([sys.executable, "-c", _CODE, path], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"a process that compiles failed: {done.stderr.strip()[-2000:]}")
    return int(done.stdout.split()[-1])


class _Count:
    """How many functions were compiled."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def tell(self, name: str) -> None:
        """numba compiles this one."""
        self.names.append(name)


def run(tasks: Iterable[Task]) -> int:
    """Do some tasks in this process; how many functions were compiled."""
    count = _Count()
    end = listen(count.tell)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for part, family, dtype in tasks:
            if part == "fits":
                assert family is not None
                _fits(family, np.dtype(dtype))
            elif family is not None:
                _own(part, family, np.dtype(dtype))
            else:
                _shared(part, np.dtype(dtype))
    end()
    return len(count.names)


def _own(part: str, family: Family, dtype: Any) -> None:
    """Compile one of OWN."""
    if part == "log_prob":
        fold.log_prob_address(family.kernels(), dtype)
    elif part == "accumulate":
        fold.accumulate_address(family.kernels(), dtype)
        pack.derive_address(family, dtype)
    else:
        X = _data(family, SMALL, dtype)
        location, spread = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
        frame = family.frame(location, spread)
        facts = Columns(location, spread, X.min(axis=0).astype(float), X.max(axis=0).astype(float))
        step = family.m_step(frame, limits_in(family, frame, facts, dtype), 2)
        if step is not None:
            m_step_address(step.kernel)


def _shared(part: str, dtype: Any) -> None:
    """Compile one of SHARED."""
    steps: dict[str, Callable[[Any], Any]] = {
        "walk": walk.walk_address,
        "pack": walk.pack_address,
        "lloyd": lloyd.address_of,
        "seeding": seeding.address_of,
        "burst": passes.address_of,
        "whole": whole.address_of,
    }
    if part in steps:
        steps[part](dtype)
    elif part == "knowing":
        for knowledge in fold.KNOWING:
            fold.mode_addresses("soft", dtype, knowledge)
    else:
        fold.mode_addresses(part, dtype)
    if part == "nearest":
        fold.log_prob_address(kmeans.NEAREST, dtype)
        fold.accumulate_address(kmeans.NEAREST, dtype)
    if part == "closer":
        fold.mode_addresses("closest", dtype)
        fold.accumulate_address(potentials.POTENTIALS, dtype)
    if part == "burst":
        passes.mixing_address(log_shares)


def _data(family: Family, n: int, dtype: Any) -> Array:
    """n samples that the family can produce, half of each of two components."""
    rng = np.random.default_rng(0)
    centres = np.array([[0.3], [0.7]]) * np.ones(N_FEATURES)
    X = family.sample(rng, family.located(centres), np.arange(n) % 2)
    return np.ascontiguousarray(X, dtype=dtype)


def _fits(family: Family, dtype: Any) -> None:
    """Fit and predict in the ways that call for other functions than those of OWN and SHARED."""
    small, large = _data(family, 4 * SMALL, dtype), _data(family, LARGE, dtype)
    result = fit(small, family, 2, seed=0, max_iter=60)
    fit(small, family, 2, seed=0, start="kmeans", n_init=2, max_iter=5)
    fit(small, family, 3, seed=0, start="random", min_samples=85, max_iter=20)  # one of them starves
    fit(large, family, 2, seed=0, start="kmeans", max_iter=2, progressive=False)
    fit_many(small[None], family, 2, seed=0)
    for X in (small[:1], large):
        predict(X, result)
        log_density(X, result)
        responsibilities(X, result)
