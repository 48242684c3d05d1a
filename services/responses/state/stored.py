"""Stored responses for those who ask again: get, list the input, delete, follow the stream."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import msgspec

from services.errors import InvalidRequest, NotFound, Overloaded
from services.responses.state import items, replay
from services.responses.state.endings import ended
from services.responses.state.pages import ItemList, Page, item_list, no_item
from services.store.records import Frames, ItemRow, Kept, Record, Turn
from services.store.responses import FRAMES_AT_ONCE
from services.store.store import Store
from services.surface import sse

LOOK_AGAIN_S: Final = 0.2
"""How often a stream that another process makes is looked at."""

TURNS_AT_ONCE: Final = 16


class Deleted(msgspec.Struct):
    """Says that a response is gone."""

    id: str
    object: str = "response"
    deleted: bool = True


class Stored:
    """Methods raise `NotFound` for an id that is not of this tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed: Callable[[str], asyncio.Event | None] = lambda _: None
        self._stop: Callable[[str], None] = lambda _: None

    def listen(self, changed: Callable[[str], asyncio.Event | None], stop: Callable[[str], None]) -> None:
        """About responses that are made in this process: what is set when more was kept, and what ends the work."""
        self._changed, self._stop = changed, stop

    async def get(self, tenant: str, response_id: str) -> Kept:
        """A response."""
        found = await self._store.find(tenant, response_id)
        if found is None:
            raise _not_found(response_id)
        return found

    async def delete(self, tenant: str, response_id: str) -> Deleted:
        """Deletes a response."""
        if not await self._store.delete(tenant, response_id):
            raise _not_found(response_id)
        return Deleted(response_id)

    async def cancel(self, tenant: str, response_id: str) -> Kept:
        """Ends a response that is made in the background; whoever makes it notices. One that has ended stays as it is."""
        kept = await self.get(tenant, response_id)
        if not kept.background:
            raise InvalidRequest("Cannot cancel a synchronous response: only one that was created with `background`.")
        while kept.under_way:
            number, runs = kept.last_number, await self.frames(tenant, response_id)
            record = Record(
                id=response_id,
                tenant=tenant,
                created_at=kept.created_at,
                status="cancelled",
                body=ended(kept.body, runs, "cancelled"),
                input=b"",
                last_number=number + 1,
            )
            if await self._store.finish(record, None, number + 1):
                self._stop(response_id)
            kept = await self.get(tenant, response_id)
        return kept

    async def frames(self, tenant: str, response_id: str) -> list[bytes]:
        """All events so far."""
        runs: list[Frames] = []
        while True:
            found = await self._store.follow(tenant, response_id, runs[-1].last if runs else -1)
            runs += found[1] if found is not None else ()
            if found is None or len(found[1]) < FRAMES_AT_ONCE:
                return [run.frames for run in runs]

    # ---- what it was made from ---------------------------------------------------------------------------------------

    async def input_items(self, tenant: str, response_id: str, page: Page) -> ItemList:
        """A piece of the items the response was made from: its own, and those of the responses it continues."""
        ids = await self._store.chain_ids(tenant, response_id)
        if not ids:
            raise _not_found(response_id)
        order = list(reversed(ids)) if page.newest_first else ids
        start = 0
        if page.after is not None and (holder := items.response_of(page.after)) in order:
            start = order.index(holder or "")
        found: list[ItemRow] = []
        passed = page.after is None
        for at in range(start, len(order), TURNS_AT_ONCE):
            for turn in await self._store.turns(order[at : at + TURNS_AT_ONCE]):
                for row in _rows(turn, turn.id == response_id, newest_first=page.newest_first):
                    if passed:
                        found.append(row)
                    passed = passed or row.id == page.after
            if len(found) > page.limit:
                break
        if not passed:
            raise no_item(page.after)
        return item_list(found, page.limit)

    # ---- its stream --------------------------------------------------------------------------------------------------

    async def follow(self, tenant: str, response_id: str, after: int | None) -> AsyncIterator[bytes]:
        """The events with numbers above `after`, to the end, as server-sent events.

        Raises `InvalidRequest` when they are not there (any more).
        """
        number = -1 if after is None else after
        if number < -1:
            raise InvalidRequest("Expected the number of an event (at starting_after).", param="starting_after")
        found = await self._store.follow(tenant, response_id, number)
        if found is None:
            raise _not_found(response_id)
        kept, frames = found
        if kept.last_number < 0:
            raise InvalidRequest("This response was not streamed, so there are no events of it.", param="stream")
        if number > kept.last_number:
            raise InvalidRequest(f"The last event so far is {kept.last_number}.", param="starting_after")
        missing = frames[0].first > number + 1 if frames else number + 1 < kept.last_number
        if missing:
            raise InvalidRequest("The events of this stream are not kept any more; get the response without `stream`.")
        return self._follow(tenant, kept, frames, number)

    async def _follow(self, tenant: str, kept: Kept, frames: Sequence[Frames], number: int) -> AsyncIterator[bytes]:
        while True:
            for run in frames:
                yield replay.after(run, number)
                number = run.last
            if len(frames) < FRAMES_AT_ONCE:
                if not kept.under_way:
                    yield (replay.ending(kept) if number < kept.last_number else b"") + sse.DONE
                    return
                await self._wait(kept.id)
            found = await self._next(tenant, kept.id, number)
            if found is None:  # deleted meanwhile
                return
            kept, frames = found

    async def _next(self, tenant: str, response_id: str, number: int) -> tuple[Kept, list[Frames]] | None:
        """As `Store.follow`, once the database answers: in the midst of a stream an error looks like its end."""
        while True:
            with contextlib.suppress(Overloaded):
                return await self._store.follow(tenant, response_id, number)
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _wait(self, response_id: str) -> None:
        """Returns when it is worth looking again."""
        changed = self._changed(response_id)
        if changed is None:
            await asyncio.sleep(LOOK_AGAIN_S)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), LOOK_AGAIN_S)


def _rows(turn: Turn, asked: bool, *, newest_first: bool) -> list[ItemRow]:
    """The items of one turn; of the response that is asked about, its answer is no input."""
    given = items.items_of(turn.input)
    rows = [_row(items.input_id(turn.id, index, item), item) for index, item in enumerate(given)]
    if not asked:
        answered = items.output_of(turn.output)
        rows += [_row(items.head_of(item).id or "", item) for item in answered]
    return rows[::-1] if newest_first else rows


def _row(item_id: str, item: msgspec.Raw) -> ItemRow:
    return ItemRow(item_id, items.shown(item, item_id))


def _not_found(response_id: str) -> NotFound:
    return NotFound(f"Response with id '{response_id}' not found.", param="response_id")
