"""The native lane's way out: the provider's own events and bodies, verbatim but for the documented edits.

Edited: the response's id and model, what it says of being kept, `encrypted_content` (tagged, see vocabulary/seal.py), and, in
the last event, our `cost` and `translation_losses`. Keys Open Responses requires and the provider left out are added.
Everything else, known or not, passes byte for byte. Lifecycle events are few; the many deltas are not even parsed.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Final, NamedTuple

import msgspec

from services.errors import GatewayError
from services.responses.echo import losses, skeleton
from services.responses.keeping import STATELESS, State
from services.responses.objects import Response, failure
from services.responses.projection import stream_error
from services.responses.stream_events import ErrorEvent, ResponseFailed, StreamEvent
from services.responses.totals import public_usage
from services.surface.cost import public_cost
from services.surface.sse import frame as sse_frame
from services.vocabulary.call import Call
from services.vocabulary.cost import Cost
from services.vocabulary.event import Loss, NativeEvent, Opened
from services.vocabulary.routing import RouteTaken
from services.vocabulary.seal import seal
from services.vocabulary.usage import Usage

LIFECYCLE: Final = frozenset(
    f"response.{state}" for state in ("created", "queued", "in_progress", "completed", "incomplete", "failed")
)
TERMINAL: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


class _Status(msgspec.Struct):
    status: str = ""


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_status = msgspec.json.Decoder(_Status)
_losses = msgspec.json.Decoder(list[msgspec.Raw])
_NO_LOSSES: Final = msgspec.Raw(b"[]")
_FALSE: Final = msgspec.Raw(b"false")

# The gateway's business and not the provider's: what it keeps, and what it continues.
_OURS: Final = ("store", "background", "previous_response_id", "conversation")
_NULL: Final = msgspec.Raw(b"null")

# `"encrypted_content":"…"`: the value is base64 or alike, so it holds no escapes.
_ENCRYPTED = re.compile(rb'("encrypted_content"\s*:\s*")([^"\\]+)"')
_REQUIRED_NOT_NULL: Final = (
    "parallel_tool_calls",
    "presence_penalty",
    "frequency_penalty",
    "temperature",
    "top_p",
    "top_logprobs",
    "text",
    "tool_choice",
    "tools",
    "truncation",
    "service_tier",
    "background",
    "store",
    "metadata",
)
_REQUIRED: Final = (
    "completed_at",
    "error",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "usage",
)


class Ending(NamedTuple):
    """The last event of a stream. number: its sequence number. status, body: of the response in it."""

    name: str
    number: int
    status: str
    body: bytes
    fields: dict[str, msgspec.Raw]

    def frame(self, body: bytes) -> bytes:
        """The event as SSE, with this response in it."""
        number = msgspec.Raw(b"%d" % self.number)
        fields = {**self.fields, "response": msgspec.Raw(body), "sequence_number": number}
        return sse_frame(self.name, msgspec.json.encode(fields))


class NativeLane:
    """One answer on the native lane, streamed or whole."""

    def __init__(
        self,
        call: Call,
        model: str,
        opened: Opened,
        response_id: str,
        route: RouteTaken | None = None,
        state: State = STATELESS,
    ) -> None:
        self._call = call
        self._model = model
        self._opened = opened
        self._id = response_id
        self._route = route
        self._state = state
        self._count = 0

    @property
    def begun(self) -> bool:
        """Whether the provider has sent any event."""
        return self._count > 0

    def frame(self, event: NativeEvent) -> bytes:
        """The event (or the run of events) as SSE; not the last one."""
        number, data = self._count, event.data
        if not event.name:
            self._count = number + data.count(b"\n\n")
            return data
        self._count = number + 1
        if event.name in LIFECYCLE:
            fields = _fields.decode(data)
            fields["response"] = msgspec.Raw(self.body(bytes(fields["response"]), None, final=False))
            data = msgspec.json.encode(fields)
        elif b'"encrypted_content"' in data:
            data = tag(data, self._opened)
        if b'"sequence_number"' not in data:
            data = data[:-1] + b',"sequence_number":%d}' % number
        return sse_frame(event.name, data)

    def ending(self, event: NativeEvent, cost: Cost | None) -> Ending:
        """The last event."""
        fields = _fields.decode(event.data)
        body = self.body(bytes(fields["response"]), cost)
        number = int(bytes(fields["sequence_number"])) if "sequence_number" in fields else self._count
        return Ending(event.name, number, status_of(body), body, fields)

    def fail(self, error: GatewayError, usage: Usage | None, cost: Cost | None, created_at: int) -> list[StreamEvent]:
        """What ends the stream when something failed after it began."""
        response = skeleton(self._call, self._model, self._opened, self._id, created_at, self._state)
        response.status, response.error = "failed", failure(error)
        response.usage = public_usage(usage) if usage is not None else None
        response.cost, response.routing = public_cost(cost), self._route
        first = ErrorEvent(sequence_number=self._count, error=stream_error(error))
        return [first, ResponseFailed(sequence_number=self._count + 1, response=response)]

    def body(self, data: bytes, cost: Cost | None, *, final: bool = True) -> bytes:
        """A response object of the provider's with the edits made. `final`: with what is only known at the end."""
        if b'"encrypted_content"' in data:
            data = tag(data, self._opened)
        fields = _fields.decode(data)
        fields["id"] = _raw(self._id)
        fields["model"] = _raw(self._model)
        for name in _OURS:
            fields[name] = _raw(getattr(self._echo, name))
        self._add_missing(fields)
        if final:
            fields["cost"] = _raw(public_cost(cost))
            fields["routing"] = _raw(self._route)
            fields["translation_losses"] = _raw(losses(self._opened, self._state))
        return msgspec.json.encode(fields)

    def _add_missing(self, fields: dict[str, msgspec.Raw]) -> None:
        missing = [name for name in _REQUIRED if name not in fields]
        missing += [name for name in _REQUIRED_NOT_NULL if bytes(fields.get(name, _NULL)) == b"null"]
        for name in missing:
            fields[name] = _raw(getattr(self._echo, name))

    @cached_property
    def _echo(self) -> Response:
        return skeleton(self._call, self._model, self._opened, self._id, 0, self._state)


def status_of(body: bytes) -> str:
    """The state of a response object."""
    return _status.decode(body).status


def unkept(body: bytes, lost: Sequence[Loss]) -> bytes:
    """A response object that says that it was not kept."""
    fields = _fields.decode(body)
    said = _losses.decode(fields.get("translation_losses", _NO_LOSSES))
    fields["store"] = _FALSE
    fields["translation_losses"] = _raw([*said, *lost])
    return msgspec.json.encode(fields)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def tag(data: bytes, opened: Opened) -> bytes:
    """Tags every `encrypted_content` with whose it is."""
    prefix = seal("", opened.provider, opened.scope).encode()
    return _ENCRYPTED.sub(rb"\g<1>" + prefix + rb'\g<2>"', data)
