"""Reasoning of earlier turns in assistant messages: `reasoning_details`, or only its text.

`reasoning_details` is a list of entries as OpenRouter has them, https://openrouter.ai/docs/use-cases/reasoning-tokens: texts
(`reasoning.text`, `reasoning.summary`) and the opaque part (`reasoning.encrypted`, or a text's `signature`). Entries of one
`id` are one item. Our ids end in where the item stood in the message, because the format keeps no order between reasoning,
text and calls, and some providers take their proofs back only in the place where they gave them.
"""

import re
from typing import Final, NamedTuple

import msgspec

from services.surface.reading import decode
from services.vocabulary.call import Reasoning
from services.vocabulary.seal import unseal

_ID: Final = re.compile(r"rs_[0-9a-f]+_(\d{1,4})_\d{1,4}")


class Thought(NamedTuple):
    """A reasoning item. position: how many parts of the message (its content as one, then each call) come before it."""

    item: Reasoning
    position: int
    place: str


class _Detail(msgspec.Struct, frozen=True):
    type: str = ""
    id: str | None = None
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None


_detail = msgspec.json.Decoder(_Detail)
_text = msgspec.json.Decoder(str)


def detail_id(stem: str, position: int, number: int) -> str:
    """The id of the entries of a reasoning item. `stem`: of the answer's id. number: which one of the answer it is."""
    return f"rs_{stem}_{position}_{number}"


def read_thoughts(
    details: list[msgspec.Raw] | None, content: str | None, reasoning: msgspec.Raw, place: str
) -> list[Thought]:
    """The items, in the order of the message. Details say all that the texts beside them do, and more."""
    if details:
        return _items(details, f"{place}.reasoning_details")
    if content:
        return [Thought(Reasoning(content=[content]), 0, f"{place}.reasoning_content")]
    where = f"{place}.reasoning"
    if bytes(reasoning).lstrip().startswith(b'"') and (text := decode(reasoning, _text, where)):
        return [Thought(Reasoning(content=[text]), 0, where)]
    return []


def _items(details: list[msgspec.Raw], place: str) -> list[Thought]:
    found: list[Thought] = []
    known: str | None = None
    for index, raw in enumerate(details):
        where = f"{place}[{index}]"
        entry = decode(raw, _detail, where)
        item = _read(entry)
        if found and entry.id is not None and entry.id == known:
            found[-1] = found[-1]._replace(item=_joined(found[-1].item, item))
            continue
        known = entry.id
        at = _ID.fullmatch(entry.id or "")
        found.append(Thought(item, int(at[1]) if at else 0, where))
    return found


def _read(entry: _Detail) -> Reasoning:
    blob = entry.data or entry.signature
    return Reasoning(
        summary=[entry.summary] if entry.summary is not None else [],
        content=[entry.text] if entry.text is not None else [],
        seal=unseal(blob) if blob else None,
    )


def _joined(first: Reasoning, second: Reasoning) -> Reasoning:
    return Reasoning(
        summary=first.summary + second.summary,
        content=first.content + second.content,
        seal=second.seal or first.seal,
    )
