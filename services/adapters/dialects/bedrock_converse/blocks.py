"""The blocks of an answer while they are open: the one place where Bedrock's content becomes events.

Streams and whole answers feed the same methods, so both give the same events, in smaller or bigger pieces.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects import emulated
from services.adapters.dialects.bedrock_converse.families import family
from services.adapters.dialects.bedrock_converse.messages import REDACTED, THINKING
from services.adapters.dialects.bedrock_converse.tools import answer_tool, offered
from services.adapters.dialects.bedrock_converse.wire import ModelFields, Served, WireCitation
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
    SearchDone,
    SearchStarted,
    TextBlock,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from services.vocabulary.usage import Usage

SERVER_TOOL: Final = "server_tool_use"

FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "refusal",
    "pause_turn": "pause",
}
_BROKEN: Final = frozenset({"malformed_model_output", "malformed_tool_use"})

# ---- open blocks -----------------------------------------------------------------------------------------------------


class _Text:
    def __init__(self) -> None:
        self.begun = False
        self.citations: list[Citation] = []


class _Reasoning:
    def __init__(self) -> None:
        self.signature: list[str] = []
        self.redacted: list[str] = []


class _Call:
    """mode: how its input is passed on. `collected` keeps the input that is not passed on as it comes."""

    def __init__(self, mode: Literal["function", "custom", "answer", "search", "result"]) -> None:
        self.mode = mode
        self.collected: list[str] = []
        self.empty = True


class Blocks:
    """State of one answer. `index` is the wire's `contentBlockIndex`."""

    def __init__(self, call: Call, target: Target) -> None:
        self._open: dict[int, _Text | _Reasoning | _Call] = {}
        self._offered = offered(call)
        self._answer = answer_tool(call, target)
        self._model = family(target)
        asked = call.reasoning is not None and call.reasoning.summary is not None
        self._kind: Literal["summary", "content"] = "summary" if asked else "content"
        self._calls = 0
        self._searches = 0

    # ---- content -------------------------------------------------------------------------------------------------

    def text(self, index: int, text: str) -> Sequence[Event]:
        """More text."""
        block = self._text(index)
        if not text:
            return ()
        if block.begun:
            return (TextDelta(text),)
        block.begun = True
        return (TextBlock(), TextDelta(text))

    def cite(self, index: int, citation: WireCitation) -> Sequence[Event]:
        """A source of the block's text, which may still be to come: told when the block ends."""
        self._text(index).citations.append(_citation(citation))
        return ()

    def _text(self, index: int) -> _Text:
        block = self._open.get(index)
        if block is None:
            block = self._open[index] = _Text()
        if type(block) is not _Text:
            raise protocol_error("text inside another block")
        return block

    def reasoning(self, index: int, text: str | None, signature: str | None, redacted: str | None) -> Sequence[Event]:
        """More reasoning; signatures and encrypted blocks are collected, byte for byte."""
        block = self._open.get(index)
        if block is None:
            block = self._open[index] = _Reasoning()
        if type(block) is not _Reasoning:
            raise protocol_error("reasoning inside another block")
        if signature:
            block.signature.append(signature)
        if redacted:
            block.redacted.append(redacted)
        return (ReasoningDelta(text, self._kind),) if text else ()

    def start_call(self, index: int, call_id: str, name: str, kind: str | None) -> Sequence[Event]:
        """A call begins: of the client's tool, of the tool that takes the answer, or of the provider's own search."""
        if index in self._open:
            raise protocol_error("a block begins inside another")
        key = str(index)
        if kind == SERVER_TOOL:
            self._open[index] = _Call("search")
            self._searches += 1
            return (SearchStarted(key),)
        if name == self._answer:
            self._open[index] = _Call("answer")
            return (TextBlock(),)
        tool = self._offered.get(name)
        custom = isinstance(tool, CustomTool)
        self._open[index] = _Call("custom" if custom else "function")
        self._calls += 1
        return (ToolCallStarted(key, call_id, tool.name if tool is not None else name, custom=custom),)

    def start_result(self, index: int) -> Sequence[Event]:
        """The result of the provider's own search begins; only its citations reach the client."""
        self._open[index] = _Call("result")
        return ()

    def input(self, index: int, text: str) -> Sequence[Event]:
        """More of a call's input, JSON text."""
        block = self._open.get(index)
        if type(block) is not _Call:
            raise protocol_error("tool input outside a tool's block")
        if not text:
            return ()
        block.empty = False
        if block.mode == "function":
            return (ToolCallDelta(str(index), text),)
        if block.mode == "answer":
            return (TextDelta(text),)
        block.collected.append(text)
        return ()

    def stop(self, index: int) -> Sequence[Event]:
        """The block is complete."""
        block = self._open.pop(index, None)
        if type(block) is _Text:
            return block.citations
        if type(block) is _Reasoning:
            return self._reasoning_end(block)
        if type(block) is _Call:
            return _call_end(block, str(index))
        return ()  # an empty block: never begun on the wire

    def _reasoning_end(self, block: _Reasoning) -> Sequence[Event]:
        if block.redacted:
            return (ReasoningSealed(_one_blob(block.redacted), self._model.seal(REDACTED)),)
        if block.signature:
            return (ReasoningSealed("".join(block.signature), self._model.seal(THINKING)),)
        return (ItemDone(),)

    # ---- end -----------------------------------------------------------------------------------------------------

    def stop_all(self) -> Sequence[Event]:
        """The message ended: so did every block."""
        return [event for index in sorted(self._open) for event in self.stop(index)]

    def usage(self, served: Served) -> UsageReported:
        """The tokens of the whole answer."""
        usage = served.usage
        hour = sum(detail.input_tokens for detail in usage.cache_details if detail.ttl == "1h")
        return UsageReported(
            Usage(
                input=usage.input_tokens,
                cache_read=usage.cache_read_input_tokens,
                cache_write_5m=max(usage.cache_write_input_tokens - hour, 0),
                cache_write_1h=hour,
                output=usage.output_tokens,
                web_searches=self._searches,
                tier=served.tier,
            )
        )

    def finish(self, reason: str, fields: ModelFields | None) -> Finished:
        """Why it ended. Raises `UpstreamError` where the model's output was unusable or the reason is unknown."""
        if reason in _BROKEN:
            raise UpstreamError(Kind.FAILED, "The model's output was malformed.", code=reason)
        finish = FINISH.get(reason)
        if finish is None:
            raise protocol_error(f"unknown stop reason {reason!r}")
        if finish == "tool_calls" and not self._calls:
            finish = "stop"  # the only tool called was the one that takes the answer
        return Finished(finish, fields.stop_sequence if fields is not None else None)


