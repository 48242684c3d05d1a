"""What is kept, on both databases: contents come back as they were, whose they are is looked at, and age takes them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.storage.database import Database
from services.storage.sealing import Sealer
from services.store.records import Conversation, ItemRow, Record
from services.store.store import DAY_S, Store
from tests.storage.kit import KINDS, opened, url_of


class Clock:
    """Set by hand."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with opened(tmp_path, url_of(request)) as database:
        yield database


@pytest.fixture
def store(database: Database, clock: Clock) -> Store:
    return Store(database, Sealer([b"k" * 32]), retention_s=30 * DAY_S, now=clock)


def body(response_id: str, text: str = "hi", **more: Any) -> bytes:
    made = {"id": response_id, "object": "response", "output": [{"type": "message", "text": text}], **more}
    return json.dumps(made, separators=(",", ":")).encode()


def record(response_id: str, **more: Any) -> Record:
    fields: dict[str, Any] = {"body": body(response_id), "input": b'"hello"', "status": "completed", **more}
    return Record(id=response_id, tenant=fields.pop("tenant", "ann"), created_at=1_000_000, **fields)


async def test_a_response_comes_back_byte_for_byte(store: Store):
    """Key order and numbers are the client's to see again."""
    given = b'{"z":1,"id":"r1","output":[{"b":1.50,"a":9007199254740993}],"tools":[],"a":null}'
    await store.keep(record("r1", body=given))
    found = await store.find("ann", "r1")
    assert found is not None
    assert (found.body, found.status, found.last_number) == (given, "completed", -1)


async def test_another_tenant_sees_nothing(store: Store):
    """Not by id, not as what is continued, not to delete."""
    await store.keep(record("r1"))
    assert await store.find("bob", "r1") is None
    assert await store.chain("bob", "r1") is None
    assert await store.follow("bob", "r1", -1) is None
    assert await store.delete("bob", "r1") is False
    await store.keep(record("r2", tenant="bob", previous_id="r1"))
    assert await store.chain("bob", "r2") is None


async def test_keeping_again_changes_nothing(store: Store):
    """A transaction whose answer was lost may run twice."""
    await store.keep(record("r1"))
    await store.keep(record("r1", body=body("r1", "other")))
    found = await store.find("ann", "r1")
    assert found is not None
    assert found.body == body("r1")


async def test_a_chain_is_read_from_its_first_turn(store: Store):
    """Branches of one conversation do not mix."""
    await store.keep(record("r1"))
    await store.keep(record("r2", previous_id="r1"))
    await store.keep(record("r3", previous_id="r2", input=b'["x"]'))
    await store.keep(record("r4", previous_id="r1"))
    chain = await store.chain("ann", "r3")
    assert chain is not None
    assert [turn.id for turn in chain] == ["r1", "r2", "r3"]
    assert (chain[2].input, chain[0].input) == (b'["x"]', b'"hello"')
    assert await store.chain_ids("ann", "r4") == ["r1", "r4"]


async def test_what_is_deleted_is_gone(store: Store, database: Database):
    """No row holds its content, and what continues it cannot be continued."""
    await store.keep(record("r1", frames=b"event: a\ndata: {}\n\n", last_number=1, item_ids=["x"]))
    await store.keep(record("r2", previous_id="r1"))
    assert await store.delete("ann", "r1") is True
    assert await store.delete("ann", "r1") is False
    assert await store.chain("ann", "r2") is None
    for table in ("response_events", "response_items"):
        with database.begin() as connection:
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0


async def test_what_is_deleted_is_not_in_the_files_either(tmp_path: Path):
    """SQLite's own file and its log: pages are overwritten, and the log is emptied."""
    async with opened(tmp_path, None) as database:
        store, canary = Store(database, Sealer(), retention_s=DAY_S), b"canary-7c1e" * 2000

        def files_with_it() -> list[str]:
            return [file.name for file in tmp_path.rglob("*") if file.is_file() and b"canary-7c1e" in file.read_bytes()]

        await store.keep(record("r1", input=b'"%b"' % canary))
        await database.scrub()
        assert files_with_it() == ["concentrate.db"]
        await store.delete("ann", "r1")
        await store.scrub()
        assert files_with_it() == []


async def test_age_takes_a_response_unless_a_younger_one_continues_it(store: Store, clock: Clock):
    """What is too old is not found; it goes when nothing needs it."""
    await store.keep(record("r1"))
    await store.keep(record("r0"))
    clock.now += 29 * DAY_S
    await store.keep(Record(**{**_fields(record("r2", previous_id="r1")), "created_at": int(clock.now)}))
    clock.now += 2 * DAY_S
    assert await store.find("ann", "r1") is None
    assert await store.purge() == 1
    chain = await store.chain("ann", "r2")
    assert chain is not None
    assert len(chain) == 2
    clock.now += 40 * DAY_S
    assert [await store.purge(), await store.purge(), await store.purge()] == [1, 1, 0]


async def test_nothing_is_readable_in_the_database(store: Store, database: Database):
    """With a key, contents are ciphertext in every column."""
    secret = "canary-91b2"
    await store.keep(record("r1", body=body("r1", secret), input=f'"{secret}"'.encode(), frames=secret.encode()))
    await store.add_conversation("ann", Conversation("c1", 1, secret.encode()), [ItemRow("i1", secret.encode())])
    for table in ("responses", "response_events", "conversations", "conversation_items"):
        with database.begin() as connection:
            rows = connection.exec_driver_sql(f"SELECT * FROM {table}").all()
        assert rows
        assert all(secret.encode() not in bytes(value) for row in rows for value in row if isinstance(value, bytes))


