"""Call -> the body of `POST /v1/messages`, in the order of the API reference.

https://platform.claude.com/docs/en/api/messages/create
"""

from typing import Final

import msgspec

from services.adapters.dialects.anthropic_messages.carrier import Carrier
from services.adapters.dialects.anthropic_messages.content import Block, Content, cache_control
from services.adapters.dialects.anthropic_messages.conversation import Conversation
from services.adapters.dialects.anthropic_messages.losses import Losses
from services.adapters.dialects.anthropic_messages.plan import Plan, plan
from services.adapters.dialects.anthropic_messages.schemas import fitted
from services.adapters.dialects.anthropic_messages.thinking import decide, sampling
from services.adapters.dialects.anthropic_messages.tools import Tools
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Loss

MARKERS_MAX: Final = 4  # cache_control markers of one request
_HOUR: Final[Block] = {"type": "ephemeral", "ttl": "1h"}
_USER_MAX: Final = 512  # bytes of metadata.user_id that the API takes

# What an answer includes anyway; every other `include` is of tools or parts that Anthropic does not have.
_INCLUDED: Final = frozenset({"reasoning.encrypted_content", "web_search_call.action.sources"})
_TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only", "priority": "auto"}


class Written(msgspec.Struct, frozen=True):
    """A body as fields, the beta names it needs, and what was lost."""

    body: Block
    betas: list[str]
    losses: list[Loss]


def write(call: Call, target: Target, carrier: Carrier) -> Written:
    """The whole body. Raises `InvalidRequest` for what cannot be said to Anthropic."""
    planned = plan(call, target)
    losses = Losses()
    content = Content(carrier, losses)

    tools = Tools(call, planned, carrier, losses)
    tool_blocks = tools.written()
    choice = tools.choice(tool_blocks)
    forced = choice is not None and choice["type"] in ("any", "tool")
    thinking = decide(call, planned.traits, target.facts.max_output, forced, losses)

    conversation = Conversation(planned, content, losses)
    if call.instructions:
        conversation.instruct(call.instructions)
    for index, item in enumerate(call.items):
        conversation.add(item, f"input[{index}]")
    messages = conversation.messages(prefill=planned.traits.prefill and thinking.thinking is None)
    for demand in (tools.demand(), _format_in_words(call, planned, losses)):
        if demand is not None:
            conversation.instruct(demand)

    marks = [*tools.marks, *conversation.system_marks, *conversation.marks]
    automatic = _automatic_cache(call, carrier, marks, messages)
    marks = _limited(marks, MARKERS_MAX - (automatic is not None), losses)
    _order_markers(marks, automatic, losses)

    body: Block = {
        "anthropic_version": carrier.version,
        "model": None if carrier.version else target.upstream,
        "max_tokens": thinking.max_tokens,
        "cache_control": automatic,
        "system": conversation.system or None,
        "messages": messages,
        "tools": tool_blocks or None,
        "tool_choice": choice,
        "thinking": thinking.thinking,
        "output_config": _output_config(call, planned, thinking.effort, losses),
        **sampling(call, planned.traits, thinking, losses),
        "stop_sequences": _stop_sequences(call, losses),
        "metadata": _metadata(call, carrier, losses),
        "service_tier": _service_tier(call, carrier, losses),
        "stream": True if call.stream and carrier.stream_field else None,
    }
    _note_the_rest(call, losses)
    return Written(
        {name: value for name, value in body.items() if value is not None}, sorted(content.betas), losses.all
    )


def _format_in_words(call: Call, planned: Plan, losses: Losses) -> str | None:
    if planned.shape != "instruction" or call.format is None:
        return None
    losses.emulated("text.format", "The format was asked for in words.")
    if call.format.schema is None:
        return "Answer with one JSON object and nothing else: no other text, no code fence."
    return (
        "Answer with one JSON value and nothing else: no other text, no code fence. It must match this JSON schema:\n"
        + bytes(call.format.schema).decode()
    )


def _output_config(call: Call, planned: Plan, effort: str | None, losses: Losses) -> Block | None:
    config: Block = {}
    if effort is not None:
        config["effort"] = effort
    if planned.shape == "schema" and call.format is not None and call.format.schema is not None:
        schema, changes = fitted(call.format.schema)
        if changes:
            losses.changed("text.format.schema", f"Rewritten for structured outputs: {', '.join(changes)}.")
        if call.format.description:
            losses.dropped("text.format.description", "Anthropic's formats have none.")
        config["format"] = {"type": "json_schema", "schema": schema}
    return config or None


