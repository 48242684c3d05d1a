"""Server-sent events are cut into the same frames however their bytes arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.wire.frame import FramingError
from services.wire.sse import FRAME_BYTES_MAX, SseFramer

CASES = [
    # bytes, frames as (event, data)
    (b"data: a\n\n", [("", b"a")]),
    (b"data:a\n\n", [("", b"a")]),
    (b"event: x\ndata: a\n\n", [("x", b"a")]),
    (b"event:x\r\ndata:a\r\n\r\n", [("x", b"a")]),
    (b"data: a\rdata: b\r\r", [("", b"a\nb")]),
    (b"data: a\ndata: b\n\ndata: c\n\n", [("", b"a\nb"), ("", b"c")]),
    (b"data: a\nevent: late\n\n", [("late", b"a")]),
    (b"event: x\nid: 5\nretry: 3\ndata: a\n\n", [("x", b"a")]),
    (b": comment\n\ndata: a\n\n: another\n\n", [("", b"a")]),
    (b"event: nothing\n\n", []),
    (b"\n\n\ndata: a\n\n\n\n", [("", b"a")]),
    (b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
    (b"data: \xe2\x80\xa8 U+2028 is no line end\n\n", [("", b"\xe2\x80\xa8 U+2028 is no line end")]),
    (b"data: [DONE]", [("", b"[DONE]")]),
    (b"data: a\n", [("", b"a")]),
    (b"data: a\r\n\r", [("", b"a")]),
    (b"", []),
]


def cut(data: bytes, size: int):
    framer = SseFramer()
    frames = []
    for start in range(0, len(data), size):
        frames += framer.feed(data[start : start + size])
    frames += framer.close()
    return [(frame.event, frame.data) for frame in frames]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
@pytest.mark.parametrize(("data", "frames"), CASES, ids=lambda v: repr(v)[:40])
def test_frames_do_not_depend_on_how_bytes_arrive(data, frames, size):
    """Every form of the specification, in pieces of any size."""
    assert cut(data, size) == frames


lines = st.sampled_from([b"data: x", b"data:", b"event: e", b": c", b"", b"id: 1", b'data: {"a":1}'])


@given(st.lists(lines, max_size=12), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.integers(1, 9))
def test_any_line_end_and_any_cut_mean_the_same(given_lines, end, size):
    """LF, CRLF and CR are alike, whole or in pieces."""
    data = b"".join(line + end for line in given_lines)
    assert cut(data, size) == cut(data.replace(end, b"\n"), 10_000)


def test_an_endless_event_is_refused():
    """A peer that never ends its event does not fill the memory."""
    framer = SseFramer()
    framer.feed(b"x" * FRAME_BYTES_MAX)
    with pytest.raises(FramingError):
        framer.feed(b"x")
