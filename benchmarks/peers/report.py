"""The measurements as Markdown, CSV and a plot."""

from __future__ import annotations

import csv
import platform
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.environments import TITLES
from benchmarks.peers.measure import Row, Solution
from benchmarks.peers.peak import flops


def machine() -> str:
    """The processor, as the operating system calls it."""
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def write_csv(path: Path, records: list[dict[str, Any]]) -> None:
    """Write one line per record."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def _cells(rows: list[Row]) -> dict[tuple[Any, ...], dict[str, Row]]:
    found: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in rows:
        cell = (row.dtype, row.shape, row.data, row.n, row.d, row.n_components)
        found.setdefault(cell, {})[row.peer] = row
    return found


def iterations_table(rows: list[Row], peak: dict[str, float]) -> str:
    """Milliseconds per iteration, and how many times as long as fastem each library takes."""
    peers = list(dict.fromkeys(row.peer for row in rows))
    others = [peer for peer in peers if peer != "fastem"]
    lines = [
        "| | covariance | fastem, ms (share of peak) | " + " | ".join(TITLES[peer] for peer in others) + " |",
        "|---" * (3 + len(others)) + "|",
    ]
    for (dtype, shape, data, n, d, k), cell in _cells(rows).items():
        ours = cell["fastem"]
        share = flops(shape, n, d, k) / (1e-3 * ours.median) / peak[dtype] if shape in ("full", "diag") else np.nan
        texts = [f"{data} {n:,} x {d}, {k}, {dtype}", shape]
        texts.append(ours.note or f"{ours.median:.3g} ({share:.0%})".replace(" (nan%)", ""))
        for peer in others:
            row = cell[peer]
            texts.append(row.note or f"{row.median:.3g} ({row.median / ours.median:.1f}x)")
        lines.append("| " + " | ".join(texts) + " |")
    return "\n".join(lines)


def ratios(rows: list[Row], peer: str) -> str:
    """The smallest and the geometric mean of the ratios to one library, listed by covariances and precisions."""
    lines = []
    for dtype in dict.fromkeys(row.dtype for row in rows):
        for shape in dict.fromkeys(row.shape for row in rows):
            found = [
                cell[peer].median / cell["fastem"].median
                for key, cell in _cells(rows).items()
                if key[:2] == (dtype, shape) and peer in cell and not cell[peer].note and not cell["fastem"].note
            ]
            if found:
                mean = np.exp(np.mean(np.log(found)))
                lines.append(f"* {TITLES[peer]}, {shape}, {dtype}: at least {min(found):.1f}x, on average {mean:.1f}x")
    return "\n".join(lines)


def solutions_table(rows: list[Solution]) -> str:
    """Seconds, iterations and nats per sample of each library's own fit: a line per problem, a column per library."""
    peers = list(dict.fromkeys(row.peer for row in rows))
    lines = [
        "| | covariance, K | " + " | ".join(TITLES[peer] for peer in peers) + " |",
        "|---" * (2 + len(peers)) + "|",
    ]
    problems: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in rows:
        iterations = "" if row.iterations < 0 else f"{row.iterations} it., "
        cost = f" (passes of each start: {row.cost})" if row.cost else ""
        text = row.note or f"{row.seconds:.2f} s, {iterations}{row.log_likelihood:.3f}{cost}"
        problems.setdefault((row.data, row.shape, row.n_components), {})[row.peer] = text
    for (data, shape, k), texts in problems.items():
        lines.append(f"| {data} | {shape}, {k} | " + " | ".join(texts.get(peer, "") for peer in peers) + " |")
    return "\n".join(lines)


def plot(path: Path, rows: list[Row]) -> None:
    """Nanoseconds per sample x component x feature against n, d and K, one panel each, over the sweep's cells."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [row for row in rows if row.data == "overlapping" and row.dtype == "float64" and not row.note]
    shapes = list(dict.fromkeys(row.shape for row in rows))
    figure, axes = plt.subplots(len(shapes), 3, figsize=(12, 3 * len(shapes)), sharey="row", squeeze=False)
    fixed = {"n": (None, 16, 16), "d": (50_000, None, 16), "n_components": (50_000, 16, None)}
    for line, shape in zip(axes, shapes, strict=True):
        for axis, (name, values) in zip(line, fixed.items(), strict=True):
            for peer in dict.fromkeys(row.peer for row in rows):
                chosen = [
                    row for row in rows
                    if row.peer == peer and row.shape == shape
                    and all(v in (None, w) for v, w in zip(values, (row.n, row.d, row.n_components), strict=True))
                ]  # fmt: skip
                chosen.sort(key=lambda row: getattr(row, name))
                axis.plot(
                    [getattr(row, name) for row in chosen],
                    [row.ns_per_entry for row in chosen],
                    "o-",
                    label=TITLES[peer],
                )
            axis.set(yscale="log", xlabel={"n_components": "K"}.get(name, name))
            axis.set_xscale("log", base=10 if name == "n" else 2)
            if name != "n":
                axis.xaxis.set_major_formatter("{x:g}")
        line[0].set_ylabel(f"{shape}\nns / (n K d)")
    axes[0, 0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
