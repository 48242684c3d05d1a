"""Content blocks -> events. Streams feed a block piece by piece, whole answers at once: the same code reads both.

One small object per open block. `begin` takes what the block holds already, `delta` what comes later, `end` closes it.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.anthropic_messages.plan import Plan
from services.adapters.dialects.anthropic_messages.tools import WEB_SEARCH
from services.adapters.dialects.anthropic_messages.wire import (
    Block,
    CitationData,
    Delta,
    FreeText,
    SearchHit,
    SearchQuery,
    broken,
    read_citation,
)
from services.vocabulary.event import (
    Citation,
    Event,
    ItemDone,
    ReasoningDelta,
    ReasoningSealed,
    SearchDone,
    SearchStarted,
    TextBlock,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
)

_EMPTY: Final = (b"", b"{}", b"null")

_free_text = msgspec.json.Decoder(FreeText)
_query = msgspec.json.Decoder(SearchQuery)
_hits = msgspec.json.Decoder(list[SearchHit])


class OpenBlock:
    """A block that says nothing to the client: of a server tool nobody asked for, or of a type to come."""

    def begin(self, block: Block) -> Sequence[Event]:  # noqa: ARG002  # kinds that speak read it
        """The block opens."""
        return ()

    def delta(self, delta: Delta) -> Sequence[Event]:  # noqa: ARG002  # kinds that speak read it
        """More of it."""
        return ()

    def end(self) -> Sequence[Event]:
        """It is complete."""
        return ()


class OpenText(OpenBlock):
    """Text. Its citations are told at its end, because some come before the text they cover."""

    def __init__(self) -> None:
        self._began = False
        self._citations: list[msgspec.Raw] = []

    def begin(self, block: Block) -> Sequence[Event]:
        self._citations += block.citations or ()
        return self._text(block.text) if block.text else ()

    def delta(self, delta: Delta) -> Sequence[Event]:
        if delta.type == "text_delta":
            return self._text(delta.text) if delta.text else ()
        if delta.type == "citations_delta":
            self._citations.append(delta.citation.copy())
        return ()

    def end(self) -> Sequence[Event]:
        if not self._citations or not self._began:
            return ()
        return [_citation(data) for raw in self._citations if (data := read_citation(raw)) is not None]

    def _text(self, text: str) -> Sequence[Event]:
        if self._began:
            return (TextDelta(text),)
        self._began = True
        return (TextBlock(), TextDelta(text))


class OpenThinking(OpenBlock):
    """Thinking and its signature, which may come without any readable text."""

    def __init__(self, plan: Plan) -> None:
        self._kind = plan.thoughts
        self._signature = ""

    def begin(self, block: Block) -> Sequence[Event]:
        self._signature = block.signature or ""
        return (ReasoningDelta(block.thinking, self._kind),) if block.thinking else ()

    def delta(self, delta: Delta) -> Sequence[Event]:
        if delta.type == "thinking_delta":
            return (ReasoningDelta(delta.thinking, self._kind),) if delta.thinking else ()
        self._signature += delta.signature
        return ()

    def end(self) -> Sequence[Event]:
        return (ReasoningSealed(self._signature, "thinking") if self._signature else ItemDone(),)


class OpenRedacted(OpenBlock):
    """Thinking that nobody may read."""

    def __init__(self) -> None:
        self._data = ""

    def begin(self, block: Block) -> Sequence[Event]:
        self._data = block.data or ""
        return ()

    def end(self) -> Sequence[Event]:
        return (ReasoningSealed(self._data, "redacted"),)


class OpenCall(OpenBlock):
    """A call of the client's function."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._key = ""
        self._given = b""
        self._came = False

    def begin(self, block: Block) -> Sequence[Event]:
        self._key = block.id
        self._given = bytes(block.input)
        name = self._plan.public.get(block.name, block.name)
        return (ToolCallStarted(block.id, block.id, name),)

    def delta(self, delta: Delta) -> Sequence[Event]:
        if not delta.partial_json:
            return ()
        self._came = True
        return (ToolCallDelta(self._key, delta.partial_json),)

    def end(self) -> Sequence[Event]:
        if self._came:
            return (ToolCallDone(self._key),)
        arguments = "{}" if self._given in _EMPTY else self._given.decode()
        return (ToolCallDelta(self._key, arguments), ToolCallDone(self._key))


