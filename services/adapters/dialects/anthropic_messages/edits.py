"""The native lane's way out: the client's own body, verbatim but for documented edits.

* `model` becomes the provider's id; where the URL says it (Vertex, Bedrock) it leaves the body, and the version comes in. So does
  `stream` where the URL says that (Bedrock).
* Fields of ours (`routing`, `provider`) are taken out; at carriers also those of an account with Anthropic.
* Betas the provider does not take, and the fields that only they explain (betas.py).
* Reasoning loses our tag; what another provider or credential signed, or searched, is left out.
* Claude Code's billing block is left out everywhere but at Anthropic, which alone knows not to let it spoil the cache.
* What the model's generation does not take becomes what it does: adaptive thinking a budget or nothing, system messages
  between turns a part of `system`.
* `cache_control` of the whole request becomes a marker on the last block where the carrier has no such field.
"""

from typing import Final

import msgspec

from services.adapters.dialects.anthropic_messages.betas import HEADER, SCOPES, Betas
from services.adapters.dialects.anthropic_messages.carrier import Carrier
from services.adapters.dialects.anthropic_messages.content import Block
from services.adapters.dialects.anthropic_messages.edits_blocks import (
    Messages,
    marked,
    without_billing,
    without_scopes,
)
from services.adapters.dialects.anthropic_messages.losses import Losses
from services.adapters.dialects.anthropic_messages.models import Traits, traits
from services.adapters.dialects.anthropic_messages.request import Written
from services.adapters.dialects.anthropic_messages.thinking import BUDGET_MIN, BUDGETS
from services.catalog.schema import Target
from services.vocabulary.call import Call

_OURS: Final = ("routing", "provider")
_ACCOUNTS: Final = ("metadata", "service_tier")
_KEEPS_BILLING: Final = "anthropic"
_EFFORT_WITH_BUDGET: Final = "opus-4-5"  # the one model that thinks within a budget and takes an effort besides
_NULL: Final = msgspec.Raw(b"null")

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def native(call: Call, target: Target, carrier: Carrier) -> Written:
    """The client's own body with the edits made. Raises `InvalidRequest` for what the provider lacks and must not be lost."""
    assert call.native is not None
    losses = Losses()
    betas = Betas(call.native.headers.get(HEADER, ""), target, losses)
    accepts = traits(target.upstream, target.facts)
    fields: Block = dict(call.native.fields)
    for name in _OURS:
        fields.pop(name, None)
    betas.fit(fields)
    _fit_carrier(fields, carrier, losses)
    if target.provider.id != _KEEPS_BILLING:
        without_billing(fields)
    if not betas.takes(SCOPES):
        without_scopes(fields)
    _fit_thinking(fields, call, accepts, _EFFORT_WITH_BUDGET in target.upstream, losses)
    messages = Messages(call, accepts, losses)
    messages.edit(fields)
    if call.cache is not None and not carrier.automatic_cache:
        del fields["cache_control"]
        marked(fields, call.cache)
    if carrier.version is None:
        fields["model"] = target.upstream
        return Written(fields, betas.names, losses.all)
    del fields["model"]
    if betas.names and carrier.betas == "body":
        fields = {"anthropic_beta": betas.names, **fields}
    return Written({"anthropic_version": carrier.version, **fields}, betas.names, losses.all)


def _fit_carrier(fields: Block, carrier: Carrier, losses: Losses) -> None:
    if not carrier.stream_field:
        fields.pop("stream", None)
    if carrier.account_fields:
        return
    for name in _ACCOUNTS:
        if fields.pop(name, _NULL) not in (_NULL, None):
            losses.dropped(name, f"{carrier.name} has no such field: it belongs to an account with Anthropic.")


def _fit_thinking(fields: Block, call: Call, accepts: Traits, takes_effort: bool, losses: Losses) -> None:
    """Clients that take a model for a newer one ask it to think adaptively, and for an effort."""
    if accepts.thinking == "adaptive":
        return
    asked = call.reasoning
    thinking = fields.get("thinking")
    adaptive = isinstance(thinking, msgspec.Raw) and _type_of(thinking) == "adaptive"
    if adaptive and (accepts.thinking == "none" or asked is None):
        del fields["thinking"]
        losses.dropped("thinking", "The model does not think.")
    elif adaptive and asked is not None:
        limit = call.max_output_tokens or accepts.max_output
        budget = min(BUDGETS[asked.effort or "high"], max(BUDGET_MIN, limit // 2))
        if limit <= budget:
            del fields["thinking"]
            losses.dropped("thinking", "max_tokens leaves no room for the smallest budget.")
        else:
            fields["thinking"] = {"type": "enabled", "budget_tokens": budget}
            losses.changed("thinking", f"Sent as a budget of {budget} tokens: the model does not think adaptively.")
            _drop_sampling(fields, losses)
    config = fields.get("output_config")
    if isinstance(config, msgspec.Raw) and b'"effort"' in bytes(config) and not takes_effort:
        parts = _fields.decode(config)
        if parts.pop("effort", None) is not None:
            losses.dropped("output_config.effort", "The model has no levels of effort.")
            if parts:
                fields["output_config"] = parts
            else:
                del fields["output_config"]


def _drop_sampling(fields: Block, losses: Losses) -> None:
    """What does not go together with a budget."""
    for name in ("temperature", "top_k"):
        if fields.pop(name, None) is not None:
            losses.dropped(name, "Not together with a thinking budget.")


class _Typed(msgspec.Struct):
    type: str = ""


_typed = msgspec.json.Decoder(_Typed)


def _type_of(raw: msgspec.Raw) -> str:
    return _typed.decode(raw).type
