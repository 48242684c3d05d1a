"""How a response ends that was cut: with the items that were whole by then, and why."""

from collections.abc import Iterable
from typing import Final

import msgspec

from services.errors import GatewayError
from services.responses.objects import failure

_DONE: Final = b"event: response.output_item.done\n"
_END: Final = b"\n\n"


class _ItemDone(msgspec.Struct):
    output_index: int
    item: msgspec.Raw


_item_done = msgspec.json.Decoder(_ItemDone)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def ended(body: bytes, frames: Iterable[bytes], status: str, error: GatewayError | None = None) -> bytes:
    """The response object. body: as it was begun. frames: the events of its stream."""
    done: dict[int, msgspec.Raw] = {}
    for run in frames:
        for frame in run.split(_END):
            if frame.startswith(_DONE):
                event = _item_done.decode(frame.partition(b"data: ")[2])
                done[event.output_index] = event.item
    fields = _fields.decode(body)
    fields["status"] = _raw(status)
    fields["output"] = _raw([done[index] for index in sorted(done)])
    if error is not None:
        fields["error"] = _raw(failure(error))
    return msgspec.json.encode(fields)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
