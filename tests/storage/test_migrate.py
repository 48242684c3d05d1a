"""Revisions: one line, run once, under a lock, and the same tables as the code's."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from services.runtime import bootstrap  # noqa: F401 - loads every room, and with them their tables
from services.storage.database import open_database
from services.storage.engines import UnusableDatabase
from services.storage.migrate import VERSIONS, migrate, revisions
from services.storage.schema import metadata
from tests.gateway import ROOT
from tests.storage.kit import KINDS


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else None


def test_the_tables_of_the_code_are_those_of_the_revisions(url: str | None, tmp_path: Path):
    """Both databases get every table, column and index that queries are written against, and nothing else."""
    database = open_database(tmp_path, url)
    assert migrate(database) == (None, revisions()[-1])
    with database.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert migrate(database) == (revisions()[-1], revisions()[-1])


def test_a_newer_database_is_left_alone(url: str | None, tmp_path: Path):
    """An old worker beside new ones finds a revision it does not know, and serves."""
    database = open_database(tmp_path, url)
    migrate(database)
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert migrate(database) == ("9999", "9999")


def test_of_many_processes_one_migrates(url: str | None, tmp_path: Path):
    """They start together on an empty database, and all find it ready."""
    code = (
        "import sys; from pathlib import Path; from services.storage.database import open_database;"
        "from services.storage.migrate import migrate;"
        "print(migrate(open_database(Path(sys.argv[1]), sys.argv[2] or None))[1])"
    )
    command = [sys.executable, "-c", code, str(tmp_path), url or ""]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == [revisions()[-1]] * 4


def test_many_open_a_new_file_at_once(tmp_path: Path):
    """None fails because another one has it locked."""
    go = threading.Barrier(6)

    def opened(number: int) -> int:
        go.wait()
        with open_database(tmp_path / str(number // 6)).begin() as connection:
            return int(connection.exec_driver_sql("SELECT 1").scalar_one())

    for number in range(10):
        (tmp_path / str(number)).mkdir()
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(opened, range(60))) == {1}


def test_revisions_are_one_line_named_by_their_number():
    """`r0002_ledger.py` is revision 0002; there are no branches."""
    names = sorted(file.name for file in VERSIONS.glob("r*.py"))
    assert [f"r{number}" for number in sorted(revisions())] == [name.partition("_")[0] for name in names]
    assert len(revisions()) == len(names)


def test_a_place_that_cannot_hold_a_database_is_named(tmp_path: Path):
    """A file that is no database, and a folder that is a file."""
    (tmp_path / "concentrate.db").write_text("no database" * 100)
    with pytest.raises(UnusableDatabase, match="not a database"):
        migrate(open_database(tmp_path))
    with pytest.raises(UnusableDatabase):
        migrate(open_database(tmp_path / "concentrate.db"))
