"""The database stopped or full: each row of docs/outages.md that is about it, at a running gateway."""

import resource
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.fake_provider import Fake, serve
from tests.gateway import Gateway, serving
from tests.postgres import Postgres

ROWS = """
providers:
  - {{id: acme, name: Acme, dialect: openai_chat, base_url: "{url}/v1", auth: {{scheme: none}}}}
models:
  - {{id: acme-1, offers: [{{provider: acme}}]}}
prices:
  - {{provider: acme, model: acme-1, rates: {{input: 1, output: 2}}}}
"""
FREE, PAID = "sandbox/echo", "acme/acme-1"
UNKNOWN = "sk-cn-v1-" + "x" * 43
AWAY, BACK = "database not available", "database available again"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A provider with a price."""
    with serve(Fake()) as fake:
        file = tmp_path_factory.mktemp("rows") / "rows.yaml"
        file.write_text(ROWS.format(url=fake.url))
        yield str(file)


def post(gateway: Gateway, path: str, body: dict[str, object], key: str | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {key or gateway.key}"}
    return httpx.post(f"{gateway.url}/v1/{path}", headers=headers, json=body, timeout=30)


def ask(gateway: Gateway, model: str, key: str | None = None) -> httpx.Response:
    return post(gateway, "responses", {"model": model, "input": "Hello", "store": False}, key)


def refused(gateway: Gateway, model: str, key: str | None = None) -> None:
    """With an error that says to come again, and how soon."""
    answer = ask(gateway, model, key)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2"), answer.text
    assert (answer.json()["error"]["code"], answer.json()["error"]["retry_after"]) == ("overloaded", 2)
    assert "database" in answer.json()["error"]["message"]


def until_served(gateway: Gateway, model: str) -> None:
    deadline = time.monotonic() + 30
    while (answer := ask(gateway, model)).status_code != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)


def lines(gateway: Gateway, event: str) -> int:
    return gateway.log.read_text().count(event)


@contextmanager
def metered(server: Postgres, folder: Path, rows: str) -> Iterator[Gateway]:
    """A gateway with a dollar, that has served before."""
    variables = {"CONCENTRATE_CONFIG": rows, "CONCENTRATE_BOOTSTRAP_CREDITS_USD": "1"}
    with serving(folder, DATABASE_URL=server.create(), **variables) as gateway:
        until_served(gateway, PAID)
        until_served(gateway, FREE)
        yield gateway


def test_without_a_database_what_costs_money_is_refused(mortal_postgres: Postgres, rows: str, tmp_path: Path):
    """What is free goes on, for keys that are known; nobody but the first waits; it ends by itself."""
    with metered(mortal_postgres, tmp_path, rows) as gateway:
        mortal_postgres.stop()
        assert ask(gateway, FREE).status_code == 200
        begun = time.monotonic()
        refused(gateway, PAID)
        assert ask(gateway, FREE).status_code == 200
        refused(gateway, FREE, UNKNOWN)
        answer = post(gateway, "responses", {"model": FREE, "input": "Hello"})
        assert (answer.status_code, answer.json()["store"]) == (200, False), answer.text
        continued = post(
            gateway, "responses", {"model": FREE, "input": "a", "previous_response_id": answer.json()["id"]}
        )
        assert continued.status_code == 503, continued.text
        managed = httpx.get(f"{gateway.url}/v1/keys", headers=gateway.headers)
        assert (managed.status_code, managed.headers["retry-after"]) == (503, "2"), managed.text
        assert httpx.get(f"{gateway.url}/v1/models").status_code == 200
        assert time.monotonic() - begun < 3
        mortal_postgres.start()
        until_served(gateway, PAID)
        assert lines(gateway, AWAY) == lines(gateway, BACK) == 1


def test_on_a_full_disk_what_nothing_limits_goes_on(rows: str, tmp_path: Path):
    """What can be read is read; nothing is lost of what was to be written."""
    with serving(tmp_path, CONCENTRATE_CONFIG=rows, CONCENTRATE_ACCESS_LOG="off") as gateway:
        until_served(gateway, PAID)
        (worker,) = gateway.workers()
        _, most = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (1, most))
        with ThreadPoolExecutor() as pool:
            answers = [pool.submit(ask, gateway, model) for model in (PAID, FREE)]
            made = pool.submit(post, gateway, "keys", {"name": "late"})
            assert ask(gateway, FREE, UNKNOWN).status_code == 401
            assert httpx.get(f"{gateway.url}/v1/keys", headers=gateway.headers).status_code == 200
            assert [each.result().status_code for each in answers] == [200, 200]
            assert made.result().status_code == 503, made.result().text
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (most, most))
        deadline = time.monotonic() + 30
        with closing(sqlite3.connect(tmp_path / "data" / "concentrate.db")) as database:
            while database.execute("SELECT count(*) FROM usage").fetchone() != (3,):
                assert time.monotonic() < deadline, database.execute("SELECT * FROM usage").fetchall()
                time.sleep(0.05)
