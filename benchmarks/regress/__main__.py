"""Is a commit slower than another? Both run at once, taking turns; it ends with 1 if a case is slower.

    python -m benchmarks.regress BASE [HEAD] [--cases full,driver,...] [--rounds 11] [--threshold 0.1]
    python -m benchmarks.regress BASE --processor haswell      with code for AVX2, on any x86-64 machine

Each commit is checked out into a folder of its own and runs in a process of its own, with its own cache of kernels. A
round times each case on one side and then on the other, in alternating order. The result is the median over the rounds
of the ratio of the two, in which the drift of a noisy machine cancels. A case that looks slower than the threshold is
measured again with twice the rounds, and reported only if it is slower again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
CASES = (
    "full", "tied", "diag", "spherical", "full_wide", "diag_wide", "full_float32", "driver", "small_fits", "start",
    "predict", "estimator", "startup", "startup_auto",
)  # fmt: skip


class Side:
    """One commit, checked out, in a process that times cases."""

    def __init__(self, commit: str, folder: Path, processor: str | None = None) -> None:
        self.folder = folder
        subprocess.run(["git", "worktree", "add", "--detach", "--quiet", folder, commit], cwd=ROOT, check=True)
        env = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
        env.update(PYTHONPATH=str(folder), NUMBA_CACHE_DIR=str(folder / ".numba_cache"))
        if processor is not None:
            env.update(NUMBA_CPU_NAME=processor, NUMBA_CPU_FEATURES="")
        script = Path(__file__).with_name("cases.py")
        self._process = subprocess.Popen(
            [sys.executable, script], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def seconds(self, case: str) -> float | None:
        """The seconds that a case takes; None if this commit lacks it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(case + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"the process of {self.folder.name} ended at {case}")
        return None if answer == "missing" else float(answer)

    def close(self) -> None:
        """End the process and remove the folder."""
        self._process.kill()
        self._process.communicate()
        subprocess.run(["git", "worktree", "remove", "--force", self.folder], cwd=ROOT, check=True)


def ratios(base: Side, head: Side, case: str, rounds: int) -> list[float]:
    """Time of head over time of base, round by round; empty if one of them lacks the case."""
    found = []
    for i in range(rounds):
        if i % 2:
            after, before = head.seconds(case), base.seconds(case)
        else:
            before, after = base.seconds(case), head.seconds(case)
        if before is None or after is None:
            return []
        found.append(after / before)
    return found


def compare(base: Side, head: Side, cases: list[str], rounds: int, threshold: float) -> list[str]:
    """The cases that are slower. Prints a line for each case."""
    slower = []
    for case in cases:
        found = ratios(base, head, case, rounds)
        if found and statistics.median(found) > 1 + threshold:
            found = ratios(base, head, case, 2 * rounds)
            if statistics.median(found) > 1 + threshold:
                slower.append(case)
        if found:
            low, middle, high = statistics.quantiles(found, n=4)
            note = "  SLOWER" if case in slower else ""
            print(f"{case:14} {middle:.3f} ({low:.3f} to {high:.3f}){note}", flush=True)
        else:
            print(f"{case:14} not in both", flush=True)
    return slower


def main() -> int:
    """Compare two commits; 1 if some case is slower, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("head", nargs="?", default="HEAD")
    parser.add_argument(
        "--cases",
        default=",".join(CASES),
    )
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threshold", type=float, default=0.1)
    parser.add_argument("--processor", help="what numba compiles for; the default is this one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        base, head = (
            stack.enter_context(contextlib.closing(Side(commit, Path(folder) / name, options.processor)))
            for name, commit in (("base", options.base), ("head", options.head))
        )
        print(f"{options.head} over {options.base}: median of the ratios (quartiles)", flush=True)
        slower = compare(base, head, options.cases.split(","), options.rounds, options.threshold)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
