"""The one thread of a process that writes, and group commit: what waits when a transaction begins goes into that one.

A commit that reaches the disk costs milliseconds, however much is in it; so under load many requests share one, and the
thread then waits a moment for more. Work that fails undoes itself alone (a savepoint). When the database itself fails (gone,
busy, full, a deadlock) the whole transaction is tried again, so *work may run more than once and must write under ids of
its own*; the answer is that of the last run.

While the database is away and somebody is trying, whoever comes with no more than the usual patience is refused at once.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa

from services.errors import Overloaded
from services.storage.batch import DrivenHandler, Handler, Kind, apply, drive
from services.storage.presence import Presence
from services.storage.statements import Statements
from services.storage.transient import is_transient

WAITING_MAX: Final = 10_000
PATIENCE_S: Final = 5.0
COMPANY_S: Final = 0.003
"""How long a transaction waits for others to join it, when lately some did."""

_BATCH_MAX: Final = 500
_PAUSES_S: Final = (0.0, 0.02, 0.1, 0.3, 1.0, 2.0)


Work = TypeVar("Work")
Result = TypeVar("Result")
T = TypeVar("T")


class _Pending:
    __slots__ = ("future", "kind", "loop", "timer", "work")

    def __init__(self, kind: Kind, work: Any, loop: asyncio.AbstractEventLoop, patience_s: float) -> None:
        self.kind = kind
        self.work = work
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.timer = loop.call_later(patience_s, _give_up, self.future)


class Group(Generic[Work, Result]):
    """Work of one kind, which the handler gets together."""

    def __init__(self, writer: "Writer", kind: Kind) -> None:
        self._writer = writer
        self._kind = kind

    def submit(self, work: Work, *, patience_s: float = PATIENCE_S) -> "asyncio.Future[Result]":
        """As `Writer.submit`."""
        return self._writer.enqueue(self._kind, work, patience_s)


class Writer:
    """Writes for one process. Its thread starts with the first work and ends with `close`."""

    def __init__(self, engine: sa.Engine, *, waiting_max: int = WAITING_MAX) -> None:
        """`engine`: begins writing transactions, and need not be `synced`; one connection of it is used."""
        self._engine = engine
        self._waiting_max = waiting_max
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: sa.Connection | None = None
        self._statements: Statements | None = None
        self._closing = threading.Event()
        self._presence = Presence()

    async def submit(self, work: Callable[[sa.Connection], T], *, patience_s: float = PATIENCE_S) -> T:
        """Runs `work` in a transaction and returns what it returned, once that is committed.

        Raises what it raised, or `Overloaded`: the queue is full, or nothing was committed within `patience_s` seconds.
        Work whose caller has gone before it began is not done.
        """
        result: T = await self.enqueue(Kind(), work, patience_s)
        return result

    def group(self, handler: Handler[Work, Result]) -> Group[Work, Result]:
        """Work that is cheaper done together: `handler` gets all of it that one transaction takes."""
        return Group(self, Kind(handler))

    def driven_group(
        self, handler: DrivenHandler[Work, Result], *, durable: Callable[[Work], bool] = lambda _: True
    ) -> Group[Work, Result]:
        """The same for a hot path: `handler` gives its statements to the driver itself.

        durable: whether the work must survive a power cut. What need not is committed sooner, where the database lets us.
        """
        return Group(self, Kind(driven=handler, durable=durable))

    def enqueue(self, kind: Kind, work: Any, patience_s: float) -> "asyncio.Future[Any]":
        """For `submit` and `Group`."""
        if self._closing.is_set():
            raise Overloaded("The gateway is shutting down.", retry_after=1)
        if self._queue.qsize() >= self._waiting_max:
            raise Overloaded("Too much is waiting to be written to the database.", retry_after=1)
        if patience_s <= PATIENCE_S and self._presence.away:
            raise Overloaded("The database is not available.", retry_after=2)
        pending = _Pending(kind, work, asyncio.get_running_loop(), patience_s)
        self._queue.put(pending)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
            self._thread.start()
        return pending.future

    async def close(self) -> None:
        """Does what waits, and ends."""
        self._closing.set()
        self._queue.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._engine.dispose()

    # ---- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        company, alone = False, 0
        while True:
            batch = [self._queue.get()]
            if company and self._queue.empty():
                self._closing.wait(COMPANY_S)
            while len(batch) < _BATCH_MAX and not self._queue.empty():
                batch.append(self._queue.get())
            alone = 0 if len(batch) > 1 else alone + 1
            company = alone < 2
            self._presence.begin()
            self._do([pending for pending in batch if pending is not None])
            self._presence.end()
            if None in batch:
                self._disconnect()
                return

    def _do(self, batch: list[_Pending]) -> None:
        """Hands out answers or errors, once they are on the disk."""
        work: list[_Pending] = []
        for pause in _PAUSES_S:
            if pause:
                self._closing.wait(pause)
            if not (work := [pending for pending in batch if not pending.future.done()]):
                return
            try:
                answers = self._transaction(work)
            except Exception as error:  # noqa: BLE001  # whoever waits must hear of it
                self._disconnect()
                if not is_transient(error):
                    _deliver(work, [error] * len(work))
                    return
                self._presence.failed(str(error))
            else:
                self._presence.worked()
                _deliver(work, answers)
                return
        _deliver(work, [Overloaded("The database is not available.", retry_after=2)] * len(work))

    def _transaction(self, work: list[_Pending]) -> Sequence[Any]:
        """Answers, committed. Driven work goes without savepoints; if some of it fails, all is done again with them."""
        if self._connection is None:
            self._connection = self._engine.connect()
        if self._statements is None:
            self._statements = Statements(self._connection)
        statements = self._statements
        if all(pending.kind.driven is not None for pending in work):
            statements.begin()
            try:
                answers = drive(statements, [(pending.kind, pending.work) for pending in work])
                statements.commit()
                if any(pending.kind.durable(pending.work) for pending in work):
                    statements.sync()
            except Exception as error:
                statements.rollback()
                if is_transient(error):
                    raise
                if len(work) == 1:
                    return [error]
            else:
                return answers
        with self._connection.begin():
            answers = apply(self._connection, statements, [(pending.kind, pending.work) for pending in work])
        statements.sync()
        return answers

    def _disconnect(self) -> None:
        if self._statements is not None:
            with contextlib.suppress(Exception):
                self._statements.close()
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.invalidate()
            with contextlib.suppress(Exception):
                self._connection.close()
        self._connection = self._statements = None


def _deliver(batch: list[_Pending], answers: Sequence[Any]) -> None:
    """Hands answers to their event loops: one wake-up for each loop."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[_Pending, Any]]] = {}
    for pending, answer in zip(batch, answers, strict=True):
        loops.setdefault(pending.loop, []).append((pending, answer))
    for loop, results in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, results)


def _resolve(results: list[tuple[_Pending, Any]]) -> None:
    for pending, answer in results:
        pending.timer.cancel()
        if pending.future.done():  # nobody waits any more
            continue
        if isinstance(answer, Exception):
            pending.future.set_exception(answer)
        else:
            pending.future.set_result(answer)


def _give_up(future: "asyncio.Future[Any]") -> None:
    if not future.done():
        future.set_exception(Overloaded("The database does not answer in time.", retry_after=2))
