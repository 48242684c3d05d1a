"""The native lane's way out: the caller's body, verbatim but for documented edits.

* `model` becomes the provider's id.
* Fields of ours (`routing`, `cache_control`, `is_error`) and of Open Responses alone (the penalties) are taken out, because
  the provider would refuse them.
* Sealed reasoning loses its tag, or is left out where another provider or credential sealed it; so are reasoning and receipts
  of hosted tools that the gateway wrote for another provider.
* `store` is false, because the gateway keeps what is to be kept; so the seals of reasoning are asked for.
* A reasoning effort the model lacks becomes the nearest it has; a model that does not reason is not asked to, nor shown
  reasoning.
"""

import re
from typing import Final

import msgspec

from services.adapters.dialect import HttpRequest
from services.adapters.effort import nearest
from services.catalog.schema import Target
from services.vocabulary.call import Call, Hosted, Item, Reasoning, ToolResult
from services.vocabulary.event import Loss
from services.vocabulary.seal import PREFIX

Fields = dict[str, msgspec.Raw]

PATH: Final = "/responses"

_OURS: Final = ("routing", "cache_control")
_OURS_INSIDE: Final = (b'"cache_control"', b'"is_error"')
PENALTIES: Final = ("presence_penalty", "frequency_penalty")
NO_PENALTIES: Final = "This API has no penalties."
_NO_FAILURES: Final = "This API marks no result as failed; the output's own words have to say it."
_CACHE_LOSS: Final = Loss("cache_control", "dropped", "This provider caches prompts by itself and takes no markers.")
_SEALED_ELSEWHERE: Final = "Reasoning sealed by another provider or credential."
_READ_ELSEWHERE: Final = "Reasoning of another provider, which sealed nothing: this API takes back only its own."
_HOSTED_ELSEWHERE: Final = "What a hosted tool of another provider did: only that provider can read it."
NOT_REASONING: Final = "The model does not reason."
NEAREST: Final = "Sent as {}, the nearest the model has."
SEALS: Final = "reasoning.encrypted_content"

# Reasoning the gateway numbered itself: the response's 36 digits and the item's place. Providers' own ids are longer.
_OUR_REASONING: Final = re.compile(rb'"rs_[0-9a-f]{38}"')
_OUR_RECEIPT: Final = "hosted_tool_item"
_REFERENCE: Final = "item_reference"

_NULL: Final = msgspec.Raw(b"null")
_FALSE: Final = msgspec.Raw(b"false")

_entries = msgspec.json.Decoder(list[Fields])
_fields = msgspec.json.Decoder(Fields)


def native_request(call: Call, target: Target) -> HttpRequest:
    """The caller's own body with the edits made."""
    assert call.native is not None
    fields: Fields = dict(call.native.fields)
    losses = failures_lost(call)
    fields["model"] = _raw(target.upstream)
    for name in _OURS:
        if fields.pop(name, None) is not None and name == "cache_control":
            losses.append(_CACHE_LOSS)
    for name in PENALTIES:
        if bytes(fields.pop(name, _NULL)) != b"null":
            losses.append(Loss(name, "dropped", NO_PENALTIES))
    for name in ("input", "tools"):
        raw = fields.get(name)
        if raw is not None and any(word in bytes(raw) for word in _OURS_INSIDE):
            fields[name] = _without_ours(raw, losses)
    if any(_may_be_foreign(item) for item in call.items):
        fields["input"] = _without_foreign(fields["input"], call, target, losses)
    fields["store"] = _FALSE
    if call.store and SEALS not in call.include and (target.facts.efforts or _asks_to_reason(call, target)):
        fields["include"] = _raw([*call.include, SEALS])
    if target.facts.efforts is not None and (call.reasoning is not None or call.include):
        _fit_reasoning(fields, call, target, losses)
    omitted = target.quirks.get("omit")
    for name in omitted if isinstance(omitted, list) else ():
        if fields.pop(name, None) is not None:
            losses.append(Loss(name, "dropped", f"{target.provider.name} refuses this parameter."))
    return HttpRequest(PATH, msgspec.json.encode(fields), {"content-type": "application/json"}, losses=losses)


def _asks_to_reason(call: Call, target: Target) -> bool:
    """Whether a model of which nothing is known is to reason."""
    return target.facts.efforts is None and call.reasoning is not None and call.reasoning.effort != "none"


def failures_lost(call: Call) -> list[Loss]:
    """A loss for each result that says it is an error."""
    return [
        Loss(f"input[{index}].is_error", "dropped", _NO_FAILURES)
        for index, item in enumerate(call.items)
        if isinstance(item, ToolResult) and item.is_error
    ]


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _without_ours(raw: msgspec.Raw, losses: list[Loss]) -> msgspec.Raw:
    if not bytes(raw).lstrip().startswith(b"["):
        return raw
    entries = _entries.decode(raw)
    for entry in entries:
        if entry.pop("cache_control", None) is not None:
            losses.append(_CACHE_LOSS)
        entry.pop("is_error", None)
        for name in ("content", "output"):
            parts = entry.get(name)
            if parts is not None and b'"cache_control"' in bytes(parts):
                entry[name] = _without_ours(parts, losses)
    return _raw(entries)


# ---- reasoning and receipts ------------------------------------------------------------------------------------------


def _may_be_foreign(item: Item) -> bool:
    return isinstance(item, Reasoning) or (isinstance(item, Hosted) and item.kind in (_OUR_RECEIPT, _REFERENCE))


def _without_foreign(raw: msgspec.Raw, call: Call, target: Target, losses: list[Loss]) -> msgspec.Raw:
    """The items this model can read, seals without our tag; `carry.prepare` took away those it must not see."""
    kept = []
    for index, entry in enumerate(_entries.decode(raw)):
        item = call.items[index]
        if _may_be_foreign(item) and (why := _foreign(item, entry, target)):
            losses.append(Loss(f"input[{index}]", "dropped", why))
            continue
        if isinstance(item, Reasoning) and item.seal is not None:
            entry["encrypted_content"] = _raw(item.seal.blob)
        kept.append(entry)
    return _raw(kept)


def _foreign(item: Item, entry: Fields, target: Target) -> str | None:
    """Why the provider would refuse the whole request for this item; None where it would not."""
    if isinstance(item, Hosted) and item.kind == _OUR_RECEIPT:
        return _HOSTED_ELSEWHERE
    if target.facts.efforts == []:
        return NOT_REASONING
    if PREFIX.encode() in bytes(entry.get("encrypted_content", b"")):
        return _SEALED_ELSEWHERE if isinstance(item, Reasoning) and item.seal is None else None
    if _OUR_REASONING.fullmatch(bytes(entry.get("id", b""))):
        return _READ_ELSEWHERE
    return None


def _fit_reasoning(fields: Fields, call: Call, target: Target, losses: list[Loss]) -> None:
    efforts, asked = target.facts.efforts or [], call.reasoning
    if not efforts:
        wanted = asked is not None and (asked.effort not in (None, "none") or asked.summary is not None)
        if fields.pop("reasoning", None) is not None and wanted:
            losses.append(Loss("reasoning", "dropped", NOT_REASONING))
        if SEALS in call.include:
            fields["include"] = _raw([name for name in call.include if name != SEALS])
            losses.append(Loss("include", "dropped", NOT_REASONING))
    elif asked is not None and asked.effort is not None and asked.effort not in efforts:
        effort = nearest(asked.effort, efforts)
        fields["reasoning"] = _raw({**_fields.decode(fields["reasoning"]), "effort": effort})
        losses.append(Loss("reasoning.effort", "changed", NEAREST.format(effort)))
