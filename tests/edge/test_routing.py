"""Routing as clients see it, through Envoy: the routing field, `auto`, and what is kept over a restart."""

import sqlite3
from pathlib import Path
from typing import Any

import httpx

from tests.gateway import Gateway, serving


def ask(gateway: Gateway, **body: Any) -> httpx.Response:
    return httpx.post(f"{gateway.url}/v1/responses", json={"input": "Hi", **body}, headers=gateway.headers, timeout=20)


def test_the_answer_says_how_it_was_routed(gateway: Gateway):
    """What was asked for, what served, how many were asked, and what decided."""
    routing = ask(gateway, model="sandbox/echo", routing={"provider": {"sort": "cost"}}).json()["routing"]
    assert routing == {"requested": "sandbox/echo", "served": "sandbox/echo", "attempts": 1, "reason": "sort=cost"}


def test_auto_works_where_nothing_is_configured(gateway: Gateway):
    """Without any provider `auto` is the sandbox."""
    assert ask(gateway, model="auto").json()["model"] == "sandbox/echo"


def test_a_failing_model_is_followed_by_the_callers_fallbacks(tmp_path: Path):
    """The caller's next model answers, and the answer says that two were asked."""
    with serving(tmp_path, OPENAI_API_KEY="k", OPENAI_BASE_URL="http://127.0.0.1:9/v1") as gateway:
        body = {"model": "openai/gpt-5.4", "routing": {"model": {"fallbacks": ["sandbox/echo"]}}}
        answer = ask(gateway, **body)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["model"], answer.json()["routing"]["attempts"]) == ("sandbox/echo", 2)
        failed = ask(gateway, model="openai/gpt-5.4")
        assert (failed.status_code, failed.json()["error"]["code"]) == (424, "provider_error")


def test_what_was_measured_is_kept(tmp_path: Path):
    """Metrics of a gateway that is stopped are in its data folder."""
    with serving(tmp_path) as gateway:
        assert ask(gateway, model="sandbox/echo").status_code == 200
        assert gateway.stop() == 0
    with sqlite3.connect(tmp_path / "data" / "metrics.db") as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        assert any(database.execute(f"select count(*) from {name}").fetchone()[0] for name in tables)
    database.close()
