"""Between a response object and its columns: the output stands apart, and everything is sealed."""

import zlib
from typing import Any, Final

import msgspec

from services.storage.sealing import Sealer
from services.store.records import UNDER_WAY, Kept

_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder: Final = msgspec.json.Encoder()
_EMPTY: Final = msgspec.Raw(b"[]")

_SMALL: Final = 2048
_ZLIB: Final = b"\x78\x01"  # how zlib begins at level 1; events begin with letters or a colon


def split(body: bytes) -> tuple[bytes, bytes]:
    """A response object without its output, and the output. Key order stays."""
    fields = _fields.decode(body)
    output = bytes(fields.get("output", _EMPTY))
    fields["output"] = _EMPTY
    return _encoder.encode(fields), output


def joined(head: bytes, output: bytes, status: str) -> bytes:
    """The response object again. One that somebody works on was written when it was queued."""
    fields = _fields.decode(head)
    fields["output"] = msgspec.Raw(output)
    if status in UNDER_WAY:
        fields["status"] = msgspec.Raw(b'"%b"' % status.encode())
    return _encoder.encode(fields)


def columns(body: bytes, response_id: str, sealer: Sealer) -> dict[str, bytes]:
    """The columns of a response object."""
    head, output = split(body)
    return {"head": sealer.seal(head, response_id), "output": sealer.seal(output, response_id)}


def pack(frames: bytes) -> bytes:
    """A run of events as it is kept: events are mostly alike, and writing less costs less than packing."""
    return zlib.compress(frames, 1) if len(frames) > _SMALL else frames


def unpack(kept: bytes) -> bytes:
    """The run of events."""
    return zlib.decompress(kept) if kept.startswith(_ZLIB) else kept


def kept(row: Any, sealer: Sealer) -> Kept:
    """A row of `responses` as it was kept."""
    return Kept(
        id=row.id,
        created_at=row.created_at,
        status=row.status,
        background=row.background,
        body=joined(sealer.open(row.head, row.id), sealer.open(row.output, row.id), row.status),
        last_number=row.last_number,
        previous_id=row.previous_id,
        conversation_id=row.conversation_id,
    )
