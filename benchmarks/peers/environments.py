"""Where each library lives: in a virtual environment of its own if it cannot be installed beside the others.

    python -m benchmarks.peers install [--peers onedal,...]

makes them under $FASTEM_PEERS (default ~/.cache/fastem-peers). Armadillo needs a C++ compiler and libarmadillo-dev.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = {
    "fastem": [],
    "fastem_estimator": [],
    "sklearn": [],
    "armadillo": [],  # the driver in C++ is compiled on first use
    "onedal": ["daal4py==2024.7.0", "scikit-learn==1.5.2", "packaging"],
    "mlpack": ["mlpack"],
    "opencv": ["opencv-python-headless<5"],  # 5 has no module ml
    "pomegranate": ["torch==2.13.0", "pomegranate"],
    "gmmx": ["gmmx", "scikit-learn"],
}
TITLES = {
    "fastem": "fastem",
    "fastem_estimator": "fastem.GaussianMixture",
    "sklearn": "scikit-learn",
    "armadillo": "Armadillo",
    "onedal": "oneDAL",
    "mlpack": "mlpack",
    "opencv": "OpenCV",
    "pomegranate": "pomegranate",
    "gmmx": "gmmx",
}
HERE = ("fastem", "fastem_estimator", "sklearn", "armadillo")


def folder() -> Path:
    """Where the environments are."""
    return Path(os.environ.get("FASTEM_PEERS", Path.home() / ".cache" / "fastem-peers"))


def python_of(peer: str) -> Path:
    """The interpreter that has a library; it may not exist."""
    return Path(sys.executable) if peer in HERE else folder() / peer / "bin" / "python"


def install(peers: list[str]) -> None:
    """Make the environments of these libraries."""
    for peer in peers:
        if REQUIREMENTS[peer]:
            venv.create(folder() / peer, with_pip=True)
            subprocess.run([python_of(peer), "-m", "pip", "install", "--quiet", *REQUIREMENTS[peer]], check=True)
            print(f"{TITLES[peer]}: {folder() / peer}")
