"""A database that fails or does nothing: who waits, who is refused at once, and what the log says."""

import asyncio
import threading
import time
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


def failing(times: list[int]):
    """Work that fails as a database does that is full, as often as it says."""

    def work(connection: sa.Connection) -> str:
        if times[0]:
            times[0] -= 1
            raise sa.exc.DisconnectionError("gone")
        return "done"

    return work


async def test_who_comes_while_it_fails_is_refused_at_once(database: Database):
    """But for those who have come to stay; when it works again everybody is served, and the log has two lines."""
    with capture_logs() as logs:
        times = [5]
        first = asyncio.create_task(database.writer.submit(failing(times)))
        await asyncio.sleep(0.2)
        begun = time.monotonic()
        with pytest.raises(Overloaded, match="not available") as refused:
            await database.writer.submit(failing([0]))
        assert time.monotonic() - begun < 0.1
        assert refused.value.retry_after == 2
        patient = asyncio.create_task(database.writer.submit(failing([0]), patience_s=30))
        assert await first == "done"
        assert await patient == "done"
        assert await database.writer.submit(failing([0])) == "done"
        assert [line["event"] for line in logs] == [AWAY, BACK]


async def test_a_database_that_does_nothing_is_as_good_as_none(database: Database):
    """After a while: a server that is stopped, a disk that hangs."""
    woken = threading.Event()

    def hang(connection: sa.Connection) -> bool:
        return woken.wait(10)

    with capture_logs() as logs:
        stuck = asyncio.create_task(database.writer.submit(hang, patience_s=10))
        await asyncio.sleep(0.3)
        begun = time.monotonic()
        for _ in range(3):
            with pytest.raises(Overloaded):
                await database.writer.submit(failing([0]))
        assert time.monotonic() - begun < 0.1
        woken.set()
        assert await stuck
        assert await database.writer.submit(failing([0])) == "done"
        assert [line["event"] for line in logs] == [AWAY, BACK]
