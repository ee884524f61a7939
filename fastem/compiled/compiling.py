"""What is being compiled just now, for those who show progress. numba tells it by its events."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from numba.core import event as events

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
