"""Reads the body of a Responses request into a `Call`, or says exactly what is wrong with it.

One pass checks types and limits (schema.py); the parts that vary by `type` are read by intake_items and intake_tools.
Nothing is accepted and ignored: what no room knows is kept in `Call.extra` and either travels on the native lane or is
reported as a loss. What a request says of earlier ones is read by `state`, which gives the items before its own.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from services.errors import InvalidRequest
from services.responses.intake_items import read_items
from services.responses.intake_tools import read_tool_choice, read_tools
from services.responses.reading import cache
from services.responses.schema import ReasoningParam, ResponsesRequest, TextParam
from services.surface.reading import decode_body
from services.surface.routing import read_routing
from services.vocabulary.call import Call, Format, Native, ReasoningOptions

FORMAT: Final = "openai_responses"

_request = msgspec.json.Decoder(ResponsesRequest)
_KNOWN = frozenset(ResponsesRequest.__struct_fields__)
_PROVIDERS = frozenset({"prompt_cache_options", "context_management"})  # checked here, understood by the provider alone

_PROMPT: Final = "Stored prompt templates live at the provider and are not served: send `instructions` and `input`."
_STATELESS: Final = "This cannot be continued here: send the earlier items in `input`."

# The gateway's own business, which no provider hears of.
STATE: Final = ("background", "previous_response_id", "conversation")


class Given(NamedTuple):
    """A body: its fields in the client's order, and the same checked."""

    fields: dict[str, msgspec.Raw]
    request: ResponsesRequest


def read(body: bytes) -> Call:
    """The call a JSON body asks for, where nothing is continued. Raises `InvalidRequest` with the path of a mistake."""
    given = parse(body)
    refuse_state(given.request)
    return call_of(given)


def refuse_state(request: msgspec.Struct) -> None:
    """Raises `InvalidRequest` for what continues something, where nothing is continued."""
    for name in STATE:
        value = getattr(request, name)
        if value and not (isinstance(value, msgspec.Raw) and bytes(value) in (b"", b"null")):
            raise InvalidRequest(_STATELESS, param=name)


def refuse_prompt(request: msgspec.Struct) -> None:
    """Raises `InvalidRequest` for a template that only a provider has."""
    if bytes(request.prompt) not in (b"", b"null"):  # type: ignore[attr-defined]  # a field of all that are asked
        raise InvalidRequest(_PROMPT, param="prompt")


def parse(body: bytes) -> Given:
    """The body, checked as far as one look can. Raises `InvalidRequest` with the path of the first mistake."""
    fields, request = decode_body(body, _request)
    refuse_prompt(request)
    if request.input is msgspec.UNSET and not (request.previous_response_id or request.conversation):
        raise InvalidRequest("Object missing required field `input` (at input).", param="input")
    return Given(fields, request)


def call_of(given: Given, context: Sequence[msgspec.Raw] = (), own: Sequence[msgspec.Raw] | None = None) -> Call:
    """The call a body asks for. context: items before its own. own: its items, where they are not those it gives."""
    try:
        return _call(given, context, own)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"The request body is not valid JSON: {error}.") from None


def _call(given: Given, context: Sequence[msgspec.Raw], own: Sequence[msgspec.Raw] | None) -> Call:
    request, fields = given.request, {name: raw for name, raw in given.fields.items() if name not in STATE}
    items = read_items(_own(request) if own is None else list(own), context)
    if context or own is not None:
        all_items = [*context, *(raw_items(request) if own is None else own)]
        fields["input"] = msgspec.Raw(b"[" + b",".join(map(bytes, all_items)) + b"]")
    tools = read_tools(request.tools or [])
    return Call(
        model=request.model,
        items=items,
        stream=bool(request.stream),
        instructions=request.instructions,
        tools=tools,
        tool_choice=read_tool_choice(request.tool_choice, tools),
        parallel_tool_calls=request.parallel_tool_calls,
        max_tool_calls=request.max_tool_calls,
        max_output_tokens=request.max_output_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        format=read_format(request.text),
        verbosity=request.text.verbosity if request.text else None,
        reasoning=_reasoning(request.reasoning),
        top_logprobs=request.top_logprobs,
        include=list(request.include or ()),
        truncation=request.truncation,
        store=request.store,
        metadata=request.metadata or {},
        user=request.user,
        safety_identifier=request.safety_identifier,
        service_tier=request.service_tier,
        prompt_cache_key=request.prompt_cache_key,
        prompt_cache_retention=request.prompt_cache_retention,
        cache=cache(request.cache_control),
        routing=read_routing(request.routing),
        extra={name: raw for name, raw in fields.items() if name not in _KNOWN or name in _PROVIDERS},
        native=Native(FORMAT, fields),
    )


def raw_items(request: ResponsesRequest) -> list[msgspec.Raw]:
    """The request's own items as JSON; a string is one user message."""
    given = _own(request)
    if isinstance(given, str):
        message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}
        return [msgspec.Raw(msgspec.json.encode(message))]
    return given


def _own(request: ResponsesRequest) -> str | list[msgspec.Raw]:
    return [] if isinstance(request.input, msgspec.UnsetType) else request.input


def read_format(text: TextParam | None) -> Format | None:
    """The shape of the answer's text. Raises `InvalidRequest` for a schema that is none."""
    if text is None or text.format is None:
        return None
    given = text.format
    if given.type != "json_schema":
        return Format(given.type)
    if not given.name:
        raise InvalidRequest("A json_schema format needs a name.", param="text.format.name")
    if not bytes(given.schema).lstrip().startswith(b"{"):
        raise InvalidRequest("A json_schema format needs a schema, an object.", param="text.format.schema")
    return Format("json_schema", given.name, given.schema.copy(), given.description, given.strict)


def _reasoning(given: ReasoningParam | None) -> ReasoningOptions | None:
    if given is None:
        return None
    return ReasoningOptions(given.effort, given.summary or given.generate_summary)