def protocol_error(what: str) -> UpstreamError:
    """The answer is not in Bedrock's format."""
    return UpstreamError(Kind.PROTOCOL, f"Unexpected answer from Bedrock: {what}.")


def _one_blob(pieces: list[str]) -> str:
    """The base64 text as it came; of several pieces the base64 of all their bytes."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return b64encode(b"".join(b64decode(piece, validate=True) for piece in pieces)).decode()
    except ValueError as error:
        raise protocol_error("encrypted reasoning that is not base64") from error


def _call_end(block: _Call, key: str) -> Sequence[Event]:
    match block.mode:
        case "function":
            return (ToolCallDelta(key, "{}"), ToolCallDone(key)) if block.empty else (ToolCallDone(key),)
        case "custom":
            return (ToolCallDelta(key, emulated.unwrap("".join(block.collected))), ToolCallDone(key))
        case "search":
            return (SearchDone(key, _query("".join(block.collected))),)
        case "answer" | "result":
            return ()


class _Query(msgspec.Struct, rename="camel"):
    query: str = ""


_query_input = msgspec.json.Decoder(_Query)


def _query(arguments: str) -> str:
    try:
        return _query_input.decode(arguments).query
    except msgspec.MsgspecError:
        return ""


def _citation(given: WireCitation) -> Citation:
    url = given.location.web.url if given.location is not None and given.location.web is not None else None
    if url is None and given.source is not None and given.source.startswith(("https://", "http://")):
        url = given.source
    return Citation(
        url=url,
        title=given.title,
        cited_text="".join(part.text for part in given.source_content) or None,
        filename=None if url is not None else given.title or given.source,
    )
