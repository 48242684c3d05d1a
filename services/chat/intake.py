"""Reads the body of a chat request into a `Call`, or says exactly what is wrong with it.

Bodies of the Responses API and mixtures of both are read too, because clients send them here. What only a chat provider can
honour stays in `Call.extra`: the native lane carries it, elsewhere it is refused by name or reported as lost.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from services.chat.intake_messages import Conversation
from services.chat.intake_tools import read_choice, read_tools
from services.chat.names import Names, fields_of
from services.chat.schema import RESPONSES_WORDS, ChatRequest, ResponseFormatParam
from services.errors import InvalidRequest
from services.responses.intake import read_format, refuse_prompt, refuse_state
from services.responses.reading import cache
from services.surface.reading import decode_body
from services.surface.routing import read_routing
from services.vocabulary.call import Call, Format, Native, ReasoningOptions

FORMAT: Final = "openai_chat"

LOGPROBS: Final = "message.output_text.logprobs"

_request = msgspec.json.Decoder(ChatRequest)
_KNOWN = frozenset(ChatRequest.__struct_fields__)
_EMPTY: Final = (b"", b"null", b"{}", b"[]", b"false")

# Fields that no other format has, and what of them asks for nothing.
_CHAT_ONLY: Final[Mapping[str, tuple[bytes, ...]]] = {
    "n": (b"1",),
    "logit_bias": (),
    "modalities": (b'["text"]',),
    "audio": (),
    "prediction": (),
    "moderation": (),
    "prompt_cache_options": (),
    "context_management": (),
}


class Asked(msgspec.Struct, frozen=True):
    """One request. names: how the client calls what the call holds.

    include_usage: the stream ends with a chunk of token counts. legacy: calls are answered as `function_call`.
    """

    call: Call
    names: Names
    include_usage: bool
    legacy: bool


def read(body: bytes) -> Asked:
    """What a JSON body asks for. Raises `InvalidRequest` with the path of the first mistake."""
    fields, request = decode_body(body, _request)
    refuse_prompt(request)
    refuse_state(request)
    try:
        return _asked(fields, request)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"The request body is not valid JSON: {error}.") from None


def _asked(fields: dict[str, msgspec.Raw], request: ChatRequest) -> Asked:
    conversation = _conversation(request)
    tools = read_tools(request)
    choice, pure_choice = read_choice(request, tools.tools)
    legacy = request.functions is not None or request.function_call is not None
    pure = conversation.pure and tools.pure and pure_choice and not legacy
    routing = read_routing(request.routing)
    reasoning = _reasoning(request, strict=routing is not None and routing.require_parameters)
    implied = [] if request.reasoning is not None else ["reasoning.summary"]
    names = Names(conversation.places, tools.places, fields_of(set(fields)), implied)
    call = Call(
        model=request.model,
        items=conversation.items,
        stream=bool(request.stream),
        instructions=request.instructions,
        tools=tools.tools,
        tool_choice=choice,
        parallel_tool_calls=False if legacy and tools.tools else request.parallel_tool_calls,
        max_tool_calls=request.max_tool_calls,
        max_output_tokens=_limit(request),
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        seed=request.seed,
        stop=[request.stop] if isinstance(request.stop, str) else request.stop or [],
        format=_format(request),
        verbosity=request.verbosity or (request.text.verbosity if request.text else None),
        reasoning=reasoning,
        top_logprobs=request.top_logprobs,
        include=_include(request),
        truncation=request.truncation,
        store=request.store,
        metadata=request.metadata or {},
        user=request.user,
        safety_identifier=request.safety_identifier,
        service_tier=request.service_tier,
        prompt_cache_key=request.prompt_cache_key,
        prompt_cache_retention=request.prompt_cache_retention,
        cache=cache(request.cache_control),
        routing=routing,
        extra={name: raw for name, raw in fields.items() if _is_extra(name, raw)},
        native=Native(FORMAT, fields) if pure and RESPONSES_WORDS.isdisjoint(fields) else None,
    )
    options = request.stream_options
    return Asked(call, names, bool(options is not None and options.include_usage), legacy)


def _is_extra(name: str, raw: msgspec.Raw) -> bool:
    if name not in _KNOWN:
        return True
    if name not in _CHAT_ONLY:
        return False
    value = b"".join(bytes(raw).split())
    return value not in _EMPTY and value not in _CHAT_ONLY[name]


def _conversation(request: ChatRequest) -> Conversation:
    conversation = Conversation()
    if request.messages is not None and request.input is not None:
        raise InvalidRequest("`messages` and `input` say the same; send one.", param="input")
    if request.messages is not None:
        conversation.read(request.messages, "messages")
    elif isinstance(request.input, str):
        conversation.say(request.input, "input")
    elif request.input is not None:
        conversation.read(request.input, "input")
    else:
        raise InvalidRequest("Object missing required field `messages` (at messages).", param="messages")
    return conversation


def _limit(request: ChatRequest) -> int | None:
    given = [request.max_completion_tokens, request.max_tokens, request.max_output_tokens]
    limits = [limit for limit in given if limit is not None]
    if len(set(limits)) > 1:
        raise InvalidRequest("`max_tokens` and `max_completion_tokens` say the same; send one.", param="max_tokens")
    return limits[0] if limits else None


def _format(request: ChatRequest) -> Format | None:
    given: ResponseFormatParam | None = request.response_format
    if given is None:
        return read_format(request.text)
    if given.type != "json_schema":
        return Format(given.type)
    schema, place = given.json_schema, "response_format.json_schema"
    if schema is None:
        raise InvalidRequest(f"A json_schema format needs a schema (at {place}).", param=place)
    if not bytes(schema.schema).lstrip().startswith(b"{"):
        raise InvalidRequest(
            f"A json_schema format needs a schema, an object (at {place}.schema).", param=f"{place}.schema"
        )
    return Format("json_schema", schema.name, schema.schema.copy(), schema.description, schema.strict)


def _reasoning(request: ChatRequest, *, strict: bool) -> ReasoningOptions | None:
    """How much to think, and that it be shown, unless all that is asked must be carried (`strict`).

    The format has no word for showing reasoning, but fields for what is shown: who asks for the one gets the other.
    """
    given = request.reasoning
    effort = request.reasoning_effort or (given.effort if given is not None else None)
    summary = (given.summary or given.generate_summary) if given is not None else None
    if given is None and effort not in (None, "none") and not strict:
        summary = "auto"
    return ReasoningOptions(effort, summary) if effort is not None or summary is not None else None


def _include(request: ChatRequest) -> list[str]:
    include: list[str] = list(request.include or ())
    if request.logprobs and LOGPROBS not in include:
        include.append(LOGPROBS)
    if request.top_logprobs is not None and LOGPROBS not in include:
        raise InvalidRequest("`top_logprobs` needs `logprobs` to be true.", param="top_logprobs")
    return include
