"""Cohere's pieces -> events: what stream and whole answer have in common."""

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects import emulated
from services.adapters.dialects.cohere_chat.conversation import PLAN
from services.adapters.dialects.cohere_chat.errors import failed
from services.adapters.dialects.cohere_chat.tools import answers_by_tool
from services.adapters.dialects.cohere_chat.wire import Citation as WireCitation
from services.adapters.dialects.cohere_chat.wire import Cited, Content, ToolCall
from services.adapters.dialects.cohere_chat.wire import Usage as WireUsage
from services.catalog.schema import Target
from services.vocabulary.call import Call, CustomTool
from services.vocabulary.event import (
    Citation,
    Event,
    Finished,
    FinishReason,
    ItemDone,
    ReasoningDelta,
    ReasoningSealed,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from services.vocabulary.usage import Usage

_FINISH: dict[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
}


class Reader:
    """State of one answer."""

    def __init__(self, call: Call, target: Target) -> None:
        self._answer = emulated.answer_name(call) if answers_by_tool(call, target) else None
        self._custom = frozenset(tool.name for tool in call.tools if isinstance(tool, CustomTool))
        self._stops = call.stop
        self._begun: set[int] = set()
        self._called = False  # a tool of the client's
        self._planning = False
        self._thinking = False
        self._text_length = 0
        self._begins: dict[int, int] = {}  # content block -> where its text begins in the whole text
        self._names: dict[int, str] = {}  # open calls
        self._arguments: dict[int, list[str]] = {}

    def content(self, index: int, content: Content, events: list[Event]) -> None:
        """More of a content block."""
        if content.thinking:
            self._thinking = True
            events.append(ReasoningDelta(content.thinking, "content"))
        if content.text:
            self._thinking = False
            self._begins.setdefault(index, self._text_length)
            self._text_length += len(content.text)
            events.append(TextDelta(content.text))

    def plan(self, text: str, events: list[Event]) -> None:
        """More of the plan that precedes calls: an item of its own, so that it can go back as a plan."""
        if self._thinking:
            self._thinking = False
            events.append(ItemDone())
        self._planning = True
        events.append(ReasoningDelta(text, "content"))

    def call_started(self, index: int, call: ToolCall, events: list[Event]) -> None:
        """A call, perhaps with its first arguments."""
        if index in self._begun:
            raise UpstreamError(Kind.PROTOCOL, f"the provider began call {index} twice")
        self._begun.add(index)
        self._end_plan(events)
        name = call.function.name if call.function is not None else ""
        self._names[index], self._arguments[index] = name, []
        if name != self._answer:
            self._called = True
            events.append(ToolCallStarted(str(index), call.id, name, custom=name in self._custom))
        self.call_more(index, call, events)

    def call_more(self, index: int, call: ToolCall, events: list[Event]) -> None:
        """More arguments."""
        text = call.function.arguments if call.function is not None else None
        if not text:
            return
        name = self._names[index]
        self._arguments[index].append(text)
        if name == self._answer:
            events.append(TextDelta(text))
        elif name not in self._custom:
            events.append(ToolCallDelta(str(index), text))

    def call_ended(self, index: int, events: list[Event]) -> None:
        """A call is whole."""
        name, arguments = self._names.pop(index), self._arguments.pop(index)
        if name == self._answer:
            return
        if name in self._custom:
            events.append(ToolCallDelta(str(index), emulated.unwrap("".join(arguments))))
        elif not arguments:
            events.append(ToolCallDelta(str(index), "{}"))  # no arguments, as JSON
        events.append(ToolCallDone(str(index)))

    def cite(self, citation: WireCitation, events: list[Event]) -> None:
        """Sources of a piece of the text. Those of thoughts and plans have no place in public answers."""
        if citation.type not in (None, "TEXT_CONTENT") or not self._begins:
            return
        first = next(iter(self._begins))
        begin = self._begins.get(first if citation.content_index is None else citation.content_index)
        if begin is None or citation.start is None or citation.end is None:
            return
        for source in citation.sources or ():
            data = source.document or source.tool_output or Cited()
            title = data.title or source.id
            events.append(
                Citation(data.url, title, citation.text, start=begin + citation.start, end=begin + citation.end)
            )

    def end(self, finish_reason: str, usage: WireUsage | None, events: list[Event]) -> None:
        """The last events. Raises `UpstreamError` when the provider says that it failed."""
        reason = _FINISH.get(finish_reason)
        if reason is None:
            raise failed(finish_reason, None, None)
        self._end_plan(events)
        for index in list(self._names):
            self.call_ended(index, events)
        if reason == "tool_calls" and not self._called:
            reason = "stop"  # the one call was the answer
        met = self._stops[0] if finish_reason == "STOP_SEQUENCE" and len(self._stops) == 1 else None
        if usage is not None:
            events.append(UsageReported(_usage(usage)))
        events.append(Finished(reason, met))

    def _end_plan(self, events: list[Event]) -> None:
        if self._planning:
            self._planning = False
            events.append(ReasoningSealed("", PLAN))


def _usage(wire: WireUsage) -> Usage:
    """What is charged: Cohere wraps the caller's prompt in one of its own, counts both and charges the caller's.

    Cached tokens are counted over both, so no more of them than was charged can be the caller's.
    """
    charged, counted = wire.billed_units, wire.tokens
    if charged is None or charged.input_tokens is None:
        charged = counted
    if charged is None:
        return Usage()
    total, output = int(charged.input_tokens or 0), int(charged.output_tokens or 0)
    read = min(int(wire.cached_tokens or 0), total)
    reasoning = int((counted and counted.reasoning_tokens) or 0)
    return Usage(input=total - read, cache_read=read, output=output, reasoning=min(reasoning, output))
