"""Writing in groups, reading beside it, and a database that is away, on SQLite and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.errors import Overloaded
from services.storage.database import Database, open_database
from services.storage.engines import UnusableDatabase, parse
from services.storage.statements import Statements
from services.storage.writer import Writer
from tests.postgres import Postgres
from tests.storage.kit import KINDS, opened, url_of


@pytest.fixture(params=KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with opened(tmp_path, url_of(request)) as database:
        with database.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
        yield database


def insert(number: int):
    def work(connection: sa.Connection) -> int:
        connection.execute(sa.text("INSERT INTO numbers VALUES (:n)"), {"n": number})
        return number

    return work


def numbers(connection: sa.Connection) -> list[int]:
    return [row.n for row in connection.execute(sa.text("SELECT n FROM numbers ORDER BY n"))]


async def test_what_was_written_is_read_at_once(database: Database):
    """The answer of a write comes after its commit."""
    assert await database.writer.submit(insert(1)) == 1
    assert await database.read(numbers) == [1]


async def test_work_that_fails_undoes_itself_alone(database: Database):
    """Others in the same transaction are committed."""
    work = [insert(n) for n in (1, 2, 1, 3, 2, 4)]
    results = await asyncio.gather(*map(database.writer.submit, work), return_exceptions=True)
    failed = [isinstance(result, sa.exc.IntegrityError) for result in results]
    assert failed == [False, False, True, False, True, False]
    assert await database.read(numbers) == [1, 2, 3, 4]


async def test_work_that_waits_shares_a_transaction(database: Database):
    """A hundred writers cost few commits, and a handler of a kind gets its work together."""
    sizes: list[int] = []

    def handler(statements: Statements, work: list[int]) -> list[int]:
        sizes.append(len(work))
        statements.run("INSERT INTO numbers VALUES (?)", [(n,) for n in work])
        return [n * 10 for n in work]

    group = database.writer.driven_group(handler)
    results = await asyncio.gather(*map(group.submit, range(100)))
    assert results == [n * 10 for n in range(100)]
    assert len(sizes) < 20


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_what_was_committed_is_synced(tmp_path: Path, mode: str):
    """With the log's own file; where the file system lets SQLite have none, it has done so itself."""
    database = open_database(tmp_path)
    with database._writing.connect() as connection:
        connection.connection.cursor().execute(f"PRAGMA journal_mode = {mode}")
        statements = Statements(connection)
        for number in (1, 2):
            statements.begin()
            statements.run(f"CREATE TABLE table_{number} (n INTEGER)", [()])
            statements.commit()
            statements.sync()
        statements.close()
    with database.begin() as connection:
        assert sa.inspect(connection).get_table_names() == ["table_1", "table_2"]


@pytest.mark.parametrize("driven", [True, False])
async def test_a_group_that_fails_is_done_one_by_one(database: Database, driven: bool):
    """One bad piece of work does not take the others with it."""

    def handler(connection: sa.Connection, work: list[int]) -> list[int]:
        connection.execute(sa.text("INSERT INTO numbers VALUES (:n)"), [{"n": n} for n in work])
        return work

    def driven_handler(statements: Statements, work: list[int]) -> list[int]:
        statements.run("INSERT INTO numbers VALUES (?)", [(n,) for n in work])
        return work

    writer = database.writer
    group = writer.driven_group(driven_handler) if driven else writer.group(handler)
    results = await asyncio.gather(
        *map(group.submit, (1, 1, 2)), database.writer.submit(insert(9)), return_exceptions=True
    )
    assert [result for result in results if isinstance(result, int)] == [1, 2, 9]
    assert await database.read(numbers) == [1, 2, 9]


