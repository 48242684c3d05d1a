"""`truncation: auto` for providers that know nothing of the kind: whole turns go from the middle, and the answer says so.

A turn is a message of the user and all up to the next one, so that calls stay with their results. What instructs the model,
the first turn and the last are kept; a conversation whose ends alone are too long is refused. Pure.
"""

from typing import Final

import msgspec

from services.catalog.schema import Target
from services.errors import InputTooLong
from services.tokens.estimate import prompt_tokens
from services.vocabulary.call import Call, Item, Message, ToolCall, ToolResult
from services.vocabulary.event import Loss

_INSTRUCTING: Final = ("system", "developer")
_HOW: Final = "When the context is full, whole turns are left out from the middle."
_ANSWER_SHARE: Final = 8
"""The share of the context kept free for an answer of which no limit is known: one in eight."""


def truncated(call: Call, target: Target) -> tuple[Call, list[Loss]]:
    """The call as the target can take it. Raises `InputTooLong` when it cannot, whatever is left out."""
    context = target.facts.context
    if call.truncation != "auto" or context is None:
        return call, []
    room = context - _answer(call, target, context)
    plain = msgspec.structs.replace(call, truncation=None)
    excess = prompt_tokens(call, target.upstream) - room
    if excess <= 0:
        return plain, [Loss("truncation", "emulated", _HOW)]
    turns = _turns(call.items)
    first, last = _ends(turns)
    dropped = 0
    for turn in turns[first + 1 : last]:
        if excess <= 0:
            break
        kept = [item for item in turn if _instructs(item)]
        excess -= _size(call, turn, target) - _size(call, kept, target)
        dropped += len(turn) - len(kept)
        turn[:] = kept
    if excess > 0:
        message = f"{target.id} has a context of {context} tokens, and the first and the last turn alone are longer (at input)."
        raise InputTooLong(message, param="input", model=target.id)
    loss = Loss("truncation", "emulated", f"{_HOW} Here {dropped} items were.")
    return msgspec.structs.replace(plain, items=[item for turn in turns for item in turn]), [loss]


def _answer(call: Call, target: Target, context: int) -> int:
    known = [limit for limit in (call.max_output_tokens, target.facts.max_output) if limit is not None]
    return min([*known, context // _ANSWER_SHARE])


def _turns(items: list[Item]) -> list[list[Item]]:
    """The items in pieces, each of which begins with a message of the user; the first may begin otherwise.

    What the user says between a call and its result belongs to that turn.
    """
    answered = {item.call_id for item in items if isinstance(item, ToolResult)}
    turns: list[list[Item]] = [[]]
    waiting: set[str] = set()
    for item in items:
        if isinstance(item, ToolCall) and item.call_id in answered:
            waiting.add(item.call_id)
        elif isinstance(item, ToolResult):
            waiting.discard(item.call_id)
        elif isinstance(item, Message) and item.role == "user" and turns[-1] and not waiting:
            turns.append([])
        turns[-1].append(item)
    return turns


def _ends(turns: list[list[Item]]) -> tuple[int, int]:
    """Indices of the first turn in which the user speaks, and of the last turn."""
    spoken = (index for index, turn in enumerate(turns) if isinstance(turn[0], Message) and turn[0].role == "user")
    return next(spoken, 0), len(turns) - 1


def _instructs(item: Item) -> bool:
    return isinstance(item, Message) and item.role in _INSTRUCTING


def _size(call: Call, items: list[Item], target: Target) -> int:
    alone = msgspec.structs.replace(call, items=items, instructions=None, tools=[], format=None)
    return prompt_tokens(alone, target.upstream)
