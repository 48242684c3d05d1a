"""The part of a response that repeats the request, with the defaults that were in force."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from services.errors import InvalidRequest
from services.responses.keeping import STATELESS, State
from services.responses.objects import ConversationReference, ReasoningEcho, Response
from services.vocabulary.call import Call, CustomTool, Format, FunctionTool, HostedTool, Tool, ToolChoice, WebSearchTool
from services.vocabulary.event import Loss, Opened

Json = dict[str, object]

_AUTO: Final = msgspec.Raw(b'"auto"')
_IN_INPUT: Final = re.compile(r"input\[(\d+)\](.*)", re.DOTALL)


def skeleton(
    call: Call, model: str, opened: Opened, response_id: str, created_at: int, state: State = STATELESS
) -> Response:
    """A response in progress: nothing has come yet, all that was asked is echoed."""
    return Response(
        id=response_id,
        created_at=created_at,
        status="in_progress",
        background=state.background,
        conversation=ConversationReference(state.conversation_id) if state.conversation_id else None,
        previous_response_id=state.previous_response_id,
        store=state.stored,
        model=model,
        instructions=call.instructions,
        max_output_tokens=call.max_output_tokens,
        max_tool_calls=call.max_tool_calls,
        parallel_tool_calls=call.parallel_tool_calls is not False,
        presence_penalty=call.presence_penalty or 0.0,
        frequency_penalty=call.frequency_penalty or 0.0,
        prompt_cache_key=call.prompt_cache_key,
        prompt_cache_retention=call.prompt_cache_retention,
        reasoning=ReasoningEcho(call.reasoning.effort, call.reasoning.summary) if call.reasoning else ReasoningEcho(),
        safety_identifier=call.safety_identifier,
        service_tier="default",
        temperature=1.0 if call.temperature is None else call.temperature,
        top_p=1.0 if call.top_p is None else call.top_p,
        text=_text(call),
        tool_choice=_tool_choice(call),
        tools=[_tool(tool) for tool in call.tools],
        top_logprobs=call.top_logprobs or 0,
        truncation=call.truncation or "disabled",
        user=call.user,
        metadata=call.metadata,
        translation_losses=losses(opened, state),
    )


def losses(opened: Opened, state: State) -> list[Loss]:
    """What the provider's format could not carry, and what the gateway did not do; one entry per parameter.

    Paths count the request's own items, as the client does.
    """
    found = {loss.param: loss for loss in state.losses}
    for loss in opened.losses:
        param = own_path(loss.param, state)
        found.setdefault(param, loss if param == loss.param else msgspec.structs.replace(loss, param=param))
    return list(found.values())


def own_path(param: str, state: State) -> str:
    """A path in a call's items as one in the request: `input[7]` may be its second, or stand in what it continues."""
    if not state.context or not (found := _IN_INPUT.match(param)):
        return param
    index = int(found[1]) - state.context
    if index >= 0:
        return f"input[{index}]{found[2]}"
    return "previous_response_id" if state.previous_response_id is not None else "conversation"


@contextmanager
def own_paths(state: State) -> Iterator[None]:
    """What is refused within is named by its path in the request."""
    try:
        yield
    except InvalidRequest as error:
        if error.param is not None:
            error.param = own_path(error.param, state)
        raise


def _raw(value: Json) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _text(call: Call) -> msgspec.Raw:
    return _raw({"format": _format(call.format or Format()), "verbosity": call.verbosity or "medium"})


def _format(given: Format) -> Json:
    if given.type != "json_schema":
        return {"type": given.type}
    return {
        "type": "json_schema",
        "name": given.name,
        "schema": given.schema,
        "description": given.description,
        "strict": bool(given.strict),
    }


def _tool(tool: Tool) -> msgspec.Raw:
    match tool:
        case FunctionTool():
            echo: Json = {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": tool.strict,
            }
        case CustomTool():
            echo = {"type": "custom", "name": tool.name, "description": tool.description, "format": tool.format}
        case WebSearchTool():
            echo = {
                "type": "web_search",
                "search_context_size": tool.context_size or "medium",
                "filters": {"allowed_domains": tool.allowed_domains} if tool.allowed_domains else None,
                "user_location": {"type": "approximate", **msgspec.structs.asdict(tool.location)}
                if tool.location
                else None,
            }
            if tool.external is not None:
                echo["external_web_access"] = tool.external
        case HostedTool():
            return tool.raw
    if not isinstance(tool, HostedTool) and tool.cache is not None:
        echo["cache_control"] = {"type": "ephemeral", "ttl": tool.cache.ttl}
    return _raw(echo)


def _tool_choice(call: Call) -> msgspec.Raw:
    choice = call.tool_choice
    if choice is None:
        return _AUTO
    if choice.name is not None:
        return _raw(_reference(choice.name, call))
    if choice.allowed is not None:
        tools = [_reference(name, call) for name in choice.allowed]
        return _raw({"type": "allowed_tools", "mode": _mode(choice), "tools": tools})
    return msgspec.Raw(msgspec.json.encode(choice.mode))


def _mode(choice: ToolChoice) -> str:
    return "required" if choice.mode == "required" else "auto"


def _reference(name: str, call: Call) -> Json:
    for tool in call.tools:
        if isinstance(tool, FunctionTool) and tool.name == name:
            return {"type": "function", "name": name}
        if isinstance(tool, CustomTool) and tool.name == name:
            return {"type": "custom", "name": name}
    return {"type": name}
