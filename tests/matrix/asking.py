"""Asks a lane a probe: what its dialect makes of it, in one word and in its own words."""

import json
from typing import Any, Final, NamedTuple

from services.adapters import carry
from services.adapters.dialect import HttpRequest
from services.adapters.registry import dialect
from services.errors import InvalidRequest
from services.responses import intake
from services.vocabulary.call import Call
from services.vocabulary.event import Loss
from tests.matrix.lanes import Lane
from tests.matrix.probes import Json, Probe

SCOPE: Final = "scope"
_WORST: Final = ("dropped", "changed", "moved", "emulated")


class Found(NamedTuple):
    """state: native, refused, or the action of a loss: emulated, moved, changed, dropped. words: why, as the client reads it."""

    state: str
    words: str = ""


SILENT: Final = Found("lost in silence")


def ask(lane: Lane, probe: Probe) -> Found:
    """What becomes of a feature. With no word about it, its marks are in the request, or the request is at least another."""
    try:
        _, plain, known = request(lane, probe.body)
        _, asked, losses = request(lane, {**probe.body, **probe.more})
    except InvalidRequest as error:
        return Found("refused", told(lane, error.message))
    new = [loss for loss in losses if (loss.action, loss.detail) not in {(loss.action, loss.detail) for loss in known}]
    if new:
        words = dict.fromkeys(told(lane, loss.detail) for loss in new)
        return Found(min((loss.action for loss in new), key=_WORST.index), " ".join(words))
    text = seen(asked)
    arrived = all(mark in text for mark in probe.marks) if probe.marks else text != seen(plain)
    return Found("native") if arrived or probe.unsaid else SILENT


def request(lane: Lane, body: Json) -> tuple[Call, HttpRequest, list[Loss]]:
    """The call, the request as the adapter would make it, and all that was lost."""
    target = lane.target
    call = intake.read(json.dumps({"model": target.id, "input": "Hello.", **body}).encode())
    prepared, losses = carry.prepare(call, target, target.dialect, SCOPE)
    made = dialect(target.dialect).request(prepared, target)
    return call, made, [*losses, *made.losses]


def seen(made: HttpRequest) -> str:
    """All a provider sees."""
    parts: list[Any] = [made.path, dict(made.query), dict(made.headers), json.loads(made.body)]
    return json.dumps(parts, ensure_ascii=False)


def told(lane: Lane, words: str) -> str:
    """Words about a model, as one sentence about any model of the lane; about a provider that is not the format's own."""
    provider = lane.target.provider
    general = {lane.target.id: "the model", lane.target.model: "the model"}
    if provider.id != "anthropic":
        general[provider.name] = "the provider"
    for name, any_ in general.items():
        words = words.replace(name, any_)
    words = words.partition(" (at ")[0].rstrip(".").strip()
    return words[:1].upper() + words[1:] + "."
