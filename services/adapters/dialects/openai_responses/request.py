"""`Call` -> a Responses body, for calls that came through another surface than Responses JSON."""

from typing import Final

import msgspec

from services.adapters.carry import RESPONSES
from services.adapters.dialect import HttpRequest
from services.adapters.dialects.openai_responses.edits import (
    NEAREST,
    NO_PENALTIES,
    NOT_REASONING,
    PATH,
    PENALTIES,
    SEALS,
    failures_lost,
)
from services.adapters.effort import nearest
from services.adapters.spoken import OUTPUT_MIN
from services.catalog.schema import Target
from services.errors import InvalidRequest
from services.vocabulary.call import (
    Call,
    CustomTool,
    File,
    Format,
    FunctionTool,
    Hosted,
    HostedTool,
    Image,
    Item,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearchTool,
)
from services.vocabulary.event import Loss

Json = dict[str, object]

_UNHEARD: Final = {
    "top_k": "This API has no top_k.",
    "seed": "This API has no seed.",
    "stop": "This API has no stop sequences.",
    **dict.fromkeys(PENALTIES, NO_PENALTIES),
    "cache": "This provider caches prompts by itself and takes no markers.",
}
_SEARCHED: Final = frozenset({"tool_search_call", "tool_search_output"})
_PARAMS: Final = {"cache": "cache_control"}


def write_request(call: Call, target: Target) -> HttpRequest:
    """The body, field by field as the reference lists them."""
    losses = failures_lost(call)
    losses += [
        Loss(_PARAMS.get(name, name), "dropped", why)
        for name, why in _UNHEARD.items()
        if getattr(call, name) not in (None, [])
    ]
    body: Json = {
        "model": target.upstream,
        "instructions": call.instructions,
        "input": _input(call, target, losses),
        "tools": [_tool(tool) for tool in call.tools] or None,
        "tool_choice": _tool_choice(call.tool_choice, call.tools),
        "parallel_tool_calls": call.parallel_tool_calls,
        "max_tool_calls": call.max_tool_calls,
        "max_output_tokens": _limit(call, losses),
        "temperature": call.temperature,
        "top_p": call.top_p,
        "text": _text(call.format, call.verbosity),
        "reasoning": _reasoning_options(call, target, losses),
        "top_logprobs": call.top_logprobs,
        "include": _include(call, target),
        "truncation": call.truncation,
        "store": False,  # the gateway keeps what is to be kept
        "metadata": call.metadata or None,
        "user": call.user,
        "safety_identifier": call.safety_identifier,
        "service_tier": call.service_tier,
        "prompt_cache_key": call.prompt_cache_key,
        "prompt_cache_retention": call.prompt_cache_retention,
        "stream": True if call.stream else None,
    }
    omitted = target.quirks.get("omit")
    for name in omitted if isinstance(omitted, list) else ():
        if body.pop(name, None) is not None:
            losses.append(Loss(name, "dropped", f"{target.provider.name} refuses this parameter."))
    encoded = msgspec.json.encode(_drop_none(body))
    return HttpRequest(PATH, encoded, {"content-type": "application/json"}, losses=losses)


def _limit(call: Call, losses: list[Loss]) -> int | None:
    limit = call.max_output_tokens
    if limit is None or limit >= OUTPUT_MIN:
        return limit
    losses.append(Loss("max_output_tokens", "changed", f"Sent as {OUTPUT_MIN}, the least that this API takes."))
    return OUTPUT_MIN


def _reasoning_options(call: Call, target: Target, losses: list[Loss]) -> Json | None:
    asked, efforts = call.reasoning, target.facts.efforts
    if asked is None:
        return None
    if efforts == []:
        if asked.effort not in (None, "none"):
            losses.append(Loss("reasoning.effort", "dropped", NOT_REASONING))
        return None
    effort = nearest(asked.effort, efforts) if asked.effort is not None and efforts else asked.effort
    if effort != asked.effort:
        losses.append(Loss("reasoning.effort", "changed", NEAREST.format(effort)))
    return _drop_none({"effort": effort, "summary": asked.summary})


def _include(call: Call, target: Target) -> list[str] | None:
    """What was asked for, and the seal of reasoning: nothing is stored there, so the next turn cannot do without it."""
    include = list(call.include)
    if target.facts.efforts == []:
        return [name for name in include if name != SEALS] or None
    reasons = call.reasoning is not None or target.facts.efforts  # which it may also do unasked
    if reasons and SEALS not in include:
        include.append(SEALS)
    return include or None


