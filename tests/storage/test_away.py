"""A database that fails or does nothing: who waits, who is refused at once, and what the log says."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog
from structlog.testing import capture_logs

from services.errors import Overloaded
from services.storage import presence
from services.storage.database import Database, open_database

AWAY, BACK = "database not available", "database available again"


@pytest.fixture
async def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setattr(presence, "AWAY_AFTER_S", 0.1)
    monkeypatch.setattr(presence, "STUCK_AFTER_S", 0.2)
    structlog.reset_defaults()
    opened = open_database(tmp_path)
    yield opened
    await opened.close()


async def until_away(database: Database) -> None:
    async with asyncio.timeout(30):
        while not database.writer._presence.away:  # noqa: ASYNC110 - a thread finds it out
            await asyncio.sleep(0.005)


def refused_at_once(database: Database) -> Overloaded:
    """Who only comes by is told so without waiting for anything."""
    with pytest.raises(Overloaded, match="not available") as refused:
        database.writer.group(lambda _, work: work).submit(1)  # nobody awaits it
    return refused.value


def done(connection: sa.Connection) -> str:
    return "done"


async def test_who_comes_while_it_fails_is_refused_at_once(database: Database):
    """But for those who have come to stay; when it works again everybody is served, and the log has two lines."""
    full = threading.Event()
    full.set()

    def failing(connection: sa.Connection) -> str:
        if full.is_set():
            raise sa.exc.DisconnectionError("gone")
        return "done"

    with capture_logs() as logs:
        first = asyncio.create_task(database.writer.submit(failing))
        await until_away(database)
        assert refused_at_once(database).retry_after == 2
        patient = asyncio.create_task(database.writer.submit(done, patience_s=30))
        full.clear()
        assert await first == "done"
        assert await patient == "done"
        assert await database.writer.submit(done) == "done"
        assert [line["event"] for line in logs] == [AWAY, BACK]


async def test_a_database_that_does_nothing_is_as_good_as_none(database: Database):
    """After a while: a server that is stopped, a disk that hangs."""
    woken = threading.Event()

    def hang(connection: sa.Connection) -> bool:
        return woken.wait(60)

    with capture_logs() as logs:
        stuck = asyncio.create_task(database.writer.submit(hang, patience_s=60))
        await until_away(database)
        for _ in range(3):
            refused_at_once(database)
        woken.set()
        assert await stuck
        assert await database.writer.submit(done) == "done"
        assert [line["event"] for line in logs] == [AWAY, BACK]
