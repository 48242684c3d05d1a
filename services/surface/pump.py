"""From a source of bytes to a slow writer, with a ping whenever the source has been silent for long.

One message for one piece of the source, written before the next is asked for: messages are what costs, and whatever arrives
while one is being written is waiting in the HTTP client, which gives it out as one piece. A slow client so slows the provider
instead of filling memory. There is no task and no timer per piece.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable


class Pump:
    """Moves one stream. `ping_s`: seconds of silence after which `ping` is sent."""

    def __init__(
        self, source: AsyncIterator[bytes], write: Callable[[bytes], Awaitable[None]], ping: bytes, ping_s: float
    ) -> None:
        self._source = source
        self._write = write
        self._ping_bytes = ping
        self._ping_s = ping_s
        self._silent_since: float | None = None  # None while something is being written
        self._ping: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, *, silent: bool = False) -> None:
        """Until the source ends. `silent`: nothing has come for `ping_s` already, so begin with a ping.

        A cancelled run closes the source. Raises what the source or the writer raises.
        """
        loop = asyncio.get_running_loop()
        try:
            if silent:
                await self._write(self._ping_bytes)
            self._silent_since = loop.time()
            self._timer = loop.call_later(self._ping_s, self._look)
            async for data in self._source:
                self._silent_since = None
                if self._ping is not None:
                    await self._ping  # two writes at a time would mix
                    self._ping = None
                await self._write(data)
                self._silent_since = loop.time()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            if self._ping is not None:
                self._ping.cancel()
                await asyncio.gather(self._ping, return_exceptions=True)
            await self._source.aclose()  # type: ignore[attr-defined]  # sources are async generators

    def _look(self) -> None:
        """One timer for the whole stream: looks how long the present silence is, and when to look again."""
        loop = asyncio.get_running_loop()
        left = self._ping_s
        if self._silent_since is not None:
            left = self._silent_since + self._ping_s - loop.time()
            if left <= 0 and (self._ping is None or self._ping.done()):
                self._ping = loop.create_task(self._send_ping())
        self._timer = loop.call_later(left if left > 0 else self._ping_s, self._look)

    async def _send_ping(self) -> None:
        await self._write(self._ping_bytes)
        if self._silent_since is not None:
            self._silent_since = asyncio.get_running_loop().time()