class OpenCustomCall(OpenBlock):
    """A call of a custom tool, whose free text is wrapped in JSON and therefore told whole, at the end."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._key = ""
        self._json: list[str] = []

    def begin(self, block: Block) -> Sequence[Event]:
        self._key = block.id
        given = bytes(block.input)
        if given not in _EMPTY:
            self._json.append(given.decode())
        name = self._plan.public.get(block.name, block.name)
        return (ToolCallStarted(block.id, block.id, name, custom=True),)

    def delta(self, delta: Delta) -> Sequence[Event]:
        self._json.append(delta.partial_json)
        return ()

    def end(self) -> Sequence[Event]:
        text = "".join(self._json)
        for cut_off in ("", '"}'):  # where the answer was cut, the client gets the text so far
            with suppress(msgspec.DecodeError):
                text = _free_text.decode(text + cut_off).input
                break
        return (ToolCallDelta(self._key, text), ToolCallDone(self._key))


class OpenAnswer(OpenBlock):
    """The input of the forced tool that stands for the answer's format: it is the answer's text."""

    def __init__(self) -> None:
        self._given = b""
        self._came = False

    def begin(self, block: Block) -> Sequence[Event]:
        self._given = bytes(block.input)
        return (TextBlock(),)

    def delta(self, delta: Delta) -> Sequence[Event]:
        if not delta.partial_json:
            return ()
        self._came = True
        return (TextDelta(delta.partial_json),)

    def end(self) -> Sequence[Event]:
        return () if self._came else (TextDelta(self._given.decode() or "{}"),)


class OpenSearch(OpenBlock):
    """A web search of Anthropic's own. `queries` remembers what was asked until the result comes, in a block of its own."""

    def __init__(self, queries: dict[str, str]) -> None:
        self._queries = queries
        self._key = ""
        self._json: list[str] = []

    def begin(self, block: Block) -> Sequence[Event]:
        self._key = block.id
        given = bytes(block.input)
        if given not in _EMPTY:
            self._json.append(given.decode())
        self._queries[self._key] = ""
        return (SearchStarted(self._key),)

    def delta(self, delta: Delta) -> Sequence[Event]:
        self._json.append(delta.partial_json)
        return ()

    def end(self) -> Sequence[Event]:
        with suppress(msgspec.DecodeError):  # a query nobody can read is left empty; the search itself took place
            self._queries[self._key] = _query.decode("".join(self._json)).query
        return ()


class SearchResult(OpenBlock):
    """What a web search found, or the code of its failure."""

    def __init__(self, queries: dict[str, str]) -> None:
        self._queries = queries

    def begin(self, block: Block) -> Sequence[Event]:
        if block.tool_use_id not in self._queries:
            return ()
        query = self._queries.pop(block.tool_use_id)
        if not bytes(block.content).lstrip().startswith(b"["):
            return (SearchDone(block.tool_use_id, query, failed=True),)
        try:
            sources = [hit.url for hit in _hits.decode(block.content) if hit.url]
        except msgspec.DecodeError as error:
            raise broken("web search results", error) from None
        return (SearchDone(block.tool_use_id, query, sources),)


class Blocks:
    """The blocks of one answer, by index. `called`: whether a tool of the client's was called."""

    def __init__(self, plan: Plan) -> None:
        self.called = False
        self._plan = plan
        self._open: dict[int, OpenBlock] = {}
        self._queries: dict[str, str] = {}

    def begin(self, index: int, block: Block) -> Sequence[Event]:
        """A block opens, with what it holds already."""
        if index in self._open:
            raise UpstreamError(Kind.PROTOCOL, f"content block {index} begins twice")
        opened = self._open[index] = self._opened(block)
        return opened.begin(block)

    def delta(self, index: int, delta: Delta) -> Sequence[Event]:
        """More of an open block."""
        opened = self._open.get(index)
        if opened is None:
            raise UpstreamError(Kind.PROTOCOL, f"a delta of content block {index}, which is not open")
        return opened.delta(delta)

    def end(self, index: int) -> Sequence[Event]:
        """A block is complete."""
        opened = self._open.pop(index, None)
        if opened is None:
            raise UpstreamError(Kind.PROTOCOL, f"the end of content block {index}, which is not open")
        return opened.end()

    def close(self) -> list[Event]:
        """The answer is complete: with it end open blocks, and searches whose result did not come (the turn paused)."""
        events = [event for index in sorted(self._open) for event in self.end(index)]
        return [*events, *(SearchDone(key, query, failed=True) for key, query in self._queries.items())]

    def _opened(self, block: Block) -> OpenBlock:
        match block.type:
            case "text":
                return OpenText()
            case "thinking":
                return OpenThinking(self._plan)
            case "redacted_thinking":
                return OpenRedacted()
            case "tool_use" if self._plan.shape == "tool" and block.name == self._plan.shape_tool:
                return OpenAnswer()
            case "tool_use":
                self.called = True
                return OpenCustomCall(self._plan) if block.name in self._plan.custom else OpenCall(self._plan)
            case "server_tool_use" if block.name == WEB_SEARCH:
                return OpenSearch(self._queries)
            case "web_search_tool_result":
                return SearchResult(self._queries)
        return OpenBlock()


def _citation(data: CitationData) -> Citation:
    if data.type == "search_result_location":
        url = data.source if data.source and data.source.startswith(("https://", "http://")) else None
        return Citation(url, data.title, data.cited_text, filename=None if url else data.source)
    if data.url is not None:
        return Citation(data.url, data.title, data.cited_text)
    return Citation(None, data.document_title, data.cited_text, data.file_id, data.document_title)
