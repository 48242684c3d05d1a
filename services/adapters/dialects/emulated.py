"""Ways around what a wire format lacks, the same for every dialect that takes them.

A custom tool becomes a function with one text parameter, and its calls come back as custom calls. A schema that the model
does not keep by itself becomes the parameters of a tool that the model has to call; the arguments are then the answer.
"""

from typing import Final

import msgspec

from services.errors import InvalidRequest
from services.vocabulary.call import Call, CustomTool, FunctionTool, ToolCall, WebSearchTool
from services.vocabulary.event import Loss

NO_PARAMETERS: Final = msgspec.Raw(b'{"type":"object","properties":{}}')
_FREE_TEXT: Final = msgspec.Raw(
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}'
)


class Grammar(msgspec.Struct, frozen=True):
    """The format of a custom tool. `type` is text (any) or grammar."""

    type: str = "text"
    syntax: str = ""
    definition: str = ""


class _FreeText(msgspec.Struct):
    input: str


_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def grammar(tool: CustomTool, path: str) -> Grammar:
    """The tool's format. Raises `InvalidRequest` for one that is none; `path` is where the tool stands."""
    if tool.format is None:
        return Grammar()
    try:
        return msgspec.json.decode(tool.format, type=Grammar)
    except msgspec.ValidationError as error:
        raise InvalidRequest(
            f"Not a format of a custom tool: {error} (at {path}.format).", param=f"{path}.format"
        ) from error


def as_function(tool: CustomTool, rule: Grammar) -> FunctionTool:
    """The custom tool as a function. A grammar is described to the model; nothing enforces it."""
    description = tool.description
    if rule.type == "grammar":
        told = f"`input` must match this {rule.syntax} grammar:\n{rule.definition}"
        description = f"{description}\n\n{told}" if description else told
    return FunctionTool(tool.name, description, _FREE_TEXT)


def wrap(text: str) -> str:
    """The arguments that stand for a custom call's text."""
    return msgspec.json.encode(_FreeText(text)).decode()


def unwrap(arguments: str) -> str:
    """The text of a custom call that came as a function call; what is not of the asked shape stays as it is."""
    try:
        return msgspec.json.decode(arguments, type=_FreeText).input
    except msgspec.DecodeError:
        return arguments


def call_input(call: ToolCall, path: str, losses: list[Loss]) -> msgspec.Raw:
    """The arguments of a call as an object, for formats that take no text there; none at all are an empty one.

    What is no JSON object (an answer may have been cut off) stands in the conversation for good, so it is not refused.
    """
    if call.custom:
        return msgspec.Raw(wrap(call.arguments).encode())
    text = call.arguments.strip() or "{}"
    try:
        _object.decode(text)
    except (msgspec.DecodeError, RecursionError):
        losses.append(
            Loss(f"{path}.arguments", "changed", "Not a JSON object: the text was sent in one, as `INVALID_JSON`.")
        )
        return msgspec.Raw(msgspec.json.encode({"INVALID_JSON": call.arguments}))
    return msgspec.Raw(text.encode())


def search_may_go(call: Call) -> bool:
    """Whether a search that a provider lacks can be left out: other tools remain, and nobody demands this one."""
    demanded = call.tool_choice is not None and call.tool_choice.name == "web_search"
    return not demanded and not all(isinstance(tool, WebSearchTool) for tool in call.tools)


def answer_name(call: Call) -> str:
    """The name of the tool whose arguments are the answer; no tool of the client's has it."""
    taken = {tool.name for tool in call.tools if isinstance(tool, FunctionTool | CustomTool)}
    name = (call.format and call.format.name) or "answer"
    while name in taken:
        name += "_"
    return name


def answer_tool(call: Call) -> FunctionTool:
    """The tool whose arguments are the answer."""
    assert call.format is not None, "asked for only where a schema is"
    return FunctionTool(answer_name(call), call.format.description or "Gives the final answer.", call.format.schema)
