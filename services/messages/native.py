"""The native lane's way out: the provider's own events and bodies, verbatim but for the documented edits.

Edited: the message's id and model; signatures and redacted thinking (tagged, see vocabulary/seal.py); and what is ours:
`routing` and `translation_losses` where the message begins, those and `cost` where it ends. Everything else, known or not,
passes byte for byte; the many deltas are not even parsed.
"""

import re
from typing import Final

import msgspec

from services.messages.objects import AnthropicMessage
from services.surface.cost import public_cost
from services.surface.sse import frame
from services.vocabulary.cost import Cost
from services.vocabulary.event import NativeEvent, Opened
from services.vocabulary.seal import seal

Fields = dict[str, msgspec.Raw]

_SIGNATURE: Final = re.compile(rb'("signature"\s*:\s*")([^"\\]+)"')  # base64 or alike, so it holds no escapes
_DATA: Final = re.compile(rb'("data"\s*:\s*")([^"\\]+)"')
_PROOFS: Final = {"thinking": (_SIGNATURE, "thinking"), "redacted_thinking": (_DATA, "redacted")}

_fields = msgspec.json.Decoder(Fields)
_blocks = msgspec.json.Decoder(list[msgspec.Raw])


class _Head(msgspec.Struct):
    type: str = ""


class _Holder(msgspec.Struct):
    """An event about a block."""

    content_block: _Head | None = None
    delta: _Head | None = None


_head = msgspec.json.Decoder(_Head)
_holder = msgspec.json.Decoder(_Holder)


class NativeLane:
    """One answer on the native lane, streamed or whole. `message` holds what is ours to say."""

    def __init__(self, message: AnthropicMessage, opened: Opened) -> None:
        self._message = message
        self._opened = opened

    def frame(self, event: NativeEvent) -> bytes:
        """An event (or a run of events) as server-sent events."""
        data = event.data
        match event.name:
            case "":
                return data
            case "message_start":
                data = self._start(data)
            case "content_block_start" | "content_block_delta" if b'"signature"' in data or b'"data"' in data:
                data = self._tagged_event(data)
        return frame(event.name, data)

    def ending(self, event: NativeEvent, cost: Cost | None) -> bytes:
        """The `message_delta`, with what the answer costs."""
        fields = _fields.decode(event.data)
        fields["cost"] = _raw(public_cost(cost))
        return frame(event.name, msgspec.json.encode({**fields, **self._ours()}))

    def body(self, data: bytes, cost: Cost | None) -> bytes:
        """A whole message."""
        fields = self._named(_fields.decode(data))
        content = fields.get("content")
        if content is not None and (b'"signature"' in bytes(content) or b'"redacted_thinking"' in bytes(content)):
            fields["content"] = _raw([msgspec.Raw(self._tagged(bytes(block))) for block in _blocks.decode(content)])
        fields["cost"] = _raw(public_cost(cost))
        return msgspec.json.encode({**fields, **self._ours()})

    def _start(self, data: bytes) -> bytes:
        fields = _fields.decode(data)
        message = self._named(_fields.decode(fields["message"]))
        fields["message"] = _raw({**message, **self._ours()})
        return msgspec.json.encode(fields)

    def _named(self, fields: Fields) -> Fields:
        fields["id"] = _raw(self._message.id)
        fields["model"] = _raw(self._message.model)
        return fields

    def _ours(self) -> Fields:
        return {"routing": _raw(self._message.routing), "translation_losses": _raw(self._message.translation_losses)}

    def _tagged_event(self, data: bytes) -> bytes:
        holder = _holder.decode(data)
        if holder.delta is not None and holder.delta.type == "signature_delta":
            return self._tag(data, _SIGNATURE, "thinking")
        if holder.content_block is not None and holder.content_block.type in _PROOFS:
            return self._tag(data, *_PROOFS[holder.content_block.type])
        return data

    def _tagged(self, block: bytes) -> bytes:
        proof = _PROOFS.get(_head.decode(block).type)
        return self._tag(block, *proof) if proof is not None else block

    def _tag(self, data: bytes, where: re.Pattern[bytes], kind: str) -> bytes:
        prefix = seal("", self._opened.provider, self._opened.scope, kind).encode()
        return where.sub(rb"\g<1>" + prefix + rb'\g<2>"', data, count=1)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
