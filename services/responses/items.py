"""The items of an answer and their parts, as JSON clients see them."""

from typing import Literal

import msgspec

ItemStatus = Literal["in_progress", "completed", "incomplete"]


class UrlCitation(msgspec.Struct, tag="url_citation"):
    """A web page that supports the characters start_index (included) to end_index (excluded) of its text part."""

    url: str
    title: str
    start_index: int
    end_index: int
    cited_text: str | msgspec.UnsetType = msgspec.UNSET


class FileCitation(msgspec.Struct, tag="file_citation"):
    """A file that supports the text up to the character `index`."""

    file_id: str
    filename: str
    index: int
    cited_text: str | msgspec.UnsetType = msgspec.UNSET


Annotation = UrlCitation | FileCitation


class OutputText(msgspec.Struct, tag="output_text"):
    """Text of the answer. `logprobs` holds OpenAI's token objects as they came."""

    text: str
    annotations: list[Annotation] = []
    logprobs: list[msgspec.Raw] = []


class RefusalPart(msgspec.Struct, tag="refusal"):
    """Text of a refusal."""

    refusal: str


class SummaryText(msgspec.Struct, tag="summary_text"):
    """A part of a reasoning summary."""

    text: str


class ReasoningText(msgspec.Struct, tag="reasoning_text"):
    """A part of the reasoning itself."""

    text: str


class MessageItem(msgspec.Struct, tag="message"):
    """What the assistant said."""

    id: str
    status: ItemStatus
    content: list[OutputText | RefusalPart]
    role: Literal["assistant"] = "assistant"


class ReasoningItem(msgspec.Struct, tag="reasoning"):
    """What the model thought. `encrypted_content` is present only when the provider gave an opaque part."""

    id: str
    summary: list[SummaryText]
    content: list[ReasoningText] | msgspec.UnsetType = msgspec.UNSET
    encrypted_content: str | msgspec.UnsetType = msgspec.UNSET
    status: ItemStatus | msgspec.UnsetType = msgspec.UNSET


class FunctionCallItem(msgspec.Struct, tag="function_call"):
    """A call of one of the client's functions. `arguments` is JSON text."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus
    namespace: str | msgspec.UnsetType = msgspec.UNSET


class CustomToolCallItem(msgspec.Struct, tag="custom_tool_call"):
    """A call of one of the client's custom tools. `input` is free text."""

    id: str
    call_id: str
    name: str
    input: str
    status: ItemStatus
    namespace: str | msgspec.UnsetType = msgspec.UNSET


class SearchSource(msgspec.Struct, tag="url"):
    """A page a search looked at."""

    url: str


class SearchAction(msgspec.Struct, tag="search"):
    """What a web search looked for."""

    query: str
    sources: list[SearchSource] = []


class WebSearchCallItem(msgspec.Struct, tag="web_search_call"):
    """A search the provider made."""

    id: str
    status: Literal["in_progress", "searching", "completed", "failed"]
    action: SearchAction


class ToolSearchCallItem(msgspec.Struct, tag="tool_search_call"):
    """A search for tools that the client is asked to make. `arguments` is a JSON object."""

    id: str
    call_id: str
    execution: str
    arguments: msgspec.Raw
    status: ItemStatus


class HostedToolItem(msgspec.Struct, tag="hosted_tool_item"):
    """An item of a tool only the provider hosts, for surfaces that cannot carry it as it came. `kind` is its type."""

    id: str
    kind: str
    item: msgspec.Raw


OutputItem = (
    MessageItem
    | ReasoningItem
    | FunctionCallItem
    | CustomToolCallItem
    | WebSearchCallItem
    | ToolSearchCallItem
    | HostedToolItem
)
