"""Tools and the choice among them, in any of the forms that clients mix.

Nested as Chat Completions has them, flat as the Responses API, `{name, input_schema}` as the Messages API, and `functions`, the
format's first form.
"""

from typing import Final, Literal

import msgspec

from services.chat.schema import ChatRequest, LegacyChoice, LegacyFunction, WebSearchOptions
from services.errors import InvalidRequest
from services.responses.intake_tools import WEB_SEARCH_TYPES, check_offered, name_of, read_schema, read_tool
from services.responses.reading import cache
from services.responses.schema import CacheControl, NonEmpty, ToolName
from services.surface.reading import decode
from services.vocabulary.call import CustomTool, FunctionTool, HostedTool, Location, Tool, ToolChoice, WebSearchTool

Mode = Literal["auto", "none", "required"]

_MODES: Final[dict[str, Mode]] = {"auto": "auto", "none": "none", "required": "required", "any": "required"}


class _Function(msgspec.Struct, frozen=True):
    name: ToolName
    description: str | None = None
    parameters: msgspec.Raw = msgspec.Raw()
    strict: bool | None = None


class _Custom(msgspec.Struct, frozen=True):
    name: ToolName
    description: str | None = None
    format: "_Format | None" = None


class _Grammar(msgspec.Struct, frozen=True):
    syntax: str
    definition: str


class _Format(msgspec.Struct, frozen=True):
    type: Literal["text", "grammar"]
    grammar: _Grammar | None = None


class _Tool(msgspec.Struct, frozen=True):
    type: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None
    name: str | None = None
    description: str | None = None
    input_schema: msgspec.Raw = msgspec.Raw()
    cache_control: CacheControl | None = None


class _Named(msgspec.Struct, frozen=True):
    name: NonEmpty


class _Allowed(msgspec.Struct, frozen=True):
    type: str = "function"
    function: _Named | None = None
    custom: _Named | None = None
    name: str | None = None


class _AllowedTools(msgspec.Struct, frozen=True):
    mode: Literal["auto", "required"] = "auto"
    tools: list[_Allowed] = []


class _Choice(msgspec.Struct, frozen=True):
    type: str
    function: _Named | None = None
    custom: _Named | None = None
    name: str | None = None
    allowed_tools: _AllowedTools | None = None
    mode: Literal["auto", "required"] | None = None
    tools: list[_Allowed] | None = None


_tool = msgspec.json.Decoder(_Tool)
_choice = msgspec.json.Decoder(str | _Choice)


class Tools(msgspec.Struct):
    """All tools of a request. places: where each stands, and in which object of it. pure: all are of the chat format."""

    tools: list[Tool] = []
    places: list[tuple[str, str]] = []
    pure: bool = True

    def add(self, tool: Tool, place: str, inner: str = "") -> None:
        """One more."""
        self.tools.append(tool)
        self.places.append((place, inner))


def read_tools(request: ChatRequest) -> Tools:
    """All tools, in order; a web search that is asked for by options is the last."""
    found = Tools([], [])
    for index, raw in enumerate(request.tools or ()):
        _read(raw, f"tools[{index}]", found)
    for index, function in enumerate(request.functions or ()):
        found.add(_legacy(function, f"functions[{index}]"), f"functions[{index}]")
    if request.web_search_options is not None:
        found.add(_search(request.web_search_options), "web_search_options")
    return found


def read_choice(request: ChatRequest, tools: list[Tool]) -> tuple[ToolChoice | None, bool]:
    """Which tools may or must be called, and whether the choice is in the chat format."""
    if bytes(request.tool_choice).strip() not in (b"", b"null"):
        return _read_choice(decode(request.tool_choice, _choice, "tool_choice"), {name_of(tool) for tool in tools})
    match request.function_call:
        case None:
            return None, True
        case LegacyChoice(name=name):
            check_offered(name, {name_of(tool) for tool in tools}, "function_call.name")
            return ToolChoice("required", name=name), False
        case mode:
            return ToolChoice(mode), False


# ---- tools -----------------------------------------------------------------------------------------------------------


