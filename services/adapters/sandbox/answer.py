"""What the sandbox answers: reasoning, a search, tool calls or text, piece by piece."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote_plus

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.sandbox import tools
from services.adapters.sandbox.directives import Directives
from services.adapters.sandbox.hints import Hints
from services.adapters.sandbox.prompt import Exchange, prompt_usage, text_of
from services.adapters.sandbox.schema import smallest
from services.adapters.sandbox.seal import seal
from services.adapters.sandbox.subschema import NoInstance
from services.vocabulary.call import Call, ToolChoice, WebSearchTool
from services.vocabulary.event import (
    Citation,
    Event,
    FinishReason,
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
from services.vocabulary.usage import Usage

Piece = TextDelta | RefusalDelta | ReasoningDelta | ToolCallDelta  # a word, and what counts as one token
PIECES: Final = (TextDelta, RefusalDelta, ReasoningDelta, ToolCallDelta)

_REFUSAL: Final = "I cannot help with that."
_FOUND: Final = "one page"

_WORD = re.compile(r"\s*\S+|\s+\Z")


class Answer:
    """One answer. Raises `UpstreamError(CALLER)` when made, for a call that cannot be answered.

    sent: pieces so far. `reason` and `stop_sequence` are final once `events` is through.
    """

    def __init__(self, call: Call, exchange: Exchange, directives: Directives) -> None:
        self.sent = 0
        self.reason: FinishReason = "refusal" if directives.refuse else "stop"
        self.stop_sequence: str | None = None
        self._call = call
        self._directives = directives
        self._thought = 0
        self._thinking = _thinking(call, exchange, directives)
        self._query = _query(call, exchange, directives)
        self._calls: list[tools.Wanted] = []
        self._text = ""
        if not directives.refuse:
            answered = bool(exchange.results)
            self._calls = tools.choose(call, exchange.asked, directives.tools, answered=answered)
        if self._calls:
            self.reason = "tool_calls"
        elif not directives.refuse:
            self._text = self._cut(_text(call, exchange, directives, self._query))

    def events(self) -> Iterator[Event]:
        """Everything between `Opened` and `UsageReported`; ends early where the caller's token limit is reached."""
        most, open_call = self._call.max_output_tokens, ""
        for event in self._all():
            if isinstance(event, PIECES):
                if most is not None and self.sent >= most:
                    self.reason, self.stop_sequence = "length", None
                    if open_call:
                        yield ToolCallDone(open_call)
                    return
                yield event
                self.sent += 1
                self._thought += isinstance(event, ReasoningDelta)
                continue
            open_call = event.key if isinstance(event, ToolCallStarted) else ""
            yield event

    def usage(self) -> Usage:
        """Words of the prompt and of what was sent."""
        prompt = prompt_usage(self._call, self._directives.cached)
        return msgspec.structs.replace(
            prompt, output=self.sent, reasoning=self._thought, web_searches=int(self._query is not None)
        )

    def _all(self) -> Iterator[Event]:
        if self._thinking:
            summarised = self._call.reasoning is not None and self._call.reasoning.summary is not None
            for word in words(self._thinking):
                yield ReasoningDelta(word, kind="summary" if summarised else "content")
            yield ReasoningSealed(seal(self._thinking))
        if self._query is not None:
            yield SearchStarted("search")
            yield SearchDone("search", self._query, [self._url()])
        for number, wanted in enumerate(self._calls):
            yield ToolCallStarted(str(number), wanted.call_id, wanted.name, wanted.custom)
            for word in words(wanted.arguments):
                yield ToolCallDelta(str(number), word)
            yield ToolCallDone(str(number))
        if self._directives.refuse:
            for word in words(_REFUSAL):
                yield RefusalDelta(word)
        for word in words(self._text):
            yield TextDelta(word)
        if self._query is not None and (start := self._text.rfind(_FOUND)) >= 0:
            yield Citation(self._url(), "A page of the sandbox", start=start, end=start + len(_FOUND))

    def _url(self) -> str:
        tool = next((tool for tool in self._call.tools if isinstance(tool, WebSearchTool)), WebSearchTool())
        domain = next(iter(tool.allowed_domains), "example.com")
        return f"https://{domain}/?q={quote_plus(self._query or '')}"

    def _cut(self, text: str) -> str:
        """The text as far as stop sequences and directives let it come."""
        met = [(at, stop) for stop in self._call.stop if stop and (at := text.find(stop)) >= 0]
        if met:
            at, self.stop_sequence = min(met)
            text = text[:at]
        if self._directives.length or self._directives.filter:
            self.reason, self.stop_sequence = "length" if self._directives.length else "content_filter", None
            pieces = words(text)
            text = "".join(pieces[: (len(pieces) + 1) // 2])
        return text


def words(text: str) -> list[str]:
    """The text in pieces of a word each, with the blanks before it; together they are the text."""
    return _WORD.findall(text)


def _thinking(call: Call, exchange: Exchange, directives: Directives) -> str:
    asked = call.reasoning is not None and (call.reasoning.effort or call.reasoning.budget_tokens)
    if directives.think:
        return " ".join(f"thought{number}" for number in range(1, directives.think + 1))
    if directives.think is None and (not asked or (call.reasoning and call.reasoning.effort == "none")):
        return ""
    return f"The user said: {_beginning(exchange.asked, 8)}. I will answer in one step."


def _query(call: Call, exchange: Exchange, directives: Directives) -> str | None:
    """What to search the web for; None when nobody wants a search."""
    if directives.search is not None:
        return directives.search
    choice = call.tool_choice or ToolChoice()
    offered = any(isinstance(tool, WebSearchTool) for tool in call.tools)
    allowed = choice.allowed is None or "web_search" in choice.allowed
    if not offered or not allowed or choice.mode == "none" or exchange.results:
        return None
    others = any(not isinstance(tool, WebSearchTool) for tool in call.tools)
    spoken = set(re.findall(r"\w+", exchange.asked.lower()))
    asked = "search" in spoken and not spoken.isdisjoint({"web", "internet", "online"})
    must = choice.name == "web_search" or (choice.mode == "required" and choice.name is None and not others)
    if asked or must or "web_search" in spoken or (tools.PLEASE in exchange.asked and not others):
        return next(iter(Hints(exchange.asked).quoted), _beginning(exchange.asked, 12))
    return None


def _text(call: Call, exchange: Exchange, directives: Directives, query: str | None) -> str:
    if directives.say is not None:
        return directives.say
    if call.format is not None and call.format.type == "json_schema":
        try:
            schema = msgspec.json.decode(call.format.schema) if call.format.schema is not None else True
            return tools.json_text(smallest(schema, Hints(exchange.asked)))
        except NoInstance as error:
            message = f"sandbox: no instance of the schema can be made: {error}."
            raise UpstreamError(Kind.CALLER, message, status=400, param="text.format.schema") from None
    if call.format is not None and call.format.type == "json_object":
        return tools.json_text({"answer": _beginning(exchange.asked, 12)})
    if exchange.results:
        return " ".join(
            f"The tool {'failed' if result.is_error else 'answered'}: \u201c{text_of(result.output)}\u201d."
            for result in exchange.results
        )
    if directives.long is not None:
        return " ".join(f"word{number}" for number in range(1, directives.long + 1))
    if query is not None:
        return f"I searched the web for \u201c{query}\u201d and found {_FOUND}."
    attachments = [
        f"{count} {name}{'s' * (count > 1)}"
        for count, name in ((exchange.images, "image"), (exchange.files, "file"))
        if count
    ]
    return exchange.asked or (f"I received {' and '.join(attachments)}." if attachments else "Hello.")


def _beginning(text: str, count: int) -> str:
    return " ".join(text.split(maxsplit=count)[:count])
