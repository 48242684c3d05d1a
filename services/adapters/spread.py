"""Tools that only OpenAI knows, told to others as plain functions, and the calls told back as they were asked for.

Tools with names that OpenAI's formats do not take get others there: Claude Code's of MCP servers are often longer than 64.

    namespace         its tools one by one, as `namespace__name`; calls come back with namespace and name
    tool_search       run by the client: a function; its calls come back as `tool_search_call`, and the tools that the
                      client found join the others. Run by OpenAI: every tool is shown from the start instead
    additional_tools  tools that an item of the conversation brings along join the others
    custom            a function with one text, where a provider of the same format has no custom tools
    web_search        with `external_web_access: false` is one that must not reach out. No other provider has that, so it is
                      left out rather than made to search the live web

Codex (0.169) sends all of these. https://developers.openai.com/api/docs/guides/tools-tool-search
"""

from collections.abc import Iterator, Sequence

import msgspec

from services.adapters.dialects import emulated
from services.adapters.spread_names import Names, fits
from services.adapters.spread_shapes import (
    GROUPED_ITEMS,
    GROUPED_TOOLS,
    SEARCH,
    namespace_of,
    search_call,
    search_of,
    search_output,
    tool_of,
)
from services.catalog.schema import Target
from services.errors import InvalidRequest
from services.vocabulary.call import (
    Call,
    CustomTool,
    FunctionTool,
    Hosted,
    HostedTool,
    Item,
    Message,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearchTool,
)
from services.vocabulary.event import (
    Event,
    HostedItem,
    Loss,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
)

_RESPONSES = "openai_responses"
_SHORT = frozenset({_RESPONSES, "openai_chat"})  # formats whose names of tools fit into 64 characters


def lacks(call: Call, target: Target) -> bool:
    """Whether the call has tools (or traces of them) that the target has to be told of otherwise."""
    responses = target.dialect == _RESPONSES
    own = call.native is not None and call.native.format == target.dialect
    if target.dialect in _SHORT and not own and not all(map(fits, _names(call))):
        return True
    if _has_all(target):
        return False
    return any(_special_tool(tool, responses) for tool in call.tools) or any(
        _special_item(item, responses) for item in call.items
    )


def _has_all(target: Target) -> bool:
    """Quirk `openai_tools` of a row that speaks the Responses format: it has all of OpenAI's tools."""
    return target.dialect == _RESPONSES and bool(target.quirks.get("openai_tools"))


def _names(call: Call) -> Iterator[str]:
    yield from (tool.name for tool in call.tools if isinstance(tool, FunctionTool | CustomTool))
    yield from (item.name for item in call.items if isinstance(item, ToolCall))


def _special_tool(tool: Tool, responses: bool) -> bool:
    match tool:
        case HostedTool(kind=kind):
            return kind in GROUPED_TOOLS
        case WebSearchTool(external=external):
            return external is False or (responses and external is not None)
        case CustomTool():
            return responses
        case _:
            return False


def _special_item(item: Item, responses: bool) -> bool:
    match item:
        case ToolCall():
            return item.namespace is not None or (responses and item.custom)
        case ToolResult():
            return responses and item.custom
        case Hosted(kind=kind):
            return kind in GROUPED_ITEMS
        case _:
            return False


