"""`tools` and `tool_choice` of a Responses request -> tools of a `Call`, one to one, so that tool i is `tools[i]`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.errors import InvalidRequest
from services.responses.reading import cache
from services.responses.schema import CacheControl, ToolChoiceParam, ToolName
from services.surface.reading import decode, type_of
from services.vocabulary.call import CustomTool, FunctionTool, HostedTool, Location, Tool, ToolChoice, WebSearchTool

WEB_SEARCH_TYPES = frozenset({"web_search", "web_search_preview", "web_search_2025_08_26"})


class _Function(msgspec.Struct):
    name: ToolName
    description: str | None = None
    parameters: msgspec.Raw = msgspec.Raw()
    strict: bool | None = None
    cache_control: CacheControl | None = None


class _Nested(msgspec.Struct):
    """A function as Chat Completions nests it; clients that switch between the two APIs send it here too."""

    function: _Function | None = None


class _Custom(msgspec.Struct):
    name: ToolName
    description: str | None = None
    format: msgspec.Raw = msgspec.Raw()
    cache_control: CacheControl | None = None


class _Location(msgspec.Struct):
    type: Literal["approximate"] = "approximate"
    country: str | None = None
    region: str | None = None
    city: str | None = None
    timezone: str | None = None


class _Filters(msgspec.Struct):
    allowed_domains: Annotated[list[str], Meta(max_length=100)] | None = None
    blocked_domains: Annotated[list[str], Meta(max_length=100)] | None = None


class _WebSearch(msgspec.Struct):
    search_context_size: Literal["low", "medium", "high"] | None = None
    filters: _Filters | None = None
    user_location: _Location | None = None
    external_web_access: bool | None = None
    cache_control: CacheControl | None = None


_function = msgspec.json.Decoder(_Function)
_nested = msgspec.json.Decoder(_Nested)
_custom = msgspec.json.Decoder(_Custom)
_web_search = msgspec.json.Decoder(_WebSearch)


def read_tools(given: list[msgspec.Raw]) -> list[Tool]:
    """All tools, in order."""
    return [read_tool(raw, f"tools[{index}]") for index, raw in enumerate(given)]


def read_tool(raw: msgspec.Raw, path: str) -> Tool:
    """The tool at `path`."""
    kind = type_of(raw, path)
    if kind == "function":
        function = decode(raw, _nested, path).function or decode(raw, _function, path)
        parameters = read_schema(function.parameters, f"{path}.parameters")
        return FunctionTool(
            function.name, function.description, parameters, function.strict, cache(function.cache_control)
        )
    if kind == "custom":
        custom = decode(raw, _custom, path)
        return CustomTool(
            custom.name, custom.description, _object(custom.format, f"{path}.format"), cache(custom.cache_control)
        )
    if kind in WEB_SEARCH_TYPES:
        return _read_web_search(decode(raw, _web_search, path))
    if kind is None:
        raise InvalidRequest(f"Object missing required field `type` (at {path}.type).", param=f"{path}.type")
    return HostedTool(kind, raw)


def _read_web_search(search: _WebSearch) -> Tool:
    filters, place = search.filters or _Filters(), search.user_location
    return WebSearchTool(
        search.search_context_size,
        filters.allowed_domains or [],
        filters.blocked_domains or [],
        Location(place.country, place.region, place.city, place.timezone) if place is not None else None,
        cache(search.cache_control),
        search.external_web_access,
    )


def read_schema(raw: msgspec.Raw, path: str) -> msgspec.Raw | None:
    """A JSON schema: an object or, as the specification allows, a boolean."""
    return raw if bytes(raw).strip() in (b"true", b"false") else _object(raw, path)


def _object(raw: msgspec.Raw, path: str) -> msgspec.Raw | None:
    """A raw JSON object as it came; None when absent or null."""
    text = bytes(raw).strip()
    if text in (b"", b"null"):
        return None
    if not text.startswith(b"{"):
        raise InvalidRequest(f"Expected an object (at {path}).", param=path)
    return raw


def read_tool_choice(given: str | ToolChoiceParam | None, tools: list[Tool]) -> ToolChoice | None:
    """Which tools may or must be called. A choice of a tool that is not offered is a mistake for every provider."""
    if given is None:
        return None
    offered = {name_of(tool) for tool in tools}
    if isinstance(given, str):
        if given == "required" and not tools:
            raise InvalidRequest("`tool_choice` is required, but no `tools` are given.", param="tool_choice")
        return ToolChoice(given)  # type: ignore[arg-type]  # the schema allows exactly the three modes
    if given.type == "allowed_tools":
        if not given.tools:
            raise InvalidRequest("`allowed_tools` needs a list of tools.", param="tool_choice.tools")
        allowed = [_wanted(tool.type, tool.name) for tool in given.tools]
        for index, name in enumerate(allowed):
            check_offered(name, offered, f"tool_choice.tools[{index}]")
        return ToolChoice(given.mode or "auto", allowed=allowed)
    named = given.name or (given.function.name if given.function else None)
    if named is None and given.type in ("function", "custom"):
        raise InvalidRequest("A forced tool needs a name (at tool_choice.name).", param="tool_choice.name")
    name = _wanted(given.type, named)
    check_offered(name, offered, "tool_choice.name" if named else "tool_choice.type")
    return ToolChoice("required", name=name)


def name_of(tool: Tool) -> str:
    """What a tool choice calls the tool: its name, or the type of a hosted one."""
    match tool:
        case FunctionTool(name=name) | CustomTool(name=name):
            return name
        case WebSearchTool():
            return "web_search"
        case HostedTool(kind=kind):
            return kind


def _wanted(kind: str, name: str | None) -> str:
    if kind in WEB_SEARCH_TYPES:
        return "web_search"
    return name or kind


def check_offered(name: str, offered: set[str], path: str) -> None:
    """Raises `InvalidRequest` for a choice of a tool that is not there; some bring tools with them."""
    if name not in offered and "namespace" not in offered and "mcp" not in offered:
        raise InvalidRequest(f"Tool {name!r} is not among `tools` (at {path}).", param=path)
