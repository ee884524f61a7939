"""Run the commands behind benchmarks/RESULTS.md and write what they print into it.

    python -m benchmarks.results memory startup    these sections
    python -m benchmarks.results --list            which there are, and their commands
    python -m benchmarks.results                   all of them, which takes hours

A section of RESULTS.md is a heading and sentences written by hand, and below them, between two comments that name the
section, what this script writes: the processor, its cores, the versions and the commit, the commands, and their
standard output. Only what lies between the comments is replaced. A command that fails leaves its section as it was.
"""

from __future__ import annotations

import argparse
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers.report import machine
from fastem import __version__
from fastem.data.threads import available_threads

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("RESULTS.md")
PEERS = "python -m benchmarks.peers"
TIMEIT = "python -m timeit"
ONCE = f"{TIMEIT} -n 1 -r 3 -s"
CASES = "import fastem; from benchmarks.asv.cases import overlapping, start"
FAITHFUL = "import fastem, numpy as np; X = np.loadtxt('tests/data/faithful.csv', delimiter=',', skiprows=1)"
IRIS = "import numpy as np; X = np.loadtxt('tests/data/iris.csv', delimiter=',', skiprows=1, usecols=range(4))"
CHINA = "import fastem, numpy as np; X = np.load('../shared/data/china_427x640x3_u8.npz')['img'].reshape(-1, 3)"


class Section(NamedTuple):
    """What is run for one section of RESULTS.md.

    commands: as one would type them at the root of the repository. plain: whether they print something else than
    Markdown.
    """

    commands: tuple[str, ...]
    plain: bool = False


# The sizes of the table in the README; "grid" has a million samples besides, which take an hour.
SIZES = "200000x4x8,200000x16x16,100000x32x16,50000x64x16"
SECTIONS: dict[str, Section] = {
    "iterations": Section(
        (
            f"{PEERS} run --cases {SIZES} --data overlapping --dtype float64 --peers fastem,sklearn,onedal,armadillo "
            "--out peers/grid",
        )
    ),
    "iterations-avx2": Section(
        (
            f"{PEERS} run --cases grid --data overlapping --dtype float64 --covariance full,diag --peers fastem,onedal "
            "--processor haswell --out peers/avx2",
        )
    ),
    "real": Section((f"{PEERS} run --cases real --dtype float64 --peers fastem,sklearn,onedal --out peers/real",)),
    "other-shapes": Section(
        (
            f"{PEERS} run --cases 50000x64x16 --data separated --covariance diag,spherical --dtype float64 "
            "--peers fastem,sklearn --out peers/separated",
            f"{PEERS} run --cases 50000x128x16 --data overlapping --covariance full --dtype float64 "
            "--peers fastem,sklearn,onedal --out peers/wide",
        )
    ),
    "other-libraries": Section(
        (
            f"{PEERS} run --cases 200000x4x8 --data overlapping --covariance full,diag --dtype float64 "
            "--peers fastem,opencv,pomegranate --out peers/others",
        )
    ),
    "float32": Section(
        (f"{PEERS} run --cases grid --data overlapping --dtype float64,float32 --peers fastem --out peers/float32",)
    ),
    "threads": Section(
        tuple(
            f"{ONCE} \"{CASES}; X = overlapping(200_000, 16, 16); s = start('{shape}', X, 16)\" "
            f'"fastem.fit(X, s.family, 16, start=s, tol=0, max_iter=50, n_threads={n})"'
            for shape in ("full", "diag")
            for n in (1, 2)
        ),
        plain=True,
    ),
    "solve": Section((f"{PEERS} solve --peers fastem,fastem_estimator,sklearn,onedal --out peers/solve",)),
    "limit": Section(("python -m benchmarks.limit",)),
    "acceleration": Section(("python -m benchmarks.acceleration",)),
    "optima": Section(
        (
            "python -m benchmarks.optima --seeds 2 --starts auto",
            "python -m benchmarks.optima --starts hierarchical,short-runs,kmeans,splitting,estimator,estimator-tight,"
            "estimator-tight10",
        )
    ),
    "small": Section(
        (
            *(
                f"{TIMEIT} -n 5 -s \"{CASES}; X = overlapping(256, 4, 8); s = start('{shape}', X, 8)\" "
                '"fastem.fit(X, s.family, 8, start=s, tol=0, max_iter=1000, n_threads=1)"'
                for shape in ("full", "tied")
            ),
            *(
                f'{TIMEIT} -n 50 -s "{IRIS}; from {package} import GaussianMixture as M" "M(3, random_state=0).fit(X)"'
                for package in ("fastem", "sklearn.mixture")
            ),
            *(
                f'{TIMEIT} -n 200 -s "{CASES}; X = overlapping(100, 2, 2)" '
                f"\"fastem.fit(X, fastem.Gaussian(), 2, start='{how}', seed=0, n_threads=1)\""
                for how in ("kmeans", "auto")
            ),
            f'{TIMEIT} -n 1 -r 5 -s "import fastem, numpy as np; '
            'X = np.random.default_rng(0).standard_normal((5000, 100, 2)); X[:, 50:] += 6" '
            '"fastem.fit_many(X, fastem.Gaussian(), 2, seed=0)"',
        ),
        plain=True,
    ),
    "prediction": Section(
        tuple(
            f'{TIMEIT} -n {n} -s "{IRIS}; from {package} import GaussianMixture as M; '
            f'm = M(3, random_state=0).fit(X); x = {rows}" "m.predict_proba(x)"'
            for rows, n in (("X[:1]", 500), ("X", 200), ("np.repeat(X, 700, axis=0)", 5))
            for package in ("fastem", "sklearn.mixture")
        ),
        plain=True,
    ),
    "diagnosis": Section(
        (
            f'{ONCE} "{CASES}; X = overlapping(1_000_000, 8, 4); r = fastem.fit(X, fastem.Gaussian(), 4, seed=0)" '
            '"fastem.diagnose(X, r)"',
        ),
        plain=True,
    ),
    "select": Section(
        (
            f'{ONCE} "{FAITHFUL}; from fastem.families import SHAPES" '
            '"fastem.select(X, [fastem.Gaussian(shape) for shape in SHAPES], range(1, 10), seed=0)"',
            f'{ONCE} "{CHINA}" "fastem.select(X, fastem.Gaussian(), range(1, 9), seed=0)"',
        ),
        plain=True,
    ),
    "bootstrap": Section(
        (
            f'{ONCE} "{FAITHFUL}; r = fastem.fit(X, fastem.Gaussian(), 2, seed=0)" '
            '"fastem.bootstrap(r, X, n_replicates=999, seed=0)"',
            f'{ONCE} "{FAITHFUL}" "fastem.likelihood_ratio_test(X, fastem.Gaussian(), 1, n_replicates=99, seed=0)"',
        ),
        plain=True,
    ),
    "memory": Section(("python -m benchmarks.memory",)),
    "startup": Section(("python -m benchmarks.startup", "python -m benchmarks.startup --start auto")),
    "mnist": Section(("python -m benchmarks.mnist ../shared/data/mnist_70000x784_u8.npz",)),
    "knowledge": Section(("python -m benchmarks.knowledge ../shared/data/mnist_70000x784_u8.npz",)),
}


