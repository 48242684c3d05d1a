"""Tools and the choice among them, in the chat format. Function and custom tools are never dropped."""

from typing import NamedTuple

import msgspec

from services.adapters.dialects import emulated
from services.adapters.dialects.openai_chat.quirks import Quirks
from services.adapters.dialects.openai_chat.writing import Wire, Writing
from services.catalog.schema import Target
from services.errors import InvalidRequest
from services.vocabulary.call import Call, CustomTool, FunctionTool, HostedTool, WebSearchTool


class Sent(NamedTuple):
    """A tool as written. `name` is what the client calls it."""

    name: str
    wire: Wire


def write_tools(call: Call, writing: Writing) -> list[Sent]:
    """All tools of the client's. Raises `InvalidRequest` for those that only another provider hosts."""
    sent: list[Sent] = []
    for index, tool in enumerate(call.tools):
        path = f"tools[{index}]"
        match tool:
            case FunctionTool():
                sent.append(_function(tool, path, writing))
            case CustomTool():
                sent.append(_custom(tool, path, writing))
            case HostedTool(kind=kind):
                raise InvalidRequest(f"{writing.name} has no tool of type {kind!r}.", param=f"{path}.type")
            case WebSearchTool():
                continue
        if not isinstance(tool, HostedTool) and tool.cache is not None:
            writing.lose(f"{path}.cache_control", "dropped", "the chat format has no cache markers on tools")
    return sent


def write_search(call: Call, writing: Writing) -> Wire | None:
    """`web_search_options`: https://platform.openai.com/docs/guides/tools-web-search?api-mode=chat.

    Where the provider has no search, the client's own tools win and the search is reported as lost; alone it is refused.
    """
    searches = [(f"tools[{i}]", tool) for i, tool in enumerate(call.tools) if isinstance(tool, WebSearchTool)]
    if not searches:
        return None
    path, tool = searches[0]
    if "web_search_options" not in writing.quirks.parameters or writing.target.facts.web_search is False:
        if not emulated.search_may_go(call):
            raise InvalidRequest(f"{writing.target.id} has no web search.", param=path)
        writing.lose(path, "dropped", f"{writing.target.id} has no web search")
        return None
    for name, domains in (("allowed_domains", tool.allowed_domains), ("blocked_domains", tool.blocked_domains)):
        if domains:
            raise InvalidRequest(
                f"{writing.target.id} cannot limit its web search to domains.", param=f"{path}.filters.{name}"
            )
    options: Wire = {}
    if tool.context_size is not None:
        options["search_context_size"] = tool.context_size
    if tool.location is not None:
        known = {name: value for name, value in msgspec.structs.asdict(tool.location).items() if value is not None}
        options["user_location"] = {"type": "approximate", "approximate": known}
    return options


def write_choice(call: Call, sent: list[Sent], writing: Writing) -> tuple[str | Wire | None, list[Sent]]:
    """The `tool_choice`, and the tools to send with it."""
    choice = call.tool_choice
    if choice is None:
        return None, sent
    if not sent:  # OpenAI refuses the parameter without tools
        if choice.mode == "required" and not any(isinstance(tool, WebSearchTool) for tool in call.tools):
            raise InvalidRequest("`tool_choice` demands a tool call, but there are no tools.", param="tool_choice")
        return None, sent
    if "tool_choice" not in writing.quirks.parameters:
        return None, _choose_by_tools(choice.mode, sent, writing)
    if choice.allowed is not None:
        allowed = [tool for tool in sent if tool.name in choice.allowed]
        if writing.quirks.allowed_tools and allowed:
            names = [_by_name(tool) for tool in allowed]
            return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": names}}, sent
        writing.lose("tool_choice", "emulated", "only the allowed tools are sent")
        return (choice.mode if allowed else None), allowed
    if choice.name is None:
        return choice.mode, sent
    named = next((tool for tool in sent if tool.name == choice.name), None)
    if named is None:
        if choice.name == "web_search":
            return None, sent  # search models look up the web for every answer
        raise InvalidRequest(
            f"`tool_choice` names `{choice.name}`, which is no tool of this call.", param="tool_choice"
        )
    return _by_name(named), sent


def answers_by_tool(call: Call, target: Target, quirks: Quirks) -> bool:
    """Whether the answer's schema has to be kept by a tool, because the model keeps none by itself."""
    asked = call.format is not None and call.format.type == "json_schema"
    return asked and (target.facts.json_schema is False or not quirks.json_schema)


def force_answer(call: Call, sent: list[Sent], choice: str | Wire | None, writing: Writing) -> str | Wire | None:
    """Adds the tool that stands for the answer, and gives the choice that makes the model call it (or one of the client's)."""
    writing.lose("text.format", "emulated", "the answer is asked for as the arguments of a tool")
    free = bool(sent) and choice != "none"
    if choice == "none":
        sent.clear()
    forced = _function(emulated.answer_tool(call), "text.format", writing)
    sent.append(forced)
    if "tool_choice" not in writing.quirks.parameters:
        return None
    if not free:
        return _by_name(forced)
    return choice if isinstance(choice, dict) else "required"


def _choose_by_tools(mode: str, sent: list[Sent], writing: Writing) -> list[Sent]:
    if mode == "none":
        writing.lose("tool_choice", "emulated", "the tools are not sent")
        return []
    if mode == "required":
        writing.lose("tool_choice", "dropped", "the provider lets the model choose")
    return sent


def _by_name(tool: Sent) -> Wire:
    kind = "custom" if "custom" in tool.wire else "function"
    inner = tool.wire[kind]
    assert isinstance(inner, dict)
    return {"type": kind, kind: {"name": inner["name"]}}


def _function(tool: FunctionTool, path: str, writing: Writing) -> Sent:
    function: Wire = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = (
        tool.parameters if tool.parameters is not None else emulated.NO_PARAMETERS
    )  # Mistral requires the field
    if tool.strict is not None:
        if writing.quirks.strict_tools:
            function["strict"] = tool.strict
        elif tool.strict:
            writing.lose(f"{path}.strict", "dropped", "arguments are not held to the schema")
    return Sent(tool.name, {"type": "function", "function": function})


def _custom(tool: CustomTool, path: str, writing: Writing) -> Sent:
    """A free-text tool; where there are none, a function with one text parameter."""
    rule = emulated.grammar(tool, path)
    if not writing.quirks.custom_tools:
        writing.lose(path, "emulated", "sent as a function with one text parameter")
        if rule.type == "grammar":
            writing.lose(f"{path}.format", "emulated", "the grammar is described to the model, not enforced")
        return _function(emulated.as_function(tool, rule), path, writing)
    custom: Wire = {"name": tool.name}
    if tool.description is not None:
        custom["description"] = tool.description
    if rule.type == "grammar":
        custom["format"] = {"type": "grammar", "grammar": {"syntax": rule.syntax, "definition": rule.definition}}
    return Sent(tool.name, {"type": "custom", "custom": custom})
