"""`toolConfig`: tools, which of them may or must be called, and the tool that stands in for a structured answer.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html. Converse has the choices auto, any
and one tool. "None" is said by leaving the tools out; where the conversation holds tool blocks Converse insists on them,
so there Claude gets its own `tool_choice` and other models are told in words.
"""

from typing import Final, NamedTuple

from services.adapters.dialects import emulated
from services.adapters.dialects.bedrock_converse.cache import cache_point
from services.adapters.dialects.bedrock_converse.families import Family, family
from services.adapters.dialects.bedrock_converse.losses import Losses
from services.adapters.dialects.bedrock_converse.names import tool_name
from services.adapters.dialects.bedrock_converse.specs import (
    ANY_ARGUMENTS,
    Block,
    custom,
    function,
    grounding,
    object_schema,
    spec,
)
from services.catalog.schema import Target
from services.errors import InvalidRequest
from services.vocabulary.call import (
    Call,
    CustomTool,
    FunctionTool,
    HostedTool,
    Tool,
    ToolCall,
    ToolChoice,
    WebSearchTool,
)

_NO_CALLS: Final = "Do not call any tool now. Answer in words."
_JSON_ANSWER: Final = "Answer with one JSON object and nothing else."


class ToolPlan(NamedTuple):
    """What goes where.

    config: `toolConfig`, or None. fields: for `additionalModelRequestFields`. notes: for the system prompt.
    forced: a call is forced.
    """

    config: dict[str, object] | None
    fields: dict[str, object]
    notes: list[str]
    forced: bool

    @property
    def blocks(self) -> list[Block]:
        """The entries of `toolConfig.tools`."""
        tools = self.config["tools"] if self.config is not None else []
        assert isinstance(tools, list)
        return tools


def answer_tool(call: Call, target: Target) -> str | None:
    """The name of the tool that stands in for a structured answer; None where none is needed.

    A function of the call alone, so that the reader of the answer knows it too.
    """
    asked = call.format
    if asked is None or asked.type != "json_schema" or family(target).json_schema:
        return None
    if call.tool_choice is not None and call.tool_choice.mode == "required":
        return None  # the answer is a call of the client's tools
    return tool_name(emulated.answer_name(call))


def offered(call: Call) -> dict[str, FunctionTool | CustomTool]:
    """The client's tools by the names Bedrock calls them by."""
    return {tool_name(tool.name): tool for tool in call.tools if isinstance(tool, FunctionTool | CustomTool)}


def plan_tools(call: Call, model: Family, target: Target, losses: Losses) -> ToolPlan:
    """All about tools. Raises `InvalidRequest` for a tool that Converse cannot offer."""
    return _Planner(call, model, losses).plan(answer_tool(call, target))


