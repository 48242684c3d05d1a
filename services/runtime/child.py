"""One process that is kept running: restarted with a back-off when it dies, and gone when we are."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # include/uapi/linux/prctl.h
_BACKOFF_SECONDS: Final = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_HEALTHY_AFTER_SECONDS: Final = 2.0
"""A process that lived this long did not fail to start, so its successor does not wait: the back-off is for those that never
come up, and a worker that is killed again and again must be back before the edge gives up on its requests."""

_LAST_WORDS_SECONDS: Final = 2.0  # more than a worker takes to settle what is cut off


class Child:
    """A process that `start` starts, as often as needed."""

    def __init__(
        self,
        name: str,
        start: Callable[[], Awaitable[Process]],
        *,
        healthy_after: float = _HEALTHY_AFTER_SECONDS,
    ) -> None:
        """`healthy_after`: seconds of life after which an end is not taken for a failure to start."""
        self.name = name
        self._start = start
        self._healthy_after = healthy_after
        self._process: Process | None = None
        self._stopping = asyncio.Event()

    async def run(self, died: Callable[["Child", int], bool]) -> None:
        """Keeps it running until `stop` or `kill`, or until `died`, asked at every other end, says no."""
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])
            if self._stopping.is_set():
                return
            started = loop.time()
            code = await self._lifetime()
            if self._stopping.is_set() or not died(self, code):
                return
            failures = 0 if loop.time() - started > self._healthy_after else failures + 1

    async def _lifetime(self) -> int:
        """Starts the process and waits for its end; the exit code."""
        try:
            self._process = await self._start()
        except OSError as error:  # out of memory or processes, for now
            return error.errno or 1
        if self._stopping.is_set():
            self.kill()  # the stop came while it was being born
        return await self._process.wait()

    async def stop(self, grace: float) -> None:
        """Asks it to end, and after `grace` seconds to end now (a second SIGTERM); then kills it."""
        self._stopping.set()
        for seconds in (grace, _LAST_WORDS_SECONDS):
            self._signal(signal.SIGTERM)
            if self._process is None:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), seconds)
                return
        self.kill()

    def reload(self) -> None:
        """Has it read its configuration again, if it runs."""
        self._signal(signal.SIGHUP)

    def kill(self) -> None:
        """Ends it at once."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


async def spawn(*command: str, listening: bool = False) -> Process:
    """Starts a process of its own session (so Ctrl-C reaches only us), whose stdout is our stderr. On Linux it dies with us.

    listening: it has a pipe from us as its stdin. Raises `OSError`.
    """
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE if listening else asyncio.subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=_before(os.getpid()),
    )


def _before(parent: int) -> Callable[[], None]:
    """What a new process does before it becomes another program."""
    libc = ctypes.CDLL(None)  # loaded here, because little is safe between fork and exec

    def prepare() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it is ready for one: by default it would end of it
        if sys.platform == "linux":
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # asks to be killed when we are
            if os.getppid() != parent:  # we died before it asked
                os._exit(1)

    return prepare
