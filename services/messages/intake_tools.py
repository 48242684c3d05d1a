"""`tools` and `tool_choice` of a Messages request -> tools of a `Call`, one to one, so that tool i is `tools[i]`."""

import re
from typing import Final

import msgspec

from services.errors import InvalidRequest
from services.messages.intake_parts import FORMAT, cache
from services.messages.schema import ToolParam, ToolUseChoice
from services.surface.reading import invalid, type_of
from services.vocabulary.call import FunctionTool, HostedTool, Location, Tool, ToolChoice, WebSearchTool
from services.vocabulary.event import Loss

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_WEB_SEARCH: Final = "web_search_"  # and the date of its version
_DIRECT: Final = "direct"
_PROGRAMMATIC: Final = "function that only code execution may call"
_NOTHING: Final = (b"", b"null", b"[]")

_tool = msgspec.json.Decoder(ToolParam)


def read_tools(given: list[msgspec.Raw], losses: list[Loss]) -> tuple[list[Tool], int | None]:
    """All tools, in order, and how often the web may be searched."""
    tools: list[Tool] = []
    searches: int | None = None
    for index, raw in enumerate(given):
        path = f"tools[{index}]"
        try:
            tool = _tool.decode(raw)
        except msgspec.ValidationError as error:
            kind = type_of(raw, path)
            if kind in (None, "custom") or str(kind).startswith(_WEB_SEARCH):
                raise invalid(error, path) from None
            tool = ToolParam(kind)
        if tool.type is not None and tool.type.startswith(_WEB_SEARCH):
            searches = tool.max_uses or searches
            tools.append(_web_search(tool))
        elif tool.type in (None, "custom"):
            tools.append(_function(tool, raw, path, losses))
        else:
            tools.append(HostedTool(tool.type, raw, FORMAT))
    return tools, searches


def _function(tool: ToolParam, raw: msgspec.Raw, path: str, losses: list[Loss]) -> Tool:
    if not _NAME.fullmatch(tool.name):
        raise InvalidRequest(
            f"A tool's name has 1 to 128 letters, digits, _ and - (at {path}.name).", param=f"{path}.name"
        )
    schema = bytes(tool.input_schema)
    if not schema.startswith(b"{"):
        raise InvalidRequest(f"Expected an object (at {path}.input_schema).", param=f"{path}.input_schema")
    if tool.allowed_callers is not None and _DIRECT not in tool.allowed_callers:
        return HostedTool(_PROGRAMMATIC, raw, FORMAT)  # a model that may not call it must not be offered it
    if bytes(tool.input_examples) not in _NOTHING:
        losses.append(Loss(f"{path}.input_examples", "dropped", "Only Anthropic's models are shown examples."))
    return FunctionTool(tool.name, tool.description, tool.input_schema, tool.strict, cache(tool.cache_control))


def _web_search(tool: ToolParam) -> Tool:
    place = tool.user_location
    location = Location(place.country, place.region, place.city, place.timezone) if place is not None else None
    return WebSearchTool(
        None, tool.allowed_domains or [], tool.blocked_domains or [], location, cache(tool.cache_control)
    )


def read_tool_choice(given: ToolUseChoice | None, tools: list[Tool]) -> ToolChoice | None:
    """Which tools may or must be called."""
    if given is None:
        return None
    match given.type:
        case "auto":
            return ToolChoice("auto")
        case "none":
            return ToolChoice("none")
        case "any":
            if not tools:
                raise InvalidRequest("A call is demanded, but no `tools` are given.", param="tool_choice")
            return ToolChoice("required")
    if not given.name:
        raise InvalidRequest("A forced tool needs a name (at tool_choice.name).", param="tool_choice.name")
    hosted = any(isinstance(tool, HostedTool) for tool in tools)
    if not hosted and given.name not in {_name(tool) for tool in tools}:
        raise InvalidRequest(
            f"Tool {given.name!r} is not among `tools` (at tool_choice.name).", param="tool_choice.name"
        )
    return ToolChoice("required", name=given.name)


def _name(tool: Tool) -> str:
    match tool:
        case WebSearchTool():
            return "web_search"
        case HostedTool(kind=kind):
            return kind
        case _:
            return tool.name
