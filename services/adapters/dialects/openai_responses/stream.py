"""A Responses stream -> events, for surfaces that do not speak this format themselves."""

from collections.abc import Callable, Sequence

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.openai_responses.answer import item_events, reasoning_seal, search_done, text_delta
from services.adapters.dialects.openai_responses.native import TERMINAL, NativeDecoder, ending
from services.adapters.dialects.openai_responses.shapes import Answer
from services.vocabulary.event import (
    Event,
    ItemDone,
    NativeEvent,
    ReasoningDelta,
    RefusalDelta,
    SearchStarted,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
)
from services.wire.frame import Frame


class _Item(msgspec.Struct):
    type: str = ""
    id: str | None = None
    call_id: str = ""
    name: str = ""
    namespace: str | None = None


class _ItemEvent(msgspec.Struct):
    output_index: int
    item: msgspec.Raw


class _Delta(msgspec.Struct):
    output_index: int = 0
    delta: str = ""
    summary_index: int = 0
    content_index: int = 0
    logprobs: msgspec.Raw = msgspec.Raw()


class _Lifecycle(msgspec.Struct):
    response: Answer


_item = msgspec.json.Decoder(_Item)
_item_event = msgspec.json.Decoder(_ItemEvent)
_delta = msgspec.json.Decoder(_Delta)
_lifecycle = msgspec.json.Decoder(_Lifecycle)


class EventDecoder:
    """Frames -> events. What an item says in deltas is not said again by its `done`; an item without deltas is."""

    def __init__(self) -> None:
        self._frames = NativeDecoder()  # errors, truncation and event names are the same as on the native lane
        self._spoken: set[int] = set()
        self._begun: set[int] = set()  # calls and searches, which begin once
        self._open: set[str] = set()  # calls
        self._ended = False
        self._deltas: dict[str, Callable[[_Delta], Event]] = {
            "response.output_text.delta": _text,
            "response.refusal.delta": lambda d: RefusalDelta(d.delta),
            "response.reasoning_summary_text.delta": lambda d: ReasoningDelta(d.delta, "summary", d.summary_index),
            "response.reasoning_text.delta": lambda d: ReasoningDelta(d.delta, "content", d.content_index),
            "response.function_call_arguments.delta": lambda d: ToolCallDelta(str(d.output_index), d.delta),
            "response.custom_tool_call_input.delta": lambda d: ToolCallDelta(str(d.output_index), d.delta),
        }

    def feed(self, frame: Frame) -> Sequence[Event]:
        """Events of one frame."""
        events: list[Event] = []
        try:
            for event in self._frames.feed(frame):
                if isinstance(event, NativeEvent) and not self._ended:
                    events += self._native(event)
        except msgspec.DecodeError as error:
            raise UpstreamError(Kind.PROTOCOL, f"The provider sent an event that cannot be read: {error}.") from None
        return events

    def close(self) -> Sequence[Event]:
        """Nothing is left; an answer without a terminal event was cut."""
        return self._frames.close()

    def _native(self, event: NativeEvent) -> Sequence[Event]:
        if (read := self._deltas.get(event.name)) is not None:
            delta = _delta.decode(event.data)
            self._spoken.add(delta.output_index)
            said = read(delta)
            if isinstance(said, ToolCallDelta) and said.key not in self._open:
                raise _disorder(f"arguments of item {said.key}, which is no open call")
            return (said,)
        if event.name == "response.output_item.added":
            return self._added(_item_event.decode(event.data))
        if event.name == "response.output_item.done":
            return self._done(_item_event.decode(event.data))
        if event.name in TERMINAL:
            self._ended = True
            cut = [ToolCallDone(key) for key in sorted(self._open)]  # the answer may end in the middle of a call
            return [*cut, *ending(_lifecycle.decode(event.data).response)]
        return ()  # parts and `…done` texts repeat what the deltas said; unknown events are ignorable by contract

    def _added(self, event: _ItemEvent) -> Sequence[Event]:
        item, key = _item.decode(event.item), str(event.output_index)
        if item.type not in ("function_call", "custom_tool_call", "web_search_call"):
            return ()
        if event.output_index in self._begun:
            raise _disorder(f"item {key} begins twice")
        self._begun.add(event.output_index)
        if item.type == "web_search_call":
            return (SearchStarted(key),)
        self._open.add(key)
        return (ToolCallStarted(key, item.call_id, item.name, item.type == "custom_tool_call", item.namespace),)

    def _done(self, event: _ItemEvent) -> Sequence[Event]:
        item, key = _item.decode(event.item), str(event.output_index)
        spoken = event.output_index in self._spoken
        match item.type:
            case "function_call" | "custom_tool_call":
                if key not in self._open:
                    raise _disorder(f"item {key} ends, which is no open call")
                self._open.remove(key)
                rest = () if spoken else item_events(event.item, key)[1:-1]
                return (*rest, ToolCallDone(key))
            case "web_search_call":
                return (search_done(event.item, key),)
            case "message" if spoken:
                return (*_citations(event.item, key), ItemDone())
            case "reasoning" if spoken:
                return reasoning_seal(event.item)
            case _:
                return item_events(event.item, key)


def _citations(raw: msgspec.Raw, key: str) -> Sequence[Event]:
    return [event for event in item_events(raw, key) if not isinstance(event, TextDelta | RefusalDelta | ItemDone)]


def _disorder(what: str) -> UpstreamError:
    return UpstreamError(Kind.PROTOCOL, f"The provider's stream is out of order: {what}.")


def _text(delta: _Delta) -> Event:
    return text_delta(delta.delta, delta.logprobs)
