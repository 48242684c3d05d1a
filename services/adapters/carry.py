"""What no foreign format can carry, settled in one place before a dialect writes the call.

Seals of another provider or credential are removed (replaying them would make the provider refuse the whole request);
items and parts of a type nobody knows are refused by name; items of hosted tools are dropped where they only report what
a provider did, because their results stand in the answer's text, and refused where the conversation depends on them.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from services.adapters.dialects.openai_chat import fitting
from services.adapters.spoken import spoken
from services.adapters.truncation import truncated
from services.catalog.schema import Target
from services.errors import InvalidRequest
from services.tokens.estimate import prompt_tokens
from services.vocabulary.call import Call, Hosted, HostedTool, Item, Message, Opaque, Part, Reasoning, Seal, ToolResult
from services.vocabulary.event import Loss

# Receipts of work a provider did itself. The client loses nothing but the record.
RECEIPTS: Final = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_list_tools",
        "mcp_call",
        "tool_search_call",
        "tool_search_output",
        "hosted_tool_item",
        # The Messages API's
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "advisor_tool_result",
        "mcp_tool_listing",
        "mcp_tool_use",
        "mcp_tool_result",
        "fallback",
    }
)

RESPONSES: Final = "openai_responses"
MESSAGES: Final = "anthropic_messages"

# Which dialects carry a client's own body besides the format itself: the same at providers that wrap it.
_CARRIED: Final[dict[str, frozenset[str]]] = {MESSAGES: frozenset({"anthropic_vertex", "anthropic_bedrock"})}

REFERENCE: Final = "item_reference"

# Parameters that change what is asked: dropping them would answer another question, with fewer tools, or elsewhere.
_MEANINGFUL: Final = frozenset(
    {"compaction", "context_management", "modalities", "moderation", "n", "mcp_servers", "container", "inference_geo"}
)

_SAYS_NOTHING: Final = (b"null", b"[]", b"{}", b'"global"', b'"not_available"')

# Whether a body in a format suits the target as it is; where a format is not named, every target of it takes it.
_TRAVELS: Final[Mapping[str, Callable[[Call, Target], bool]]] = {"openai_chat": fitting.travels}


class _Reference(msgspec.Struct):
    id: object = None


_referring = msgspec.json.Decoder(_Reference)


def is_native(call: Call, dialect: str) -> bool:
    """Whether the caller's own body can travel: the surface and the dialect speak the same format."""
    if call.native is None:
        return False
    format = call.native.format
    return dialect == format or dialect in _CARRIED.get(format, ())


def own_lane(call: Call, target: Target) -> Target:
    """The target in the format that carries the caller's own body to it, where its provider has such a one and it is wanted."""
    if call.native is None or is_native(call, target.dialect):
        return target
    for part, dialect in target.provider.native.items():
        if part in target.upstream and is_native(call, dialect):
            return msgspec.structs.replace(target, dialect=dialect)
    return spoken(call, target)


def prepare(call: Call, target: Target, dialect: str, scope: str) -> tuple[Call, list[Loss]]:
    """The call without what this target must not see, and what was lost. `dialect` is the wire format's name.

    Item positions stay as they are, so that paths in later messages are right. Raises `InvalidRequest`.
    """
    losses: list[Loss] = []
    own = is_native(call, dialect)
    call = _within_output(call, target, losses, own=own)
    if own and _TRAVELS.get(dialect, _always)(call, target):
        return _without_foreign_seals(call, target, scope), losses
    items = [_item(item, index, target, dialect, scope, losses) for index, item in enumerate(call.items)]
    for index, tool in enumerate(call.tools):
        if isinstance(tool, HostedTool) and not dialect == RESPONSES == tool.format:
            raise InvalidRequest(
                f"{target.provider.name} has no tool of type {tool.kind!r} (at tools[{index}].type).",
                param=f"tools[{index}].type",
                model=target.id,
            )
    for name, raw in call.extra.items():
        if name in _MEANINGFUL and not _harmless(name, bytes(raw)):
            raise InvalidRequest(f"{target.provider.name} cannot honour `{name}`.", param=name, model=target.id)
        losses.append(Loss(name, "dropped", f"Nothing {target.provider.name} or the gateway knows."))
    call = msgspec.structs.replace(call, items=items, native=None)
    if dialect != RESPONSES:  # which shortens by itself
        call, shortened = truncated(call, target)
        losses += shortened
    return call, losses


