"""One caller works, all wait for the same result."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class SingleFlight(Generic[Result]):
    """Runs a job at most once at a time; who comes while it runs gets its result, or its error."""

    def __init__(self) -> None:
        self._running: asyncio.Task[Result] | None = None

    async def run(self, job: Callable[[], Awaitable[Result]]) -> Result:
        """The result of the job that is running, or of this one. A caller that is cancelled does not stop it."""
        return await asyncio.shield(self.start(job))

    def start(self, job: Callable[[], Awaitable[Result]]) -> "asyncio.Task[Result]":
        """Starts the job unless one is running."""
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(_await(job))
            self._running.add_done_callback(_seen)
        return self._running


async def _await(job: Callable[[], Awaitable[Result]]) -> Result:
    return await job()


def _seen(task: "asyncio.Task[Result]") -> None:
    """Nobody may be waiting for a job that was started early; its error is no surprise then."""
    if not task.cancelled():
        task.exception()
