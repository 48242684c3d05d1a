"""A call -> the body of POST …/chat/completions, read in the order of the body.

https://platform.openai.com/docs/api-reference/chat/create
"""

from urllib.parse import quote

import msgspec

from services.adapters.dialect import HttpRequest
from services.adapters.dialects.openai_chat.conversation import write_messages
from services.adapters.dialects.openai_chat.quirks import Parameter, Quirks
from services.adapters.dialects.openai_chat.tools import (
    answers_by_tool,
    force_answer,
    write_choice,
    write_search,
    write_tools,
)
from services.adapters.dialects.openai_chat.writing import Wire, Writing
from services.catalog.schema import Target
from services.vocabulary.call import EFFORTS, Call, Effort, ReasoningOptions

_TIERS_USUAL = (None, "auto", "default")


def write_request(call: Call, target: Target, quirks: Quirks) -> HttpRequest:
    """The whole request. Raises `InvalidRequest` for tools, images and files that this provider cannot take."""
    writing = Writing(target, quirks)
    body: Wire = {"model": target.upstream, "messages": write_messages(call, writing)}
    _tools(body, call, writing)
    _format(body, call, writing)
    _reasoning(body, call, writing)
    _limits(body, call, writing)
    _sampling(body, call, writing)
    headers = {"content-type": "application/json"}
    _routing(body, headers, call, writing)
    body["stream"] = call.stream
    if call.stream and "stream_options" in quirks.parameters:
        body["stream_options"] = {"include_usage": True}
    path, query = address(target, quirks)
    return HttpRequest(path, msgspec.json.encode(body), headers, query, losses=writing.losses)


def address(target: Target, quirks: Quirks) -> tuple[str, dict[str, str]]:
    """Path and query string."""
    query = {"api-version": quirks.api_version} if quirks.api_version else {}
    return quirks.path.replace("{model}", quote(target.upstream, safe="")), query


def limit_field(writing: Writing) -> str:
    """What the provider calls the most tokens an answer may have."""
    old = any(writing.target.upstream.startswith(prefix) for prefix in writing.quirks.max_tokens_models)
    return "max_tokens" if old else writing.quirks.max_tokens_field


def _tools(body: Wire, call: Call, writing: Writing) -> None:
    if call.max_tool_calls is not None:
        writing.lose("max_tool_calls", "dropped", "the chat format has no such limit")
    search = write_search(call, writing)
    choice, sent = write_choice(call, write_tools(call, writing), writing)
    if answers_by_tool(call, writing.target, writing.quirks):
        choice = force_answer(call, sent, choice, writing)
    if sent:
        body["tools"] = [tool.wire for tool in sent]
    if choice is not None:
        body["tool_choice"] = choice
    if sent and call.parallel_tool_calls is not None:  # OpenAI refuses it without tools
        if "parallel_tool_calls" in writing.quirks.parameters:
            body["parallel_tool_calls"] = call.parallel_tool_calls
        elif not call.parallel_tool_calls:
            writing.lose("parallel_tool_calls", "dropped", "the provider decides")
    if search is not None:
        body["web_search_options"] = search


def _format(body: Wire, call: Call, writing: Writing) -> None:
    format = call.format
    if format is not None and format.type == "json_object":
        body["response_format"] = {"type": "json_object"}
    elif (
        format is not None
        and format.type == "json_schema"
        and not answers_by_tool(call, writing.target, writing.quirks)
    ):
        given = {"name": format.name or "response", "description": format.description, "strict": format.strict}
        schema: Wire = {name: value for name, value in given.items() if value is not None}
        schema["schema"] = format.schema  # the bytes as they came
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if call.verbosity is not None:
        _optional(body, "verbosity", call.verbosity, writing, param="text.verbosity")


def _reasoning(body: Wire, call: Call, writing: Writing) -> None:
    asked = call.reasoning
    if asked is None:
        return
    if asked.summary is not None:
        writing.lose("reasoning.summary", "dropped", "the chat format cannot ask for summaries")
    if asked.budget_tokens is not None:
        writing.lose("reasoning.budget_tokens", "changed", f"sent as effort `{asked.effort}`")
    effort = fitting_effort(asked, writing)
    if effort is not None:
        body["reasoning_effort"] = effort


