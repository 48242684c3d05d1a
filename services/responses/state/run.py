"""One response in the making without a client: its events are kept a few times a second, its end at once."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from services.errors import Overloaded
from services.responses.keeping import STATELESS, State
from services.responses.state import items, replay
from services.responses.state.recording import ENDED_WELL, FRAMES_MAX
from services.store.records import Frames, ItemRow, Record
from services.store.store import Store
from services.vocabulary.event import Loss

FLUSH_S: Final = 0.05
WAITING_MAX: Final = 1 << 20
"""Bytes of events that wait to be kept, above which the provider is not read on."""

_RETRY_S: Final = (0.1, 0.3, 1.0, 3.0, 10.0)

_log = structlog.get_logger(__name__)


class Run:
    """Implements `keeping.Recorder`. record: as it was queued, with the number of its last event that is kept.

    changed: set, and replaced, when more was kept. lost: called when the work is not this process's any more.
    """

    def __init__(self, store: Store, owner: str, record: Record, state: State | None) -> None:
        self.record = record
        self.state = state or STATELESS
        self.last = record.last_number
        self.changed = asyncio.Event()
        self.ended = False
        self.lost: Callable[[], object] = lambda: None
        self._store = store
        self._owner = owner
        self._waiting: list[bytes] = []
        self._kept = record.last_number  # as `last`, but only what is in the database
        self._size = 0
        self._flushing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def add(self, frames: bytes) -> None:
        """Takes the next events. Those that were kept before, by whoever began this work, are left out."""
        if self.last >= 0:
            frames = replay.after(Frames(0, 0, frames), self.last) if self._size == 0 else frames
        if not frames:
            return
        self.last = replay.last_number(frames)
        self._size += len(frames)
        self._waiting.append(frames)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())

    async def room(self) -> None:
        """Returns when there is room for more events."""
        if self._flushing is not None and sum(map(len, self._waiting)) > WAITING_MAX:
            await self._flushing

    async def keep(
        self,
        response_id: str,
        created_at: int,  # noqa: ARG002  # as it was queued
        status: str,
        body: bytes,
        number: int,
    ) -> Sequence[Loss]:
        """Keeps the end."""
        self.ended = True
        if self._flushing is not None:  # what it has begun to keep is kept once
            self._hurry.set()
            await asyncio.gather(self._flushing, return_exceptions=True)
        frames, state = b"".join(self._waiting), self.state
        appended: Sequence[ItemRow] = ()
        if state.conversation_id is not None and status in ENDED_WELL:
            appended = items.rows_of([*items.items_of(self.record.input), *items.output_in(body)])
        record = msgspec.structs.replace(
            self.record,
            status=status,
            body=body,
            frames=frames if self._size <= FRAMES_MAX else b"",
            last_number=number,
            appended=appended,
            item_ids=items.foreign_ids(body),
        )
        for pause in (*_RETRY_S, None):
            try:
                await self._store.finish(record, self._owner, self._kept + 1)
                break
            except Overloaded as error:
                if pause is None:
                    _log.error("background response not kept", response_id=response_id, error=error.message)
                    break
                await asyncio.sleep(pause)
        self._tell()
        return ()

    async def _flush(self) -> None:
        while self._waiting:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), FLUSH_S)
            if self.ended:
                return  # the rest is kept with the end
            taken = len(self._waiting)
            frames, last = b"".join(self._waiting[:taken]), self.last
            try:
                kept = frames if self._size <= FRAMES_MAX else b""
                mine = await asyncio.shield(
                    self._store.advance(self.record.id, self._owner, self._kept + 1, last, kept)
                )
            except Overloaded:
                await asyncio.sleep(_RETRY_S[1])
                continue
            del self._waiting[:taken]
            self._kept = last
            self._tell()
            if not mine:
                self._waiting.clear()
                self.lost()
                return

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()
