"""How many tokens a prompt has, told from its size alone: for limits, holds, and where a provider does not count.

No tokenizer: every provider has its own, most keep it to themselves, and reading 800 kB with one takes longer than the rest
of a request. The time is that of looking at the bytes once. The estimate leans upwards, because what it guards is spent
afterwards: the numbers were set against the usage of recorded prompts (`python -m tests.tokens`), where they are.
"""

from typing import Final

import msgspec

from services.tokens.frames import frame_of
from services.tokens.media import file_size, image_tokens
from services.vocabulary.call import (
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

CHARACTERS_PER_EXTRA_BYTE: Final = 1.2  # of what is not ASCII: a Chinese character has two more bytes than a letter
SEALED_BYTES_PER_TOKEN: Final = 6  # encrypted reasoning is longer than what it hides

ITEM_TOKENS: Final = 5  # role and separators
TOOL_CALL_TOKENS: Final = 14
WEB_SEARCH_TOKENS: Final = 400  # the tool; what is found counts later, and nobody knows it before

_NO_SCHEMA: Final = msgspec.Raw()


def prompt_tokens(call: Call, model: str | None = None) -> int:
    """Tokens of everything the model is shown: instructions, items, tools, the schema of the answer.

    model: the one that will read it, where that is known; else the one that was asked for.
    """
    frame = frame_of(model or call.model)
    characters, tokens = float(len_of(call.instructions or "")), frame.conversation
    for item in call.items:
        more, extra = _item(item)
        characters, tokens = characters + more, tokens + extra
    if call.tools:
        tokens += frame.tools
        for tool in call.tools:
            more, extra = _tool(tool)
            characters, tokens = characters + more, tokens + extra + frame.tool
    if call.format is not None and call.format.schema is not None:
        characters, tokens = characters + _size(call.format.schema), tokens + frame.schema
    return int(tokens + characters / frame.characters) + 1


def len_of(text: str) -> float:
    """The length of a text, with more weight for what is not ASCII, in characters of English."""
    if text.isascii():
        return len(text)
    return len(text) + (len(text.encode(errors="surrogatepass")) - len(text)) * CHARACTERS_PER_EXTRA_BYTE


# ---- (characters, tokens) of one thing each --------------------------------------------------------------------------

Size = tuple[float, float]


def _item(item: Item) -> Size:
    match item:
        case Message(content=parts):
            return _parts(parts, ITEM_TOKENS)
        case ToolResult(output=parts):
            return _parts(parts, TOOL_CALL_TOKENS)
        case ToolCall():
            return len(item.name) + len_of(item.arguments), TOOL_CALL_TOKENS
        case Reasoning():
            sealed = len(item.seal.blob) / SEALED_BYTES_PER_TOKEN if item.seal is not None else 0
            return (0, sealed) if sealed else (sum(map(len_of, item.content or item.summary)), 0)
        case Hosted(raw=raw):
            return _size(raw), ITEM_TOKENS


def _parts(parts: list[Part], tokens: float) -> Size:
    characters: float = 0
    for part in parts:
        match part:
            case Text(text=text) | Refusal(text=text):
                characters += len_of(text)
            case Image():
                tokens += image_tokens(part.url, part.detail)
            case File():
                more, extra = file_size(part.url)
                characters, tokens = characters + more, tokens + extra
            case Opaque(raw=raw):
                characters += _size(raw)
    return characters, tokens


def _tool(tool: Tool) -> Size:
    match tool:
        case FunctionTool():
            return len(tool.name) + len_of(tool.description or "") + _size(tool.parameters or _NO_SCHEMA), 0
        case CustomTool():
            return len(tool.name) + len_of(tool.description or "") + _size(tool.format or _NO_SCHEMA), 0
        case WebSearchTool():
            return 0, WEB_SEARCH_TOKENS
        case HostedTool(raw=raw):
            return _size(raw), 0


def _size(raw: msgspec.Raw) -> int:
    return memoryview(raw).nbytes