def facts() -> str:
    """The machine, the versions and the commit, as a section's head."""
    asked = {"hash": ["rev-parse", "--short", "HEAD"], "changed": ["status", "--porcelain", "--untracked-files=no"]}
    told = {
        name: subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
        for name, words in asked.items()
    }
    # Files that earlier sections have written do not change what is measured.
    changed = [line for line in told["changed"] if not line.endswith(("RESULTS.md", "README.md", "speed.svg"))]
    commit = (told["hash"] or ["unknown"])[0] + (", with changes that are not committed" if changed else "")
    packages = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy", "scipy", "scikit-learn"))
    python = f"Python {platform.python_version()}"
    return f"{machine()}, {available_threads()} cores. {python}, fastem {__version__}, {packages}. Commit {commit}."


def output(command: str) -> str:
    """What a command prints. It is run at the root of the repository by this interpreter, without a shell.

    Raises
    ------
    SystemExit : the command failed; what it says on standard error has been shown.
    """
    first, *words = shlex.split(command)
    program = sys.executable if first == "python" else first
    print(f"$ {command}", file=sys.stderr, flush=True)
    done = subprocess.run([program, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"it ended with {done.returncode}; its section of RESULTS.md is as it was.")
    return done.stdout.strip("\n")


def measured(section: Section, head: str) -> str:
    """Run a section's commands and return what they print, as Markdown."""
    shown = [output(command) for command in section.commands]
    if section.plain:
        lines = [f"$ {command}\n{text}" for command, text in zip(section.commands, shown, strict=True)]
        return "\n".join([head, "", "```text", *lines, "```"])
    return "\n\n".join([head, "\n".join(["```sh", *section.commands, "```"]), *shown])


def markers(name: str) -> tuple[str, str]:
    """The comments between which a section is written."""
    return f"<!-- begin {name} -->", f"<!-- end {name} -->"


def between(text: str, name: str) -> tuple[str, str, str]:
    """The text up to a section's first comment, that between its two comments, and the rest from the second one.

    Raises
    ------
    ValueError : the text lacks one of the comments.
    """
    begin, end = markers(name)
    before, found, rest = text.partition(begin)
    inside, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"there is no place for the section {name}: write {begin} and {end} where it shall stand.")
    return before + begin, inside, end + after


def rewrite(path: Path, name: str, body: str) -> None:
    """Replace what stands between a section's two comments in a file."""
    before, _, after = between(path.read_text(encoding="utf-8"), name)
    path.write_text(f"{before}\n{body}\n{after}")


def main(
    arguments: Sequence[str] | None = None, sections: Mapping[str, Section] = SECTIONS, path: Path = RESULTS
) -> None:
    """Rewrite the sections that the command line names, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="by default all")
    parser.add_argument("--list", action="store_true", help="the sections and their commands; runs none")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.sections if name not in sections]
    if unknown:
        parser.error(f"there is no section {', '.join(unknown)}; there are {', '.join(sections)}.")
    if options.list:
        for name, section in sections.items():
            print(name, *section.commands, sep="\n    ")
        return
    for name in options.sections or sections:
        between(path.read_text(encoding="utf-8"), name)  # a missing place must show before hours are spent
        rewrite(path, name, measured(sections[name], facts()))


if __name__ == "__main__":
    main()
