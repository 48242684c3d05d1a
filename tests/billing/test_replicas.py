"""Several processes on one database: a cap holds over all of them, and an old and a new release serve side by side."""

import json
import subprocess
import sys
from pathlib import Path
from time import monotonic, time

import pytest
import sqlalchemy as sa

from services.billing.ledger import budgets, funds
from services.billing.ledger.tables import holds, transfers
from services.billing.usage_tables import usage
from services.storage.database import open_database
from services.storage.migrate import migrate
from tests.billing.ledger_kit import CENT, check
from tests.gateway import ROOT

REPLICAS = 3
CALLS = 200


def start(folder: Path, url: str | None, calls: int, replicas: int = REPLICAS) -> list["subprocess.Popen[str]"]:
    """Replicas that share the calls."""
    shares = [calls // replicas + (number < calls % replicas) for number in range(replicas)]
    return [
        subprocess.Popen(
            [sys.executable, "-m", "tests.billing.replica", str(folder), url or "", str(number), str(share)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, share in enumerate(shares)
    ]


def said_by(processes: list["subprocess.Popen[str]"]) -> dict[str, int]:
    """What they were let do, in all."""
    said = [process.communicate(timeout=90)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    each = [json.loads(words) for words in said]
    return {name: sum(words[name] for words in each) for name in each[0]}


def url_for(kind: str, request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("postgres_url") if kind == "postgresql" else None


@pytest.mark.parametrize(("kind", "capped"), [("sqlite", "key"), ("postgresql", "balance")])
def test_two_hundred_calls_on_three_replicas_spend_no_more_than_a_dollar(
    kind: str, capped: str, request: pytest.FixtureRequest, tmp_path: Path
):
    """Of the key's cap or the organisation's balance; what is refused could not be paid."""
    database, now = open_database(tmp_path, url := url_for(kind, request)), int(time() * 1000)
    migrate(database)
    with database.begin() as connection:
        funds.top_up(connection, "org:a", (100 if capped == "balance" else 9000) * CENT, key="1", now_ms=now)
        if capped == "key":
            budgets.put(connection, "key:capped", "total", 100 * CENT, now_ms=now)
    said = said_by(start(tmp_path, url, CALLS))
    with database.begin() as connection:
        check(connection)
        captures = (
            connection.execute(sa.select(transfers.c.amount).where(transfers.c.kind == "capture")).scalars().all()
        )
        shortfalls = connection.execute(sa.select(transfers).where(transfers.c.kind == "shortfall")).all()
        rows = connection.execute(sa.select(sa.func.count()).select_from(usage)).scalar()
        held = connection.execute(sa.select(sa.func.count()).select_from(holds)).scalar()
    assert 15 * CENT <= sum(captures) <= 100 * CENT
    assert (shortfalls, held) == ([], 0)
    assert said["cost"] == sum(captures)
    assert said["answers"] == len(captures) == rows
    assert said["refusals"] > 0


FUTURE = (
    "ALTER TABLE accounts ADD COLUMN note TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE transfers ADD COLUMN note TEXT",
    "ALTER TABLE holds ADD COLUMN note TEXT",
    "ALTER TABLE budgets ADD COLUMN note TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE usage ADD COLUMN note BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE usage_daily ADD COLUMN note BIGINT NOT NULL DEFAULT 0",
    "CREATE TABLE notes (id VARCHAR(40) PRIMARY KEY)",
    "CREATE INDEX ix_usage_note ON usage (note)",
    "UPDATE alembic_version SET version_num = '9999'",
)
"""What the next release may do to the tables: add."""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_old_workers_serve_while_and_after_a_newer_release_migrates(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
):
    """Those that were there before, and those of the old release that start afterwards."""
    database = open_database(tmp_path, url := url_for(kind, request))
    migrate(database)
    with database.begin() as connection:
        funds.top_up(connection, "org:a", 9000 * CENT, key="1", now_ms=1)
        budgets.put(connection, "key:capped", "total", 9000 * CENT, now_ms=1)
    before = start(tmp_path, url, 60, replicas=1)
    deadline = monotonic() + 30
    while monotonic() < deadline:
        with database.begin() as connection:
            if connection.execute(sa.select(sa.func.count()).select_from(transfers)).scalar_one() > 5:
                break
    for statement in FUTURE:
        with database.begin() as connection:
            connection.exec_driver_sql(statement)
    after = start(tmp_path, url, 20, replicas=1)
    answers = said_by(before)["answers"] + said_by(after)["answers"]
    with database.begin() as connection:
        check(connection)
        assert connection.execute(sa.select(sa.func.count()).select_from(usage)).scalar_one() == answers
    assert answers > 50
