"""A whole Responses answer -> events, item by item."""

from collections.abc import Sequence

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.openai_responses.native import ending
from services.adapters.dialects.openai_responses.shapes import Answer
from services.vocabulary.event import (
    Citation,
    Event,
    HostedItem,
    ItemDone,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    SearchDone,
    SearchStarted,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
)


class _Annotation(msgspec.Struct):
    type: str = ""
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None
    file_id: str | None = None
    filename: str | None = None


class _Part(msgspec.Struct):
    type: str = ""
    text: str = ""
    refusal: str = ""
    annotations: list[_Annotation] | None = None
    logprobs: msgspec.Raw = msgspec.Raw()


class _Source(msgspec.Struct):
    url: str | None = None


class _Action(msgspec.Struct):
    query: str | None = None
    url: str | None = None
    sources: list[_Source] | None = None


class _Item(msgspec.Struct):
    type: str = ""
    call_id: str = ""
    name: str = ""
    namespace: str | None = None
    arguments: str = ""
    input: str = ""
    status: str | None = None
    content: list[_Part] | None = None
    summary: list[_Part] | None = None
    encrypted_content: str | None = None
    action: _Action | None = None


class _Output(msgspec.Struct):
    output: list[msgspec.Raw] = []


_item = msgspec.json.Decoder(_Item)
_output = msgspec.json.Decoder(_Output)
_answer = msgspec.json.Decoder(Answer)


def read_answer(body: bytes) -> Sequence[Event]:
    """All events of a whole answer. Raises `UpstreamError` for one that failed."""
    try:
        last = ending(_answer.decode(body))
        items = _output.decode(body).output
        return [*(event for key, raw in enumerate(items) for event in item_events(raw, str(key))), *last]
    except msgspec.DecodeError as error:
        raise UpstreamError(Kind.PROTOCOL, f"The provider's answer is not a response: {error}.") from None


def item_events(raw: msgspec.Raw, key: str) -> Sequence[Event]:
    """Events of one complete output item."""
    item = _item.decode(raw)
    match item.type:
        case "message":
            return [*(event for part in item.content or () for event in _part_events(part)), ItemDone()]
        case "reasoning":
            return [*_reasoning(item), *reasoning_seal(raw)]
        case "function_call" | "custom_tool_call":
            custom = item.type == "custom_tool_call"
            return [
                ToolCallStarted(key, item.call_id, item.name, custom, item.namespace),
                ToolCallDelta(key, item.input if custom else item.arguments),
                ToolCallDone(key),
            ]
        case "web_search_call":
            return [SearchStarted(key), search_done(raw, key)]
        case other:
            return [HostedItem(other, raw)]


def search_done(raw: msgspec.Raw, key: str) -> SearchDone:
    """The end of a web search."""
    item = _item.decode(raw)
    action = item.action or _Action()
    sources = [source.url for source in action.sources or () if source.url]
    return SearchDone(key, action.query or action.url or "", sources, failed=item.status == "failed")


def reasoning_seal(raw: msgspec.Raw) -> Sequence[Event]:
    """The end of a reasoning item: its opaque part, if any."""
    return (ReasoningSealed(_item.decode(raw).encrypted_content or ""),)


def _reasoning(item: _Item) -> list[Event]:
    summary: list[Event] = [ReasoningDelta(part.text, "summary", n) for n, part in enumerate(item.summary or ())]
    return summary + [ReasoningDelta(part.text, "content", n) for n, part in enumerate(item.content or ())]


def _part_events(part: _Part) -> list[Event]:
    if part.type == "refusal":
        return [RefusalDelta(part.refusal)]
    events: list[Event] = [text_delta(part.text, part.logprobs)]
    events += [_citation(note) for note in part.annotations or ()]
    return events


def text_delta(text: str, logprobs: msgspec.Raw) -> TextDelta:
    """Text, with log probabilities where there are any."""
    given = bytes(logprobs)
    return TextDelta(text, logprobs if given.startswith(b"[") and given != b"[]" else None)


def _citation(note: _Annotation) -> Citation:
    return Citation(
        url=note.url,
        title=note.title,
        file_id=note.file_id,
        filename=note.filename,
        start=note.start_index,
        end=note.end_index,
    )
