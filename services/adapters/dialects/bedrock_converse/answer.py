"""A whole answer of Converse, read through the same blocks as a stream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_ResponseSyntax
"""

from collections.abc import Sequence

import msgspec

from services.adapters.dialects.bedrock_converse.blocks import Blocks, protocol_error
from services.adapters.dialects.bedrock_converse.wire import ModelFields, Served, WireCitation, WireText
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event


class _ToolUse(msgspec.Struct, rename="camel"):
    tool_use_id: str
    name: str
    input: msgspec.Raw = msgspec.Raw()
    type: str | None = None


class _ReasoningText(msgspec.Struct, rename="camel"):
    text: str = ""
    signature: str | None = None


class _Reasoning(msgspec.Struct, rename="camel"):
    reasoning_text: _ReasoningText | None = None
    redacted_content: str | None = None


class _Cited(msgspec.Struct, rename="camel"):
    content: list[WireText] = []
    citations: list[WireCitation] = []


class _Block(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: _Cited | None = None
    tool_result: msgspec.Raw = msgspec.Raw()


class _Message(msgspec.Struct, rename="camel"):
    content: list[_Block] = []


class _Output(msgspec.Struct, rename="camel"):
    message: _Message


class _Response(Served, rename="camel", kw_only=True):
    output: _Output
    stop_reason: str
    additional_model_response_fields: ModelFields | None = None


_response = msgspec.json.Decoder(_Response)


def answer(body: bytes, call: Call, target: Target) -> Sequence[Event]:
    """All events of the answer."""
    try:
        response = _response.decode(body)
    except msgspec.MsgspecError as error:
        raise protocol_error(str(error)) from error
    blocks = Blocks(call, target)
    events: list[Event] = []
    for index, block in enumerate(response.output.message.content):
        events += _events(blocks, index, block)
        events += blocks.stop(index)
    events.append(blocks.usage(response))
    events.append(blocks.finish(response.stop_reason, response.additional_model_response_fields))
    return events


def _events(blocks: Blocks, index: int, block: _Block) -> Sequence[Event]:
    if block.text is not None:
        return blocks.text(index, block.text)
    if (cited := block.citations_content) is not None:
        events = list(blocks.text(index, "".join(part.text for part in cited.content)))
        for citation in cited.citations:
            events += blocks.cite(index, citation)
        return events
    if (reasoning := block.reasoning_content) is not None:
        text = reasoning.reasoning_text or _ReasoningText()
        return blocks.reasoning(index, text.text, text.signature, reasoning.redacted_content)
    if (tool := block.tool_use) is not None:
        started = blocks.start_call(index, tool.tool_use_id, tool.name, tool.type)
        return [*started, *blocks.input(index, bytes(tool.input).decode())]
    if bytes(block.tool_result):
        return ()  # what the provider's own search found; its citations follow
    raise protocol_error("content of an unknown kind")
