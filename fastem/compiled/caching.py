"""Machine code: what it is keyed by on disk, what happens where it cannot be kept, and what is being made just now.

Where no folder can be written, or a disk is full, code is compiled in memory, in each process anew.
"""

from __future__ import annotations

import hashlib
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numba import config
from numba.core import event as events
from numba.core.runtime.nrt import rtsys

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

# The folders that may hold compiled code.
COMPILED = ("compiled", "data", "families")


def stamp() -> str:
    """A hash of the sources of all compiled code, because numba's own key covers neither options nor other files.

    It covers the `COMPILED` folders alone, so that an edit anywhere else recompiles nothing.
    """
    package = Path(__file__).parents[1]
    if package.is_dir():
        sources = sorted(source for folder in COMPILED for source in (package / folder).rglob("*.py"))
        contents = [source.read_bytes() for source in sources]
    else:  # the package is in an archive
        from importlib.resources import files

        contents = [content for folder in COMPILED for content in _sources_below(files("fastem") / folder)]
    return hashlib.sha256(b"".join(contents)).hexdigest()[:20]


def _sources_below(folder: Traversable) -> Iterator[bytes]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _sources_below(entry)
        elif entry.name.endswith(".py"):
            yield entry.read_bytes()


SOURCES = stamp()


def stamped(function: Callable[..., Any], label: str) -> Callable[..., Any]:
    """The function with a string in its closure, which numba's cache key includes."""
    code = function.__code__.replace(co_freevars=(*function.__code__.co_freevars, "_stamp"))
    cells = (*(function.__closure__ or ()), types.CellType(f"{label}-{SOURCES}"))
    made = types.FunctionType(code, function.__globals__, function.__name__, function.__defaults__, cells)
    made.__kwdefaults__ = function.__kwdefaults__
    made.__doc__, made.__module__, made.__qualname__ = function.__doc__, function.__module__, function.__qualname__
    made.__wrapped__ = function  # type: ignore[attr-defined]
    return made


def kept(dispatcher_with: Callable[[bool], Any], quick: bool) -> Any:
    """A dispatcher whose machine code is kept on disk where that is possible.

    dispatcher_with(cache): makes it with numba's cache or without. quick: read the cache without first registering
    everything that numba could compile, which is enough for code that calls nothing outside this package. A first fit
    from a warm cache then takes half the time. The cache holds complete machine code; if that is missing, the compiler
    registers everything by itself.
    """
    try:
        dispatcher = dispatcher_with(True)
    # RuntimeError: no cache folder can be written. OSError, ValueError: numba cannot make sense of an archive.
    except (RuntimeError, OSError, ValueError):
        return dispatcher_with(False)
    cache = dispatcher._cache

    def load_overload(sig: Any, target_context: Any) -> Any:
        if quick:
            rtsys.initialize(target_context)  # defines the symbols of numba's run-time library
        else:
            target_context.refresh()
        with suppress(OSError, ImportError):  # the latter: of a script that was run under another name before
            return cache._load_overload(sig, target_context)

    def save_overload(sig: Any, data: Any) -> None:
        # Of a package in an archive, numba finds out only here that its folder cannot be written.
        with suppress(OSError):
            cache._save_overload(sig, data)

    cache.load_overload, cache.save_overload = load_overload, save_overload
    return dispatcher


_KIND = "numba:compile"


class _Listener(events.Listener):  # type: ignore[misc]
    """numba notifies it before and after a function is compiled, and not if machine code is loaded from the cache."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = weakref.WeakMethod(tell)

    def on_start(self, event: Any) -> None:
        tell, function = self._tell(), event.data["dispatcher"].py_func
        if tell is not None and not function.__module__.startswith("numba."):  # numba's own are of no interest
            tell(function.__name__)

    def on_end(self, event: Any) -> None:
        pass


def listen(tell: Callable[[str], None]) -> Callable[[], Any]:
    """Call a bound method with the name of each function that is about to be compiled, in whichever thread.

    Returns a function that ends this. It also ends when the method's object is gone.
    """
    listener = _Listener(tell)
    events.register(_KIND, listener)
    return weakref.finalize(tell.__self__, events.unregister, _KIND, listener)  # type: ignore[attr-defined]


def folder_of(dispatcher: Any) -> str:
    """The folder where a dispatcher's machine code is kept, NUMBA_CACHE_DIR if that is set; "" if it is not kept."""
    path = getattr(getattr(dispatcher, "_cache", None), "cache_path", None)
    return "" if path is None else str(config.CACHE_DIR or path)