class Spread:
    """One call with plain tools, for one attempt. `call` is what the dialect writes; positions of items stay as they are."""

    def __init__(self, call: Call, target: Target) -> None:
        self.losses: list[Loss] = []
        self._name = target.provider.name
        self._responses = target.dialect == _RESPONSES and not _has_all(target)
        self._names = Names(call)
        self._tools: list[Tool] = []
        self._paths: list[str] = []
        self._customs: set[str] = set()
        self._held: dict[str, tuple[ToolCallStarted, list[str]]] = {}
        for index, tool in enumerate(call.tools):
            self._add(tool, f"tools[{index}]", call)
        items = [self._item(item, f"input[{index}]", call) for index, item in enumerate(call.items)]
        self.call = msgspec.structs.replace(
            call, tools=self._tools, items=items, tool_choice=self._choice(call.tool_choice), native=None
        )

    # ---- to the provider ---------------------------------------------------------------------------------------------

    def _add(self, tool: Tool, path: str, call: Call) -> None:
        match tool:
            case HostedTool(kind="namespace", raw=raw):
                group = namespace_of(raw, path)
                for index, inner in enumerate(group.tools):
                    told = f"{group.description}\n\n" if group.description and index == 0 else ""
                    self._keep(tool_of(inner, f"{path}.tools[{index}]"), f"{path}.tools[{index}]", group.name, told)
                self.losses.append(
                    Loss(path, "emulated", f"Sent as single tools, `{group.name}__…`: {self._name} has no namespaces.")
                )
            case HostedTool(kind="tool_search", raw=raw):
                search = search_of(raw, path)
                if search.execution == "client":
                    function = FunctionTool(self._names.search, search.description, search.schema())
                    self._tools.append(function)
                    self._paths.append(path)
                    self.losses.append(Loss(path, "emulated", "Sent as a function."))
                else:
                    self.losses.append(Loss(path, "emulated", "All tools are shown to the model from the start."))
            case WebSearchTool(external=False):
                self._leave_out(path, call)
            case _:
                self._keep(tool, path)

    def _keep(self, tool: Tool, path: str, namespace: str | None = None, told: str = "") -> None:
        if isinstance(tool, FunctionTool | CustomTool):
            name = self._names.flat(namespace, tool.name)
            if any(isinstance(known, FunctionTool | CustomTool) and known.name == name for known in self._tools):
                return  # loaded before
            described = told + (tool.description or "") or None
            tool = msgspec.structs.replace(tool, name=name, description=described)
        if isinstance(tool, CustomTool) and self._responses:
            self._customs.add(tool.name)
            self.losses.append(Loss(path, "emulated", "Sent as a function with one text parameter."))
            tool = emulated.as_function(tool, emulated.grammar(tool, path))
        if isinstance(tool, WebSearchTool):
            tool = msgspec.structs.replace(tool, external=None)
        self._tools.append(tool)
        self._paths.append(path)

    def _leave_out(self, path: str, call: Call) -> None:
        choice = call.tool_choice
        if len(call.tools) == 1 or (choice is not None and choice.name == "web_search"):
            raise InvalidRequest(
                f"{self._name} can search only the live web, which `external_web_access: false` forbids (at {path}).",
                param=f"{path}.external_web_access",
            )
        self.losses.append(
            Loss(path, "dropped", f"{self._name} can search only the live web, which this tool must not.")
        )

    def _item(self, item: Item, path: str, call: Call) -> Item:
        """Searches for tools that OpenAI ran stay what they are: receipts."""
        match item:
            case ToolCall():
                return self._call(item)
            case ToolResult(custom=True) if self._responses:
                return msgspec.structs.replace(item, custom=False)
            case Hosted(kind="tool_search_call", raw=raw):
                found = search_call(raw, path)
                if found.call_id is None:
                    return item
                return ToolCall(found.call_id, self._names.search, bytes(found.arguments).decode())
            case Hosted(kind="tool_search_output", raw=raw):
                loaded = search_output(raw, path)
                names = self._load(loaded.tools, path, call)
                if loaded.call_id is None:
                    return item
                return ToolResult(loaded.call_id, [Text(f"Found and ready to be called: {names}.")])
            case Hosted(kind="additional_tools", raw=raw):
                names = self._load(search_output(raw, path).tools, path, call)
                return Message("developer", [Text(f"These tools can be called as well: {names}.")])
            case _:
                return item

    def _load(self, tools: list[msgspec.Raw], path: str, call: Call) -> str:
        before = len(self._tools)
        for index, raw in enumerate(tools):
            self._add(tool_of(raw, f"{path}.tools[{index}]"), f"{path}.tools[{index}]", call)
        new = [tool.name for tool in self._tools[before:] if isinstance(tool, FunctionTool | CustomTool)]
        return ", ".join(new) or "none"

    def _call(self, item: ToolCall) -> ToolCall:
        name = self._names.flat(item.namespace, item.name)
        if item.custom and self._responses:
            return msgspec.structs.replace(
                item, name=name, namespace=None, custom=False, arguments=emulated.wrap(item.arguments)
            )
        return msgspec.structs.replace(item, name=name, namespace=None)

    def _choice(self, choice: ToolChoice | None) -> ToolChoice | None:
        """A choice names a namespace, or a tool inside one without saying which."""
        if choice is None or (choice.name is None and choice.allowed is None):
            return choice
        offered = [tool.name for tool in self._tools if isinstance(tool, FunctionTool | CustomTool)]
        if choice.name is not None:
            names = self._names.meant(choice.name, offered)
            if len(names) == 1:
                return msgspec.structs.replace(choice, name=names[0])
            return ToolChoice("required", allowed=names)
        allowed = [name for wanted in choice.allowed or () for name in self._names.meant(wanted, offered)]
        return msgspec.structs.replace(choice, allowed=list(dict.fromkeys(allowed)))

    # ---- and back ----------------------------------------------------------------------------------------------------

    def told(self, losses: Sequence[Loss]) -> list[Loss]:
        """Losses with the paths of the client's own request."""
        return [msgspec.structs.replace(loss, param=self._path(loss.param)) for loss in losses]

    def error(self, error: InvalidRequest) -> InvalidRequest:
        """The error with the path of the client's own request."""
        if error.param is not None and (path := self._path(error.param)) != error.param:
            error.message, error.param = error.message.replace(error.param, path), path
        return error

    def _path(self, path: str) -> str:
        if not path.startswith("tools["):
            return path
        number, bracket, rest = path.removeprefix("tools[").partition("]")
        place = int(number) if bracket and number.isdigit() else len(self._paths)
        return self._paths[place] + rest if place < len(self._paths) else path

    def restored(self, events: Sequence[Event]) -> Sequence[Event]:
        """Events as the client asked for them."""
        return [told for event in events for told in self._restored(event)]

    def _restored(self, event: Event) -> Sequence[Event]:
        match event:
            case TextDelta():
                return (event,)
            case ToolCallStarted():
                return self._started(event)
            case ToolCallDelta():
                return self._delta(event)
            case ToolCallDone():
                return self._done(event)
            case _:
                return (event,)

    def _started(self, event: ToolCallStarted) -> Sequence[Event]:
        if event.name == self._names.search or event.name in self._customs:
            self._held[event.key] = (event, [])
            return () if event.name == self._names.search else (self._named(event, custom=True),)
        return (self._named(event, custom=event.custom),)

    def _named(self, event: ToolCallStarted, *, custom: bool) -> ToolCallStarted:
        namespace, name = self._names.original(event.name)
        return msgspec.structs.replace(event, name=name, namespace=namespace, custom=custom)

    def _delta(self, event: ToolCallDelta) -> Sequence[Event]:
        if event.key not in self._held:
            return (event,)
        self._held[event.key][1].append(event.arguments)
        return ()

    def _done(self, event: ToolCallDone) -> Sequence[Event]:
        if event.key not in self._held:
            return (event,)
        started, pieces = self._held.pop(event.key)
        arguments = "".join(pieces)
        if started.name in self._customs:
            return (ToolCallDelta(event.key, emulated.unwrap(arguments)), event)
        return (HostedItem(SEARCH, search_item(started.call_id, arguments)),)


def search_item(call_id: str, arguments: str) -> msgspec.Raw:
    """A `tool_search_call` for the client to run."""
    parsed: object
    try:
        parsed = msgspec.json.decode(arguments or "{}", type=msgspec.Raw)
    except msgspec.DecodeError:
        parsed = {"query": arguments}
    fields = {"call_id": call_id, "execution": "client", "arguments": parsed, "status": "completed"}
    return msgspec.Raw(msgspec.json.encode({"type": SEARCH, **fields}))
