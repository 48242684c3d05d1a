"""Reads the body of a Messages request into a `Call`, or says exactly what is wrong with it.

The body itself is kept: where a provider speaks this format it travels verbatim (the native lane). What follows is for all
others, so what no item of a `Call` can hold is noted as lost for them.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from services.errors import InvalidRequest, ThreadUnsupported
from services.messages.intake_items import Items
from services.messages.intake_parts import FORMAT, cache
from services.messages.intake_tools import read_tool_choice, read_tools
from services.messages.places import Places
from services.messages.schema import MessagesRequest, OutputFormat
from services.surface.reading import decode_body
from services.surface.routing import read_routing
from services.vocabulary.call import Call, Effort, Format, Native, ReasoningOptions
from services.vocabulary.event import Loss
from services.vocabulary.routing import Routing

HEADERS: Final = ("anthropic-version", "anthropic-beta")
"""Request headers that belong to the format."""

_USER_MAX: Final = 64  # characters of an identifier that all providers take
_BUDGETS: Final[tuple[tuple[int, Effort], ...]] = ((4096, "low"), (12_288, "medium"))  # below so many tokens
_KNOWN: Final = frozenset(MessagesRequest.__struct_fields__)
_OFF: Final = frozenset({"disabled", "between_tools"})
_ABSENT: Final = (b"", b"null")

_request = msgspec.json.Decoder(MessagesRequest)


class Reading(msgspec.Struct, frozen=True):
    """What a body asks for. losses: what providers of another format lose of it, in the client's own words."""

    call: Call
    places: Places
    losses: list[Loss]


def read(body: bytes, headers: Mapping[str, str], *, counted: bool = False) -> Reading:
    """Reads a body. `headers`: those of `HEADERS` that came. `counted`: only to count it, so `max_tokens` may be absent.

    Raises `InvalidRequest` with the path of the first mistake.
    """
    fields, request = decode_body(body, _request)
    if request.max_tokens is None and not counted:
        raise InvalidRequest("Object missing required field `max_tokens` (at max_tokens).", param="max_tokens")
    if bytes(request.thread) not in _ABSENT:
        raise ThreadUnsupported(
            "The gateway keeps no threads: send the whole conversation without `thread`.", param="thread"
        )
    try:
        return _reading(request, Native(FORMAT, fields, dict(headers)))
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"The request body is not valid JSON: {error}.") from None


def _reading(request: MessagesRequest, native: Native) -> Reading:
    items = Items()
    if isinstance(request.system, list):
        items.system(request.system)
    items.messages(request.messages)
    losses = items.losses
    tools, searches = read_tools(request.tools or [], losses)
    choice = request.tool_choice
    call = Call(
        model=request.model,
        items=items.items,
        stream=bool(request.stream),
        instructions=request.system if isinstance(request.system, str) and request.system else None,
        tools=tools,
        tool_choice=read_tool_choice(choice, tools),
        parallel_tool_calls=False if choice is not None and choice.disable_parallel_tool_use else None,
        max_tool_calls=searches,
        max_output_tokens=request.max_tokens,
        lowers_output=True,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=request.stop_sequences or [],
        format=_format(request),
        reasoning=_reasoning(request),
        user=_user(request, losses),
        service_tier="default" if request.service_tier == "standard_only" else None,
        cache=cache(request.cache_control),
        routing=_routing(request),
        extra={name: raw for name, raw in native.fields.items() if name not in _KNOWN and bytes(raw) != b"null"},
        native=native,
    )
    if request.output_config is not None and bytes(request.output_config.task_budget) not in _ABSENT:
        losses.append(Loss("output_config.task_budget", "dropped", "Only Anthropic's models keep to a task's budget."))
    return Reading(call, Places(items.places), losses)


def _format(request: MessagesRequest) -> Format | None:
    given = request.output_config.format if request.output_config is not None else None
    name = "output_config.format"
    if given is None:
        given, name = request.output_format, "output_format"
    if given is None:
        return None
    if not bytes(given.schema).startswith(b"{"):
        raise InvalidRequest(f"Expected an object (at {name}.schema).", param=f"{name}.schema")
    return Format("json_schema", "answer", given.schema, strict=_all_required(given))


def _all_required(given: OutputFormat) -> bool:
    """Whether the schema keeps what OpenAI demands of a strict one: closed objects, all of whose properties are required.

    Other schemas are still followed, without the guarantee, rather than refused.
    """
    return _strict(msgspec.json.decode(given.schema))


def _strict(schema: object) -> bool:
    if isinstance(schema, list):
        return all(map(_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties")
        names = set(properties) if isinstance(properties, dict) else set()
        required = schema.get("required")
        if schema.get("additionalProperties") is not False or not isinstance(required, list) or names - set(required):
            return False
    return all(map(_strict, schema.values()))


def _reasoning(request: MessagesRequest) -> ReasoningOptions | None:
    effort: Effort | None = request.output_config.effort if request.output_config is not None else None
    thinking = request.thinking
    if thinking is None:
        return ReasoningOptions(effort) if effort is not None else None
    if thinking.type in _OFF:
        return ReasoningOptions("none")
    summary = None if thinking.display == "omitted" else "auto"
    if thinking.type == "enabled":
        if thinking.budget_tokens is None:
            raise InvalidRequest(
                "Object missing required field `budget_tokens` (at thinking.budget_tokens).",
                param="thinking.budget_tokens",
            )
        effort = next((word for most, word in _BUDGETS if thinking.budget_tokens < most), "high")
        return ReasoningOptions(effort, summary, thinking.budget_tokens)  # type: ignore[arg-type]  # auto, or None
    return ReasoningOptions(effort, summary)  # type: ignore[arg-type]  # as above


def _user(request: MessagesRequest, losses: list[Loss]) -> str | None:
    """The identifier of the person. A long one (Claude Code's says which device and account) is hashed."""
    user = request.metadata.user_id if request.metadata is not None else None
    if not user or len(user) <= _USER_MAX:
        return user or None
    losses.append(Loss("metadata.user_id", "changed", "Sent as its SHA-256: other providers take 64 characters."))
    return hashlib.sha256(user.encode()).hexdigest()


def _routing(request: MessagesRequest) -> Routing | None:
    routing = read_routing(request.routing)
    if request.provider is None:
        return routing
    if routing is not None and routing.only:
        raise InvalidRequest("`provider` and `routing.provider.only` say the same; send one.", param="provider")
    routing = routing or Routing()
    paths = routing.paths | {"routing.provider.only": "provider"}
    return msgspec.structs.replace(routing, only=[request.provider], paths=paths)
