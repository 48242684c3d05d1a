"""A server between a client and a unix socket that can be made slow, or cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path


class Proxy:
    """`delay_s`: how long each piece that the server says is kept back."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.delay_s = 0.0
        self.url = f"unix://{folder / 'slow'}"
        self._path = folder / "slow"
        self._upstream = upstream.removeprefix("unix://")
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_unix_server(self._serve, self._path)
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()

    async def delay(self, seconds: float) -> None:
        """From now on what the server says is kept back for so long."""
        self.delay_s = seconds

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, ours = await asyncio.open_unix_connection(self._upstream)
        except OSError:
            writer.close()
            return
        for work in (self._pass(reader, ours, slow=False), self._pass(theirs, writer, slow=True)):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
        with suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(1 << 16):
                if slow:
                    await asyncio.sleep(self.delay_s)
                writer.write(data)
        with suppress(RuntimeError):
            writer.close()
