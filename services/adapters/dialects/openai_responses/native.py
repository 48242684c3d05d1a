"""The native lane: the caller's body goes out verbatim but for documented edits, the provider's events come back verbatim.

Edits on the way out: `model` becomes the provider's id; fields of ours (`routing`, `cache_control`, `is_error`) are taken
out, because the provider would refuse them; sealed reasoning loses its tag, or is left out where another one sealed it;
so are reasoning and receipts of hosted tools that the gateway wrote for another provider.
"""

import re
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from services.adapters.dialect import HttpRequest, Kind, UpstreamError
from services.adapters.dialects.openai_responses import errors
from services.adapters.dialects.openai_responses.shapes import Answer, WireError
from services.adapters.dialects.openai_responses.verbatim import RUN
from services.catalog.schema import Target
from services.vocabulary.call import Call, Hosted, Item, Reasoning
from services.vocabulary.event import Event, Finished, FinishReason, Loss, NativeAnswer, NativeEvent, UsageReported
from services.vocabulary.seal import PREFIX
from services.wire.frame import Frame

T = TypeVar("T")

PATH: Final = "/responses"
TERMINAL: Final = frozenset({"response.completed", "response.incomplete"})

_OURS: Final = ("routing", "cache_control")
_OURS_INSIDE: Final = (b'"cache_control"', b'"is_error"')
_CACHE_LOSS: Final = Loss("cache_control", "dropped", "This provider caches prompts by itself and takes no markers.")

_SEALED_ELSEWHERE: Final = "Reasoning sealed by another provider or credential."
_READ_ELSEWHERE: Final = "Reasoning of another provider, which sealed nothing: this API takes back only its own."
_HOSTED_ELSEWHERE: Final = "What a hosted tool of another provider did: only that provider can read it."

# Reasoning the gateway numbered itself: the response's 36 digits and the item's place. Providers' own ids are longer.
_OUR_REASONING: Final = re.compile(rb'"rs_[0-9a-f]{38}"')
_OUR_RECEIPT: Final = "hosted_tool_item"

_items = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_answer = msgspec.json.Decoder(Answer)


class _Head(msgspec.Struct):
    type: str = ""


class _Lifecycle(msgspec.Struct):
    response: Answer


class _Failure(msgspec.Struct):
    error: WireError | None = None
    message: str | None = None
    code: str | int | None = None
    param: str | None = None


_head = msgspec.json.Decoder(_Head)
_lifecycle = msgspec.json.Decoder(_Lifecycle)
_failure = msgspec.json.Decoder(_Failure)

# ---- out -------------------------------------------------------------------------------------------------------------


def native_request(call: Call, target: Target) -> HttpRequest:
    """The caller's own body with the edits made."""
    assert call.native is not None
    fields, losses = dict(call.native.fields), []
    fields["model"] = msgspec.Raw(msgspec.json.encode(target.upstream))
    for name in _OURS:
        if fields.pop(name, None) is not None and name == "cache_control":
            losses.append(_CACHE_LOSS)
    for name in ("input", "tools"):
        raw = fields.get(name)
        if raw is not None and any(word in bytes(raw) for word in _OURS_INSIDE):
            fields[name] = _without_ours(raw, losses)
    if any(_may_be_foreign(item) for item in call.items):
        fields["input"] = _without_foreign(fields["input"], call, losses)
    omitted = target.quirks.get("omit")
    for name in omitted if isinstance(omitted, list) else ():
        if fields.pop(name, None) is not None:
            losses.append(Loss(name, "dropped", f"{target.provider.name} refuses this parameter."))
    return HttpRequest(PATH, msgspec.json.encode(fields), {"content-type": "application/json"}, losses=losses)


def _without_ours(raw: msgspec.Raw, losses: list[Loss]) -> msgspec.Raw:
    if not bytes(raw).lstrip().startswith(b"["):
        return raw
    entries = _items.decode(raw)
    for entry in entries:
        if entry.pop("cache_control", None) is not None:
            losses.append(_CACHE_LOSS)
        entry.pop("is_error", None)  # the output's own text says it
        for name in ("content", "output"):
            parts = entry.get(name)
            if parts is not None and b'"cache_control"' in bytes(parts):
                entry[name] = _without_ours(parts, losses)
    return msgspec.Raw(msgspec.json.encode(entries))


def _may_be_foreign(item: Item) -> bool:
    return isinstance(item, Reasoning) or (isinstance(item, Hosted) and item.kind == _OUR_RECEIPT)


def _without_foreign(raw: msgspec.Raw, call: Call, losses: list[Loss]) -> msgspec.Raw:
    """The items this provider can read, seals without our tag; `carry.prepare` took away those it must not see."""
    kept = []
    for index, entry in enumerate(_items.decode(raw)):
        item = call.items[index]
        if _may_be_foreign(item) and (why := _foreign(item, entry)):
            losses.append(Loss(f"input[{index}]", "dropped", why))
            continue
        if isinstance(item, Reasoning) and item.seal is not None:
            entry["encrypted_content"] = msgspec.Raw(msgspec.json.encode(item.seal.blob))
        kept.append(entry)
    return msgspec.Raw(msgspec.json.encode(kept))


def _foreign(item: Item, entry: dict[str, msgspec.Raw]) -> str | None:
    """Why the provider would refuse the whole request for this item; None where it would not."""
    if isinstance(item, Hosted):
        return _HOSTED_ELSEWHERE
    if PREFIX.encode() in bytes(entry.get("encrypted_content", b"")):
        return _SEALED_ELSEWHERE if isinstance(item, Reasoning) and item.seal is None else None
    if _OUR_REASONING.fullmatch(bytes(entry.get("id", b""))):
        return _READ_ELSEWHERE
    return None


# ---- back ------------------------------------------------------------------------------------------------------------


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
        events.append(UsageReported(answer.usage.disjoint(answer.web_searches())))
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
        name = frame.event or _type(data)
        if name in TERMINAL:
            self._ended = True
            return [*ending(_read(data, _lifecycle).response), NativeEvent(name, _line(data))]
        if name == "response.failed":
            raise errors.failed(_read(data, _lifecycle).response.error)
        if name == "error":
            raise errors.failed(_error_of(_read(data, _failure)))
        return (NativeEvent(name, _line(data)),)

    def close(self) -> Sequence[Event]:
        """Nothing is left; an answer without a terminal event was cut."""
        if not self._ended:
            raise UpstreamError(Kind.TRUNCATED, "The provider's stream ended before the answer did.")
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
