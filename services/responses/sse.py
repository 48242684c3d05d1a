"""Server-sent events of this format, where more than the event itself is at hand, or less."""

from services.surface.sse import frame


def ending(name: str, body: bytes, number: int) -> bytes:
    """The last event of a stream. `body`: the response, as JSON."""
    return frame(name, b'{"type":"%b","response":%b,"sequence_number":%d}' % (name.encode(), body, number))


def data_of(frames: bytes) -> list[bytes]:
    """The data of each event of some frames of ours; the `[DONE]` at the end is none."""
    found = [each.partition(b"data: ")[2] for each in frames.split(b"\n\n")]
    return [data for data in found if data.startswith(b"{")]
