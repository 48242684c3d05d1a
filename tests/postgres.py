"""A real PostgreSQL for the tests of a session: a private cluster on a free port of this machine, and a fresh database for
each test that asks. Needs `initdb` and `postgres` on PATH (`apt install postgresql`); without them such tests say why they skip.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.gateway import free_port

START_SECONDS_MAX = 30
_number = count(1)


class Postgres:
    """A running server. `stop`, `cont` and `kill` are for tests of what happens without one."""

    def __init__(self, folder: Path, port: int, user: dict[str, Any]) -> None:
        self.folder, self.port, self._user = folder, port, user
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        # No fsync: the machine does not lose power here, and the disk is slow.
        command = ["postgres", "-D", str(self.folder / "data"), "-p", str(self.port), "-k", str(self.folder), "-F"]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=60", "-c", "shared_buffers=16MB"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **self._user)
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                psycopg.connect(self.url()).close()
                return
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.05)

    def stop(self) -> None:
        """Ends it at once, open connections or not."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # "fast": sessions end
            self.process.wait(START_SECONDS_MAX)

    def create(self, template: str = "template1") -> str:
        """The URL of a new database, empty or as the template is."""
        name = f"test_{next(_number)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)


def _user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root, so there it runs as its own user, or as nobody."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "cwd": "/"}
    pytest.skip("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody")


@contextlib.contextmanager
def serving_postgres() -> Iterator[Postgres]:
    """A server of its own, for a test that stops it."""
    if shutil.which("initdb") is None or shutil.which("postgres") is None:
        pytest.skip("no PostgreSQL on this machine: initdb and postgres are not on PATH")
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        if user:
            os.chown(folder, user["user"], user["group"])
        made = subprocess.run(
            ["initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"],
            capture_output=True,
            text=True,
            check=False,
            **user,
        )
        assert made.returncode == 0, made.stderr
        server = Postgres(folder, free_port(), user)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One server for all tests."""
    with serving_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> str:
    """The URL of an empty database."""
    return postgres_server.create()


@pytest.fixture(scope="session")
def mortal_postgres() -> Iterator[Postgres]:
    """A server that tests stop and start again."""
    with serving_postgres() as server:
        yield server
