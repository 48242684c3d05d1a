"""The one thread of a process that writes, and group commit: what waits when a transaction begins goes into that one.

A commit that reaches the disk costs milliseconds, however much is in it; so under load many requests share one. Work that
fails undoes itself alone (a savepoint). When the database itself fails (gone, busy, full, a deadlock) the whole transaction
is tried again, so *work may run more than once and must write under ids of its own*; the answer is that of the last run.
"""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa
import structlog

from services.errors import Overloaded
from services.storage.transient import is_transient

WAITING_MAX: Final = 10_000
PATIENCE_S: Final = 5.0
_BATCH_MAX: Final = 500
_PAUSES_S: Final = (0.0, 0.02, 0.1, 0.3, 1.0, 2.0)

_log = structlog.get_logger("storage")

Work = TypeVar("Work")
Result = TypeVar("Result")
T = TypeVar("T")

Handler = Callable[[sa.Connection, Sequence[Work]], Sequence[Result | Exception]]
"""Does several pieces of work of one kind at once: an answer or an error for each, in order."""


class _Pending:
    __slots__ = ("future", "handler", "loop", "work")

    def __init__(self, handler: Handler[Any, Any], work: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.handler = handler
        self.work = work
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()


class Group(Generic[Work, Result]):
    """Work of one kind, which the handler gets together."""

    def __init__(self, writer: "Writer", handler: Handler[Work, Result]) -> None:
        self._writer = writer
        self._handler = handler

    async def submit(self, work: Work, *, patience_s: float = PATIENCE_S) -> Result:
        """As `Writer.submit`."""
        result: Result = await self._writer.enqueue(self._handler, work, patience_s)
        return result


class Writer:
    """Writes for one process. Its thread starts with the first work and ends with `close`."""

    def __init__(self, engine: sa.Engine, *, waiting_max: int = WAITING_MAX) -> None:
        """`engine`: begins writing transactions; one connection of it is used."""
        self._engine = engine
        self._waiting_max = waiting_max
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    async def submit(self, work: Callable[[sa.Connection], T], *, patience_s: float = PATIENCE_S) -> T:
        """Runs `work` in a transaction and returns what it returned, once that is committed.

        Raises what it raised, or `Overloaded`: the queue is full, or nothing was committed within `patience_s` seconds.
        Work whose caller has gone before it began is not done.
        """
        result: T = await self.enqueue(_each, work, patience_s)
        return result

    def group(self, handler: Handler[Work, Result]) -> Group[Work, Result]:
        """Work that is cheaper done together: `handler` gets all of it that one transaction takes."""
        return Group(self, handler)

    def enqueue(self, handler: Handler[Any, Any], work: Any, patience_s: float) -> Awaitable[Any]:
        """For `submit` and `Group`."""
        if self._closing.is_set():
            raise Overloaded("The gateway is shutting down.", retry_after=1)
        if self._queue.qsize() >= self._waiting_max:
            raise Overloaded("Too much is waiting to be written to the database.", retry_after=1)
        pending = _Pending(handler, work, asyncio.get_running_loop())
        self._queue.put(pending)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
            self._thread.start()
        return _patiently(pending.future, patience_s)

    async def close(self) -> None:
        """Does what waits, and ends."""
        self._closing.set()
        self._queue.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._engine.dispose()

    # ---- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        open_ = True
        while open_:
            batch = [self._queue.get()]
            while len(batch) < _BATCH_MAX and not self._queue.empty():
                batch.append(self._queue.get())
            open_ = None not in batch
            self._do([pending for pending in batch if pending is not None])

    def _do(self, batch: list[_Pending]) -> None:
        """Hands out answers or errors, once they are on the disk."""
        work: list[_Pending] = []
        for pause in _PAUSES_S:
            self._closing.wait(pause)
            if not (work := [pending for pending in batch if not pending.future.done()]):
                return
            try:
                with self._engine.begin() as connection:
                    answers = _apply(connection, work)
            except Exception as error:  # noqa: BLE001  # whoever waits must hear of it
                if not is_transient(error):
                    _deliver(work, [error] * len(work))
                    return
                _log.warning("database not available", error=str(error), waiting=len(work))
            else:
                _deliver(work, answers)
                return
        _deliver(work, [Overloaded("The database is not available.", retry_after=2)] * len(work))


def _apply(connection: sa.Connection, batch: list[_Pending]) -> Sequence[Any]:
    kinds: dict[Handler[Any, Any], list[int]] = {}
    for index, pending in enumerate(batch):
        kinds.setdefault(pending.handler, []).append(index)
    answers: list[Any] = [None] * len(batch)
    for handler, indices in kinds.items():
        done = _together(connection, handler, [batch[index].work for index in indices], alone=len(kinds) == 1)
        for index, answer in zip(indices, done, strict=True):
            answers[index] = answer
    return answers


def _together(connection: sa.Connection, handler: Handler[Any, Any], work: list[Any], *, alone: bool) -> Sequence[Any]:
    """All of a kind in one savepoint; if that fails, each in its own."""
    if handler is _each:
        return [_one(connection, handler, each) for each in work]
    try:
        if alone and len(work) == 1:
            return handler(connection, work)
        with connection.begin_nested():
            return handler(connection, work)
    except Exception as error:
        if is_transient(error) or (alone and len(work) == 1):
            raise
        return [_one(connection, handler, each) for each in work]


def _one(connection: sa.Connection, handler: Handler[Any, Any], work: Any) -> Any:
    try:
        with connection.begin_nested():
            return handler(connection, [work])[0]
    except Exception as error:
        if is_transient(error):
            raise
        return error


def _each(connection: sa.Connection, work: Sequence[Callable[[sa.Connection], Any]]) -> Sequence[Any]:
    return [each(connection) for each in work]


def _deliver(batch: list[_Pending], answers: Sequence[Any]) -> None:
    """Hands answers to their event loops: one wake-up for each loop."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for pending, answer in zip(batch, answers, strict=True):
        loops.setdefault(pending.loop, []).append((pending.future, answer))
    for loop, results in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, results)


def _resolve(results: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in results:
        if future.done():  # nobody waits any more
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


async def _patiently(future: asyncio.Future[Any], patience_s: float) -> Any:
    try:
        async with asyncio.timeout(patience_s):
            return await future
    except TimeoutError:
        raise Overloaded("The database does not answer in time.", retry_after=2) from None
