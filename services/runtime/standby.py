"""One more worker than needed, with everything loaded, that waits to be told its socket.

Loading takes a worker most of a second, more on a busy machine; a request must not wait that long for a dead one. Costs
one idle process, whatever the number of workers.
"""

import asyncio
import contextlib
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Final

from services.runtime.child import spawn

_QUIET_SECONDS: Final = 1.0  # leaves the processors to the worker that has just been sent off

_COMMAND: Final = (sys.executable, "-m", "services.runtime.worker", "--address", "-")


class Standby:
    """Starts workers: the one that waits if there is one, else a new one."""

    def __init__(self) -> None:
        self._keeping = False
        self._waiting: Process | None = None
        self._preparing: asyncio.Task[None] | None = None

    async def worker(self, socket: Path) -> Process:
        """A worker process on the socket. Raises `OSError` when none can be started."""
        process, self._waiting = self._waiting, None
        if process is None or process.returncode is not None:
            process = await spawn(*_COMMAND, listening=True)
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):  # it died meanwhile, which its caller is about to see
            process.stdin.write(f"unix:{socket}\n".encode())
            await process.stdin.drain()
        process.stdin.close()
        if self._keeping:
            self.keep()
        return process

    def keep(self) -> None:
        """Has one wait, from in a moment on and ever after. The gateway is well without it, so failing is no error."""
        self._keeping = True
        if self._preparing is not None:
            self._preparing.cancel()
        self._preparing = asyncio.create_task(self._prepare())

    async def _prepare(self) -> None:
        await asyncio.sleep(_QUIET_SECONDS)
        if self._waiting is None or self._waiting.returncode is not None:
            with contextlib.suppress(OSError):
                self._waiting = await asyncio.shield(spawn(*_COMMAND, listening=True))

    async def close(self) -> None:
        """Ends the one that waits."""
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.wait({self._preparing})
        if self._waiting is not None and self._waiting.returncode is None:
            self._waiting.kill()
            await self._waiting.wait()
