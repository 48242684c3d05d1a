"""From a source of bytes to a slow writer: one message carries everything that is ready when the previous one was sent.

Messages are what costs (one per chunk is five times as expensive), and nothing waits for this: while the writer is idle a
chunk leaves at once. A reader that is too far ahead waits, so that a slow client slows the provider instead of filling
memory.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from services.responses import sse

AHEAD_BYTES_MAX: Final = 1 << 20


class Pump:
    """Moves one stream. `ping_s`: seconds of silence after which a comment is sent."""

    def __init__(self, source: AsyncIterator[bytes], write: Callable[[bytes], Awaitable[None]], ping_s: float) -> None:
        self._source = source
        self._write = write
        self._ping_s = ping_s
        self._ready: list[bytes] = []
        self._ahead = 0
        self._ended = False
        self._wake: asyncio.Future[bool] | None = None
        self._room: asyncio.Future[None] | None = None

    async def run(self, *, silent: bool = False) -> None:
        """Until the source ends. `silent`: nothing has come for `ping_s` already, so begin with a ping.

        A cancelled run closes the source. Raises what the source raises.
        """
        reader = asyncio.ensure_future(self._read())
        try:
            if silent:
                await self._write(sse.PING)
            while True:
                if self._ready:
                    data = b"".join(self._ready)
                    self._ready.clear()
                    self._ahead = 0
                    if self._room is not None and not self._room.done():
                        self._room.set_result(None)
                    await self._write(data)
                elif self._ended:
                    break
                elif not await self._woken():
                    await self._write(sse.PING)
            await reader
        finally:
            if not reader.done():
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async for data in self._source:
                self._ready.append(data)
                self._ahead += len(data)
                self._notify()
                if self._ahead > AHEAD_BYTES_MAX:
                    self._room = asyncio.get_running_loop().create_future()
                    await self._room
        finally:
            self._ended = True
            self._notify()
            await self._source.aclose()  # type: ignore[attr-defined]  # sources are async generators

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(True)

    async def _woken(self) -> bool:
        """Waits for the reader; False when it stayed silent for `ping_s`."""
        loop = asyncio.get_running_loop()
        wake: asyncio.Future[bool] = loop.create_future()
        self._wake = wake
        timer = loop.call_later(self._ping_s, _expire, wake)
        try:
            return await wake
        finally:
            timer.cancel()
            self._wake = None


def _expire(wake: "asyncio.Future[bool]") -> None:
    if not wake.done():
        wake.set_result(False)
