"""The native lane's way back: the provider's events and bodies, verbatim, with what billing and routing need of them."""

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.openai_responses import errors
from services.adapters.dialects.openai_responses.shapes import Answer, WireError
from services.adapters.dialects.runs import RUN
from services.vocabulary.event import Event, Finished, FinishReason, NativeAnswer, NativeEvent, UsageReported
from services.wire.frame import Frame

T = TypeVar("T")

TERMINAL: Final = frozenset({"response.completed", "response.incomplete"})
_OPENING: Final = frozenset({"response.created", "response.queued", "response.in_progress"})

_answer = msgspec.json.Decoder(Answer)


class _Head(msgspec.Struct):
    type: str = ""


class _Lifecycle(msgspec.Struct):
    response: Answer


class _Opening(msgspec.Struct):
    response: dict[str, msgspec.Raw]


class _Failure(msgspec.Struct):
    error: WireError | None = None
    message: str | None = None
    code: str | int | None = None
    param: str | None = None


_head = msgspec.json.Decoder(_Head)
_lifecycle = msgspec.json.Decoder(_Lifecycle)
_opening = msgspec.json.Decoder(_Opening)
_failure = msgspec.json.Decoder(_Failure)


def native_answer(body: bytes) -> Sequence[Event]:
    """A whole answer, verbatim, with what billing and routing need of it."""
    try:
        answer = _answer.decode(body)
    except msgspec.DecodeError as error:
        raise UpstreamError(Kind.PROTOCOL, f"The provider's answer is not a response: {error}.") from None
    return [*ending(answer), NativeAnswer(body)]


def ending(answer: Answer) -> list[Event]:
    """Usage and finish of a response object. Raises for one that failed or has not ended."""
    if answer.status not in ("completed", "incomplete"):
        raise errors.failed(answer.error)
    events: list[Event] = []
    if answer.usage is not None:
        events.append(UsageReported(answer.usage.disjoint(answer.web_searches(), answer.service_tier)))
    events.append(Finished(finish_reason(answer)))
    return events


def finish_reason(answer: Answer) -> FinishReason:
    """Why it ended, in our words."""
    if answer.status == "incomplete":
        reason = answer.incomplete_details.reason if answer.incomplete_details else None
        return "content_filter" if reason == "content_filter" else "length"
    return "tool_calls" if answer.calls() else "stop"


class NativeDecoder:
    """Frames -> native events. Only the few lifecycle events are parsed."""

    def __init__(self) -> None:
        self._ended = False

    def feed(self, frame: Frame) -> Sequence[Event]:
        """The event, verbatim; with the terminal one, usage and finish before it."""
        data = frame.data
        if frame.event == RUN:
            return (NativeEvent("", data),)
        if data == b"[DONE]":
            return ()
        name = _type(data)  # also shows that all of it can be read: a broken event must not reach the client
        if name in TERMINAL:
            self._ended = True
            return [*ending(_read(data, _lifecycle).response), NativeEvent(name, _line(data))]
        if name in _OPENING:
            _read(data, _opening)
        elif name == "response.failed":
            raise errors.failed(_read(data, _lifecycle).response.error)
        if "error" in (name, frame.event):
            raise errors.failed(_error_of(_read(data, _failure)))
        if not name:
            return _typeless(data)
        return (NativeEvent(name, _line(data)),)

    def close(self) -> Sequence[Event]:
        """Nothing is left; an answer without a terminal event was cut."""
        if not self._ended:
            raise UpstreamError(Kind.TRUNCATED, "The provider's stream ended before the answer did.")
        return ()


def _typeless(data: bytes) -> Sequence[Event]:
    """What is no event of this format: an error as other APIs write it, or something to read over."""
    if (error := _read(data, _failure).error) is not None:
        raise errors.failed(error)
    return ()


def _error_of(failure: _Failure) -> WireError:
    """OpenAI's `error` event is flat; Open Responses nests it."""
    return failure.error or WireError(failure.message, failure.code, None, failure.param)


def _type(data: bytes) -> str:
    return _read(data, _head).type


def _line(data: bytes) -> bytes:
    """The data as one line. Line ends between JSON tokens mean nothing, and inside strings they are escaped."""
    data = data.rstrip()
    if not data.startswith(b"{") or not data.endswith(b"}"):
        raise UpstreamError(Kind.PROTOCOL, "The provider sent an event that is not a JSON object.")
    return data.replace(b"\n", b" ") if b"\n" in data else data


def _read(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(data)
    except msgspec.DecodeError as error:
        raise UpstreamError(Kind.PROTOCOL, f"The provider sent an event that cannot be read: {error}.") from None
