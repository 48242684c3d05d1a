"""By when the caller must have heard something: its own deadline, for all providers that are tried together.

It goes through the context like the headers do (`heads.py`): between who reads a request and who opens the answer stands each
surface with an `open` of its own. A task that is started sees what was set before.
"""

import time
from contextvars import ContextVar
from typing import Final

_until: Final[ContextVar[float | None]] = ContextVar("deadline", default=None)


def begin(seconds: float | None) -> None:
    """From now on there are so many seconds; None: as many as it takes."""
    _until.set(None if seconds is None else time.monotonic() + seconds)


def left_s() -> float | None:
    """What is left of them, at least 0; None: no deadline."""
    until = _until.get()
    return None if until is None else max(0.0, until - time.monotonic())
