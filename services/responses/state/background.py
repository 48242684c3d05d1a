"""Responses that are made without a client: begun at once, made to their end, taken over from a process that died.

Events are kept before anybody sees them, so whoever follows the stream, here or on another replica, sees the same ones, also
after this process is gone. Who works on a response holds its lease. One that was begun but told nobody more than that is begun
again elsewhere, under the same id and so charged once; one whose events were seen ends as failed, with what it had.
"""

import asyncio
import contextvars
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
import structlog

from services.errors import GatewayError, InternalError, Overloaded
from services.responses.echo import skeleton
from services.responses.service import Responses
from services.responses.state import items
from services.responses.state.asking import Asked, Asking, tenant_of
from services.responses.state.endings import ended
from services.responses.state.run import Run
from services.responses.state.stored import Stored
from services.responses.stream_events import ErrorEvent, ResponseCreated, StreamError
from services.store.records import Record, Task
from services.store.store import PURGED_AT_ONCE, Store
from services.surface import sse
from services.vocabulary.caller import Caller
from services.vocabulary.event import Opened

ATTEMPTS_MAX: Final = 3
TAKEN_AT_ONCE: Final = 20
UNSEEN: Final = 1
"""Number of the last event that tells nothing of the answer: `response.in_progress`."""

PURGE_S: Final = 60.0
REFUSED_MAX: Final = 10_000
"""Requests whose clients were told that they were not taken, and that may have been kept all the same, just too late."""

_log = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


class Work(msgspec.Struct, frozen=True):
    """All that is needed to make a response. body: the request's. native: it may travel as it is."""

    body: msgspec.Raw
    caller: Caller
    native: bool = True


_work = msgspec.json.Decoder(Work)


class Lost(GatewayError):
    """The process that made the response is gone."""

    def __init__(self) -> None:
        super().__init__("The process that made this response was lost. What it had made is in `output`.")


