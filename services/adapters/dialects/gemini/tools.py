"""Tools and tool choice -> `tools` and `toolConfig`.

https://ai.google.dev/gemini-api/docs/function-calling
https://ai.google.dev/gemini-api/docs/google-search

Functions and Google's search exclude each other: functions win, unless the tool choice leaves only the search.
"""

import msgspec

from services.adapters.dialects.gemini.names import wire_names
from services.adapters.dialects.gemini.schema import ignored_keywords
from services.catalog.schema import Target
from services.errors import InvalidRequest
from services.vocabulary.call import Call, CustomTool, FunctionTool, HostedTool, ToolChoice, WebSearchTool
from services.vocabulary.event import Loss

Json = dict[str, object]

_FREE_TEXT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


class Tools(msgspec.Struct, frozen=True):
    """tools and config: as they stand in the body, None when there is nothing to say."""

    tools: list[Json] | None = None
    config: Json | None = None


def write_tools(call: Call, target: Target, losses: list[Loss]) -> Tools:
    """Raises `InvalidRequest` for tools that Gemini does not have: none is left out silently."""
    choice = call.tool_choice or ToolChoice()
    declarations: list[Json] = []
    search: tuple[int, WebSearchTool] | None = None
    names = wire_names(call)
    for index, tool in enumerate(call.tools):
        path = f"tools[{index}]"
        match tool:
            case FunctionTool():
                declarations.append(_function(tool, names.get(tool.name, tool.name), path, losses))
            case CustomTool():
                declarations.append(_custom(tool, names.get(tool.name, tool.name), path, losses))
            case WebSearchTool():
                search = (index, tool)
            case HostedTool(kind=kind):
                raise InvalidRequest(f"Gemini does not have the tool {kind!r}.", param=path)
        if not isinstance(tool, HostedTool) and tool.cache is not None:
            losses.append(Loss(f"{path}.cache_control", "dropped", "Gemini caches long prompts by itself."))
    if search is not None and (not declarations or _only_search(choice)):
        return _search(*search, choice, target, losses)
    if search is not None:
        losses.append(
            Loss(f"tools[{search[0]}]", "dropped", "Gemini cannot search in the same call as it is given functions.")
        )
    if not declarations:
        return Tools()
    return Tools([{"functionDeclarations": declarations}], _config(choice, names))


def _function(tool: FunctionTool, name: str, path: str, losses: list[Loss]) -> Json:
    _report_name(tool.name, name, path, losses)
    declaration: Json = {"name": name}
    if tool.description is not None:
        declaration["description"] = tool.description
    if tool.parameters is not None:
        declaration["parametersJsonSchema"] = tool.parameters
        if ignored := ignored_keywords(tool.parameters):
            losses.append(Loss(f"{path}.parameters", "dropped", f"Gemini reads over {', '.join(ignored)}."))
    if tool.strict:
        losses.append(Loss(f"{path}.strict", "dropped", "Gemini follows the schema of a function without a guarantee."))
    return declaration


def _custom(tool: CustomTool, name: str, path: str, losses: list[Loss]) -> Json:
    _report_name(tool.name, name, path, losses)
    losses.append(Loss(path, "emulated", "Gemini has no custom tools: sent as a function with one text argument."))
    description = tool.description or ""
    if tool.format is not None:
        description = f"{description}\n\n`input` has this format: {bytes(tool.format).decode()}".lstrip()
    declaration: Json = {"name": name, "parametersJsonSchema": _FREE_TEXT}
    if description:
        declaration["description"] = description
    return declaration


def _report_name(name: str, wire: str, path: str, losses: list[Loss]) -> None:
    if name != wire:
        losses.append(Loss(f"{path}.name", "changed", f"Gemini refuses this name; the model sees {wire!r}."))


def _only_search(choice: ToolChoice) -> bool:
    return choice.name == "web_search" or (choice.allowed is not None and set(choice.allowed) == {"web_search"})


def _search(index: int, tool: WebSearchTool, choice: ToolChoice, target: Target, losses: list[Loss]) -> Tools:
    if choice.mode == "none":
        return Tools()
    path = f"tools[{index}]"
    options: Json = {}
    if tool.blocked_domains and target.quirks.get("exclude_domains"):
        options["excludeDomains"] = tool.blocked_domains
    elif tool.blocked_domains:
        losses.append(Loss(f"{path}.filters.blocked_domains", "dropped", "This provider's search has no such filter."))
    if tool.allowed_domains:
        losses.append(Loss(f"{path}.filters.allowed_domains", "dropped", "Google's search has no such filter."))
    if tool.context_size is not None:
        losses.append(Loss(f"{path}.search_context_size", "dropped", "Google's search has no such setting."))
    if tool.location is not None:
        losses.append(Loss(f"{path}.user_location", "dropped", "Google's search has no such setting."))
    if choice.mode == "required":
        losses.append(Loss("tool_choice", "changed", "Gemini decides itself whether to search."))
    return Tools([{"googleSearch": options}])


def _config(choice: ToolChoice, names: dict[str, str]) -> Json | None:
    """`functionCallingConfig`: AUTO is the default; VALIDATED is AUTO among some of the functions."""
    allowed = [choice.name] if choice.name is not None else choice.allowed
    if choice.mode == "none" or allowed == []:
        return {"functionCallingConfig": {"mode": "NONE"}}
    if allowed is None:
        return {"functionCallingConfig": {"mode": "ANY"}} if choice.mode == "required" else None
    wire = [names.get(name, name) for name in allowed if name != "web_search"]
    mode = "ANY" if choice.mode == "required" else "VALIDATED"
    return {"functionCallingConfig": {"mode": mode, "allowedFunctionNames": wire}}
