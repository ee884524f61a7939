"""The libraries as processes, each with its environment and a number of threads, started when first asked."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import folder, python_of

ROOT = Path(__file__).parents[2]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PEER_THREADS")
# After a parallel loop, threads of some libraries spin for a while before they sleep (Intel's 0.2 s).
QUIET = 0.25


class PeerError(Exception):
    """A library could not do something; the message says what, in one line."""


class Peer:
    """One library with one number of threads."""

    def __init__(self, name: str, threads: int, limit: float) -> None:
        if not python_of(name).exists():
            raise PeerError("not installed")
        # A core type set by the environment can halve OpenBLAS's speed.
        env = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
        env.update(dict.fromkeys(THREAD_VARIABLES, str(threads)), PEER_CACHE=str(folder()))
        self.name, self.threads, self._limit = name, threads, limit
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (as long as the process)
        self._process = subprocess.Popen(
            [python_of(name), "-m", "benchmarks.peers.worker", name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=env, cwd=ROOT,
        )  # fmt: skip

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request. PeerError if there is none in time, or if it is an error."""
        assert self._process.stdin is not None and self._process.stdout is not None
        timer = threading.Timer(self._limit, self._process.kill)
        timer.start()
        begun = time.perf_counter()
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            raise PeerError(self._last_words(time.perf_counter() - begun))
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise PeerError(reply["error"])
        return reply

    def _last_words(self, seconds: float) -> str:
        if seconds >= self._limit:
            return f"over {self._limit:.0f} s"
        self._process.wait()
        self._errors.seek(0)
        said = [line for line in self._errors.read().splitlines() if line.strip()]
        return said[-1][:200] if said else f"ended with {self._process.returncode}"

    def fit(self, iterations: int, result: Path) -> float:
        """Seconds of a fit of this many iterations."""
        time.sleep(QUIET)
        return float(self.ask(do="fit", iterations=iterations, result=str(result))["seconds"])

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._errors.close()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
