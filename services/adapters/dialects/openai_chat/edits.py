"""The native lane's way out: the caller's body, verbatim but for documented edits.

* `model` becomes the provider's id; fields of ours (`routing`, `cache_control`) are taken out.
* Token counts of a stream are always asked for, because they are what is billed.
* Parameters that the provider calls otherwise are renamed; those it does not take are left out, and reported.
* A reasoning effort the model lacks becomes the nearest it has.
* Reasoning of earlier turns stays where the provider takes it back, under the name it has there, and else is taken out.

What would need more than that is written anew like a call from another surface: see fitting.py.
"""

from typing import Final
from urllib.parse import quote

import msgspec

from services.adapters.dialect import HttpRequest
from services.adapters.dialects.openai_chat.quirks import Parameter, Quirks
from services.adapters.dialects.openai_chat.request import address, fitting_effort, limit_field
from services.adapters.dialects.openai_chat.writing import Writing
from services.catalog.schema import Target
from services.vocabulary.call import Call, FunctionTool, Reasoning

Fields = dict[str, msgspec.Raw]

_LIMITS: Final = ("max_tokens", "max_completion_tokens")
_REASONING: Final = ("reasoning_details", "reasoning_content", "reasoning")
_NO_REASONING: Final = (b"null", b"[]", b'""')
_NOTHING: Final = (b"null", b"{}", b"[]", b"false", b'"auto"', b'"default"', b'["text"]', b"1")

# What only some providers take, and what it is called there in `Quirks.parameters`.
_OPTIONAL: Final[dict[str, Parameter]] = {
    "logprobs": "logprobs",
    "top_logprobs": "logprobs",
    "audio": "modalities",
    "functions": "functions",
    "function_call": "functions",
    **{
        name: name
        for name in (
            "logit_bias",
            "metadata",
            "modalities",
            "moderation",
            "n",
            "parallel_tool_calls",
            "prediction",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "safety_identifier",
            "seed",
            "service_tier",
            "stop",
            "store",
            "tool_choice",
            "top_k",
            "user",
            "verbosity",
            "web_search_options",
        )
    },
}

_fields = msgspec.json.Decoder(Fields)
_messages = msgspec.json.Decoder(list[msgspec.Raw])


def native_request(call: Call, target: Target, quirks: Quirks) -> HttpRequest:
    """The caller's own body with the edits made."""
    assert call.native is not None
    writing = Writing(target, quirks)
    fields: Fields = dict(call.native.fields)
    headers = {"content-type": "application/json"}
    fields["model"] = _raw(target.upstream)
    fields.pop("routing", None)
    if fields.pop("cache_control", None) is not None and call.cache is not None:
        writing.lose("cache_control", "dropped", "the provider caches by itself")
    _fit_key(fields, call, headers, writing)
    _fit_parameters(fields, writing)
    _fit_reasoning(fields, call, writing)
    _fit_limits(fields, call, writing)
    _fit_sampling(fields, writing)
    _fit_stream(fields, call, writing)
    for index, tool in enumerate(call.tools):
        if isinstance(tool, FunctionTool) and tool.strict and not quirks.strict_tools:
            writing.lose(f"tools[{index}].strict", "dropped", "arguments are not held to the schema")
    body: dict[str, object] = {**fields}
    if any(isinstance(item, Reasoning) for item in call.items):
        body["messages"] = _without_reasoning(fields["messages"], call, writing)
    path, query = address(target, quirks)
    return HttpRequest(path, msgspec.json.encode(body), headers, query, losses=writing.losses)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _without_reasoning(raw: msgspec.Raw, call: Call, writing: Writing) -> list[msgspec.Raw]:
    """The messages with reasoning only where, and as, the provider takes it back."""
    replay = writing.quirks.replay_reasoning
    texts = iter(_texts(call))
    messages = _messages.decode(raw)
    for index, each in enumerate(messages):
        if b'"reasoning' not in bytes(each):
            continue
        message = _fields.decode(each)
        found = [message.pop(name, None) for name in _REASONING]
        if replay != "none" and any(value is not None and bytes(value) not in _NO_REASONING for value in found):
            message[replay] = _raw(next(texts, ""))
        messages[index] = _raw(message)
    if replay == "none":
        for index, item in enumerate(call.items):
            if isinstance(item, Reasoning):
                writing.lose(f"input[{index}]", "dropped", f"{writing.name} takes no earlier reasoning back")
    return messages


def _texts(call: Call) -> list[str]:
    """The readable reasoning of each assistant message that has any."""
    found: list[str] = []
    last = -2
    for index, item in enumerate(call.items):
        if isinstance(item, Reasoning):
            text = "\n\n".join(item.content or item.summary)
            if last == index - 1:
                found[-1] = "\n\n".join(each for each in (found[-1], text) if each)
            else:
                found.append(text)
            last = index
    return found


def _fit_key(fields: Fields, call: Call, headers: dict[str, str], writing: Writing) -> None:
    header = writing.quirks.cache_key_header
    if header is not None and call.prompt_cache_key is not None:
        del fields["prompt_cache_key"]
        headers[header] = quote(call.prompt_cache_key)


def _fit_parameters(fields: Fields, writing: Writing) -> None:
    for name in [name for name in fields if name in _OPTIONAL]:
        if _OPTIONAL[name] in writing.quirks.parameters:
            continue
        asked = bytes(fields.pop(name))
        if asked not in _NOTHING and name != "metadata":  # which stays with the gateway
            writing.lose(name, "dropped", "the provider has no such parameter")
    name = writing.quirks.seed_field
    if name != "seed" and "seed" in fields:
        fields[name] = fields.pop("seed")


def _fit_reasoning(fields: Fields, call: Call, writing: Writing) -> None:
    if "reasoning_effort" not in fields:
        return
    effort = fitting_effort(call.reasoning, writing)
    if effort is None:
        del fields["reasoning_effort"]
    elif call.reasoning is not None and effort != call.reasoning.effort:
        fields["reasoning_effort"] = _raw(effort)


def _fit_limits(fields: Fields, call: Call, writing: Writing) -> None:
    name = limit_field(writing)
    given = [field for field in _LIMITS if field in fields]
    if call.max_output_tokens is None:
        for field in given:
            del fields[field]
    elif given != [name]:
        for field in given:
            del fields[field]
        fields[name] = _raw(call.max_output_tokens)


def _fit_sampling(fields: Fields, writing: Writing) -> None:
    if writing.target.facts.temperature is False:
        for name in ("temperature", "top_p"):
            if bytes(fields.pop(name, b"null")) != b"null":
                writing.lose(name, "dropped", f"{writing.target.id} takes no sampling parameters")


def _fit_stream(fields: Fields, call: Call, writing: Writing) -> None:
    given = fields.pop("stream_options", None)
    if call.stream and "stream_options" in writing.quirks.parameters:
        options = _fields.decode(given) if given is not None and bytes(given) != b"null" else {}
        fields["stream_options"] = _raw(options | {"include_usage": msgspec.Raw(b"true")})