def _input(call: Call, target: Target, losses: list[Loss]) -> list[object]:
    """All items but reasoning the model would refuse: what is not sealed, or any, where it does not reason."""
    kept: list[object] = []
    for index, item in enumerate(call.items):
        if isinstance(item, Reasoning) and (item.seal is None or target.facts.efforts == []):
            why = NOT_REASONING if item.seal is not None else "Without a seal; this API takes back only what it sealed."
            losses.append(Loss(f"input[{index}]", "dropped", why))
        elif isinstance(item, Hosted) and item.kind in _SEARCHED and not target.quirks.get("openai_tools"):
            losses.append(Loss(f"input[{index}]", "dropped", "A search for tools that only OpenAI can make."))
        elif not (isinstance(item, Hosted) and item.format != RESPONSES):  # a receipt, reported as lost already
            kept.append(_item(item, index))
    return kept


def _item(item: Item, index: int) -> object:
    match item:
        case Message(role=role, content=content):
            parts = [_part(part, role == "assistant", f"input[{index}].content[{n}]") for n, part in enumerate(content)]
            return _drop_none({"type": "message", "role": role, "content": parts, "phase": item.phase})
        case ToolCall(custom=True):
            call = {"type": "custom_tool_call", "call_id": item.call_id, "name": item.name, "input": item.arguments}
            return _drop_none({**call, "namespace": item.namespace})
        case ToolCall():
            call = {"type": "function_call", "call_id": item.call_id, "name": item.name, "arguments": item.arguments}
            return _drop_none({**call, "namespace": item.namespace})
        case ToolResult():
            kind = "custom_tool_call_output" if item.custom else "function_call_output"
            return {"type": kind, "call_id": item.call_id, "output": _output(item, index)}
        case Reasoning():
            return _reasoning(item)
        case Hosted(raw=raw):
            return raw


def _reasoning(item: Reasoning) -> Json:
    assert item.seal is not None
    summary = [{"type": "summary_text", "text": text} for text in item.summary]
    return {"type": "reasoning", "summary": summary, "encrypted_content": item.seal.blob}


def _output(item: ToolResult, index: int) -> object:
    if len(item.output) == 1 and isinstance(item.output[0], Text):
        return item.output[0].text
    return [_part(part, False, f"input[{index}].output[{n}]") for n, part in enumerate(item.output)]


def _part(part: Part, assistant: bool, path: str) -> Json:
    match part:
        case Text(text=text):
            return {"type": "output_text" if assistant else "input_text", "text": text}
        case Refusal(text=text):
            return {"type": "refusal", "refusal": text}
        case Image():
            image = {"image_url": part.url, "file_id": part.file_id, "detail": part.detail or "auto"}
            return _drop_none({"type": "input_image", **image})
        case File():
            source = "file_data" if part.url and part.url.startswith("data:") else "file_url"
            file = {source: part.url, "file_id": part.file_id, "filename": part.filename}
            return _drop_none({"type": "input_file", **file})
        case Opaque(kind=kind):
            raise InvalidRequest(f"Content of type {kind!r} cannot be carried (at {path}).", param=f"{path}.type")


def _tool(tool: Tool) -> object:
    match tool:
        case FunctionTool():
            return {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": bool(tool.strict),
            }
        case CustomTool():
            custom = {"name": tool.name, "description": tool.description, "format": tool.format}
            return _drop_none({"type": "custom", **custom})
        case WebSearchTool():
            filters = {"allowed_domains": tool.allowed_domains} if tool.allowed_domains else None
            place = {"type": "approximate", **msgspec.structs.asdict(tool.location)} if tool.location else None
            search = {"search_context_size": tool.context_size, "filters": filters, "user_location": place}
            return _drop_none({"type": "web_search", **search, "external_web_access": tool.external})
        case HostedTool(raw=raw):
            return raw


def _tool_choice(choice: ToolChoice | None, tools: list[Tool]) -> object:
    if choice is None:
        return None
    if choice.name is not None:
        return _reference(choice.name, tools)
    if choice.allowed is not None:
        mode = "required" if choice.mode == "required" else "auto"
        return {"type": "allowed_tools", "mode": mode, "tools": [_reference(name, tools) for name in choice.allowed]}
    return choice.mode


def _reference(name: str, tools: list[Tool]) -> Json:
    for tool in tools:
        if isinstance(tool, FunctionTool) and tool.name == name:
            return {"type": "function", "name": name}
        if isinstance(tool, CustomTool) and tool.name == name:
            return {"type": "custom", "name": name}
    return {"type": name}


def _text(given: Format | None, verbosity: str | None) -> Json | None:
    text: Json = {}
    if given is not None:
        text["format"] = (
            _drop_none({"type": "json_schema", "name": given.name, "description": given.description})
            | {"schema": given.schema, "strict": bool(given.strict)}
            if given.type == "json_schema"
            else {"type": given.type}
        )
    if verbosity is not None:
        text["verbosity"] = verbosity
    return text or None


def _drop_none(value: Json) -> Json:
    return {name: entry for name, entry in value.items() if entry is not None}