# ---- prompt caching --------------------------------------------------------------------------------------------------


def _automatic_cache(
    call: Call, carrier: Carrier, marks: list[tuple[str, Block]], messages: list[Block]
) -> Block | None:
    """The marker of the whole request; where the carrier has none, one on the last block, which means the same."""
    if call.cache is None:
        return None
    if carrier.automatic_cache:
        return cache_control(call.cache)
    content = messages[-1]["content"]
    assert isinstance(content, list)
    last: Block = content[-1]
    if "cache_control" not in last:
        last["cache_control"] = cache_control(call.cache)
        marks.append(("", last))
    return None


def _limited(marks: list[tuple[str, Block]], limit: int, losses: Losses) -> list[tuple[str, Block]]:
    """The last ones: a marker covers all that stands before it."""
    kept = max(0, len(marks) - limit)
    for path, block in marks[:kept]:
        del block["cache_control"]
        losses.dropped(f"{path}.cache_control", f"Anthropic takes {MARKERS_MAX} markers; the last ones were kept.")
    return marks[kept:]


def _order_markers(marks: list[tuple[str, Block]], automatic: Block | None, losses: Losses) -> None:
    """None may outlive one before it. What stands before an hour's marker is written, and charged, for an hour anyway."""
    hour = automatic == _HOUR
    for path, block in reversed(marks):
        if block["cache_control"] == _HOUR:
            hour = True
        elif hour:
            block["cache_control"] = _HOUR
            losses.changed(
                f"{path}.cache_control", "Sent as 1h: one of an hour follows, and may not come after a shorter one."
            )


# ---- the rest --------------------------------------------------------------------------------------------------------


def _stop_sequences(call: Call, losses: Losses) -> list[str] | None:
    kept = [text for text in call.stop if text.strip()]
    if len(kept) < len(call.stop):
        losses.dropped("stop", "Anthropic takes no stop sequences of white space only.")
    return kept or None


def _metadata(call: Call, carrier: Carrier, losses: Losses) -> Block | None:
    user, param = call.user, "user"
    if call.safety_identifier is not None:
        if user is not None and user != call.safety_identifier:
            losses.dropped("user", "Anthropic takes one identifier; safety_identifier was sent.")
        user, param = call.safety_identifier, "safety_identifier"
    if not user:
        return None
    if not carrier.account_fields:
        losses.dropped(param, f"{carrier.name} takes no metadata.")
        return None
    if len(user.encode()) > _USER_MAX:
        losses.dropped(param, f"Anthropic takes {_USER_MAX} bytes.")
        return None
    return {"user_id": user}


def _service_tier(call: Call, carrier: Carrier, losses: Losses) -> str | None:
    asked = call.service_tier
    if asked is None:
        return None
    tier = _TIERS.get(asked) if carrier.account_fields else None
    if tier is None:
        if asked not in ("auto", "default"):
            losses.dropped("service_tier", f"{carrier.name} has no such tier.")
    elif asked == "priority":
        losses.changed("service_tier", "Sent as auto: priority capacity where the account has it.")
    return tier


def _note_the_rest(call: Call, losses: Losses) -> None:
    """Reports what Messages has no field for, where it was asked to differ from what Anthropic does anyway."""
    lacking = (
        ("presence_penalty", bool(call.presence_penalty)),
        ("frequency_penalty", bool(call.frequency_penalty)),
        ("seed", call.seed is not None),
        ("top_logprobs", bool(call.top_logprobs)),
        ("text.verbosity", call.verbosity in ("low", "high")),
        ("truncation", call.truncation == "auto"),
        ("prompt_cache_key", call.prompt_cache_key is not None),
        ("prompt_cache_retention", call.prompt_cache_retention == "24h"),
    )
    for param, asked in lacking:
        if asked:
            losses.dropped(param, "Anthropic has nothing of the kind.")
    for index, name in enumerate(call.include):
        if name not in _INCLUDED:
            losses.dropped(f"include[{index}]", f"Anthropic gives no {name}.")
