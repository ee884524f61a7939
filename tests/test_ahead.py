"""Compiling ahead: afterwards nothing is left to compile; and what a user sees while code is compiled."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest

import fastem
from fastem.cli.compiling import PATIENCE, Compiling, expected
from fastem.cli.main import main
from fastem.compiled.caching import folder_of
from fastem.fitting import ahead

COUNTED = """
import sys
import numpy as np, fastem
from fastem.fitting.ahead import _Count
from fastem.compiled.caching import listen
count = _Count()
end = listen(count.tell)
X = np.random.default_rng(0).standard_normal((300, 2)).astype("f4")
result = fastem.fit(X, fastem.Gaussian("diag"), 2, seed=0)
fastem.fit(X, fastem.Gaussian("diag"), 2, start="kmeans", seed=0)
fastem.predict(X, result)
fastem.fit_many([X], fastem.Gaussian("diag"), 2, seed=0)
labels = np.where(np.arange(300) < 9, np.arange(300) % 2, -1)
prior = fastem.NormalInverseWishart(), fastem.Dirichlet(2.0)
for known in ({"labels": labels}, {"prior_resp": np.full((300, 2), 0.5)}, {"shared": ["means"]}, {"prior": prior}):
    fastem.fit(X, fastem.Gaussian("diag"), 2, seed=0, **known)
for assignment in ("hard", "annealed", "stochastic"):
    fastem.fit(X, fastem.Gaussian("diag"), 2, seed=0, assignment=assignment, max_iter=20)
fastem.MixtureClassifier(2, covariance_type="diag").fit(X, labels)
print(count.names)
"""


def in_cache(code, folder):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_afterwards_nothing_is_left_to_compile(tmp_path):
    n_jobs = 1 if sys.platform == "win32" else 2  # there a file that one reads cannot be replaced by another
    code = f"import fastem; print(*fastem.compile('gaussian_diag', 'float32', n_jobs={n_jobs}))"
    n, _, folder = in_cache(code, tmp_path).split()
    assert int(n) > 20
    assert folder == str(tmp_path)
    assert in_cache(COUNTED, tmp_path) == "[]"
    assert in_cache(code, tmp_path).split()[0] == "0"


def test_families_and_dtypes_by_name():
    assert [family.name for family in ahead.families_of("poisson")] == ["poisson"]
    assert len(ahead.families_of("gaussian")) == 6
    assert len(ahead.families_of(None)) == len(fastem.families.FAMILIES)
    assert ahead.families_of([fastem.Gaussian(), "bernoulli"])[1].name == "bernoulli"
    assert ahead.dtypes_of(["float32", np.float64]) == ["float32", "float64"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("weibull",), "'weibull' is unknown"),
        (([],), "families is empty"),
        (("poisson", "float16"), "dtypes is 'float16'"),
        (("poisson", []), "dtypes is"),
        (("poisson", ["number"]), "dtypes is"),
        (("poisson", "float64", 0), "n_jobs"),
    ],
)
def test_what_cannot_be_compiled(arguments, message):
    with pytest.raises(ValueError, match=message):
        fastem.compile(*arguments)


def test_a_family_of_this_process_is_compiled_here(monkeypatch):
    monkeypatch.setattr(ahead, "_in_process", None)
    made = type("Hidden", (type(fastem.Poisson()),), {})
    assert fastem.compile(made(), "float64", n_jobs=2).n_kernels >= 0


def test_a_process_that_fails_says_why(monkeypatch):
    monkeypatch.setattr(ahead, "_CODE", "raise SystemExit('no compiler here')")
    with pytest.raises(RuntimeError, match="no compiler here"):
        fastem.compile("poisson", "float64", n_jobs=2)


def test_the_command(capsys):
    fastem.compile("poisson", "float64", n_jobs=1)
    assert main(["compile", "--families", "poisson", "--dtypes", "float64", "--jobs", "1"]) == 0
    assert capsys.readouterr().out.startswith("all functions were compiled before; cache: ")
    assert main(["compile", "--families", "weibull"]) == 2
    assert "'weibull' is unknown" in capsys.readouterr().err


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


def test_a_terminal_hears_of_what_takes_longer_than_two_seconds():
    now, stream = [0.0], Terminal()
    with Compiling(31, stream=stream, clock=lambda: now[0]) as compiling:
        for _ in range(3):
            compiling.compiling("log_prob")
        assert stream.getvalue() == ""
        now[0] = PATIENCE
        compiling.compiling("accumulate")
        assert stream.getvalue() == "\rcompiling for this processor, once: 4 of 31"
        compiling.clear()
        assert stream.getvalue().endswith("\r" + len("compiling for this processor, once: 4 of 31") * " " + "\r")
        compiling.clear()
        for _ in range(30):
            compiling.compiling("more")
    assert "34 of 34" in stream.getvalue()
    assert stream.getvalue().count(" \r") == 2


def test_a_bar_says_it_in_its_own_way_and_a_file_hears_nothing():
    said, now = [], [0.0]
    with Compiling(9, said.append, io.StringIO(), lambda: now[0]) as compiling:
        compiling.compiling("one")
        now[0] = 5.0
        compiling.compiling("two")
    assert said == ["compiling for this processor, once: 2 of 9"]
    stream = io.StringIO()
    with Compiling(9, stream=stream):
        pass
    assert stream.getvalue() == ""
    assert expected([1, 2]) > expected([1])


def test_code_that_is_not_kept_lies_nowhere():
    assert folder_of(print) == ""


def test_it_is_told_on_the_standard_error_of_that_moment(monkeypatch):
    now, stream = [0.0], Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    with Compiling(31, clock=lambda: now[0]) as compiling:
        compiling.compiling("log_prob")
        now[0] = PATIENCE
        compiling.compiling("accumulate")
    assert "2 of 31" in stream.getvalue()
