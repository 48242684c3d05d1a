"""Tools and the choice among them, as Cohere has it: a model may be made to call some tool, not a certain one."""

import msgspec

from services.adapters.dialects.openai_chat.tools import force_answer, write_choice, write_search, write_tools
from services.adapters.dialects.openai_chat.writing import Wire, Writing
from services.catalog.schema import Target
from services.errors import InvalidRequest
from services.vocabulary.call import Call, CustomTool, FunctionTool


class _Schema(msgspec.Struct):
    required: list[str] = []


def answers_by_tool(call: Call, target: Target) -> bool:
    """Whether a tool's arguments are the answer: a format and tools exclude each other here."""
    if call.format is None or call.format.type != "json_schema" or _named(call):
        return False
    return target.facts.json_schema is False or _may_call(call)


def all_strict(call: Call) -> bool:
    """Whether `strict_tools` can be set: it counts for all tools, and each must have a required parameter.

    https://docs.cohere.com/docs/structured-outputs#structured-outputs-tools
    """
    functions = [tool for tool in call.tools if isinstance(tool, FunctionTool)]
    return bool(functions) and all(tool.strict and _requires(tool) for tool in functions)


def add_tools(body: Wire, call: Call, writing: Writing) -> None:
    """Adds `tools`, `strict_tools` and `tool_choice` to the body."""
    write_search(call, writing)
    sent = write_tools(call, writing)
    formatted = call.format is not None and call.format.type != "text"
    if name := _named(call):
        sent = [tool for tool in sent if tool.name == name]
        choice: str | Wire | None = "required"
        writing.lose("tool_choice", "emulated", "only the tool to be called is sent")
        if formatted:
            writing.lose("text.format", "dropped", "the answer is a tool call")
    else:
        choice, sent = write_choice(call, sent, writing)
        if answers_by_tool(call, writing.target):
            force_answer(call, sent, choice, writing)
            choice = "required"
        elif sent and formatted:
            if _may_call(call):
                raise InvalidRequest(f"{writing.name} has JSON mode only without tools.", param="text.format")
            writing.lose("tools", "dropped", "none may be called, and a format and tools exclude each other")
            return
    if not sent:
        return
    for tool in sent:
        function = tool.wire["function"]
        assert isinstance(function, dict)
        if function.pop("strict", None):
            body["strict_tools"] = True
    body["tools"] = [tool.wire for tool in sent]
    if choice in ("required", "none"):
        body["tool_choice"] = str(choice).upper()
    if call.parallel_tool_calls is False:
        writing.lose("parallel_tool_calls", "dropped", "the provider decides")


def _named(call: Call) -> str | None:
    """The one tool of the client's that must be called."""
    name = call.tool_choice.name if call.tool_choice is not None else None
    own = [tool.name for tool in call.tools if isinstance(tool, FunctionTool | CustomTool)]
    return name if name in own else None


def _may_call(call: Call) -> bool:
    forbidden = call.tool_choice is not None and call.tool_choice.mode == "none"
    return not forbidden and any(isinstance(tool, FunctionTool | CustomTool) for tool in call.tools)


def _requires(tool: FunctionTool) -> bool:
    try:
        return tool.parameters is not None and bool(msgspec.json.decode(tool.parameters, type=_Schema).required)
    except msgspec.ValidationError:
        return False