async def test_work_whose_caller_has_gone_is_not_done(database: Database):
    """It was cancelled before its transaction began."""
    blocking = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_: sa.Connection) -> None:
        loop.call_soon_threadsafe(blocking.set)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.1), loop).result()

    first = asyncio.create_task(database.writer.submit(slow))
    await blocking.wait()
    second = asyncio.create_task(database.writer.submit(insert(1)))
    await asyncio.sleep(0)
    second.cancel()
    await first
    await database.writer.submit(insert(2))
    assert await database.read(numbers) == [2]


async def test_a_full_queue_and_a_slow_database_are_told_apart(database: Database, tmp_path: Path):
    """Both are 503, at once or after the patience of the caller."""
    writer = Writer(database._direct, waiting_max=1)
    loop = asyncio.get_running_loop()
    began = asyncio.Event()

    def slow(_: sa.Connection) -> None:
        loop.call_soon_threadsafe(began.set)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.2), loop).result()

    first = asyncio.create_task(writer.submit(slow))
    await began.wait()
    second = asyncio.create_task(writer.submit(insert(1), patience_s=0.05))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="Too much is waiting"):
        await writer.submit(insert(2))
    with pytest.raises(Overloaded, match="does not answer in time"):
        await second
    await first
    await writer.close()
    with pytest.raises(Overloaded, match="shutting down"):
        await writer.submit(insert(3))
    assert await database.read(numbers) == []


async def test_deadlocks_between_processes_are_tried_again(tmp_path: Path, postgres_url: str):
    """Two writers that take the same rows in opposite orders both succeed."""
    one, two = open_database(tmp_path, postgres_url), open_database(tmp_path, postgres_url)
    with one.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE rows (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
        connection.exec_driver_sql("INSERT INTO rows VALUES (1, 0), (2, 0)")

    def both(*ids: int):
        def work(connection: sa.Connection) -> None:
            for id in ids:
                connection.execute(sa.text("UPDATE rows SET n = n + 1 WHERE id = :id"), {"id": id})
                connection.exec_driver_sql("SELECT pg_sleep(0.05)")

        return work

    await asyncio.gather(one.writer.submit(both(1, 2)), two.writer.submit(both(2, 1)))
    assert (await one.read(lambda c: c.execute(sa.text("SELECT n FROM rows")).scalars().all())) == [2, 2]
    await one.close()
    await two.close()


async def test_a_server_that_restarts_loses_nothing_that_waits(tmp_path: Path, mortal_postgres: Postgres):
    """Work is tried again until the patience of its caller ends; then it is a 503, and later work goes through."""
    database = open_database(tmp_path, mortal_postgres.create())
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
    await database.writer.submit(insert(1))
    await asyncio.to_thread(mortal_postgres.stop)
    waiting = asyncio.create_task(database.writer.submit(insert(2), patience_s=60))
    with pytest.raises(Overloaded):
        await database.read(numbers)
    with pytest.raises(Overloaded):
        await database.writer.submit(insert(3), patience_s=0.1)
    await asyncio.to_thread(mortal_postgres.start)
    assert await waiting == 2
    assert await database.read(numbers) == [1, 2]
    await database.close()


def test_a_new_file_is_readable_by_its_owner_alone(tmp_path: Path):
    """And so are its log and index beside it."""
    with open_database(tmp_path).begin() as connection:
        connection.execute(sa.text("CREATE TABLE some (n INTEGER)"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir() if file.suffix != ".lock"}
    assert set(modes.values()) == {0o600}, modes


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "is not a URL"),
        ("mysql://u:secret@h/d", "`mysql` is none of"),
        ("sqlite://", "needs a file"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_by_reason(url: str, message: str, tmp_path: Path):
    """Without the password that may be in it."""
    with pytest.raises(UnusableDatabase, match=message) as raised:
        parse(url, tmp_path)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["postgres://h/d", "postgresql://h/d", "postgresql+asyncpg://h/d"])
def test_every_spelling_of_postgresql_uses_our_driver(url: str, tmp_path: Path):
    """Whatever other programs of the operator need there."""
    assert parse(url, tmp_path).drivername == "postgresql+psycopg"
