"""The part of benchmarks/RESULTS.md that the README shows: the plot docs/speed.svg and a table of figures.

    python -m benchmarks.plot

Both are made from the table of the section "iterations". The plot has a panel for each covariance shape, with
milliseconds per iteration against the size of the data; the table has the rows of two shapes, and stands in the README
between the comments that `benchmarks.results` uses too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.results import RESULTS, ROOT, between, rewrite

PLOT = ROOT / "docs" / "speed.svg"
README = ROOT / "README.md"
SHAPES = ("full", "tied", "diag", "spherical")
SHOWN = ("full", "diag")
# Largest size in the plot and in the table, in samples x features x components. A row beyond it would dwarf the rest.
LARGEST = 10**8
COLOURS = {"fastem": "#c0392b", "oneDAL": "#2c6fbb", "Armadillo": "#7a9a2e", "scikit-learn": "#666666"}
MARKERS = {"fastem": "o", "oneDAL": "s", "Armadillo": "^", "scikit-learn": "D"}


class Row(NamedTuple):
    """One row of the table: size as it is written, shape, and the cell of each library."""

    size: str
    shape: str
    cells: dict[str, str]

    def milliseconds(self, library: str) -> float | None:
        """Milliseconds per iteration; None if the cell holds no number."""
        found = re.match(r"[\d.,]+(e\+\d+)?", self.cells[library])
        return float(found[0].replace(",", "")) if found else None


def read(path: Path = RESULTS) -> list[Row]:
    """The rows for float64 data of the section "iterations", without sizes beyond the largest.

    Raises
    ------
    ValueError : the file has no such section, or the section no table.
    """
    lines = [
        line for line in between(path.read_text(encoding="utf-8"), "iterations")[1].splitlines() if line.startswith("|")
    ]
    if len(lines) < 3:
        raise ValueError(f"the section iterations of {path} holds no table.")
    header, _, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    libraries = [name.split(",")[0] for name in header[2:]]
    rows = []
    for name, shape, *cells in body:
        size = name.removeprefix("overlapping ").removesuffix(", float64")
        n, d, k = (int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d|\d", size))
        if name.endswith(", float64") and n * d * k <= LARGEST:
            rows.append(Row(size, shape, dict(zip(libraries, cells, strict=True))))
    return rows


def table(rows: Sequence[Row]) -> str:
    """The README's table: the rows of two shapes, shape by shape."""
    libraries = list(rows[0].cells)
    lines = [f"| n x d, K | covariance | {' | '.join(libraries)} |", "|---" * (2 + len(libraries)) + "|"]
    for shape in SHOWN:
        for row in rows:
            if row.shape == shape:
                cells = [re.sub(r" \(\d+%\)", "", row.cells[name]) for name in libraries]
                lines.append(f"| {row.size} | {shape} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(rows: Sequence[Row], path: Path) -> None:
    """A panel for each shape: milliseconds per iteration, on a logarithmic scale, against the size of the data."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "fastem", "svg.fonttype": "none", "font.size": 9})
    figure, axes = plt.subplots(1, len(SHAPES), figsize=(10, 3.4), sharey=True)
    sizes = list(dict.fromkeys(row.size for row in rows))
    for axis, shape in zip(axes, SHAPES, strict=True):
        for library in rows[0].cells:
            timed = [
                (sizes.index(row.size), milliseconds)
                for row in rows
                if row.shape == shape and (milliseconds := row.milliseconds(library)) is not None
            ]
            if timed:
                style = {"color": COLOURS.get(library), "marker": MARKERS.get(library, "v"), "markersize": 4}
                axis.plot(*zip(*timed, strict=True), label=library, **style)
        axis.set_title(shape, fontsize=10)
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.set_xticks(range(len(sizes)), [_lines(size) for size in sizes])
        axis.tick_params(axis="x", labelsize=7)
        axis.grid(axis="y", color="#dddddd", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("ms per EM iteration")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=len(labels), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.92))
    # Without a date, the same figures give the same file.
    figure.savefig(path, metadata={"Date": None}, facecolor="white")
    plt.close(figure)


def _lines(size: str) -> str:
    """A size on three lines: samples, features, components."""
    n, rest = size.split(" x ")
    d, k = rest.split(", ")
    return f"{n}\nx {d}\nK = {k}"


def main() -> None:
    """Draw the plot and rewrite the README's table."""
    rows = read()
    draw(rows, PLOT)
    rewrite(README, "figures", table(rows))


if __name__ == "__main__":
    main()
