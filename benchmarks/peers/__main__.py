"""fastem against other libraries: equal data, equal start, equal number of iterations; then time to solution.

    python -m benchmarks.peers install                          environments for the libraries that need their own
    python -m benchmarks.peers run --out results                the grid, real data and sweeps; hours with every library
    python -m benchmarks.peers run --cases grid --peers fastem,sklearn,onedal --covariance full,diag --dtype float64
    python -m benchmarks.peers solve --out results              defaults against defaults, on real data and hard cases

Each library runs in a process of its own, at its better number of threads of 1 and all, without `OPENBLAS_*`. The time
per iteration comes from the difference of two fits of unlike length, so that checks, copies and the start cancel.
Libraries take turns, and medians are taken over the rounds. Before a time is shown, the parameters after 3 iterations
must give the same mean log-likelihood as fastem's (1e-9 relative, float32 1e-4), computed in one place for all.
Standard output is Markdown; progress goes to standard error.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

for _name in [name for name in os.environ if name.startswith("OPENBLAS_")]:
    del os.environ[_name]
if "--processor" in sys.argv[:-1]:  # before numba is imported, here and in the processes of fastem
    os.environ.update(NUMBA_CPU_NAME=sys.argv[sys.argv.index("--processor") + 1], NUMBA_CPU_FEATURES="")

from benchmarks.peers import environments, measure, problems, report  # noqa: E402
from benchmarks.peers.peak import peak  # noqa: E402
from benchmarks.peers.pool import ROOT  # noqa: E402
from benchmarks.peers.report import machine  # noqa: E402
from fastem.data.threads import available_threads  # noqa: E402

SHAPES = "full,tied,diag,spherical"
EQUAL_START = [name for name in environments.TITLES if name not in ("fastem_estimator", "mlpack")]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("install", "run", "solve"))
    parser.add_argument("--peers", help="comma-separated: " + ", ".join(environments.TITLES))
    parser.add_argument("--cases", default="grid,real,sweep", help="grid, real, sweep, or a shape such as 200000x4x8")
    parser.add_argument("--solve", default="real,hard", help="what to solve: real, hard, or both")
    parser.add_argument("--data", default="overlapping,separated", help="kinds of cases in the grid")
    parser.add_argument("--covariance", default=SHAPES)
    parser.add_argument("--dtype", default="float64,float32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processor", help="what fastem and the peak are compiled for, such as haswell for AVX2")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds that one fit may take")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="where the real data is")
    parser.add_argument("--out", type=Path, default=Path("peers"))
    return parser.parse_args()


def _run(options: argparse.Namespace, peers: list[str], threads: list[int]) -> None:
    rows: list[measure.Row] = []
    bench = measure.Bench(peers, threads, options.limit)
    peaks = {dtype: peak(dtype, threads[-1]) for dtype in options.dtype.split(",")}
    compiled = f", fastem compiled for {options.processor}" if options.processor else ""
    heading = f"{machine()}{compiled}, {threads[-1]} cores, Python {platform.python_version()}; peak " + ", ".join(
        f"{value / 1e9:.0f} GFLOP/s in {dtype}" for dtype, value in peaks.items()
    )
    print(heading, file=sys.stderr, flush=True)
    try:
        for case in problems.cases(options.cases.split(","), options.shared):
            if case.data in ("overlapping", "separated") and case.data not in options.data.split(","):
                continue
            start = problems.begin(case, options.shared)
            for shape in options.covariance.split(","):
                if case.data in problems.ONLY_DIAG and shape != "diag":
                    continue
                for dtype in options.dtype.split(","):
                    found = measure.cell(bench, case, start, shape, dtype, options.rounds)
                    rows += found
                    print(
                        case,
                        shape,
                        dtype,
                        *(f"{row.peer} {row.note or f'{row.median:.3g}'};" for row in found),
                        file=sys.stderr,
                        flush=True,
                    )
                    report.write_csv(options.out / "iterations.csv", [row.as_record() for row in rows])
    finally:
        bench.close()
    versions = ", ".join(f"{environments.TITLES[row.peer]} {row.version}" for row in rows[: len(peers)])
    summary = "\n".join(report.ratios(rows, peer) for peer in peers if peer != "fastem")
    table = report.iterations_table(rows, peaks)
    text = f"{heading}; {versions}.\n\n{table}\n\n{summary}"
    (options.out / "iterations.md").write_text(text + "\n")
    if "sweep" in options.cases:
        report.plot(options.out / "iterations.png", rows)
    print(text)


def _solve(options: argparse.Namespace, peers: list[str], threads: list[int]) -> None:
    rows: list[measure.Solution] = []
    bench = measure.Bench(peers, threads, options.limit)
    try:
        for case in problems.cases(options.solve.split(","), options.shared):
            start = problems.begin(case, options.shared)
            for shape in problems.shapes(case):
                found = measure.solutions(bench, case, start, shape)
                rows += found
                print(report.solutions_table(found), file=sys.stderr, flush=True)
                report.write_csv(options.out / "solutions.csv", [asdict(row) for row in rows])
    finally:
        bench.close()
    table = report.solutions_table(rows)
    (options.out / "solutions.md").write_text(f"{machine()}, {threads[-1]} cores\n\n{table}\n")
    print(table)


def main() -> None:
    """Do as the command line says."""
    options = _arguments()
    if options.command == "install":
        environments.install(options.peers.split(",") if options.peers else list(environments.TITLES))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    threads = sorted({1, available_threads()})
    if options.command == "run":
        _run(options, options.peers.split(",") if options.peers else EQUAL_START, threads)
    else:
        _solve(options, options.peers.split(",") if options.peers else list(environments.TITLES), threads)


if __name__ == "__main__":
    main()
