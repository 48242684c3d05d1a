"""What is kept of a response and of a conversation. Contents are bytes of JSON: this room does not look into items."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

UNDER_WAY: Final = ("queued", "in_progress")
"""The states of a response that somebody still works on."""


def form(text: str) -> str:
    """A client's text as an id to look for: no id is empty, and no other text has to reach the database."""
    return text if _ID.fullmatch(text) else ""


class ItemRow(msgspec.Struct, frozen=True):
    """An item of a conversation: its id, and its JSON with the id in it."""

    id: str
    item: bytes


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A response to keep.

    tenant: whose it is. body: the whole response object. input: the request's own `input`, a string or an array.
    frames: the stream's events before the last, whose number is last_number (-1: no stream, or not all of it).
    appended: items for the conversation. item_ids: ids of output items that do not tell the response's id.
    """

    id: str
    tenant: str
    created_at: int
    status: str
    body: bytes
    input: bytes
    previous_id: str | None = None
    conversation_id: str | None = None
    frames: bytes = b""
    last_number: int = -1
    appended: Sequence[ItemRow] = ()
    item_ids: Sequence[str] = ()


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A response that was kept. body: the whole response object."""

    id: str
    created_at: int
    status: str
    background: bool
    body: bytes
    last_number: int
    previous_id: str | None = None
    conversation_id: str | None = None

    @property
    def under_way(self) -> bool:
        """Whether somebody still works on it."""
        return self.status in UNDER_WAY


class Turn(msgspec.Struct, frozen=True):
    """One request and its answer in a chain of them: what was asked and answered, as JSON."""

    id: str
    status: str
    input: bytes
    output: bytes


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Work to do in the background. work: all that is needed for it. attempts: how often it was begun before.

    body: the response object as it was when the work was queued. last_number: of the last event that was kept.
    """

    id: str
    tenant: str
    created_at: int
    attempts: int
    last_number: int
    body: bytes
    input: bytes
    work: bytes
    previous_id: str | None = None
    conversation_id: str | None = None


class Conversation(msgspec.Struct, frozen=True):
    """A conversation without its items. metadata: JSON."""

    id: str
    created_at: int
    metadata: bytes


class Frames(msgspec.Struct, frozen=True):
    """A run of events: the numbers of the first and the last, and all of them as server-sent events."""

    first: int
    last: int
    frames: bytes
