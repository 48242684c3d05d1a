"""Which of the offered tools the sandbox calls, and with what."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.sandbox.directives import Forced
from services.adapters.sandbox.hints import Hints
from services.adapters.sandbox.schema import smallest
from services.adapters.sandbox.subschema import Json, NoInstance
from services.vocabulary.call import Call, CustomTool, FunctionTool, ToolChoice, WebSearchTool

PLEASE: Final = "TOOLPLEASE"  # what generic client checks write when any tool will do

_NAME_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_IDLE: Final = frozenset({"get", "set", "the", "current", "tool", "use", "run", "function", "my"})

Callable = FunctionTool | CustomTool


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call to be made. `arguments`: JSON text, or the free text of a custom tool."""

    call_id: str
    name: str
    arguments: str
    custom: bool


def choose(call: Call, asked: str, forced: Sequence[Forced], *, answered: bool) -> list[Wanted]:
    """The calls to make. asked: the last user text; answered: tool results came after it, so that naming is no asking.

    Raises `UpstreamError(CALLER)` for a tool that is not offered, and for a schema without an instance.
    """
    choice = call.tool_choice or ToolChoice()
    offered = [tool for tool in call.tools if isinstance(tool, (FunctionTool, CustomTool))]
    allowed = [tool for tool in offered if choice.allowed is None or tool.name in choice.allowed]
    _refuse_impossible(call, choice, offered, allowed, forced)
    if choice.mode == "none" or not allowed:
        return []
    hints = Hints(_without_names(asked, offered))
    if choice.name is not None:
        tools = [tool for tool in allowed if tool.name == choice.name]
        return [_wanted(call, tool, hints, _written(forced, tool), 0) for tool in tools]
    if forced and not answered:
        by_name = {tool.name: tool for tool in allowed}
        written = [(by_name[one.name], one.arguments) for one in forced if one.name in by_name]
    else:
        written = [(tool, None) for tool in _asked_for(allowed, asked, answered=answered, choice=choice)]
    if call.parallel_tool_calls is False:
        written = written[:1]
    return [_wanted(call, tool, hints, arguments, index) for index, (tool, arguments) in enumerate(written)]


def _refuse_impossible(
    call: Call, choice: ToolChoice, offered: list[Callable], allowed: list[Callable], forced: Sequence[Forced]
) -> None:
    names = {tool.name for tool in offered}
    for one in forced:
        if one.name not in names:
            raise UpstreamError(
                Kind.CALLER, f"sandbox: [[tool {one.name}]] names a tool that is not offered.", status=400
            )
    searching = any(isinstance(tool, WebSearchTool) for tool in call.tools)
    if choice.name is not None and choice.name not in names and not (searching and choice.name == "web_search"):
        message = f"sandbox: tool choice {choice.name!r} is not among the tools."
    elif choice.mode == "required" and not allowed and not searching:
        message = "sandbox: tool choice 'required' needs a tool that may be called."
    else:
        return
    raise UpstreamError(Kind.CALLER, message, status=400, param="tool_choice")


def _asked_for(tools: list[Callable], asked: str, *, answered: bool, choice: ToolChoice) -> list[Callable]:
    """Tools that the text names; else those whose name's words it holds; else one, if one has to be called."""
    words = {word.lower() for word in re.findall(r"[^\W_]+", asked)}
    if not answered or choice.mode == "required":
        if named := [tool for tool in tools if _names(asked, tool.name)]:
            return named
        if meant := [tool for tool in tools if (telling := _telling(tool.name)) and telling <= words]:
            return meant
    if choice.mode == "required" or (PLEASE in asked and not answered):
        return [max(tools, key=lambda tool: len(_telling(tool.name) & words))]
    return []


def _names(text: str, name: str) -> bool:
    return name in text and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _telling(name: str) -> set[str]:
    """The words of a name that say something: weather of get_weather."""
    return {part.lower() for part in _NAME_PARTS.findall(name)} - _IDLE


def _without_names(asked: str, tools: list[Callable]) -> str:
    for name in {tool.name for tool in tools} | {PLEASE}:
        asked = asked.replace(name, "it")
    return asked


def _written(forced: Sequence[Forced], tool: Callable) -> str | None:
    return next((one.arguments for one in forced if one.name == tool.name), None)


def _wanted(call: Call, tool: Callable, hints: Hints, written: str | None, index: int) -> Wanted:
    if isinstance(tool, CustomTool):
        arguments = written or hints.free_text() or "text"
    else:
        arguments = written or json_text(_arguments(call, tool, hints))
    # the number of items makes the id new in every turn of a conversation
    digest = hashlib.sha256(f"{len(call.items)}/{index}/{tool.name}/{arguments}".encode()).hexdigest()
    return Wanted(f"call_{digest[:24]}", tool.name, arguments, isinstance(tool, CustomTool))


def _arguments(call: Call, tool: FunctionTool, hints: Hints) -> Json:
    try:
        schema = msgspec.json.decode(tool.parameters) if tool.parameters is not None else {}
        return smallest(schema or {"type": "object"}, hints)
    except NoInstance as error:
        path = f"tools[{call.tools.index(tool)}].parameters"
        message = f"sandbox: cannot call {tool.name}: {error}."
        raise UpstreamError(Kind.CALLER, message, status=400, param=path) from None


def json_text(value: Json) -> str:
    """JSON as the sandbox writes it: with a space after commas and colons, so that it streams in several pieces."""
    return json.dumps(value, ensure_ascii=False)
