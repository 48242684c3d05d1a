"""AWS event streams are cut into the same frames however their bytes arrive, and never when a checksum is wrong."""

import struct
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.wire.eventstream import HEADERS_BYTES_MAX, PAYLOAD_BYTES_MAX, EventStreamFramer
from services.wire.frame import Frame, FramingError


def header(name: str, kind: int, value: bytes) -> bytes:
    return bytes([len(name.encode())]) + name.encode() + bytes([kind]) + value


def string(value: str) -> bytes:
    return struct.pack("!H", len(value.encode())) + value.encode()


def message(headers: Mapping[str, str] | bytes, payload: bytes) -> bytes:
    block = headers if isinstance(headers, bytes) else b"".join(header(n, 7, string(v)) for n, v in headers.items())
    prelude = struct.pack("!II", 16 + len(block) + len(payload), len(block))
    prelude += struct.pack("!I", zlib.crc32(prelude))
    return prelude + block + payload + struct.pack("!I", zlib.crc32(prelude + block + payload))


def cut(chunks: Iterable[bytes]) -> list[Frame]:
    framer = EventStreamFramer()
    frames = [frame for chunk in chunks for frame in framer.feed(chunk)]
    return [*frames, *framer.close()]


def sliced(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


EVENT = {":event-type": "contentBlockDelta", ":content-type": "application/json", ":message-type": "event"}
EXCEPTION = {":exception-type": "throttlingException", ":message-type": "exception"}
ERROR = {":error-code": "InternalError", ":error-message": "went wrong", ":message-type": "error"}
STREAM = [
    Frame("contentBlockDelta", b'{"delta":{"text":"\xe2\x80\xa8 hi"}}', EVENT),
    Frame("contentBlockDelta", b"", EVENT),
    Frame("throttlingException", b'{"message":"slow down"}', EXCEPTION),
    Frame("InternalError", b"", ERROR),
    Frame("", b"x" * 5000, {}),
]
BYTES = b"".join(message(frame.headers, frame.data) for frame in STREAM)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 100, 10_000])
def test_frames_do_not_depend_on_how_bytes_arrive(size: int) -> None:
    """The same bytes give the same frames whatever the chunk size."""
    assert cut(sliced(BYTES, size)) == STREAM


def test_frames_arrive_as_soon_as_they_are_complete() -> None:
    """A frame is not held back until the next one begins."""
    framer = EventStreamFramer()
    data = message(EVENT, b"{}")
    assert not framer.feed(data[:-1])
    assert framer.feed(data[-1:]) == [Frame("contentBlockDelta", b"{}", EVENT)]


UUID = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (0, b"", "true"),
        (1, b"", "false"),
        (2, struct.pack("!b", -7), "-7"),
        (3, struct.pack("!h", -300), "-300"),
        (4, struct.pack("!i", 70_000), "70000"),
        (5, struct.pack("!q", -(1 << 40)), str(-(1 << 40))),
        (6, b"\x00\x02\xde\xad", "dead"),
        (7, string("naïve"), "naïve"),
        (8, struct.pack("!q", 1_700_000_000_000), "1700000000000"),
        (9, UUID.bytes, str(UUID)),
    ],
)
def test_every_header_type_is_read_as_text(kind: int, value: bytes, text: str) -> None:
    """All ten header types of the format are understood, before and after other headers."""
    block = header("a", 7, string("1")) + header("b", kind, value) + header(":event-type", 7, string("e"))
    assert cut([message(block, b"p")]) == [Frame("e", b"p", {"a": "1", "b": text, ":event-type": "e"})]


@pytest.mark.parametrize(
    "block",
    [
        header("a", 10, b""),
        header("a", 7, b"\x00\x09short"),
        header("a", 7, b"\x00"),
        header("a", 4, b"\x00"),
        header("a", 9, b"\x00" * 15),
        b"\x05ab",
        b"\x01",
        header("a", 7, b"\x00\x01\xff"),
    ],
    ids=["unknown type", "cut string", "cut length", "cut integer", "cut uuid", "cut name", "no type", "not utf-8"],
)
def test_unreadable_headers_are_a_framing_error(block: bytes) -> None:
    """Headers that cannot be read are never guessed at, though the checksums be right."""
    with pytest.raises(FramingError):
        cut([message(block, b"{}")])


