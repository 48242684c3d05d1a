"""Keeps the answer of one request that a client waits for, in one transaction before the client hears of its end."""

from collections.abc import Sequence
from typing import Final

import structlog

from services.responses.keeping import State
from services.responses.state import items
from services.store.records import ItemRow, Record
from services.store.store import Store
from services.vocabulary.event import Loss

FRAMES_MAX: Final = 8 << 20
"""Bytes of events that are kept of one stream. A longer one can be read again as a response, and not as a stream."""

ENDED_WELL: Final = ("completed", "incomplete")

_NOT_KEPT: Final = "The database did not answer in time: the response cannot be retrieved or continued."
_NOT_APPENDED: Final = "The database did not answer in time: nothing was added to the conversation."

_log = structlog.get_logger(__name__)


class Recording:
    """Implements `keeping.Recorder`. given: the request's own `input`."""

    def __init__(self, store: Store, tenant: str, state: State, given: bytes) -> None:
        self.state = state
        self._store = store
        self._tenant = tenant
        self._given = given
        self._frames: list[bytes] = []
        self._size = 0

    def add(self, frames: bytes) -> None:
        """Takes the next events."""
        self._size += len(frames)
        if self._size <= FRAMES_MAX:
            self._frames.append(frames)
        else:
            self._frames.clear()

    async def keep(self, response_id: str, created_at: int, status: str, body: bytes, number: int) -> Sequence[Loss]:
        """Keeps the response, and appends to its conversation."""
        state = self.state
        appended = self._appended(status, body)
        try:
            if not state.stored:
                if appended and state.conversation_id is not None:
                    await self._store.append(self._tenant, state.conversation_id, appended)
                return ()
            record = Record(
                id=response_id,
                tenant=self._tenant,
                created_at=created_at,
                status=status,
                body=body,
                input=self._given,
                previous_id=state.previous_response_id,
                conversation_id=state.conversation_id,
                frames=b"".join(self._frames),
                last_number=number if self._size <= FRAMES_MAX else -1,
                appended=appended,
                item_ids=items.foreign_ids(body),
            )
            await self._store.keep(record)
        except Exception as error:  # noqa: BLE001  # the answer itself is there, and paid for
            _log.error("response not kept", response_id=response_id, error=str(error) or type(error).__name__)
            lost = [Loss("store", "dropped", _NOT_KEPT)] if state.stored else []
            return [*lost, Loss("conversation", "dropped", _NOT_APPENDED)] if appended else lost
        return ()

    def _appended(self, status: str, body: bytes) -> Sequence[ItemRow]:
        if self.state.conversation_id is None or status not in ENDED_WELL:
            return ()
        return items.rows_of([*items.items_of(self._given), *items.output_in(body)])
