"""Call -> generateContent.

https://ai.google.dev/api/generate-content#request-body
"""

from typing import Final
from urllib.parse import quote

import msgspec

from services.adapters.dialect import HttpRequest
from services.adapters.dialects.gemini.contents import Conversation
from services.adapters.dialects.gemini.family import combines_tools_and_json
from services.adapters.dialects.gemini.schema import ignored_keywords
from services.adapters.dialects.gemini.thinking import thinking_config
from services.adapters.dialects.gemini.tools import write_tools
from services.catalog.schema import Target
from services.vocabulary.call import Call, Format
from services.vocabulary.event import Loss

Json = dict[str, object]

_LOGPROBS: Final = "message.output_text.logprobs"
# Fields of a call that nothing in the format answers to, the values that ask for nothing, and what to say of the others.
_WITHOUT_EQUIVALENT: Final = (
    ("parallel_tool_calls", (None, True), "Gemini may call several functions at once."),
    ("max_tool_calls", (None,), "Gemini has no limit on calls of its own tools."),
    ("truncation", (None, "disabled"), "Gemini refuses an input that is too long."),
    ("service_tier", (None, "auto", "default"), "Only the standard tier is used."),
    ("user", (None,), "Gemini takes no end-user identifier."),
    ("safety_identifier", (None,), "Gemini takes no end-user identifier."),
    ("prompt_cache_key", (None,), "Gemini caches long prompts by itself."),
    ("prompt_cache_retention", (None,), "Gemini caches long prompts by itself."),
)


def write_request(call: Call, target: Target) -> HttpRequest:
    """Raises `InvalidRequest` for what Gemini cannot carry and must not lose."""
    losses: list[Loss] = []
    conversation = Conversation(call, target, losses)
    tools = write_tools(call, target, losses)
    told = call.format
    if tools.tools and told is not None and not combines_tools_and_json(target.upstream):
        told = _format_in_words(told, conversation.system, losses)
    body: Json = {
        "systemInstruction": {"parts": [{"text": text} for text in conversation.system]}
        if conversation.system
        else None,
        "contents": conversation.contents(),
        "tools": tools.tools,
        "toolConfig": tools.config,
        "generationConfig": _generation_config(call, told, target, losses) or None,
    }
    losses += _without_equivalent(call)
    method = "streamGenerateContent" if call.stream else "generateContent"
    return HttpRequest(
        path=f"/models/{quote(target.upstream, safe='@')}:{method}",
        query={"alt": "sse"} if call.stream else {},
        headers={"content-type": "application/json"},
        body=msgspec.json.encode({name: value for name, value in body.items() if value is not None}),
        losses=losses,
    )


def _generation_config(call: Call, told: Format | None, target: Target, losses: list[Loss]) -> Json:
    logprobs = bool(call.top_logprobs) or _LOGPROBS in call.include
    config: Json = {
        "temperature": call.temperature,
        "topP": call.top_p,
        "topK": call.top_k,
        "maxOutputTokens": call.max_output_tokens,
        "stopSequences": call.stop or None,
        "seed": call.seed,
        # Some models refuse penalties by name, even zeros.
        "presencePenalty": call.presence_penalty or None,
        "frequencyPenalty": call.frequency_penalty or None,
        "responseLogprobs": logprobs or None,
        "logprobs": call.top_logprobs or None,
        **_format(told, losses),
        "thinkingConfig": thinking_config(call.reasoning, target, losses),
    }
    return {name: value for name, value in config.items() if value is not None}


def _format(told: Format | None, losses: list[Loss]) -> Json:
    if told is None or told.type == "text":
        return {}
    if told.schema is None:
        return {"responseMimeType": "application/json"}
    if ignored := ignored_keywords(told.schema):
        losses.append(Loss("text.format.schema", "dropped", f"Gemini does not enforce {', '.join(ignored)}."))
    return {"responseMimeType": "application/json", "responseJsonSchema": told.schema}


def _format_in_words(told: Format, system: list[str], losses: list[Loss]) -> Format | None:
    """Before Gemini 3, tools and a JSON response type are refused together; then the model is told in words."""
    if told.type == "text":
        return told
    losses.append(Loss("text.format", "emulated", "Tools and JSON output exclude each other here: asked for in words."))
    words = "When you answer in text, answer with JSON alone, without a code fence."
    if told.schema is not None:
        words += f" It must match this JSON schema: {bytes(told.schema).decode()}"
    system.append(words)
    return None


def _without_equivalent(call: Call) -> list[Loss]:
    losses = [
        Loss(name, "dropped", why) for name, nothing, why in _WITHOUT_EQUIVALENT if getattr(call, name) not in nothing
    ]
    if call.verbosity in ("low", "high"):
        losses.append(Loss("text.verbosity", "dropped", "Gemini has no such setting."))
    if call.cache is not None:
        losses.append(Loss("cache_control", "dropped", "Gemini caches long prompts by itself."))
    return losses
