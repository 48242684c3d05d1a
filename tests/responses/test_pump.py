"""The pump moves pieces in order, fills silences with pings, and closes its source whatever happens."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.surface import sse
from services.surface.pump import Pump

pytestmark = pytest.mark.virtual_time


class Source:
    """Pieces with pauses (seconds) before them; knows whether it was closed."""

    def __init__(self, *pieces: tuple[float, bytes | Exception]) -> None:
        self._pieces = pieces
        self.closed = False

    async def __call__(self) -> AsyncIterator[bytes]:
        try:
            for pause, piece in self._pieces:
                await asyncio.sleep(pause)
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed = True


class Writer:
    """Takes `seconds` per message; fails when two are written at a time."""

    def __init__(self, seconds: float = 0) -> None:
        self._seconds = seconds
        self._writing = False
        self.written: list[bytes] = []

    async def __call__(self, data: bytes) -> None:
        assert not self._writing
        self._writing = True
        await asyncio.sleep(self._seconds)
        self.written.append(data)
        self._writing = False


async def test_pieces_are_written_in_order_and_the_source_is_closed() -> None:
    """One message per piece, no ping while things flow."""
    source, writer = Source((0, b"a"), (0.01, b"b"), (0, b"c")), Writer()
    await Pump(source(), writer, sse.PING, 0.1).run()
    assert (writer.written, source.closed) == ([b"a", b"b", b"c"], True)


async def test_each_long_silence_gets_pings() -> None:
    """Before the first piece, between pieces, and again while it lasts; counted from the last thing written."""
    source, writer = Source((0.15, b"a"), (0.02, b"b"), (0.26, b"c")), Writer()
    await Pump(source(), writer, sse.PING, 0.1).run()
    assert writer.written == [sse.PING, b"a", b"b", sse.PING, sse.PING, b"c"]


async def test_a_silence_before_the_run_begins_with_a_ping() -> None:
    """The caller has waited already."""
    source, writer = Source((0, b"a")), Writer()
    await Pump(source(), writer, sse.PING, 0.1).run(silent=True)
    assert writer.written == [sse.PING, b"a"]


async def test_a_ping_under_way_is_not_overtaken() -> None:
    """A piece that comes while a ping is being written waits for it."""
    source, writer = Source((0.1, b"a"), (0, b"b")), Writer(seconds=0.05)
    await Pump(source(), writer, sse.PING, 0.08).run()
    assert writer.written == [sse.PING, b"a", b"b"]


async def test_a_slow_writer_is_not_silence_and_slows_the_source() -> None:
    """Nothing is asked for while a message is being written."""
    asked: list[float] = []
    now = asyncio.get_running_loop().time

    async def source() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b"):
            asked.append(now())
            yield piece

    writer = Writer(seconds=0.1)
    await Pump(source(), writer, sse.PING, 0.05).run()
    assert writer.written == [b"a", b"b"]
    assert asked[1] - asked[0] == pytest.approx(0.1)


async def test_what_the_source_raises_comes_out() -> None:
    """And the source is closed."""
    source = Source((0, b"a"), (0, ValueError("broken")))
    with pytest.raises(ValueError, match="broken"):
        await Pump(source(), Writer(), sse.PING, 1).run()
    assert source.closed


async def test_what_the_writer_raises_comes_out_and_closes_the_source() -> None:
    """A client that is gone ends the provider's work, also when a ping finds it out."""

    async def gone(data: bytes) -> None:
        raise ConnectionError("gone")

    for source in (Source((0, b"a")), Source((0.1, b"a"))):
        with pytest.raises(ConnectionError):
            await Pump(source(), gone, sse.PING, 0.05).run()
        assert source.closed


async def test_a_cancelled_run_closes_the_source_and_a_ping_under_way() -> None:
    """A client that disconnects stops the provider at once."""
    source, writer = Source((5, b"a")), Writer(seconds=5)
    running = asyncio.create_task(Pump(source(), writer, sse.PING, 0.05).run())
    await asyncio.sleep(0.1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert source.closed
    assert writer.written == []
