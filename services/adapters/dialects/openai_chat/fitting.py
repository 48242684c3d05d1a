"""Whether a caller's chat body suits a provider as it is, but for what edits.py can do to it.

A body that does not is written anew from the `Call`, which knows how to emulate, move and join what a provider lacks. That also
is so where answers would not be what chat clients expect: Mistral's reasoning models answer with lists of parts.
"""

import re
from collections.abc import Sequence
from typing import Final

from services.adapters.dialects.openai_chat.quirks import Quirks, read_quirks
from services.adapters.dialects.openai_chat.tools import answers_by_tool
from services.catalog.schema import Target
from services.vocabulary.call import (
    Call,
    CustomTool,
    File,
    FunctionTool,
    HostedTool,
    Item,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    WebSearchTool,
)

_NINE: Final = re.compile(r"[a-zA-Z0-9]{9}")
_LIST: Final = re.compile(rb'"content"\s*:\s*\[')

# Asked for, these cannot be left out: where the provider has none the call is refused (carry.py).
_DEMANDS: Final = ("n", "modalities", "moderation")


def travels(call: Call, target: Target) -> bool:
    """Whether the caller's own body can be sent."""
    quirks = read_quirks(target.provider)
    if quirks.replay_reasoning == "thinking" and _thinks(call, target, quirks):
        return False
    if any(name in call.extra and name not in quirks.parameters for name in _DEMANDS):
        return False
    if answers_by_tool(call, target, quirks) or not _tools_fit(call, target, quirks):
        return False
    if not quirks.content_lists and call.native is not None and _LIST.search(call.native.fields.get("messages", b"")):
        return False
    if quirks.strict_order and not _in_order(call.items):
        return False
    return all(_fits(item, quirks) for item in call.items)


def _thinks(call: Call, target: Target, quirks: Quirks) -> bool:
    """Whether the answer may hold thinking, or the conversation does."""
    if target.facts.efforts == []:
        return False
    asked = call.reasoning is not None and call.reasoning.effort not in (None, "none")
    unasked = any(target.upstream.startswith(prefix) for prefix in quirks.thinking_models)
    return asked or unasked or "prompt_mode" in call.extra or any(isinstance(item, Reasoning) for item in call.items)


def _tools_fit(call: Call, target: Target, quirks: Quirks) -> bool:
    choice = call.tool_choice
    if choice is not None and (
        "tool_choice" not in quirks.parameters
        or (choice.allowed is not None and not quirks.allowed_tools)
        or not call.tools
    ):
        return False
    for tool in call.tools:
        match tool:
            case CustomTool() if not quirks.custom_tools:
                return False
            case WebSearchTool() if "web_search_options" not in quirks.parameters or target.facts.web_search is False:
                return False
            case FunctionTool(parameters=None) if quirks.strict_order:
                return False  # Mistral requires the field
            case _:
                pass
        if not isinstance(tool, HostedTool) and tool.cache is not None:
            return False
    return call.parallel_tool_calls is None or bool(call.tools)  # OpenAI refuses it without tools


def _fits(item: Item, quirks: Quirks) -> bool:
    match item:
        case Message(role=role, content=parts):
            if role == "developer" and not quirks.developer_role:
                return False
            if role == "assistant" and not any(not isinstance(part, Text) or part.text for part in parts):
                return False
            return _parts_fit(parts, quirks)
        case ToolCall(call_id=call_id, arguments=arguments, custom=custom):
            if quirks.empty_content or (custom and not quirks.custom_tools) or not (arguments or custom):
                return False
            return quirks.tool_ids == "any" or _NINE.fullmatch(call_id) is not None
        case ToolResult(output=parts, is_error=is_error, cache=marker):
            if is_error or marker is not None:
                return False
            return _parts_fit(parts, quirks) and (quirks.tool_media or all(isinstance(part, Text) for part in parts))
        case _:
            return True


def _parts_fit(parts: Sequence[Part], quirks: Quirks) -> bool:
    for part in parts:
        if isinstance(part, Opaque):
            continue
        if isinstance(part, Refusal):
            if not quirks.refusals:
                return False
        elif (part.cache is not None and not quirks.cache_control) or (
            isinstance(part, File) and quirks.files != "file"
        ):
            return False
    return True


def _in_order(items: Sequence[Item]) -> bool:
    """Mistral's rules: one system prompt at the start, no user after a tool, an assistant is not the last to speak."""
    last = ""
    for index, item in enumerate(items):
        match item:
            case Message(role="system" | "developer"):
                if index:
                    return False
                last = "system"
            case Message(role="user"):
                if last == "tool":
                    return False
                last = "user"
            case Message() | ToolCall():
                last = "assistant"
            case ToolResult():
                last = "tool"
            case _:
                pass
    return not (last == "assistant" and isinstance(items[-1], Message))
