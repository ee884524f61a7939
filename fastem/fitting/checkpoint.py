"""How far a fit has come, on disk: an interrupted one goes on from there to the same bits.

A pass changes nothing but the starts that are on their way, so between two passes they are all there is to keep: their
parameters, histories and accelerators. The data, the random parts of it and the limits follow from the arguments, the
seed among them, of which the file holds a digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from fastem import validation
from fastem.data.stream import Stream
from fastem.em.accelerate import accelerator
from fastem.em.loop import Run
from fastem.families.base import Array
from fastem.model.model import Step
from fastem.model.result import Status

FORMAT = 1
_STEPS = ("step", "accepted", "image", "fallback")
_PLAIN = (
    "history", "n_passes", "n_refused", "n_small", "value", "reseeded", "passes_on_parts", "jumped"
)  # fmt: skip
# Bytes of an array that are digested at a time.
CHUNK_BYTES = 2**26


class Checkpoint:
    """Where a fit writes how far it has come, at most every `interval` seconds; without a path, nowhere.

    stage: how many parts of the data it has done with. n_passes: passes made in this stage. runs: its starts, to be
    set where there was no file. seed: the entropy it began from. cut_short: whether the callback or the time ended it.
    """

    def __init__(
        self,
        path: Any = None,
        interval: float = 0.0,
        arguments: dict[str, Any] | None = None,
        seed: np.random.SeedSequence | None = None,
    ) -> None:
        self.stage, self.n_passes = 0, 0
        self.runs: list[Run] | None = None
        self.seed = seed
        self.cut_short = False
        self._path = None if path is None else Path(path)
        self._interval = interval
        self._digests = {name: digest([value]) for name, value in (arguments or {}).items()}
        self._last = time.monotonic()
        self._facts: dict[str, Any] = {}  # between the last two passes; empty once they are on disk
        if self._path is not None and self._path.exists():
            self._read(self._path)

    def at(self, stage: int) -> Checkpoint:
        """In a stage: in its middle, where the file was written in it."""
        if stage != self.stage:
            self.stage, self.n_passes = stage, 0
        return self

    def keep(self, n_passes: int) -> None:
        """Remember how far it has come, and write it if it is time."""
        if self._path is None:
            return
        assert self.runs is not None
        # Steps are never changed in place, so their arrays need no copies.
        self._facts = {"stage": self.stage, "n_passes": n_passes, "runs": [_state(run) for run in self.runs]}
        if time.monotonic() - self._last >= self._interval:
            self.write()

    def write(self) -> None:
        """Write what was remembered. A fit that is killed meanwhile leaves the file before, or the new one, whole."""
        if self._path is None or not self._facts:
            return
        assert self.seed is not None
        arrays: list[Array] = []
        facts = {**_flat(self._facts, arrays), "entropy": words(self.seed)}
        stored = {f"array_{i}": array for i, array in enumerate(arrays)}
        header = {"format": FORMAT, "checkpoint": json.dumps(self._digests), "state": json.dumps(facts)}
        new = self._new(self._path)
        try:
            with new.open("wb") as file:
                np.savez(file, **{name: np.array(value) for name, value in header.items()}, **stored)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        finally:
            new.unlink(missing_ok=True)
        self._last, self._facts = time.monotonic(), {}

    def done(self) -> None:
        """The fit has ended: nothing is left to go on with."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._new(self._path).unlink(missing_ok=True)

    @staticmethod
    def _new(path: Path) -> Path:
        """Where it is written first; one that a killed process left behind is written over."""
        return path.with_name(f"{path.name}.new")

    def _read(self, path: Path) -> None:
        with path.open("rb") as file:
            try:
                archive = np.load(file, allow_pickle=False)
            except (ValueError, EOFError, BadZipFile):
                archive = None
            validation.check_checkpoint(path, archive, FORMAT, self._digests)
            facts = json.loads(str(archive["state"]))
            arrays = [archive[f"array_{i}"] for i in range(len(archive.files) - 3)]
        self.stage, self.n_passes = facts["stage"], facts["n_passes"]
        self.seed = np.random.SeedSequence(facts["entropy"])
        states = [_deep(state, arrays) for state in facts["runs"]]
        self.runs = [_run(index, state) for index, state in enumerate(states)]
        for run, state in zip(self.runs, states, strict=True):
            run.merged = None if state["merged"] is None else self.runs[state["merged"]]


def _state(run: Run) -> dict[str, Any]:
    status = None if run.status is None else run.status.name
    state = {name: getattr(run, name) for name in _PLAIN} | {"history": list(run.history)}
    steps = {name: None if getattr(run, name) is None else list(getattr(run, name)) for name in _STEPS}
    merged = None if run.merged is None else run.merged.index
    vectors = None if run.vectors is None else list(run.vectors)
    accelerated = None
    if run.accelerator is not None:
        accelerated = [run.accelerator.name, run.accelerator.state()]
    return {**state, **steps, "vectors": vectors, "status": status, "merged": merged, "accelerator": accelerated}


def _run(index: int, state: dict[str, Any]) -> Run:
    run = Run(index, Step(*state["step"]))
    for name in _PLAIN:
        setattr(run, name, state[name])
    for name in _STEPS:
        setattr(run, name, None if state[name] is None else Step(*state[name]))
    run.vectors = None if state["vectors"] is None else (state["vectors"][0], state["vectors"][1])
    run.status = None if state["status"] is None else Status[state["status"]]
    if state["accelerator"] is not None:
        name, remembered = state["accelerator"]
        run.accelerator = accelerator(name)
        assert run.accelerator is not None
        run.accelerator.restore(remembered)
    return run


def _flat(value: Any, arrays: list[Array]) -> Any:
    """A nest of dicts and lists with its arrays replaced by their places in a list."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, dict):
        return {name: _flat(item, arrays) for name, item in value.items()}
    return [_flat(item, arrays) for item in value] if isinstance(value, list) else value


def _deep(value: Any, arrays: list[Array]) -> Any:
    """The inverse of `_flat`."""
    if isinstance(value, dict):
        return arrays[value["array"]] if set(value) == {"array"} else {n: _deep(v, arrays) for n, v in value.items()}
    return [_deep(item, arrays) for item in value] if isinstance(value, list) else value


def words(seed: np.random.SeedSequence) -> list[int]:
    """The entropy of a seed as integers."""
    return [int(word) for word in np.atleast_1d(np.array(seed.entropy, dtype=object))]


def digest(values: Sequence[Any]) -> str:
    """A digest of arguments: arrays by their shape, type and bytes, all else by its repr."""
    found = hashlib.blake2b(digest_size=16)
    for value in values:
        if isinstance(value, np.ndarray):
            found.update(f"{value.shape} {value.dtype.str} ".encode())
            rows = max(1, CHUNK_BYTES // max(1, value[:1].nbytes)) if value.ndim else 1
            for first in range(0, len(value) if value.ndim else 0, rows):
                found.update(np.ascontiguousarray(value[first : first + rows]).data)
            if not value.ndim:
                found.update(value.tobytes())
        elif isinstance(value, Stream):
            for _, samples in value.pieces():
                found.update(digest([np.ascontiguousarray(samples.X)]).encode())
        elif isinstance(value, dict):
            found.update(digest([*sorted(value), *(value[name] for name in sorted(value))]).encode())
        elif isinstance(value, tuple | list):
            found.update(digest([len(value), *value]).encode())
        else:
            found.update(f"{value!r} ".encode())
    return found.hexdigest()