async def test_work_is_one_owners_at_a_time(store: Store):
    """Who lost the lease writes nothing more, and work that ended is taken by nobody."""
    queued = record("r1", status="queued", frames=b"event: a\ndata: {}\n\n", last_number=0)
    await store.begin(queued, b"work", "w1", 2000)
    assert await store.advance("r1", "w1", 1, 2, b"frames") is True
    assert await store.take("w2", 1000, 5000, 10) == []
    (task,) = await store.take("w2", 3000, 5000, 10)
    assert (task.work, task.attempts, task.last_number, task.tenant) == (b"work", 1, 2, "ann")
    assert await store.advance("r1", "w1", 3, 4, b"frames") is False
    assert await store.renew("w1", ["r1"], 9000) == set()
    assert await store.renew("w2", ["r1"], 9000) == {"r1"}
    done = record("r1", frames=b"more", last_number=5)
    assert await store.finish(done, "w1", 3) is False
    assert await store.finish(done, "w2", 3) is True
    assert await store.finish(done, "w2", 3) is False
    assert await store.take("w3", 10_000, 20_000, 10) == []
    found = await store.follow("ann", "r1", -1)
    assert found is not None
    assert [(run.first, run.last) for run in found[1]] == [(0, 0), (1, 2), (3, 4)]
    assert (found[0].status, found[0].last_number) == ("completed", 5)


async def test_events_that_are_kept_again_are_kept_whole(store: Store):
    """Who did not hear that they were kept in time comes again, with more of them."""
    await store.begin(record("r1", status="queued", frames=b"x", last_number=0), b"work", "w1", 2000)
    await store.advance("r1", "w1", 1, 2, b"ab")
    await store.advance("r1", "w1", 1, 4, b"abcd")
    await store.advance("r1", "w1", 1, 3, b"abc")
    found = await store.follow("ann", "r1", 0)
    assert found is not None
    assert [(run.first, run.last, run.frames) for run in found[1]] == [(1, 4, b"abcd")]


async def test_long_runs_of_events_take_little_room(store: Store, database: Database):
    """And come back as they were."""
    frames = b"".join(b'event: delta\ndata: {"delta":"word %d"}\n\n' % number for number in range(1000))
    await store.keep(record("r1", frames=frames, last_number=1001))
    found = await store.follow("ann", "r1", -1)
    assert found is not None
    assert found[1][0].frames == frames
    with database.begin() as connection:
        size = connection.exec_driver_sql("SELECT length(frames) FROM response_events").scalar()
    assert isinstance(size, int)
    assert size < len(frames) / 5


async def test_who_ends_anothers_work_knows_all_its_events(store: Store):
    """Else the last event would have a number that one before it has."""
    await store.begin(record("r1", status="queued", frames=b"x", last_number=0), b"work", "w1", 2000)
    await store.advance("r1", "w1", 1, 4, b"frames")
    assert await store.finish(record("r1", status="cancelled", last_number=1), None, 1) is False
    assert await store.finish(record("r1", status="cancelled", last_number=5), None, 5) is True


async def test_a_process_that_stops_gives_its_work_away(store: Store):
    """Others need not wait for the lease to end."""
    await store.begin(record("r1", status="queued", frames=b"x", last_number=0), b"work", "w1", 9_000_000_000_000)
    await store.release("w1")
    assert [task.id for task in await store.take("w2", 1000, 5000, 10)] == ["r1"]


async def test_items_stand_in_the_order_they_came(store: Store):
    """Pages go both ways and meet; what is appended together stands together."""
    await store.add_conversation("ann", Conversation("c1", 1, b"{}"), [ItemRow(f"i{n}", b"x") for n in range(5)])
    assert await store.append("ann", "c1", [ItemRow("j1", b"y"), ItemRow("j2", b"z")]) is True
    rows = await store.items("ann", "c1")
    assert rows is not None
    assert [row.id for row in rows] == ["i0", "i1", "i2", "i3", "i4", "j1", "j2"]
    newest = await store.page("c1", None, 3, newest_first=True)
    older = await store.page("c1", "i4", 10, newest_first=True)
    assert newest is not None
    assert older is not None
    assert [row.id for row in [*newest, *older]] == ["j2", "j1", "i4", "i3", "i2", "i1", "i0"]
    assert await store.page("c1", "no", 3, newest_first=True) is None
    assert await store.items("bob", "c1") is None
    assert await store.append("bob", "c1", [ItemRow("k", b"k")]) is False


async def test_an_answer_and_its_conversation_are_one(store: Store):
    """Both are there, or neither."""
    await store.add_conversation("ann", Conversation("c1", 1, b"{}"), [])
    appended = [ItemRow("q", b"question"), ItemRow("a", b"answer")]
    await store.keep(record("r1", conversation_id="c1", appended=appended))
    rows = await store.items("ann", "c1")
    assert rows is not None
    assert [(row.id, row.item) for row in rows] == [("q", b"question"), ("a", b"answer")]
    assert await store.delete_item("c1", "q") is True
    assert await store.item("c1", "q") is None
    assert await store.item("c1", "a") == b"answer"
    assert await store.delete_conversation("ann", "c1") is True
    assert await store.conversation("ann", "c1") is None
    assert await store.item("c1", "a") is None


def _fields(made: Record) -> dict[str, Any]:
    return {name: getattr(made, name) for name in made.__struct_fields__}
