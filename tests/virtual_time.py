"""A clock that jumps: where a test would wait, it is later at once, and a wait lasts exactly as long as it says.

For tests that only wait for timers (`@pytest.mark.virtual_time`). One that also waits for a socket, a thread or a process would
see its time limits pass before they could answer.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any


class VirtualTime(asyncio.SelectorEventLoop):
    """An event loop whose `time` begins at zero and stands still while there is something to do."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Impatient(self._pass))

    def time(self) -> float:
        return self._now

    def _pass(self, seconds: float) -> None:
        self._now += seconds


class _Impatient(selectors.DefaultSelector):
    """Has whoever would wait for the next timer told that it is due."""

    def __init__(self, passed: Callable[[float], None]) -> None:
        super().__init__()
        self._passed = passed

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:  # there is no timer to wait for
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self._passed(timeout)
        return ready