class _Planner:
    def __init__(self, call: Call, model: Family, losses: Losses) -> None:
        self._call = call
        self._model = model
        self._losses = losses
        self._choice = call.tool_choice or ToolChoice()
        self._notes: list[str] = []

    def plan(self, answer: str | None) -> ToolPlan:
        tools = [block for index, tool in enumerate(self._call.tools) for block in self._tool(tool, f"tools[{index}]")]
        used = [
            spec(tool_name(name), None, ANY_ARGUMENTS)
            for name in dict.fromkeys(item.name for item in self._call.items if isinstance(item, ToolCall))
        ]
        if (tools or answer is not None) and not self._model.tools:
            param = "tools" if tools else "text.format"
            raise InvalidRequest("The model takes no tools, and so no structured output either.", param=param)
        if answer is not None:
            return self._with_answer(answer, tools, used)
        self._format_in_words()
        if tools and self._choice.mode != "none":
            return self._with_choice(tools)
        return self._without_calls(tools or used) if used else self._done(None)

    def _done(
        self, config: dict[str, object] | None, fields: dict[str, object] | None = None, *, forced: bool = False
    ) -> ToolPlan:
        return ToolPlan(config, fields or {}, self._notes, forced)

    def _format_in_words(self) -> None:
        asked = self._call.format
        if asked is None or asked.type == "text":
            return
        if asked.type == "json_object":
            self._notes.append(_JSON_ANSWER)
            self._losses.add("text.format", "emulated", "The model is asked for a JSON object in words.")
        elif not self._model.json_schema:
            self._losses.add("text.format", "dropped", "A tool call is required, so there is no text to shape.")

    def _without_calls(self, tools: list[Block]) -> ToolPlan:
        """No call may be made, but the conversation holds some, so the tools have to be there."""
        if self._model.native_choice:
            return self._done({"tools": tools}, {"tool_choice": {"type": "none"}})
        self._notes.append(_NO_CALLS)
        self._losses.add("tool_choice", "emulated", "The model is told in words to call no tool.")
        return self._done({"tools": tools})

    def _with_choice(self, tools: list[Block]) -> ToolPlan:
        config: dict[str, object] = {"tools": tools}
        forced = self._choice.mode == "required"
        if self._choice.name == "web_search":
            raise InvalidRequest("This provider cannot be made to search.", param="tool_choice")
        name = tool_name(self._choice.name) if self._choice.name is not None else None
        if forced and not self._model.forces:
            self._losses.add("tool_choice", "emulated", "The model is told in words to call a tool.")
            self._notes.append(f"Call the tool {name}." if name else "Call one of the tools.")
            forced = False
        if self._call.parallel_tool_calls is False:
            if self._model.single_call:  # Claude's own choice replaces Converse's: both at once are refused
                kind: dict[str, object] = {"type": "auto"}
                if forced:
                    kind = {"type": "tool", "name": name} if name else {"type": "any"}
                return self._done(config, {"tool_choice": {**kind, "disable_parallel_tool_use": True}}, forced=forced)
            self._losses.add("parallel_tool_calls", "dropped", "The model cannot be held to one call at a time.")
        if forced:
            config["toolChoice"] = {"tool": {"name": name}} if name else {"any": {}}
        return self._done(config, forced=forced)

    def _with_answer(self, answer: str, tools: list[Block], used: list[Block]) -> ToolPlan:
        """A forced tool takes the answer; its arguments are turned back into text. Other tools may be called instead."""
        shown = emulated.answer_tool(self._call)
        self._losses.add("text.format", "emulated", "The model has no structured output: a tool it must call takes it.")
        if self._choice.mode == "none":
            tools = used
            if used and not self._model.forces:
                self._losses.add("tool_choice", "emulated", "Only the tool that takes the answer should be called.")
        schema = object_schema(shown.parameters or ANY_ARGUMENTS, "text.format.schema")
        tools = [*tools, spec(answer, shown.description, schema)]
        config: dict[str, object] = {"tools": tools}
        if self._model.forces:
            config["toolChoice"] = {"tool": {"name": answer}} if self._choice.mode == "none" else {"any": {}}
        if len(tools) > 1 or not self._model.forces:
            self._notes.append(f"Give the final answer by calling {answer}.")
        return self._done(config, forced=self._model.forces)

    def _tool(self, tool: Tool, path: str) -> list[Block]:
        match tool:
            case FunctionTool(name=name):
                block = function(tool, path, self._model, self._losses)
            case CustomTool(name=name):
                block = custom(tool, path, self._losses)
            case WebSearchTool():
                name = "web_search"
                if not self._model.grounding and emulated.search_may_go(self._call):
                    self._losses.add(path, "dropped", "This model has no web search here.")
                    return []
                block = grounding(tool, path, self._model, self._losses)
            case HostedTool(kind=kind):
                raise InvalidRequest(f"This provider has no {kind!r} tool (at {path}.type).", param=f"{path}.type")
        if self._choice.allowed is not None and name not in self._choice.allowed:
            return []
        if tool.cache is None:
            return [block]
        param = f"{path}.cache_control"
        if not self._model.cache_tools:
            self._losses.add(param, "dropped", "The model keeps no tools in a prompt cache.")
            return [block]
        return [block, cache_point(tool.cache.ttl, self._model, param, self._losses)]
