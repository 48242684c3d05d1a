"""Reads the tools and items that `spread` unfolds; what is not of their shape is the client's mistake, with its path."""

from typing import Final, TypeVar

import msgspec

from services.errors import InvalidRequest
from services.vocabulary.call import CustomTool, FunctionTool, HostedTool, Tool

Shape = TypeVar("Shape")

NAMESPACE: Final = "namespace"
SEARCH_TOOL: Final = "tool_search"
SEARCH: Final = "tool_search_call"

GROUPED_TOOLS: Final = frozenset({NAMESPACE, SEARCH_TOOL})
GROUPED_ITEMS: Final = frozenset({SEARCH, "tool_search_output", "additional_tools"})

_ANYTHING: Final = msgspec.Raw(b'{"type":"object","properties":{"query":{"type":"string"}},"required":["query"]}')


class Namespace(msgspec.Struct):
    """A group of tools."""

    name: str
    tools: list[msgspec.Raw]
    description: str | None = None


class Search(msgspec.Struct):
    """A search for tools. `execution` is client or server."""

    execution: str | None = None
    description: str | None = None
    parameters: msgspec.Raw = msgspec.Raw()

    def schema(self) -> msgspec.Raw:
        """Its arguments."""
        return self.parameters if bytes(self.parameters) not in (b"", b"null") else _ANYTHING


class SearchCall(msgspec.Struct):
    """A search under way. Without a `call_id` it is OpenAI's own."""

    call_id: str | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class Loaded(msgspec.Struct):
    """Tools that an item brings along."""

    tools: list[msgspec.Raw]
    call_id: str | None = None


class _Tool(msgspec.Struct):
    type: str
    name: str = ""
    description: str | None = None
    parameters: msgspec.Raw = msgspec.Raw()
    strict: bool | None = None
    format: msgspec.Raw = msgspec.Raw()


_tool = msgspec.json.Decoder(_Tool)
_namespace = msgspec.json.Decoder(Namespace)
_search = msgspec.json.Decoder(Search)
_call = msgspec.json.Decoder(SearchCall)
_loaded = msgspec.json.Decoder(Loaded)


def namespace_of(raw: msgspec.Raw, path: str) -> Namespace:
    """A tool of type `namespace`."""
    return _read(_namespace, raw, path)


def search_of(raw: msgspec.Raw, path: str) -> Search:
    """A tool of type `tool_search`."""
    return _read(_search, raw, path)


def search_call(raw: msgspec.Raw, path: str) -> SearchCall:
    """An item of type `tool_search_call`."""
    return _read(_call, raw, path)


def search_output(raw: msgspec.Raw, path: str) -> Loaded:
    """An item of type `tool_search_output` or `additional_tools`."""
    return _read(_loaded, raw, path)


def tool_of(raw: msgspec.Raw, path: str) -> Tool:
    """A tool that stands in a group."""
    given = _read(_tool, raw, path)
    if given.type in ("function", "custom") and not given.name:
        raise InvalidRequest(f"A tool needs a name (at {path}.name).", param=f"{path}.name")
    match given.type:
        case "function":
            return FunctionTool(given.name, given.description, _given(given.parameters), given.strict)
        case "custom":
            return CustomTool(given.name, given.description, _given(given.format))
        case kind:
            return HostedTool(kind, raw)


def _given(raw: msgspec.Raw) -> msgspec.Raw | None:
    return raw if bytes(raw) not in (b"", b"null") else None


def _read(decoder: msgspec.json.Decoder[Shape], raw: msgspec.Raw, path: str) -> Shape:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{error} (at {path}).", param=path) from None
