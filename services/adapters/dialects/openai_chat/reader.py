"""Messages and deltas -> events. A whole answer is read as a stream of one delta, so both mean the same."""

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects import emulated
from services.adapters.dialects.openai_chat.quirks import Quirks
from services.adapters.dialects.openai_chat.tools import answers_by_tool
from services.adapters.dialects.openai_chat.wire import Annotation, Choice, Completion, Logprobs, Message, Part
from services.adapters.dialects.openai_chat.wire import ToolCall as WireCall
from services.adapters.dialects.openai_chat.wire import Usage as WireUsage
from services.catalog.schema import Target
from services.vocabulary.call import Call, CustomTool, WebSearchTool
from services.vocabulary.event import (
    Citation,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from services.vocabulary.usage import Usage, unusual_tier

FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "model_length": "length",  # Mistral: the context is full
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
FAILED = ("error", "abort", "insufficient_system_resource")  # Mistral, vLLM, DeepSeek: generation was given up


class _OpenCall:
    """A call whose pieces are arriving. Until its name is known its arguments wait in `held`."""

    __slots__ = ("answer", "call_id", "emulated", "held", "key", "name", "some")

    def __init__(self, key: str, call_id: str) -> None:
        self.key = key
        self.call_id = call_id
        self.name = ""
        self.held: list[str] = []
        self.some = False  # arguments were sent on
        self.answer = False  # the answer itself, asked for as a call
        self.emulated = False  # a custom tool sent as a function: arguments are unwrapped when whole


class Reader:
    """State of one answer."""

    def __init__(self, call: Call, target: Target, quirks: Quirks) -> None:
        self._answer = emulated.answer_name(call) if answers_by_tool(call, target, quirks) else None
        self._emulated = frozenset(
            tool.name for tool in call.tools if isinstance(tool, CustomTool) and not quirks.custom_tools
        )
        self._searches = any(isinstance(tool, WebSearchTool) for tool in call.tools)
        self._calls: list[_OpenCall] = []
        self._called = False  # a tool of the client's
        self._by_index: dict[int, _OpenCall] = {}
        self._cited: set[str] = set()
        self._refused = False
        self._speaking = False  # what is open now is text
        self._usage: WireUsage | None = None
        self._tier: str | None = None
        self.finish: str | None = None

    def read(self, completion: Completion, events: list[Event]) -> None:
        """Appends the events of a chunk or of a whole answer. Only the first choice counts: no more were asked for."""
        if completion.usage is not None:
            self._usage = completion.usage  # counts are cumulative where they come more than once
        elif completion.x_groq is not None and completion.x_groq.usage is not None:
            self._usage = completion.x_groq.usage
        if completion.service_tier is not None:
            self._tier = completion.service_tier
        for choice in completion.choices or ():
            if choice.index == 0:
                self._read_choice(choice, completion.citations, events)

    def end(self) -> list[Event]:
        """The last events, once the answer is known to be complete; calls stay open until then, for whatever comes late."""
        events: list[Event] = []
        for call in self._calls:
            _close(call, events)
        reason: FinishReason = FINISH.get(self.finish or "", "stop")
        if reason == "tool_calls" and not self._called:
            reason = "stop"  # the one call was the answer
        elif reason == "stop" and self._called:
            reason = "tool_calls"  # a forced call ends with `stop` at OpenAI and others
        elif reason == "stop" and self._refused:
            reason = "refusal"
        # Search models look up the web for every answer and never say so; the citations show it.
        searches = 1 if self._searches and self._cited else 0
        counted = [UsageReported(disjoint(self._usage, searches, self._tier))] if self._usage is not None else []
        return [*events, *counted, Finished(reason)]

    def _read_choice(self, choice: Choice, citations: list[str] | None, events: list[Event]) -> None:
        message = choice.delta if choice.delta is not None else choice.message
        if message is not None:
            self._read_message(message, choice.logprobs, citations, events)
        if choice.finish_reason and self.finish is None:
            self.finish = choice.finish_reason
            if self.finish in FAILED:
                raise UpstreamError(Kind.FAILED, f"the provider gave up: {self.finish}", code=self.finish)

    def _read_message(
        self, message: Message, logprobs: Logprobs | None, citations: list[str] | None, events: list[Event]
    ) -> None:
        reasoning = message.reasoning_content or message.reasoning  # who sends both repeats itself
        if reasoning:
            self._speaking = False
            events.append(ReasoningDelta(reasoning, "content"))
        content = message.content
        if isinstance(content, str):
            if logprobs is not None and _some(logprobs.content):
                self._speaking = True
                events.append(TextDelta(content, logprobs.content))
            elif content:
                self._speaking = True
                events.append(TextDelta(content))
        elif content is not None:
            for part in content:
                self._read_part(part, events)
        if message.refusal:
            self._refused, self._speaking = True, False
            events.append(RefusalDelta(message.refusal))
        if message.annotations:
            self._read_annotations(message.annotations, events)
        for url in citations or ():  # xAI and Perplexity: sources of the whole text, repeated in every chunk
            self._cite(Citation(url=url), events)
        if message.tool_calls:
            for call in message.tool_calls:
                self._read_call(call, events)

    def _read_part(self, part: Part, events: list[Event]) -> None:
        if part.type == "text" and part.text:
            self._speaking = True
            events.append(TextDelta(part.text))
        elif part.type == "thinking" and part.thinking:
            inner = part.thinking if isinstance(part.thinking, str) else "".join(p.text or "" for p in part.thinking)
            if inner:
                self._speaking = False
                events.append(ReasoningDelta(inner, "content"))
        for reference in part.references or ():
            self._cite(Citation(url=reference.url, title=reference.title), events)

    def _read_annotations(self, annotations: list[Annotation], events: list[Event]) -> None:
        for annotation in annotations:
            if (link := annotation.url_citation) is not None and self._speaking:
                self._cited.add(link.url or "")
                events.append(Citation(link.url, link.title, start=link.start_index, end=link.end_index))

    def _cite(self, citation: Citation, events: list[Event]) -> None:
        """A source without a position, once, and not before there is a text it is the source of."""
        name = citation.url or citation.title or ""
        if name and name not in self._cited and self._speaking:
            self._cited.add(name)
            events.append(citation)

    # ---- tool calls --------------------------------------------------------------------------------------------------

    def _read_call(self, wire: WireCall, events: list[Event]) -> None:
        custom = wire.custom
        name = (custom.name if custom is not None else wire.function.name if wire.function is not None else None) or ""
        call = self._find(wire.index, wire.id or "", name)
        if name and not call.name:
            self._start(call, name, custom is not None, events)
        text: str = ""
        if custom is not None:
            text = custom.input or ""
        elif wire.function is not None and wire.function.arguments is not None:
            arguments = wire.function.arguments
            text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        if not text:
            return
        if call.answer:
            events.append(TextDelta(text))
        elif not call.name or call.emulated:
            call.held.append(text)
        else:
            call.some = True
            events.append(ToolCallDelta(call.key, text))

    def _find(self, index: int | None, call_id: str, name: str) -> _OpenCall:
        """The call a piece belongs to.

        Some servers leave out the index: then a new id, or a name, begins a call. Some number every call 0: a new id with a
        name begins another. Some repeat id and name in every piece, or invent a new id for each.
        """
        if index is None:
            known = next((call for call in self._calls if call_id and call.call_id == call_id), None)
            if known is not None:
                return known
            if self._calls and not call_id and not name:
                return self._calls[-1]
        else:
            known = self._by_index.get(index)
            if known is not None and not (name and call_id and known.call_id and call_id != known.call_id):
                return known
        call = _OpenCall(str(len(self._calls)), call_id)
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        return call

    def _start(self, call: _OpenCall, name: str, custom: bool, events: list[Event]) -> None:
        call.name = name
        if name == self._answer:
            call.answer = True
            events += [TextDelta(text) for text in call.held]
            return
        self._called, self._speaking = True, False
        call.emulated = not custom and name in self._emulated
        events.append(ToolCallStarted(call.key, call.call_id, name, custom or call.emulated))
        if call.held and not call.emulated:
            call.some = True
            events.append(ToolCallDelta(call.key, "".join(call.held)))
            call.held.clear()


def _close(call: _OpenCall, events: list[Event]) -> None:
    if not call.name:
        raise UpstreamError(Kind.PROTOCOL, "the provider sent a tool call without a name")
    if call.answer:
        return
    if call.emulated:
        events.append(ToolCallDelta(call.key, emulated.unwrap("".join(call.held))))
    elif not call.some:
        events.append(ToolCallDelta(call.key, "{}"))  # no arguments, as JSON
    events.append(ToolCallDone(call.key))


def disjoint(wire: WireUsage, searches: int, tier: str | None) -> Usage:
    """Disjoint classes. Prompt tokens include cached ones everywhere."""
    prompt, output = wire.prompt_tokens or 0, wire.completion_tokens or 0
    details = wire.prompt_tokens_details
    read = (
        (details.cached_tokens if details is not None else None)
        or wire.num_cached_tokens
        or wire.cached_tokens
        or wire.prompt_cache_hit_tokens
        or 0
    )
    write = (details.cache_write_tokens if details is not None else None) or 0
    reasoning = (wire.completion_tokens_details and wire.completion_tokens_details.reasoning_tokens) or 0
    if reasoning and wire.total_tokens == prompt + output + reasoning:
        output += reasoning  # most xAI models count reasoning beside the completion; only the total tells
    return Usage(
        input=max(0, prompt - read - write),
        cache_read=read,
        cache_write_5m=write,
        output=output,
        reasoning=min(reasoning, output),
        web_searches=searches,
        tier=unusual_tier(tier),
    )


def _some(logprobs: msgspec.Raw) -> bool:
    """Whether there are any. Some servers write null or an empty list where none were asked for."""
    given = bytes(logprobs)
    return given.startswith(b"[") and given != b"[]"
