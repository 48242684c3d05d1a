"""Fetching for a client: public addresses only, however they are written or redirected to; limited in size and time."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address

import pytest
from aiohttp import web

from services.wire.fetch import Fetcher, FetchFailed, is_public

PRIVATE = """127.0.0.1 0.0.0.0 10.0.0.1 172.16.5.4 192.168.1.1 169.254.169.254 100.64.0.1 224.0.0.1 255.255.255.255
 ::1 :: fe80::1 fc00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 2002:7f00:1:: fd00:ec2::254 ::127.0.0.1
 64:ff9b:1::7f00:1 ::ffff:0:127.0.0.1 fec0::1 192.0.0.192 168.63.129.16""".split()
PUBLIC = "1.1.1.1 8.8.8.8 2606:4700:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808".split()


@pytest.mark.parametrize("address", PRIVATE)
def test_no_private_address_is_public(address: str):
    """Also wrapped in another one."""
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are(address: str):
    """Everybody reaches the same host there."""
    assert is_public(ip_address(address))


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=b"picture", content_type="image/png")

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 3_000_000)

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async def away(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["to"])

    app = web.Application()
    app.router.add_get("/picture", picture)
    app.router.add_get("/large", large)
    app.router.add_get("/slow", slow)
    app.router.add_get("/away", away)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/picture",
        "http://localhost:{port}/picture",
        "http://2130706433:{port}/picture",
        "http://0x7f.1:{port}/picture",
        "http://127.1:{port}/picture",
        "http://127\u30020\u30020\u30021:{port}/picture",
        "http://\u2460\u2461\u2466.0.0.1:{port}/picture",
        "http://[::1]:{port}/picture",
        "http://[::ffff:127.0.0.1]:{port}/picture",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "http://",
    ],
)
async def test_nothing_private_is_asked(server: str, url: str):
    """Whatever the name or the notation."""
    with pytest.raises(FetchFailed, match=r"not a public one|only http|cannot be reached"):
        await Fetcher().fetch(url.format(port=server.rpartition(":")[2]))


async def test_what_may_be_asked_is_fetched(server: str):
    """With its media type, over a redirect too."""
    fetcher = Fetcher(allowed=lambda _: True)
    assert await fetcher.fetch(f"{server}/picture") == ("image/png", b"picture")
    assert await fetcher.fetch(f"{server}/away?to=/picture") == ("image/png", b"picture")


async def test_a_redirect_is_looked_at_like_a_url(server: str):
    """To a private address, another scheme, or round and round."""
    seen: list[str] = []

    def only_here(address: object) -> bool:
        seen.append(str(address))
        return str(address) == "127.0.0.1"

    fetcher = Fetcher(allowed=only_here)
    for to in ("http://10.0.0.1/", "http://169.254.169.254/latest", "file:///etc/passwd", f"{server}/away?to=/away"):
        with pytest.raises(FetchFailed):
            await fetcher.fetch(f"{server}/away?to={to}")
    assert "10.0.0.1" in seen


async def test_size_and_time_are_limited(server: str):
    """And a failure says which."""
    for path, seconds, why in (
        ("large", 20, "larger than 1 MiB"),
        ("slow", 0.2, "within 0.2 seconds"),
        ("none", 20, "status 404"),
    ):
        fetcher = Fetcher(allowed=lambda _: True, bytes_max=1 << 20, seconds_max=seconds)
        with pytest.raises(FetchFailed, match=why):
            await fetcher.fetch(f"{server}/{path}")
