"""The connection to Redis: what it reads, in whatever pieces it comes, and whom it is let in by."""

import asyncio
from pathlib import Path

import pytest

from services.limits.link import Link, LinkError, connect
from tests.limits.kit import on_uvloop
from tests.redis_server import redis_server

REPLIES = b"+OK\r\n:-7\r\n$5\r\na\r\nbc\r\n$-1\r\n*3\r\n:1\r\n:20\r\n:300\r\n*0\r\n-OOM no more\r\n:8\r\n"
READ = [b"OK", -7, b"a\r\nbc", None, [1, 20, 300], [], "OOM no more", 8]


class Quiet:
    """A transport to nobody."""

    def write(self, data: bytes) -> None:
        pass

    def abort(self) -> None:
        pass


def linked() -> Link:
    link = Link()
    link.connection_made(Quiet())  # type: ignore[arg-type]
    return link


@pytest.mark.parametrize("size", [1, 2, 7, len(REPLIES)])
@on_uvloop
async def test_replies_are_read_in_any_pieces(size: int):
    """Each by whoever asked, in order; an error is one question's and not its neighbours'."""
    link = linked()
    answers = [link.call(b"X") for _ in READ]
    for start in range(0, len(REPLIES), size):
        link.data_received(REPLIES[start : start + size])
    found = await asyncio.gather(*answers, return_exceptions=True)
    assert [str(each) if isinstance(each, LinkError) else each for each in found] == READ


@on_uvloop
async def test_what_is_not_redis_is_left():
    """All that wait hear of it, and who comes later too."""
    link = linked()
    waiting = link.call(b"X")
    link.data_received(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(LinkError):
        await waiting
    with pytest.raises(LinkError, match="not connected"):
        await link.call(b"X")
    assert link.closed.done()


@on_uvloop
async def test_a_password_and_a_database_are_those_of_the_url(tmp_path: Path):
    """A wrong password is an error that does not hold it."""
    with redis_server(tmp_path, "--user", "ann", "on", ">open sesame", "~*", "+@all") as url:
        named = url.replace("unix://", "unix://ann:open%20sesame@") + "?db=3"
        link = await connect(named)
        await link.call(b"SET", b"k", b"v")
        assert b"db=3" in (await link.call(b"CLIENT", b"INFO"))
        link.close()
        with pytest.raises(LinkError) as refused:
            await connect(url.replace("unix://", "unix://ann:wrong-canary@"))
        assert "canary" not in str(refused.value)


@on_uvloop
async def test_nobody_there_is_said_at_once(tmp_path: Path):
    """As an error of ours, whatever the way; and what is no URL is said so."""
    for url in (f"unix://{tmp_path}/nobody", "redis://127.0.0.1:1/0", "rediss://127.0.0.1:1"):
        with pytest.raises(LinkError):
            await connect(url)
    with pytest.raises(ValueError, match="scheme"):
        await connect("http://127.0.0.1")
