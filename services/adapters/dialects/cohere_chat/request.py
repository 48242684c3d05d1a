"""A call -> the body of POST /v2/chat, read in the order of the body.

https://docs.cohere.com/reference/chat
"""

from typing import Final

import msgspec

from services.adapters.dialect import HttpRequest
from services.adapters.dialects.cohere_chat.conversation import write_messages
from services.adapters.dialects.cohere_chat.tools import add_tools, all_strict, answers_by_tool
from services.adapters.dialects.openai_chat.quirks import Quirks
from services.adapters.dialects.openai_chat.writing import Wire, Writing
from services.catalog.schema import Target
from services.vocabulary.call import Call, Effort

_WAYS: Final = Quirks(parameters=("tool_choice",))
_STRICT_WAYS: Final = Quirks(parameters=("tool_choice",), strict_tools=True)

# Thinking tokens for efforts below the model's own measure, which is `medium` and, there being no more, all above it.
_BUDGETS: Final[dict[Effort, int]] = {"minimal": 512, "low": 2048}


def write_request(call: Call, target: Target) -> HttpRequest:
    """The whole request. Raises `InvalidRequest` for what Cohere cannot take and must not lose."""
    writing = Writing(target, _STRICT_WAYS if all_strict(call) else _WAYS)
    body: Wire = {"model": target.upstream, "messages": write_messages(call, writing)}
    if call.tools or call.tool_choice is not None or answers_by_tool(call, target):
        add_tools(body, call, writing)
    _format(body, call)
    _thinking(body, call, writing)
    _sampling(body, call, writing)
    _lost(call, writing)
    body["stream"] = call.stream
    return HttpRequest(
        path="/v2/chat",
        headers={"content-type": "application/json"},
        body=msgspec.json.encode(body),
        losses=writing.losses,
    )


def _format(body: Wire, call: Call) -> None:
    """A schema's name and strictness have no field: the answer always keeps it, and the name means nothing to the model."""
    if call.format is None or call.format.type == "text" or "tools" in body:
        return
    body["response_format"] = {"type": "json_object"}
    if call.format.type == "json_schema":
        body["response_format"] = {"type": "json_object", "json_schema": call.format.schema}


def _thinking(body: Wire, call: Call, writing: Writing) -> None:
    """On or off, and within how many tokens: https://docs.cohere.com/docs/reasoning."""
    asked = call.reasoning
    if asked is None:
        return
    if asked.summary is not None:
        writing.lose("reasoning.summary", "dropped", "the format cannot ask for summaries")
    if asked.effort is None:
        return
    if writing.target.facts.efforts == []:
        if asked.effort != "none":
            writing.lose("reasoning.effort", "dropped", f"{writing.target.id} does not reason")
        return
    if asked.effort == "none":
        body["thinking"] = {"type": "disabled"}
        return
    thinking: Wire = {"type": "enabled"}
    budget = asked.budget_tokens if asked.budget_tokens is not None else _BUDGETS.get(asked.effort)
    if budget is not None:
        thinking["token_budget"] = budget
    if asked.budget_tokens is None and asked.effort != "medium":
        what = f"a budget of {budget} tokens" if budget is not None else "thinking without a limit"
        writing.lose("reasoning.effort", "changed", f"sent as {what}")
    body["thinking"] = thinking


def _sampling(body: Wire, call: Call, writing: Writing) -> None:
    if call.max_output_tokens is not None:
        body["max_tokens"] = call.max_output_tokens
    if call.stop:
        body["stop_sequences"] = call.stop
    fixed = writing.target.facts.temperature is False
    for param, name, value in (("temperature", "temperature", call.temperature), ("top_p", "p", call.top_p)):
        if value is not None and fixed:
            writing.lose(param, "dropped", f"{writing.target.id} takes no sampling parameters")
        elif value is not None:
            body[name] = value
    for name, given in (
        ("seed", call.seed),
        ("frequency_penalty", call.frequency_penalty),
        ("presence_penalty", call.presence_penalty),
        ("k", call.top_k),
    ):
        if given is not None:
            body[name] = given


def _lost(call: Call, writing: Writing) -> None:
    """Parameters without a field. `store` and `metadata` stay with the gateway, which keeps the responses."""
    for param, given in (
        ("max_tool_calls", call.max_tool_calls),
        ("text.verbosity", call.verbosity),
        ("user", call.user),
        ("safety_identifier", call.safety_identifier),
        ("prompt_cache_key", call.prompt_cache_key),
        ("prompt_cache_retention", call.prompt_cache_retention),
        ("cache_control", call.cache),
        ("truncation", call.truncation if call.truncation == "auto" else None),
        ("service_tier", call.service_tier if call.service_tier not in ("auto", "default") else None),
    ):
        if given is not None:
            writing.lose(param, "dropped", "the provider has no such parameter")
    if call.top_logprobs is not None:
        writing.lose("top_logprobs", "dropped", "the provider's log probabilities are of another shape")
    elif "message.output_text.logprobs" in call.include:
        writing.lose("include", "dropped", "the provider's log probabilities are of another shape")
