"""Reads the body of a Responses request into a `Call`, or says exactly what is wrong with it.

One pass checks types and limits (schema.py); the parts that vary by `type` are read by intake_items and intake_tools.
Nothing is accepted and ignored: what a later feature would need is refused by name, what no room knows is kept in
`Call.extra` and either travels on the native lane or is reported as a loss.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from services.errors import InvalidRequest, PreviousResponseNotFound
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

# Features that are not served yet: accepting them would promise state that does not exist.
_REFUSED: Final[Mapping[str, str]] = {
    "background": "Background responses are not served yet; leave `background` out.",
    "conversation": "Conversations are not served yet: send the earlier items in `input`.",
    "prompt": "Stored prompt templates live at the provider and are not served: send `instructions` and `input`.",
}


def read(body: bytes) -> Call:
    """The call a JSON body asks for. Raises `InvalidRequest` with the path of the first mistake."""
    fields, request = decode_body(body, _request)
    return to_call(request, Native(FORMAT, fields))


def to_call(request: ResponsesRequest, native: Native | None) -> Call:
    """The call a request asks for. `native` is the client's own body, where it came as JSON."""
    refuse_what_is_not_served(request)
    try:
        return _call(request, native)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"The request body is not valid JSON: {error}.") from None


def _call(request: ResponsesRequest, native: Native | None) -> Call:
    tools = read_tools(request.tools or [])
    fields = native.fields if native is not None else {}
    return Call(
        model=request.model,
        items=read_items(request.input),
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
        native=native,
    )


def refuse_what_is_not_served(request: msgspec.Struct) -> None:
    """Raises `InvalidRequest` for what a later feature would need."""
    previous = getattr(request, "previous_response_id", None)
    if previous:
        raise PreviousResponseNotFound(
            f"Previous response with id '{previous}' not found.", param="previous_response_id"
        )
    for name, why in _REFUSED.items():
        value = getattr(request, name)
        if value and not (isinstance(value, msgspec.Raw) and bytes(value) in (b"", b"null", b"[]")):
            raise InvalidRequest(why, param=name)


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