def _always(call: Call, target: Target) -> bool:  # noqa: ARG001
    return True


def _within_output(call: Call, target: Target, losses: list[Loss], *, own: bool) -> Call:
    """No more output than the model can write, where the client had to say a number and need not know the model."""
    asked = call.max_output_tokens
    if not call.lowers_output or asked is None:
        return call
    most = target.facts.max_output or asked
    if not own:  # Anthropic's clients know what its models do about a full context
        most = _in_room(call, target, min(asked, most))
    if asked <= most:
        return call
    losses.append(
        Loss("max_output_tokens", "changed", f"Sent as {most}: the model writes no more, or has no more room.")
    )
    native = call.native
    if native is not None and native.format == MESSAGES:
        fields = {**native.fields, "max_tokens": msgspec.Raw(b"%d" % most)}
        native = msgspec.structs.replace(native, fields=fields)
    return msgspec.structs.replace(call, max_output_tokens=most, native=native)


def _in_room(call: Call, target: Target, most: int) -> int:
    """What is left of the context, where the answer alone could fill half of it."""
    context = target.facts.context
    if context is None or 2 * most <= context:
        return most
    room = context - prompt_tokens(call, target.upstream) * 11 // 10  # which is an estimate
    return min(most, room) if room > 0 else most


def _harmless(name: str, value: bytes) -> bool:
    """Whether it says nothing after all.

    The Messages API's `context_management`, an object, only takes out what is old; that of Responses, a list, lets the
    provider sum up.
    """
    return value in _SAYS_NOTHING or (name == "context_management" and value.startswith(b"{"))


def _without_foreign_seals(call: Call, target: Target, scope: str) -> Call:
    """On the native lane only seals with a tag are ours to judge; the dialect drops their items and reports it."""
    if not any(isinstance(item, Reasoning) and item.seal is not None and item.seal.provider for item in call.items):
        return call
    items = [
        msgspec.structs.replace(item, seal=None)
        if isinstance(item, Reasoning) and item.seal is not None and _foreign(item.seal, target, scope)
        else item
        for item in call.items
    ]
    return msgspec.structs.replace(call, items=items)


def _foreign(seal: Seal, target: Target, scope: str) -> bool:
    return (seal.provider, seal.scope) != (target.provider.id, scope)


def _item(item: Item, index: int, target: Target, dialect: str, scope: str, losses: list[Loss]) -> Item:
    path = f"input[{index}]"
    match item:
        case Message(content=parts, phase=phase):
            _check(parts, f"{path}.content", target)
            if phase is not None and dialect != RESPONSES:
                losses.append(Loss(f"{path}.phase", "dropped", "Only the Responses API tells phases apart."))
        case ToolResult(output=parts):
            _check(parts, f"{path}.output", target)
        case Reasoning(seal=Seal() as seal) if _foreign(seal, target, scope):
            losses.append(Loss(path, "dropped", "Reasoning sealed by another provider or credential."))
            return msgspec.structs.replace(item, seal=None)
        case Hosted(kind=kind, format=format) if not dialect == RESPONSES == format:
            if kind == REFERENCE:
                losses.append(_reference(item, path))
                return item
            if kind not in RECEIPTS:
                raise InvalidRequest(
                    f"{target.provider.name} cannot take an item of type {kind!r} (at {path}.type).",
                    param=f"{path}.type",
                    model=target.id,
                )
            losses.append(Loss(path, "dropped", f"A {kind} item: only the provider that made it can read it."))
        case _:
            pass
    return item


def _reference(item: Hosted, path: str) -> Loss:
    """SDKs refer to reasoning they take for stored. The answer can do without it, but not without any other item."""
    if str(_referring.decode(item.raw).id).startswith("rs_"):
        return Loss(path, "dropped", "The reasoning this refers to is not stored, so it cannot be sent back.")
    raise InvalidRequest(
        f"There is no stored item of this id: send the item itself instead (at {path}).", param=f"{path}.id"
    )


def _check(parts: list[Part], path: str, target: Target) -> None:
    for index, part in enumerate(parts):
        if isinstance(part, Opaque):
            where = f"{path}[{index}].type"
            raise InvalidRequest(
                f"{target.provider.name} cannot take content of type {part.kind!r} (at {where}).",
                param=where,
                model=target.id,
            )
