"""What a model cannot take, by the catalogue's facts: found before any provider is asked. Pure.

A fact that is not known restricts nothing. A fact that a wire format can do without (answers by schema, where there are
tools; web search beside other tools) is the dialect's business. Sizes are judged so that nothing is refused which could fit:
output by the number the caller gives, input by a number of tokens that no tokeniser can go below.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Final

import msgspec

from services.catalog.schema import Target
from services.errors import InputTooLong, InvalidRequest
from services.vocabulary.call import (
    Call,
    CustomTool,
    File,
    FunctionTool,
    Image,
    Message,
    Part,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

VISIBLE_BYTES_PER_TOKEN_MAX: Final = 16
"""Of whole prompts. With o200k English prose and code have 3.2, Hindi 8.3, Tamil 10.2, the longest common words 12.6."""

_WORTH_COUNTING: Final = 4
"""Characters for each token of the context. Text with fewer is let through unseen: hardly any of it could be too long."""

_NO_NATIVE: Final = msgspec.Raw()


def refusal(demand: "Demand", target: Target) -> InvalidRequest | None:
    """Why the target cannot take the call, or None. One `Demand` serves all targets of a call."""
    call, facts = demand.call, target.facts
    if facts.tools is False and demand.tool is not None:
        return _no(f"{target.id} has no tools", demand.tool, target)
    if facts.tools is False and facts.json_schema is False and call.format and call.format.type == "json_schema":
        return _no(f"{target.id} cannot answer by a JSON schema", "text.format", target)
    if facts.images is False and demand.image is not None:
        return _no(f"{target.id} takes no images", demand.image, target)
    if facts.pdfs is False and demand.pdf is not None:
        return _no(f"{target.id} takes no PDF documents", demand.pdf, target)
    asked = call.max_output_tokens
    if facts.max_output is not None and asked is not None and asked > facts.max_output and not call.lowers_output:
        limit = f"{target.id} writes at most {facts.max_output} tokens, and {asked} are asked for"
        return _no(limit, "max_output_tokens", target)
    if facts.context is not None and demand.exceeds(facts.context):
        limit = f"{target.id} has a context of {facts.context} tokens, and the input is at least {demand.tokens}"
        return InputTooLong(f"{limit} (at input).", param="input", model=target.id)
    return None


def _no(why: str, param: str, target: Target) -> InvalidRequest:
    return InvalidRequest(f"{why} (at {param}).", param=param, model=target.id)


_SHOWN: Final = ("instructions", "input", "system", "messages")  # what holds the text, in all formats


class Demand:
    """What a call asks of a model. Each thing is worked out once, and only if a fact makes somebody ask."""

    def __init__(self, call: Call) -> None:
        self.call = call

    @cached_property
    def tool(self) -> str | None:
        """The path of the first tool that the client would run."""
        tools = enumerate(self.call.tools)
        return next((f"tools[{i}]" for i, tool in tools if isinstance(tool, FunctionTool | CustomTool)), None)

    @cached_property
    def image(self) -> str | None:
        """The path of the first image."""
        return next((path for path, part in _parts(self.call) if isinstance(part, Image)), None)

    @cached_property
    def pdf(self) -> str | None:
        """The path of the first file that is known to be a PDF."""
        return next((path for path, part in _parts(self.call) if isinstance(part, File) and _is_pdf(part)), None)

    def exceeds(self, context: int) -> bool:
        """Whether the input cannot fit. Where the provider may shorten it, it can."""
        if self.call.truncation == "auto" or "context_management" in self.call.extra:
            return False
        if self._bytes_max <= context * _WORTH_COUNTING or self._characters <= context * _WORTH_COUNTING:
            return False
        return self.tokens > context

    @cached_property
    def tokens(self) -> int:
        """What the text takes at least: no token holds parts of two words, or more bytes than any language gives it."""
        words = visible = 0
        for text in _texts(self.call):
            found = text.split()
            words += len(found)
            joined = "".join(found)
            visible += len(joined) if joined.isascii() else len(joined.encode())
        return max(words, visible // VISIBLE_BYTES_PER_TOKEN_MAX)

    @cached_property
    def _bytes_max(self) -> float:
        """What the text has at most: the size of the JSON it stands in, which takes no look at the items."""
        if self.call.native is None:
            return float("inf")
        fields = self.call.native.fields
        return sum(memoryview(fields.get(name, _NO_NATIVE)).nbytes for name in _SHOWN)

    @cached_property
    def _characters(self) -> int:
        return sum(map(len, _texts(self.call)))


def _texts(call: Call) -> Iterator[str]:
    """What every provider shows to the model as it stands; tools and reasoning are written anew or left out."""
    if call.instructions:
        yield call.instructions
    for item in call.items:
        match item:
            case Message(content=parts) | ToolResult(output=parts):
                for part in parts:
                    if isinstance(part, Text | Refusal):
                        yield part.text
            case ToolCall(arguments=arguments):
                yield arguments
            case _:
                pass


def _parts(call: Call) -> Iterator[tuple[str, Part]]:
    for index, item in enumerate(call.items):
        match item:
            case Message(content=parts):
                name = "content"
            case ToolResult(output=parts):
                name = "output"
            case _:
                continue
        for place, part in enumerate(parts):
            if not isinstance(part, Text):
                yield f"input[{index}].{name}[{place}]", part


def _is_pdf(file: File) -> bool:
    url = file.url or ""
    if url.startswith("data:"):
        return url.startswith("data:application/pdf")
    return any(name.lower().endswith(".pdf") for name in (url.partition("?")[0], file.filename or ""))
