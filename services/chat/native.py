"""The native lane's way out: the provider's own chunks and answers, verbatim but for the documented edits.

Edited: `id` and `model`; in the last chunk, or the whole answer, our `cost`, `routing` and `translation_losses` are added. Token
counts are asked for whether the client wants them or not, so they are taken out where it does not. All else passes byte for byte.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from services.chat.writing import Answered
from services.vocabulary.cost import Cost
from services.vocabulary.event import Event, NativeAnswer, NativeEvent

LAST: Final = "last"
"""The name of a chunk with token counts or the end of a choice. Others have none: they are runs of whole server-sent events."""

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()

_NO_USAGE: Final = re.compile(rb',\s*"usage"\s*:\s*null')
_EMPTY: Final = re.compile(rb"\[\s*\]")
_ABSENT: Final = msgspec.Raw(b"null")


class NativeWriter:
    """Implements `Writer`."""

    def __init__(self, answered: Answered, *, include_usage: bool) -> None:
        self._answered = answered
        self._include_usage = include_usage
        self._ours = {"id": _encoder.encode(answered.id), "model": _encoder.encode(answered.model)}
        self._edits: list[tuple[bytes, bytes]] = []  # the provider's id and model as it writes them, and ours
        self._last: list[bytes] = []
        self._body = b""

    def feed(self, events: Sequence[Event]) -> bytes:
        """See `Writer`. Chunks that end something wait for `complete`, all others go out."""
        out: list[bytes] = []
        for event in events:
            if isinstance(event, NativeEvent):
                if event.name == LAST:
                    self._last.append(event.data)
                else:
                    out.append(self._run(event.data))
        return b"".join(out)

    def complete(self, cost: Cost | None) -> bytes:
        """See `Writer`."""
        chunks = [fields for data in self._last if (fields := self._ending(data)) is not None]
        if chunks:
            chunks[-1] |= {name: _raw(value) for name, value in self._answered.extras(cost).items()}
        return b"".join([b"data: %b\n\n" % _encoder.encode(fields) for fields in chunks])

    def take(self, events: Sequence[Event]) -> None:
        """See `Writer`."""
        for event in events:
            if isinstance(event, NativeAnswer):
                self._body = event.body

    def whole(self, cost: Cost | None) -> bytes:
        """See `Writer`."""
        fields = self._named(_fields.decode(self._body))
        return _encoder.encode(fields | {name: _raw(value) for name, value in self._answered.extras(cost).items()})

    # ---- edits -------------------------------------------------------------------------------------------------------

    def _run(self, data: bytes) -> bytes:
        """Some whole events. Mostly all name the same id and model in the same way, so they are replaced in one go.

        A quote within a JSON string is escaped, so what looks like a member is one.
        """
        count = data.count(b"\n\n")
        if not self._edits or any(data.count(theirs) != count for theirs, _ in self._edits):
            return b"".join([self._one(block) for block in data.split(b"\n\n") if block])
        for theirs, ours in self._edits:
            data = data.replace(theirs, ours)
        return data if self._include_usage else self._without_usage(data)

    def _one(self, block: bytes) -> bytes:
        """One event, by itself: the first, and those that name themselves otherwise than the first."""
        chunk = block.removeprefix(b"data: ")
        fields = _fields.decode(chunk)
        edits = [
            (found[0], b'"%b":%b' % (name.encode(), ours))
            for name, ours in self._ours.items()
            if (found := re.search(_member(name, fields.get(name)), chunk)) is not None
        ]
        if len(edits) < len(self._ours):
            return b"data: %b\n\n" % _encoder.encode(self._named(fields))
        self._edits = edits
        for theirs, ours in edits:
            chunk = chunk.replace(theirs, ours, 1)
        return b"data: %b\n\n" % (chunk if self._include_usage else self._without_usage(chunk))

    def _without_usage(self, data: bytes) -> bytes:
        return _NO_USAGE.sub(b"", data) if b'"usage"' in data else data

    def _ending(self, data: bytes) -> dict[str, msgspec.Raw] | None:
        """A chunk that ends something; None for one that has nothing but what the client did not ask for."""
        fields = self._named(_fields.decode(data))
        if self._include_usage:
            return fields
        counted = fields.pop("usage", _ABSENT)
        alone = _EMPTY.fullmatch(bytes(fields.get("choices", _ABSENT)).strip()) is not None
        return None if alone and bytes(counted) != b"null" else fields

    def _named(self, fields: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
        return fields | {name: msgspec.Raw(ours) for name, ours in self._ours.items()}


def _member(name: str, value: msgspec.Raw | None) -> bytes:
    """A pattern of the member as it stands in the JSON; one that is found nowhere, if it does not stand there."""
    if value is None or not bytes(value).startswith(b'"'):
        return rb"(?!)"
    return rb'"%b"\s*:\s*%b' % (name.encode(), re.escape(bytes(value)))


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encoder.encode(value))
