"""One WebSocket's conversation: `response.create` in, the events of a stream out, one turn after the other.

The last answer can be continued by its id although nothing is stored, because its items are kept here, as long as the
connection lasts. A continuation that fails takes them away: the client then sends everything again.
https://developers.openai.com/api/docs/guides/websocket-mode, https://www.openresponses.org/specification
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, Protocol, TypeVar

import msgspec
import structlog

from services.errors import (
    GatewayError,
    InternalError,
    InvalidRequest,
    RequestTooLarge,
    forget,
)
from services.ports import KeyRing
from services.vocabulary.caller import Caller

BODY_BYTES_MAX: Final = 32 << 20

_log: Final = structlog.get_logger(__name__)

_DATA: Final = re.compile(rb"^data: ?(.*?)\r?$", re.MULTILINE)
_ENDED: Final = re.compile(rb'"type"\s*:\s*"response\.(?:completed|incomplete|failed)"')
_DONE: Final = b"[DONE]"
_HEARD: Final = "response.processed"  # Codex may say that it has taken an answer in

Fields = dict[str, msgspec.Raw]
_Value = TypeVar("_Value")

_TRUE: Final = msgspec.Raw(b"true")
_UNSAID: Final = (b"", b"null")


class Turns(Protocol):
    """Answers bodies of `POST /v1/responses`."""

    def stream(
        self, body: bytes, caller: Caller, continued: str | None, before: list[msgspec.Raw]
    ) -> AsyncIterator[bytes]:
        """The answer as server-sent events, whole frames. Raises a `GatewayError` before the first.

        continued: the answer whose items are in the body already. before: takes the items that the store knew.
        """
        ...

    def warm(self, body: bytes, caller: Caller, before: list[msgspec.Raw]) -> AsyncIterator[bytes]:
        """An answer without a model: the request is understood, and can be continued by its id. `before` as above."""
        ...


class _Response(msgspec.Struct):
    id: str
    status: str
    output: list[msgspec.Raw] = []
    store: bool | None = None


class _Last(msgspec.Struct):
    type: str
    response: _Response


class _Message(msgspec.Struct):
    role: str
    content: str
    type: str = "message"


class _Memory(msgspec.Struct, frozen=True):
    """The last answer: its id, all items up to its end, and whether it is stored, so that the store knows them too."""

    response_id: str
    items: list[msgspec.Raw]
    stored: bool


_fields = msgspec.json.Decoder(Fields)
_input = msgspec.json.Decoder(str | list[msgspec.Raw])
_text = msgspec.json.Decoder(str | None)
_flag = msgspec.json.Decoder(bool | None)
_last = msgspec.json.Decoder(_Last)


class Session:
    """One connection. `caller`: verifies its key, for each turn anew."""

    def __init__(self, turns: Turns, caller: Callable[[], Awaitable[Caller]]) -> None:
        self._turns = turns
        self._caller = caller
        self._memory: _Memory | None = None

    async def answer(self, message: bytes) -> AsyncIterator[bytes]:
        """The frames that answer one message. Nothing is raised: what goes wrong is a frame, and the next turn may go well."""
        previous: str | None = None
        try:
            fields = _read(message)
            if fields is None:
                return
            caller = await self._caller()
            previous = _optional(_text, fields, "previous_response_id")
            generate = _optional(_flag, fields, "generate") is not False
            fields.pop("generate", None)
            own, before = _items(fields), self._before(previous)
            body = _body(fields, before, own)
            continued = previous if before else None
            turns = self._turns
            answer = turns.stream(body, caller, continued, before) if generate else turns.warm(body, caller, before)
            async with aclosing(answer) as pieces:  # type: ignore[type-var]  # a generator
                async for data in pieces:
                    for frame in _DATA.findall(data):
                        if frame == _DONE:
                            continue
                        if _ENDED.search(frame, 0, 200) or _ENDED.search(frame, max(0, len(frame) - 200)):
                            self._remember(frame, [*before, *own], previous)
                        yield frame
        except Exception as error:  # noqa: BLE001  # the connection outlives its turns
            self._evict(previous)
            yield _error(error)
            forget(error)

    def _before(self, previous: str | None) -> list[msgspec.Raw]:
        """The items of the answer to be continued, where nobody but us knows them. Others may be in the store."""
        memory = self._memory
        known = previous is not None and memory is not None and memory.response_id == previous
        return list(memory.items) if known and memory is not None and not memory.stored else []

    def _remember(self, frame: bytes, items: list[msgspec.Raw], previous: str | None) -> None:
        try:
            last = _last.decode(frame)
        except msgspec.DecodeError:  # some other event that tells of one
            return
        response = last.response
        if last.type == "response.failed":
            self._evict(previous)
        elif last.type in ("response.completed", "response.incomplete"):
            self._memory = _Memory(response.id, [*items, *response.output], bool(response.store))

    def _evict(self, previous: str | None) -> None:
        if previous is not None and self._memory is not None and self._memory.response_id == previous:
            self._memory = None


class Sessions:
    """Begins conversations. Implements `runtime.sockets.Sessions`."""

    def __init__(self, turns: Turns, keys: KeyRing) -> None:
        self._turns = turns
        self._keys = keys

    async def verify(self, authorization: str | None, api_key: str | None) -> Caller:
        """The owner of the key in either header. Raises `InvalidKey`."""
        return await self._keys.verify(authorization, api_key)

    def begin(self, caller: Callable[[], Awaitable[Caller]]) -> Session:
        """A new conversation. `caller`: verifies the key again."""
        return Session(self._turns, caller)


def _read(message: bytes) -> Fields | None:
    """The fields of a request; None for a message that wants no answer."""
    try:
        fields = _fields.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("A message must be a JSON object with a `type`.") from None
    kind = _optional(_text, fields, "type")
    if kind == _HEARD:
        return None
    if kind != "response.create":
        raise InvalidRequest(f"Unknown message type {kind!r}: expected `response.create`.", param="type")
    del fields["type"]
    if _optional(_flag, fields, "background"):
        raise InvalidRequest("Responses on a WebSocket do not run in the background.", param="background")
    return fields


def _body(fields: Fields, before: list[msgspec.Raw], own: list[msgspec.Raw]) -> bytes:
    """The body to ask with: with the items of what is continued, if they are known, instead of its id."""
    fields = {**fields, "stream": _TRUE}
    if before:
        fields["input"] = msgspec.Raw(msgspec.json.encode([*before, *own]))
        del fields["previous_response_id"]
    body = msgspec.json.encode(fields)
    if len(body) > BODY_BYTES_MAX:
        raise RequestTooLarge(f"The conversation is larger than {BODY_BYTES_MAX >> 20} MiB.")
    return body


def _items(fields: Fields) -> list[msgspec.Raw]:
    """The items of `input`; what is neither a text nor a list is for the reader of the body to refuse."""
    raw = fields.get("input")
    if raw is None:
        return []
    try:
        given: str | list[msgspec.Raw] = _input.decode(raw)
    except msgspec.DecodeError:
        return []
    if isinstance(given, str):
        return [msgspec.Raw(msgspec.json.encode(_Message("user", given)))]
    return given


def _optional(decoder: msgspec.json.Decoder[_Value], fields: Fields, name: str) -> _Value | None:
    raw = fields.get(name)
    if raw is None or bytes(raw) in _UNSAID:
        return None
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{error} (at {name}).", param=name) from None


def _error(error: Exception) -> bytes:
    """The `error` frame. `status` is the HTTP status that a POST would have had."""
    if not isinstance(error, GatewayError):
        _log.error("turn failed", exc_info=error)
        error = InternalError()
    return msgspec.json.encode({"type": "error", "status": error.http, "error": error.fields()})
