"""Servers on this machine come and go, and the catalogue follows."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from services.catalog.catalog import Catalog, load
from services.catalog.reading import Rows
from services.catalog.schema import Auth, LocalServer, Provider
from services.runtime import discovery
from services.runtime.bootstrap import build
from services.runtime.discovery import PATIENCE_SECONDS, Discovery
from services.runtime.settings import read
from tests.fake_provider import Fake, Reply, serve
from tests.gateway import free_port


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, what answers is found at the start."""
    monkeypatch.setattr(discovery, "START_SECONDS_MAX", 20.0)


@contextmanager
def two() -> Iterator[tuple[Fake, Fake]]:
    with serve(Fake("a")) as first, serve(Fake("b", owned_by="vllm")) as second:
        yield first, second


def catalog(*ports: int, providers: tuple[Provider, ...] = ()) -> Catalog:
    servers = [LocalServer(f"server-{number}", "Server", port) for number, port in enumerate(ports)]
    return Catalog(Rows(list(providers), [], local=servers))


@asynccontextmanager
async def following(catalog: Catalog, *, own_port: int = 1, interval_s: float = 0.05) -> AsyncIterator[list[list[str]]]:
    """What is offered, every time that it changes."""
    offered: list[list[str]] = []
    discovery = Discovery(
        catalog, lambda new: offered.append(sorted(new.models)), own_port=own_port, interval_s=interval_s
    )
    try:
        await discovery.start()
        yield offered
    finally:
        await discovery.close()


async def until(offered: list[list[str]], wanted: list[str]) -> None:
    async with asyncio.timeout(30):
        while offered[-1] != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_all_are_found_at_the_start():
    """When `start` returns, what answers is offered; a port where nobody listens is nothing special."""
    with two() as (first, second):
        async with following(catalog(first.port, free_port(), second.port)) as offered:
            assert offered == [["local/a", "local/b"]]


async def test_models_come_and_go():
    """A model pulled later is offered later; a server that ends takes its models along. Nothing is said twice."""
    port = free_port()
    async with following(catalog(port)) as offered:
        assert offered == [[]]
        with serve(Fake("a"), port) as server:
            await until(offered, ["local/a"])
            server.models.append("b")
            await until(offered, ["local/a", "local/b"])
        await until(offered, [])
    assert offered == [[], ["local/a"], ["local/a", "local/b"], []]


async def test_the_start_waits_only_briefly(monkeypatch: pytest.MonkeyPatch):
    """A port that takes connections and says nothing holds up nobody."""
    monkeypatch.setattr(discovery, "START_SECONDS_MAX", 0.3)
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    async with silent:
        started = time.monotonic()
        async with following(catalog(silent.sockets[0].getsockname()[1])) as offered:
            assert time.monotonic() - started < PATIENCE_SECONDS
            assert offered == [[]]
        for writer in held:
            writer.close()


async def test_a_server_too_busy_to_answer_is_still_there():
    """Silence is not absence: a machine that is generating may be slow."""
    with serve(Fake("a")) as server:
        offered: list[list[str]] = []
        discovery = Discovery(catalog(server.port), lambda new: offered.append(sorted(new.models)), own_port=1)
        await discovery.look(20)
        usual = server.answer
        server.answer = lambda seen: time.sleep(0.3) or usual(seen)  # type: ignore[method-assign]
        await discovery.look(0.05)
        await discovery.close()
    assert offered == [["local/a"]]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"<html>A page</html>", headers={"content-type": "text/html"}),
        Reply(b'{"error": "no key"}', status=401),
        Reply(b'{"data": [{"id": "a"}]}', status=302, headers={"location": "/elsewhere"}),
        Reply(b'{"data": [' + b'{"id": "a"},' * 200_000 + b"]}"),
    ],
)
async def test_other_programs_on_the_port_are_left_alone(reply: Reply):
    """A page, a refusal, a redirect, a flood: nothing is offered."""
    with serve(Fake("a")) as server:
        server.reply = reply
        async with following(catalog(server.port), interval_s=60) as offered:
            assert offered == [[]]


async def test_what_does_not_speak_http_is_left_alone():
    """Nor does it stop the looking."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    mail = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with mail, following(catalog(mail.sockets[0].getsockname()[1])) as offered:
        assert offered == [[]]


async def test_gateways_do_not_offer_each_other():
    """Neither this one nor another on a usual port: their models would come back as `local/…`, round in circles."""
    with serve(Fake("a")) as other:
        other.server_header = "concentrate"
        async with following(catalog(other.port)) as offered:
            assert offered == [[]]
        async with following(catalog(other.port), own_port=other.port) as offered:
            assert (offered, len(other.seen) > 0) == ([], True)
        before = len(other.seen)
        async with following(catalog(other.port), own_port=other.port):
            assert len(other.seen) == before


async def test_a_provider_called_local_turns_it_off():
    """Its owner has taken the name; nothing is asked."""
    mine = Provider("local", "Mine", "openai_chat", "http://gpu:1/v1", auth=Auth("none"))
    with serve(Fake("a")) as server:
        async with following(catalog(server.port, providers=(mine,))) as offered:
            assert (offered, server.seen) == ([], [])


@pytest.mark.parametrize("discover", ["on", "off"])
async def test_it_can_be_switched_off(tmp_path: Path, discover: str):
    """Off means that nobody is asked."""
    with serve(Fake("a")) as server:
        local = [{"id": each.id, "port": server.port if each.id == "ollama" else free_port()} for each in load().local]
        (tmp_path / "rows.yaml").write_text(json.dumps({"local": local}))
        variables = {"CONCENTRATE_CONFIG": str(tmp_path / "rows.yaml"), "CONCENTRATE_DISCOVER_LOCAL": discover}
        async with build(read({**variables, "CONCENTRATE_DATA_DIR": str(tmp_path / "data")}), "routing"):
            assert (server.seen != []) is (discover == "on")