def _read(raw: msgspec.Raw, place: str, found: Tools) -> None:
    given = decode(raw, _tool, place)
    marker = cache(given.cache_control)
    function, custom = given.function, given.custom
    if given.type in ("function", None) and function is not None:
        schema = read_schema(function.parameters, f"{place}.function.parameters")
        tool: Tool = FunctionTool(function.name, function.description, schema, function.strict, marker)
        found.add(tool, place, "function")
    elif given.type == "custom" and custom is not None:
        found.add(CustomTool(custom.name, custom.description, _flat(custom, place), marker), place, "custom")
    elif given.type in ("custom", None) and given.name and bytes(given.input_schema):
        found.pure = False
        schema = read_schema(given.input_schema, f"{place}.input_schema")
        found.add(FunctionTool(given.name, given.description, schema, None, marker), place)
    else:
        tool = read_tool(raw, place)
        found.pure = found.pure and isinstance(tool, HostedTool)  # one that the provider may know
        found.add(tool, place)


def _flat(custom: _Custom, place: str) -> msgspec.Raw | None:
    """The format as the Responses API has it: without the object that chat nests a grammar in."""
    if custom.format is None:
        return None
    if custom.format.type == "text":
        return msgspec.Raw(b'{"type":"text"}')
    grammar = custom.format.grammar
    if grammar is None:
        where = f"{place}.custom.format.grammar"
        raise InvalidRequest(f"Object missing required field `grammar` (at {where}).", param=where)
    flat = {"type": "grammar", "syntax": grammar.syntax, "definition": grammar.definition}
    return msgspec.Raw(msgspec.json.encode(flat))


def _legacy(function: LegacyFunction, place: str) -> FunctionTool:
    return FunctionTool(function.name, function.description, read_schema(function.parameters, f"{place}.parameters"))


def _search(options: WebSearchOptions) -> WebSearchTool:
    where = options.user_location.approximate if options.user_location is not None else None
    place = Location(where.country, where.region, where.city, where.timezone) if where is not None else None
    return WebSearchTool(options.search_context_size, location=place)


# ---- the choice ------------------------------------------------------------------------------------------------------


def _read_choice(given: str | _Choice, offered: set[str]) -> tuple[ToolChoice, bool]:
    if isinstance(given, str):
        return _mode(given, "tool_choice", offered), given != "any"
    allowed = given.allowed_tools
    if given.type == "allowed_tools":
        tools, mode = (allowed.tools, allowed.mode) if allowed is not None else (given.tools, given.mode or "auto")
        place = "tool_choice.allowed_tools.tools" if allowed is not None else "tool_choice.tools"
        if not tools:
            raise InvalidRequest(f"`allowed_tools` needs a list of tools (at {place}).", param=place)
        names = [_name(entry, f"{place}[{index}]", offered) for index, entry in enumerate(tools)]
        return ToolChoice(mode, allowed=names), allowed is not None
    if given.type in _MODES:
        return _mode(given.type, "tool_choice.type", offered), False
    name = _name(given, "tool_choice", offered)
    return ToolChoice("required", name=name), given.name is None


def _mode(word: str, place: str, offered: set[str]) -> ToolChoice:
    mode = _MODES.get(word)
    if mode is None:
        raise InvalidRequest(f"Expected one of none, auto, required (at {place}).", param=place)
    if mode == "required" and not offered:
        raise InvalidRequest(f"`tool_choice` is {word}, but no `tools` are given.", param=place)
    return ToolChoice(mode)


def _name(entry: _Allowed | _Choice, place: str, offered: set[str]) -> str:
    """The tool that an entry names: by its nested name, its own, or the type of a hosted tool."""
    for kind, nested in (("function", entry.function), ("custom", entry.custom)):
        if nested is not None:
            check_offered(nested.name, offered, f"{place}.{kind}.name")
            return nested.name
    if entry.name:
        check_offered(entry.name, offered, f"{place}.name")
        return entry.name
    if entry.type in ("function", "custom", "tool"):
        kind = "name" if entry.type == "tool" else f"{entry.type}.name"
        raise InvalidRequest(f"A forced tool needs a name (at {place}.{kind}).", param=f"{place}.{kind}")
    name = "web_search" if entry.type in WEB_SEARCH_TYPES else entry.type
    check_offered(name, offered, f"{place}.type")
    return name
