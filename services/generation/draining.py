"""Answers that are read on when their client has gone, for callers whose policy says `on_disconnect: drain`.

Then a task of its own reads the provider, and the client's task reads from that one; leaving cancels only the latter. Whose
policy is `cancel`, which is the default, pays nothing for it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from typing import Any, Final

from services.vocabulary.event import Event

WAITING_MAX: Final = 64
"""Batches that may wait for a slow client; then the provider waits too."""


class Relay:
    """Batches read in a task of its own. Iterate `batches`, or `finish` without anybody reading."""

    def __init__(self, source: AsyncIterator[Sequence[Event]]) -> None:
        self._source = source
        self._waiting: deque[Sequence[Event]] = deque()
        self._changed = asyncio.Event()
        self._reader = True
        self._task = asyncio.ensure_future(self._read())

    async def batches(self) -> AsyncGenerator[Sequence[Event], None]:
        """What comes, as it comes. Raises what the source raises. Closing it does not close the source."""
        while True:
            while self._waiting:
                batch = self._waiting.popleft()
                self._changed.set()
                yield batch
            if self._task.done():
                self._task.result()
                return
            self._changed.clear()
            if not self._waiting:
                waiter = asyncio.ensure_future(self._changed.wait())
                try:
                    await asyncio.wait({waiter, self._task}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiter.cancel()

    async def finish(self) -> None:
        """Reads on to the end, for nobody. Raises what the source raises."""
        self._reader = False
        self._waiting.clear()
        self._changed.set()
        await asyncio.shield(self._task)

    async def close(self) -> None:
        """Stops reading."""
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # whoever read has been told

    async def _read(self) -> None:
        async for batch in self._source:
            while self._reader and len(self._waiting) >= WAITING_MAX:
                self._changed.clear()
                await self._changed.wait()
            if self._reader:
                self._waiting.append(batch)
                self._changed.set()


class Drains:
    """What is still under way without a client."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def add(self, work: Coroutine[Any, Any, None]) -> None:
        """Has it done without anybody waiting."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cuts off what is left: each is settled with what has come until now."""
        await asyncio.sleep(0)  # one that has not begun yet could not settle
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