@pytest.mark.parametrize("at", range(len(BYTES) - 5000 + 40))
def test_any_flipped_byte_is_a_framing_error(at: int) -> None:
    """A changed byte anywhere in a message is found by one of the two checksums or by the stream's end."""
    broken = bytearray(BYTES)
    broken[at] ^= 0x10
    with pytest.raises(FramingError):
        cut([bytes(broken)])


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_frames_before_a_broken_one_are_delivered(size: int) -> None:
    """What came before the damage does not depend on how bytes arrive; after it nothing is read."""
    first, second = message(EVENT, b"1"), bytearray(message(EVENT, b"2"))
    second[-1] ^= 1
    framer = EventStreamFramer()
    frames: list[Frame] = []
    with pytest.raises(FramingError):  # noqa: PT012 - which chunk raises depends on the size
        for chunk in sliced(first + bytes(second) + message(EVENT, b"3"), size):
            frames += framer.feed(chunk)
        framer.close()
    assert [frame.data for frame in frames] == [b"1"]
    with pytest.raises(FramingError):
        framer.feed(message(EVENT, b"4"))
    with pytest.raises(FramingError):
        framer.close()


def test_every_cut_inside_a_message_is_a_framing_error() -> None:
    """Bytes that end anywhere but between two messages are an error, and those messages were all delivered."""
    whole = {len(b"".join(message(f.headers, f.data) for f in STREAM[:n])): n for n in range(len(STREAM) + 1)}
    for at in [*range(600), len(BYTES) - 1, len(BYTES)]:
        if at in whole:
            assert len(cut([BYTES[:at]])) == whole[at]
            continue
        with pytest.raises(FramingError):
            cut([BYTES[:at]])


@pytest.mark.parametrize(
    ("total", "headers"),
    [(15, 0), (16, 1), (HEADERS_BYTES_MAX + 200, HEADERS_BYTES_MAX + 1), (PAYLOAD_BYTES_MAX + 17, 0), (0xFFFFFFFF, 0)],
)
def test_impossible_lengths_are_refused_from_the_prelude_alone(total: int, headers: int) -> None:
    """A message too small for itself or too large for the protocol is refused before its bytes are collected."""
    prelude = struct.pack("!II", total, headers)
    with pytest.raises(FramingError):
        EventStreamFramer().feed(prelude + struct.pack("!I", zlib.crc32(prelude)))


def test_many_different_header_blocks_do_not_grow_memory() -> None:
    """Header blocks are remembered for speed, but only so many."""
    framer = EventStreamFramer()
    for number in range(1000):
        assert framer.feed(message({":event-type": str(number)}, b""))[0].event == str(number)
    assert len(framer._blocks) <= 32


names = st.text(st.characters(codec="utf-8"), max_size=20).filter(lambda name: len(name.encode()) < 256)


@given(
    st.lists(st.tuples(st.dictionaries(names, st.text(max_size=50), max_size=5), st.binary(max_size=300)), max_size=6),
    st.lists(st.integers(1, 200)),
)
def test_any_messages_survive_any_chunking(messages: list[tuple[dict[str, str], bytes]], sizes: list[int]) -> None:
    """What is written is read back, whatever the headers, payloads and chunk borders."""
    data = b"".join(message(headers, payload) for headers, payload in messages)
    chunks, at = [], 0
    for size in sizes:
        chunks.append(data[at : at + size])
        at += size
    frames = cut([*chunks, data[at:]])
    assert [(dict(frame.headers), frame.data) for frame in frames] == messages


@given(st.binary(max_size=400))
def test_noise_is_a_framing_error_or_nothing(noise: bytes) -> None:
    """Arbitrary bytes never raise anything but FramingError."""
    try:
        cut([noise])
    except FramingError:
        return
    assert noise == b""
