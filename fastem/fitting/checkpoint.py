"""A file that says how far a fit has come. An interrupted fit goes on from there and ends with the same bits.

A pass changes only the starts that are on their way, so the file keeps only their tracks, as they are between two
passes. Everything else, such as the random parts of the data, follows from the arguments of the fit, which include the
seed. The file holds a digest of these.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from fastem import validation
from fastem.compiled.caching import SOURCES
from fastem.data.stream import Stream
from fastem.em.track import track_of
from fastem.families.base import Array
from fastem.fitting.parts import Progress

FORMAT = 4
# Arrays are digested in pieces of this many bytes.
CHUNK_BYTES = 2**26


class Checkpoint:
    """The file that says how far a fit has come. It is written at most every `interval` seconds of the clock.

    arguments: what the fit depends on; a file of a fit with other arguments is refused. seed: the file keeps its
    entropy, so that a fit without a seed can go on too.
    """

    def __init__(
        self,
        path: Any,
        interval: float,
        arguments: Mapping[str, Any],
        seed: np.random.SeedSequence,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._path, self._interval, self._clock, self._seed = Path(path), interval, clock, seed
        versioned = {**arguments, "the version of fastem": [SOURCES, FORMAT]}
        self._digests = {name: digest([value]) for name, value in versioned.items()}
        self._last = clock()
        self._facts: dict[str, Any] = {}  # as of the last `keep`; empty once written

    def read(self) -> tuple[Progress, np.random.SeedSequence] | None:
        """What the file holds, and the seed of the fit that wrote it; None if there is no file.

        Raises
        ------
        ValueError : the file is no checkpoint, or was written by a fit with other arguments.
        """
        if not self._path.exists():
            return None
        with self._path.open("rb") as file:
            try:
                archive = np.load(file, allow_pickle=False)
            except (ValueError, EOFError, BadZipFile):
                archive = None
            validation.check_checkpoint(self._path, archive, FORMAT, self._digests)
            facts = json.loads(str(archive["state"]))
            arrays = [archive[f"array_{i}"] for i in range(len(archive.files) - 3)]
        tracks = [track_of(_deep(state, arrays)) for state in facts["tracks"]]
        self._seed = np.random.SeedSequence(facts["entropy"])
        return Progress(facts["stage"], facts["n_passes"], tracks), self._seed

    def keep(self, progress: Progress) -> None:
        """Remember how far the fit has come, and write it if it is time."""
        # Steps are never changed in place, so their arrays need no copies.
        tracks = [track.state() for track in progress.tracks]
        self._facts = {"stage": progress.stage, "n_passes": progress.n_passes, "tracks": tracks}
        if self._clock() - self._last >= self._interval:
            self.write()

    def write(self) -> None:
        """Write what `keep` remembered. If the process is killed meanwhile, the old or the new file is there, whole."""
        if not self._facts:
            return
        arrays: list[Array] = []
        facts = {**_flat(self._facts, arrays), "entropy": words(self._seed)}
        stored = {f"array_{i}": array for i, array in enumerate(arrays)}
        header = {"format": FORMAT, "checkpoint": json.dumps(self._digests), "state": json.dumps(facts)}
        new = self._new()
        try:
            with new.open("wb") as file:
                np.savez(file, **{name: np.array(value) for name, value in header.items()}, **stored)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            patiently(partial(new.replace, self._path))
        finally:
            with suppress(PermissionError):
                new.unlink(missing_ok=True)
        self._last, self._facts = self._clock(), {}

    def done(self) -> None:
        """Remove the file, because the fit has ended."""
        for path in (self._path, self._new()):
            patiently(partial(path.unlink, missing_ok=True))

    def _new(self) -> Path:
        """Where the file is written first. A killed process may leave one behind, which the next writes over."""
        return self._path.with_name(f"{self._path.name}.new")


def patiently(act: Callable[[], Any]) -> None:
    """Act on a file that somebody else may have open for a moment: Windows refuses that, and virus scanners do it."""
    for seconds in (0.05, 0.2, 0.5, 1.0):
        try:
            act()
        except PermissionError:
            if sys.platform != "win32":
                raise
            time.sleep(seconds)
        else:
            return
    act()


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
    """A digest of arguments: arrays by their shape, type and bytes, streams by their pieces, others by their repr."""
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