def fitting_effort(asked: ReasoningOptions | None, writing: Writing) -> Effort | None:
    """The effort to send: the nearest the model has, or none; what differs is noted."""
    if asked is None or asked.effort is None:
        return None
    known = writing.target.facts.efforts if writing.target.facts.efforts is not None else writing.quirks.efforts or None
    if known is not None and not known:
        if asked.effort != "none":
            writing.lose("reasoning.effort", "dropped", f"{writing.target.id} does not reason")
        return None
    if "reasoning_effort" not in writing.quirks.parameters:
        writing.lose("reasoning.effort", "dropped", "the provider has no such parameter")
        return None
    effort = _nearest(asked.effort, known) if known else asked.effort
    if effort != asked.effort:
        writing.lose("reasoning.effort", "changed", f"sent as `{effort}`, the nearest there is")
    return effort


def _nearest(asked: Effort, known: list[Effort]) -> Effort:
    """The asked effort, or the next above it, or the next below. Asked for none, the least."""
    rank = EFFORTS.index(asked)
    above = [effort for effort in EFFORTS[rank:] if effort in known]
    below = [effort for effort in EFFORTS[:rank] if effort in known and effort != "none"]
    return above[0] if above else below[-1] if below else asked


def _limits(body: Wire, call: Call, writing: Writing) -> None:
    if call.max_output_tokens is not None:
        body[limit_field(writing)] = call.max_output_tokens
    if call.stop:
        _optional(body, "stop", call.stop, writing)
    if call.truncation == "auto":
        writing.lose("truncation", "dropped", "the chat format never shortens a conversation")


def _sampling(body: Wire, call: Call, writing: Writing) -> None:
    fixed = writing.target.facts.temperature is False
    for name, value in (("temperature", call.temperature), ("top_p", call.top_p)):
        if value is not None and fixed:
            writing.lose(name, "dropped", f"{writing.target.id} takes no sampling parameters")
        elif value is not None:
            body[name] = value
    for name, value in (("presence_penalty", call.presence_penalty), ("frequency_penalty", call.frequency_penalty)):
        if value is not None:
            body[name] = value
    if call.top_k is not None:
        _optional(body, "top_k", call.top_k, writing)
    if call.seed is not None:
        _optional(body, "seed", call.seed, writing)
        if "seed" in body and writing.quirks.seed_field != "seed":
            body[writing.quirks.seed_field] = body.pop("seed")
    if call.top_logprobs is not None or "message.output_text.logprobs" in call.include:
        if "logprobs" in writing.quirks.parameters:
            body["logprobs"] = True
            if call.top_logprobs is not None:
                body["top_logprobs"] = call.top_logprobs
        else:
            param = "include" if call.top_logprobs is None else "top_logprobs"
            writing.lose(param, "dropped", "the provider reports no log probabilities")


def _routing(body: Wire, headers: dict[str, str], call: Call, writing: Writing) -> None:
    """Whose call it is and how it is to be served. `store` and `metadata` stay with the gateway, which keeps the responses."""
    if call.user is not None:
        _optional(body, "user", call.user, writing)
    if call.safety_identifier is not None:
        _optional(body, "safety_identifier", call.safety_identifier, writing)
    if call.service_tier not in _TIERS_USUAL or (call.service_tier and "service_tier" in writing.quirks.parameters):
        _optional(body, "service_tier", call.service_tier, writing)
    if call.prompt_cache_key is not None:
        if writing.quirks.cache_key_header is not None:
            headers[writing.quirks.cache_key_header] = quote(call.prompt_cache_key)
        else:
            _optional(body, "prompt_cache_key", call.prompt_cache_key, writing)
    if call.prompt_cache_retention is not None:
        _optional(body, "prompt_cache_retention", call.prompt_cache_retention, writing)
    if call.cache is not None:
        writing.lose("cache_control", "dropped", "the provider caches by itself")


def _optional(body: Wire, name: Parameter, value: object, writing: Writing, *, param: str | None = None) -> None:
    """A parameter that only some providers take."""
    if name in writing.quirks.parameters:
        body[name] = value
    else:
        writing.lose(param or name, "dropped", "the provider has no such parameter")
