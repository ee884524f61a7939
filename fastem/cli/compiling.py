"""What a user sees while code is compiled: that it happens once, and how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Self, TextIO

# Seconds of compiling before it is worth a word.
PATIENCE = 2.0
# How many functions a grid of models compiles: for the first family, and for each further one.
FIRST, FURTHER = 29, 5


class Compiling:
    """A line on standard error, if that is a terminal, which goes away again. It is a context manager.

    expected: how many functions will be compiled if the cache is empty. write: tells the user in another way, as in a
    bar. stream: another file than standard error. clock: seconds.
    """

    def __init__(
        self,
        expected: int,
        write: Callable[[str], None] | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._expected, self._write, self._clock = expected, write, clock
        self._n, self._begun, self._shown, self._width = 0, 0.0, False, 0
        self._end: Callable[[], Any] | None = None
        if write is not None or self._stream.isatty():
            from fastem.compiled.caching import listen  # imports numba, which --help does not need

            self._end = listen(self.compiling)

    def compiling(self, _name: str) -> None:
        """A function is about to be compiled."""
        self._n += 1
        now = self._clock()
        if self._n == 1:
            self._begun = now
        if now - self._begun < PATIENCE:
            return
        text = f"compiling for this processor, once: {self._n} of {max(self._n, self._expected)}"
        if self._write is not None:
            self._write(text)
        else:
            self._stream.write(f"\r{text}")
            self._stream.flush()
            self._shown, self._width = True, len(text)

    def clear(self) -> None:
        """Take the line away, before something else is printed."""
        if self._shown:
            self._stream.write(f"\r{' ' * self._width}\r")  # spaces: old consoles of Windows know no escapes
            self._stream.flush()
            self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
        if self._end is not None:
            self._end()


def expected(families: Any) -> int:
    """How many functions models of these families need, if none is compiled yet."""
    return FIRST + FURTHER * (len(families) - 1)
