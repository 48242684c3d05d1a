"""Tools and tool choice.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools, …/strict-tool-use, …/web-search-tool
"""

from typing import Final

import msgspec

from services.adapters.dialects import emulated
from services.adapters.dialects.anthropic_messages.carrier import Carrier
from services.adapters.dialects.anthropic_messages.content import Block, cache_control
from services.adapters.dialects.anthropic_messages.losses import Losses
from services.adapters.dialects.anthropic_messages.plan import Plan
from services.adapters.dialects.anthropic_messages.schemas import fits, fitted
from services.errors import InvalidRequest
from services.vocabulary.call import Call, CustomTool, FunctionTool, HostedTool, Tool, ToolChoice, WebSearchTool

WEB_SEARCH: Final = "web_search"
_STRICT_MAX: Final = 20  # strict tools of one request
_NOTHING: Final = msgspec.Raw(b'{"type":"object","properties":{}}')
_FREE_TEXT: Final = msgspec.Raw(b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}')

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Format(msgspec.Struct):
    """The grammar of a custom tool."""

    type: str = "text"
    syntax: str = ""
    definition: str = ""


class Tools:
    """Writes the tools of a call. `marks` as in `Conversation`."""

    def __init__(self, call: Call, plan: Plan, carrier: Carrier, losses: Losses) -> None:
        self.marks: list[tuple[str, Block]] = []
        self._call = call
        self._plan = plan
        self._carrier = carrier
        self._losses = losses
        self._strict = 0

    def written(self) -> list[Block]:
        """All tools that may be called, and the one that stands for the answer's format."""
        allowed = self._call.tool_choice.allowed if self._call.tool_choice is not None else None
        written: list[Block] = []
        for index, tool in enumerate(self._call.tools):
            path = f"tools[{index}]"
            if allowed is not None and _public_name(tool) not in allowed:
                continue
            if isinstance(tool, WebSearchTool) and not self._carrier.web_search and emulated.search_may_go(self._call):
                self._losses.dropped(path, f"{self._carrier.name} has no web search.")
                continue
            block = self._tool(tool, path)
            if not isinstance(tool, HostedTool) and tool.cache is not None:
                block["cache_control"] = cache_control(tool.cache)
                self.marks.append((path, block))
            written.append(block)
        if allowed is not None:
            self._losses.emulated("tool_choice", "Anthropic was sent the allowed tools only.")
        if self._plan.shape == "tool":
            written.append(self._format_tool())
        return written

    def choice(self, written: list[Block]) -> Block | None:
        """`tool_choice`; None where Anthropic's own default is meant."""
        if not written:
            return None
        asked = self._call.tool_choice
        if self._plan.shape == "tool":
            only = len(written) == 1 or (asked is not None and asked.mode == "none")
            forced: Block = {"type": "tool", "name": self._plan.shape_tool} if only else {"type": "any"}
            return self._alone(forced, forced=True)
        if asked is None:
            return self._alone({"type": "auto"}) if self._call.parallel_tool_calls is False else None
        if asked.mode == "required" and not self._plan.traits.forced_tools:
            self._losses.emulated("tool_choice", "The model cannot be forced to call; it was asked to in words.")
            return self._alone({"type": "auto"})
        match asked:
            case ToolChoice(name=str() as name):
                return self._alone({"type": "tool", "name": self._plan.wire_name(name)})
            case ToolChoice(mode="required"):
                return self._alone({"type": "any"})
            case ToolChoice(mode="none"):
                return {"type": "none"}
        return self._alone({"type": "auto"})

    def demand(self) -> str | None:
        """The words that stand for a forced call, where the model cannot be forced."""
        asked = self._call.tool_choice
        if asked is None or asked.mode != "required" or self._plan.traits.forced_tools or not self._call.tools:
            return None
        if asked.name is not None:
            return f"Answer with a call of the tool `{self._plan.wire_name(asked.name)}`, not with text."
        return "Answer with a call of at least one of the tools, not with text."

    def _alone(self, choice: Block, *, forced: bool = False) -> Block:
        if self._call.parallel_tool_calls is False or (forced and choice["type"] == "any"):
            choice["disable_parallel_tool_use"] = True
        return choice

    # ---- one tool ----------------------------------------------------------------------------------------------------

    def _tool(self, tool: Tool, path: str) -> Block:
        match tool:
            case FunctionTool():
                return self._function(tool, path)
            case CustomTool():
                return self._custom(tool, path)
            case WebSearchTool():
                return self._web_search(tool, path)
            case HostedTool(kind=kind):
                raise InvalidRequest(
                    f"Tools of type {kind!r} are not served by Anthropic's models (at {path}.type).",
                    param=f"{path}.type",
                )

    def _function(self, tool: FunctionTool, path: str) -> Block:
        block: Block = {"name": self._plan.wire_name(tool.name)}
        if tool.description is not None:
            block["description"] = tool.description
        schema = _object_schema(tool.parameters)
        if tool.strict and self._takes_strict(schema, path):
            schema, changes = fitted(schema)
            if changes:
                self._losses.changed(f"{path}.parameters", f"Rewritten for strict tools: {', '.join(changes)}.")
            block["strict"] = True
        block["input_schema"] = schema
        return block

    def _takes_strict(self, schema: msgspec.Raw, path: str) -> bool:
        if not self._plan.traits.schemas:
            why = "The model has no strict tools."
        elif not fits(schema):
            why = "Strict tools need closed objects."
        elif self._strict >= _STRICT_MAX:
            why = f"At most {_STRICT_MAX} tools may be strict."
        else:
            self._strict += 1
            return True
        self._losses.dropped(f"{path}.strict", why)
        return False

    def _custom(self, tool: CustomTool, path: str) -> Block:
        self._losses.emulated(path, "Sent as a function with one text, `input`.")
        said = [tool.description or ""]
        if tool.format is not None:
            grammar = msgspec.json.decode(tool.format, type=_Format, strict=False)
            if grammar.definition:
                said.append(f"`input` must match this {grammar.syntax} grammar:\n{grammar.definition}")
                self._losses.emulated(f"{path}.format", "The grammar is told in words, not enforced.")
        return {
            "name": self._plan.wire_name(tool.name),
            "description": "\n\n".join(text for text in said if text),
            "input_schema": _FREE_TEXT,
        }

    def _web_search(self, tool: WebSearchTool, path: str) -> Block:
        if not self._carrier.web_search:
            raise InvalidRequest(f"{self._carrier.name} has no web search (at {path}.type).", param=f"{path}.type")
        block: Block = {"type": "web_search_20250305", "name": WEB_SEARCH}
        if self._call.max_tool_calls is not None:
            block["max_uses"] = self._call.max_tool_calls
        if tool.allowed_domains:
            block["allowed_domains"] = tool.allowed_domains
            if tool.blocked_domains:
                self._losses.dropped(f"{path}.filters.blocked_domains", "Not together with allowed_domains.")
        elif tool.blocked_domains:
            block["blocked_domains"] = tool.blocked_domains
        if (place := tool.location) is not None:
            fields = {"city": place.city, "region": place.region, "country": place.country, "timezone": place.timezone}
            told = {name: value for name, value in fields.items() if value}
            if told:
                block["user_location"] = {"type": "approximate", **told}
        if tool.context_size is not None:
            self._losses.dropped(f"{path}.search_context_size", "Anthropic decides how much it reads.")
        return block

    def _format_tool(self) -> Block:
        asked = self._call.format
        assert asked is not None, "only a format makes this tool"
        self._losses.emulated("text.format", "The answer was asked for as the input of a forced tool.")
        return {
            "name": self._plan.shape_tool,
            "description": asked.description or "Gives the final answer. Its input is the answer.",
            "input_schema": _object_schema(asked.schema),
        }


def _object_schema(schema: msgspec.Raw | None) -> msgspec.Raw:
    """The schema as it came; one that does not say it is an object is told to be one, as Anthropic demands."""
    if schema is None:
        return _NOTHING
    try:
        fields = _fields.decode(schema)
    except (msgspec.DecodeError, RecursionError):
        return schema  # not an object: the provider's own words say it best
    if "type" in fields:
        return schema
    return msgspec.Raw(msgspec.json.encode({"type": "object", **fields}))


def _public_name(tool: Tool) -> str:
    match tool:
        case WebSearchTool():
            return WEB_SEARCH
        case HostedTool(kind=kind):
            return kind
        case _:
            return tool.name
