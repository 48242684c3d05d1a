"""What of a long conversation a summary may stand for, and what has to stay as it is. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from services.responses.state import items
from services.vocabulary.call import Item, Message, Reasoning, ToolCall, ToolResult

KIND: Final = "compaction"

_INSTRUCTING: Final = ("system", "developer")


class _Role(msgspec.Struct):
    role: str = ""


_role = msgspec.json.Decoder(_Role)


class Parts(NamedTuple):
    """Indices of items, in order. told: what the summary is made of. ruling: what instructs the model. kept: the rest."""

    told: list[int]
    ruling: list[int]
    kept: list[int]


def parted(conversation: Sequence[Item], raw: Sequence[msgspec.Raw]) -> Parts | None:
    """None where a summary would stand for nothing. `raw`: the same items as they came, summaries among them.

    Kept is what the model is to answer: the last message of the user and, where it was calling tools since, its last calls with
    their results and the thoughts before them. What instructs the model is never summarised.
    """
    spoken = [n for n, item in enumerate(conversation) if isinstance(item, Message) and item.role == "user"]
    if not spoken:
        return None
    start = _unanswered(conversation, spoken[-1])
    ruling = [n for n in range(start) if instructs(raw[n])]
    told = [n for n in range(start) if n not in ruling]
    if all(n == spoken[-1] or _compacts(raw[n]) for n in told):
        return None
    asked = [spoken[-1]] if spoken[-1] < start else []
    return Parts(told, ruling, [*asked, *range(start, len(raw))])


def since_compaction(turns: Sequence[Sequence[msgspec.Raw]]) -> Sequence[Sequence[msgspec.Raw]]:
    """The turns from the last one with a compaction item, which stands for all before but what instructs the model."""
    for index in range(len(turns) - 1, 0, -1):
        if any(map(_compacts, turns[index])):
            return [[item for turn in turns[:index] for item in turn if instructs(item)], *turns[index:]]
    return turns


def in_conversation(kept: Sequence[msgspec.Raw]) -> list[msgspec.Raw]:
    """The same of a conversation's items. Messages of the user right before a compaction item belong to it."""
    start = next((n for n in range(len(kept) - 1, -1, -1) if _compacts(kept[n])), 0)
    while start and role_of(kept[start - 1]) == "user":
        start -= 1
    return [*filter(instructs, kept[:start]), *kept[start:]]


def instructs(item: msgspec.Raw) -> bool:
    """Whether an item tells the model how to behave."""
    return role_of(item) in _INSTRUCTING


def role_of(item: msgspec.Raw) -> str:
    """Who says a message; empty for an item that is none."""
    return _role.decode(item).role if items.head_of(item).type in (None, "message") else ""


def _compacts(item: msgspec.Raw) -> bool:
    return b'"compaction"' in bytes(item) and items.head_of(item).type == KIND


def _unanswered(conversation: Sequence[Item], spoken: int) -> int:
    """Where that begins which the model has not answered yet. `spoken`: the last message of the user."""
    start = len(conversation)
    while start and _from_client(conversation[start - 1]):
        start -= 1
    if start <= spoken or start == len(conversation):
        start = spoken
    calls = {item.call_id: n for n, item in enumerate(conversation) if isinstance(item, ToolCall)}
    while True:  # no result without its call
        results = [item.call_id for item in conversation[start:] if isinstance(item, ToolResult)]
        first = min((calls[call] for call in results if call in calls), default=start)
        if first >= start:
            break
        start = first
    while start and isinstance(conversation[start - 1], Reasoning):
        start -= 1
    return start


def _from_client(item: Item) -> bool:
    return isinstance(item, ToolResult) or (isinstance(item, Message) and item.role != "assistant")