class Background:
    """The work of one process. `lease_s`: how long after its death others take over. `grace_s`: for work under way at the end."""

    def __init__(
        self,
        responses: Responses,
        asking: Asking,
        stored: Stored,
        store: Store,
        *,
        lease_s: float = 15.0,
        grace_s: float = 25.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._responses = responses
        self._asking = asking
        self._stored = stored
        self._store = store
        self._lease_s = lease_s
        self._grace_s = grace_s
        self._now = now
        self._owner = secrets.token_hex(12)
        self._runs: dict[str, tuple[Run, asyncio.Task[None]]] = {}
        self._refused: deque[tuple[str, str]] = deque(maxlen=REFUSED_MAX)
        self._caring: asyncio.Task[None] | None = None
        stored.listen(self._changed, self._stop)

    def start(self) -> None:
        """Begins to look after leases, here and of those who died."""
        self._caring = asyncio.create_task(self._care())

    async def close(self) -> None:
        """Gives what is under way its grace, and the rest away."""
        if self._caring is not None:
            self._caring.cancel()
        tasks = [task for _, task in self._runs.values()]
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=self._grace_s)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            try:
                await self._store.release(self._owner)
            except Exception as error:  # noqa: BLE001  # the lease ends by itself
                _log.warning("leases not released", error=str(error))

    # ---- asking ------------------------------------------------------------------------------------------------------

    async def create(self, asked: Asked, body: bytes, caller: Caller) -> bytes:
        """Queues a response, and begins it. The response object, once it is kept. Raises where nobody could answer."""
        return (await self._queued(asked, body, caller)).body

    async def stream(self, asked: Asked, body: bytes, caller: Caller) -> AsyncIterator[bytes]:
        """Queues a response, and follows its stream."""
        record = await self._queued(asked, body, caller)
        return await self._stored.follow(record.tenant, record.id, None)

    async def _queued(self, asked: Asked, body: bytes, caller: Caller) -> Record:
        await self._responses.check(asked.call, caller, asked.state)
        response_id, created_at = self._responses.new_id(), self._responses.now()
        response = skeleton(asked.call, asked.call.model, Opened("", ""), response_id, created_at, asked.state)
        response.status = "queued"
        record = Record(
            id=response_id,
            tenant=tenant_of(caller),
            created_at=created_at,
            status="queued",
            body=_encoder.encode(response),
            input=items.input_of(asked.given, asked.own),
            previous_id=asked.state.previous_response_id,
            conversation_id=asked.state.conversation_id,
            frames=sse.frames([ResponseCreated(sequence_number=0, response=response)]),
            last_number=0,
        )
        work = Work(msgspec.Raw(body), caller, asked.call.native is not None)
        try:
            await self._store.begin(record, _encoder.encode(work), self._owner, self._lease())
        except Overloaded:
            self._refused.append((record.tenant, record.id))
            raise
        self._begin(record, asked, caller)
        return record

    # ---- working -----------------------------------------------------------------------------------------------------

    def _begin(self, record: Record, asked: Asked, caller: Caller) -> None:
        run = Run(self._store, self._owner, record, asked.state)
        # A context of its own: the deadline of the request that asked is not the work's.
        task = asyncio.create_task(self._work(run, asked, caller), context=contextvars.Context())
        run.lost = task.cancel
        self._runs[record.id] = run, task
        task.add_done_callback(lambda _: self._runs.pop(record.id, None))

    async def _work(self, run: Run, asked: Asked, caller: Caller) -> None:
        call = msgspec.structs.replace(asked.call, stream=True)
        if call.native is not None:
            fields = {**call.native.fields, "stream": msgspec.Raw(b"true")}
            call = msgspec.structs.replace(call, native=msgspec.structs.replace(call.native, fields=fields))
        try:
            generation = await self._responses.open(call, caller, asked.state, run.record.id)
            async for _ in self._responses.sse(generation, run):
                await run.room()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  # nobody waits, so it is told in the response
            await self._fail(run, error)

    async def _fail(self, run: Run, error: Exception) -> None:
        if not isinstance(error, GatewayError):
            _log.error("background response failed", response_id=run.record.id, exc_info=error)
            error = InternalError()
        number = run.last + 1
        said = StreamError(error.type, error.code, error.message, error.param)
        frames = sse.frames([ErrorEvent(sequence_number=number, error=said)])
        run.add(frames)
        body = ended(run.record.body, await self._stored.frames(run.record.tenant, run.record.id), "failed", error)
        await run.keep(run.record.id, run.record.created_at, "failed", body, number + 1)

    # ---- leases ------------------------------------------------------------------------------------------------------

    async def _care(self) -> None:
        purged_at = self._now()
        while True:
            await asyncio.sleep(self._lease_s / 3)
            try:
                await self._renew()
                while self._refused:
                    await self._store.delete(*self._refused[0])
                    self._refused.popleft()
                for task in await self._store.take(self._owner, int(self._now() * 1000), self._lease(), TAKEN_AT_ONCE):
                    await self._take_over(task)
                if self._now() - purged_at > PURGE_S and await self._store.purge() < PURGED_AT_ONCE:
                    purged_at = self._now()
                await self._store.scrub()
            except Overloaded as error:
                _log.warning("leases not looked after", error=error.message)
            except Exception as error:  # noqa: BLE001  # the next time may go well
                _log.error("leases not looked after", exc_info=error)

    async def _renew(self) -> None:
        ids = list(self._runs)
        mine = await self._store.renew(self._owner, ids, self._lease()) if ids else set()
        for response_id in ids:
            if response_id not in mine and (found := self._runs.get(response_id)) and not found[0].ended:
                found[1].cancel()  # cancelled, deleted, or taken by others

    async def _take_over(self, task: Task) -> None:
        record = Record(
            id=task.id,
            tenant=task.tenant,
            created_at=task.created_at,
            status="queued",
            body=task.body,
            input=task.input,
            previous_id=task.previous_id,
            conversation_id=task.conversation_id,
            last_number=task.last_number,
        )
        work = _work.decode(task.work)
        try:
            if task.last_number > UNSEEN or task.attempts >= ATTEMPTS_MAX:
                raise Lost  # ends like any other failure
            asked = await self._asking.read(bytes(work.body), work.caller, native=work.native)
        except Exception as error:  # noqa: BLE001  # what it continues may be gone
            await self._fail(Run(self._store, self._owner, record, None), error)
            return
        _log.info("background response taken over", response_id=task.id, attempt=task.attempts)
        self._begin(record, asked, work.caller)

    def _lease(self) -> int:
        return int((self._now() + self._lease_s) * 1000)

    def _stop(self, response_id: str) -> None:
        if found := self._runs.get(response_id):
            found[1].cancel()
            found[0].changed.set()

    def _changed(self, response_id: str) -> asyncio.Event | None:
        found = self._runs.get(response_id)
        return found[0].changed if found is not None else None
