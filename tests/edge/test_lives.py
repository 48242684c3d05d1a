"""A gateway from its start to its end, and again: what it says, what it keeps, and what it must not."""

import json
import resource
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway import Gateway, serving

CANARY = "canary-provider-5d1f"
WRONG_KEY = "sk-cn-v1-wrong000000000000000000000000000000000"
PRIVATE = "private words of a user"
VARIABLES = {
    "OPENAI_API_KEY": CANARY,
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "LOG_LEVEL": "debug",
    "CONCENTRATE_ENCRYPTION_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
}


@dataclass
class Life:
    """Of a gateway that was started where few files may be open, was asked a few things, and has been stopped."""

    folder: Path
    key: str
    answer: httpx.Response
    refused: list[int]
    failed: str
    open_files: set[int]
    log: list[dict[str, Any]]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    folder = tmp_path_factory.mktemp("life")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    try:
        with serving(folder, VARIABLES) as gateway:
            open_files = {prlimit(pid) for pid in gateway.pids()}
            with httpx.Client(base_url=gateway.url) as client:
                body = {"model": "sandbox/echo", "input": PRIVATE}
                answer = client.post("/v1/responses", json=body, headers=gateway.headers)
                refused = []
                for headers in ({"authorization": f"Bearer {WRONG_KEY}"}, {"x-api-key": WRONG_KEY}):
                    url, named = f"/v1/responses?key={WRONG_KEY}", {**headers, "x-request-id": "mine"}
                    refused.append(client.post(url, json=body, headers=named).status_code)
                failed = client.post("/v1/responses", json={**body, "model": "openai/gpt-5"}, headers=gateway.headers)
            assert gateway.stop() == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    log = [json.loads(line) for line in gateway.log.read_text().splitlines()]
    return Life(folder, gateway.key, answer, refused, failed.text, open_files, log)


def prlimit(pid: int) -> int:
    """How many files a process may have open."""
    (line,) = [
        line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max open files")
    ]
    return int(line.split()[3])


def test_ready_means_that_a_request_succeeds(gateway: Gateway):
    """The health of the surface is asked through Envoy, at the address that `ready` names."""
    answer = httpx.get(f"{gateway.url}/v1/responses/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})


def test_as_many_files_may_be_open_as_the_system_allows(life: Life):
    """The usual limit of 1024 would be some 300 streams."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert life.open_files == {min(1 << 16, hard)}


def test_requests_are_logged_and_nothing_else_is_taken_for_one(life: Life):
    """The supervisor's own questions would be the first lines that anybody sees, most of them cut off."""
    assert (life.answer.status_code, life.refused) == (200, [401, 401])
    lines = [line for line in life.log if line.get("logger") == "access"]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("POST", "/v1/responses", status) for status in (200, 401, 401, 424)
    ]
    assert [line["request_id"] for line in lines[1:3]] == ["mine", "mine"]


def test_no_secret_reaches_the_logs_of_a_gateway(life: Life):
    """Keys in headers, in the query, in the environment and in the body; right ones and wrong ones."""
    for secret in (CANARY, life.key, WRONG_KEY, PRIVATE, "127.0.0.1:9/"):
        assert secret not in str(life.log)
    assert CANARY not in life.failed


def test_what_was_measured_is_kept(life: Life):
    """Metrics of a gateway that is stopped are in its data folder."""
    with closing(sqlite3.connect(life.folder / "data" / "metrics.db")) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        assert any(database.execute(f"select count(*) from {name}").fetchone()[0] for name in tables)


def test_responses_outlive_the_gateway_sealed(life: Life):
    """With a key nothing can be read in the files; the next start reads it all."""
    files = [file for file in (life.folder / "data").rglob("*") if file.is_file()]
    assert all(PRIVATE.encode() not in file.read_bytes() for file in files)
    with serving(life.folder, VARIABLES) as gateway:
        again = httpx.get(f"{gateway.url}/v1/responses/{life.answer.json()['id']}", headers=gateway.headers)
    assert again.content == life.answer.content
