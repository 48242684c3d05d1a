"""What a call's conversation amounts to: what the user last said, what the tools answered since, and how long it all is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from services.vocabulary.call import (
    Cache,
    Call,
    CustomTool,
    File,
    FunctionTool,
    Hosted,
    HostedTool,
    Image,
    Item,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    WebSearchTool,
)
from services.vocabulary.usage import Usage

ATTACHMENT_TOKENS: Final = 85  # what an image or a file counts, whatever its size

# Agents put context before the user's words in blocks such as <system-reminder>…</system-reminder>.
_CONTEXT_TAGS: Final = ("system-reminder", "environment_context", "user_instructions")


@dataclass(slots=True)
class Exchange:
    """asked: the last user text, without an agent's context blocks. results: tool results after it, oldest first."""

    asked: str = ""
    images: int = 0
    files: int = 0
    results: list[ToolResult] = field(default_factory=list)


def last_exchange(items: Sequence[Item]) -> Exchange:
    """The last user message that says or shows anything, and the tool results that came after it."""
    exchange = Exchange()
    for item in items:
        match item:
            case Message(role="user"):
                asked = _without_context(text_of(item.content)).strip()
                images = sum(isinstance(part, Image) for part in item.content)
                files = sum(isinstance(part, File) for part in item.content)
                if asked or images or files:
                    exchange = Exchange(asked, images, files)
            case ToolResult():
                exchange.results.append(item)
    return exchange


def text_of(parts: Sequence[Part]) -> str:
    """The texts of some parts, a line each."""
    return "\n".join(part.text for part in parts if isinstance(part, (Text, Refusal)))


def _without_context(text: str) -> str:
    for tag in _CONTEXT_TAGS:
        while (start := text.find(f"<{tag}>")) >= 0 and (end := text.find(f"</{tag}>", start)) >= 0:
            text = text[:start] + text[end + len(tag) + 3 :]
    return text


def prompt_usage(call: Call, cached: int) -> Usage:
    """Tokens of the prompt: a word is one, a string of a schema too. `cached` of them count as read from a cache.

    What stands before a cache marker counts as written to a cache, in the class of the marker's time to live.
    """
    counts = {"5m": 0, "1h": 0}
    open_count = 0
    for tokens, marker in _counted(call):
        open_count += tokens
        if marker is not None:
            counts[marker.ttl] += open_count
            open_count = 0
    if call.cache is not None:
        counts[call.cache.ttl] += open_count
        open_count = 0
    read = min(cached, open_count)
    return Usage(input=open_count - read, cache_read=read, cache_write_5m=counts["5m"], cache_write_1h=counts["1h"])


def _counted(call: Call) -> Iterator[tuple[int, Cache | None]]:
    """Tokens and cache marker of each piece of the prompt, in the order in which providers cache: tools first."""
    for tool in call.tools:
        yield _tool_tokens(tool), None if isinstance(tool, HostedTool) else tool.cache
    yield len((call.instructions or "").split()), None
    for item in call.items:
        match item:
            case Message(content=parts):
                for part in parts:
                    yield _part_tokens(part), None if isinstance(part, Refusal | Opaque) else part.cache
            case ToolCall():
                yield 1 + len(item.arguments.split()), item.cache
            case ToolResult():
                yield sum(_part_tokens(part) for part in item.output), item.cache
            case Reasoning():
                yield sum(len(text.split()) for text in item.summary + item.content), None
            case Hosted():
                yield _raw_tokens(item.raw), None


def _part_tokens(part: Part) -> int:
    return len(part.text.split()) if isinstance(part, (Text, Refusal)) else ATTACHMENT_TOKENS


def _tool_tokens(tool: Tool) -> int:
    match tool:
        case FunctionTool():
            return 1 + len((tool.description or "").split()) + _raw_tokens(tool.parameters)
        case CustomTool():
            return 1 + len((tool.description or "").split()) + _raw_tokens(tool.format)
        case WebSearchTool():
            return 1
        case HostedTool():
            return _raw_tokens(tool.raw)


def _raw_tokens(raw: msgspec.Raw | None) -> int:
    return bytes(raw).count(b'"') // 2 if raw is not None else 0
