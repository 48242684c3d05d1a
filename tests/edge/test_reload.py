"""A running gateway takes new rows, on SIGHUP or when it sees the file changed, and drops no request."""

import signal
import time
from pathlib import Path

import httpx

from tests.fake_provider import Fake, serve
from tests.gateway import Gateway, serving


def rows(port: int, *models: str) -> str:
    listed = ", ".join(f"{{id: {model}, offers: [{{provider: mine}}]}}" for model in models)
    return (
        f"providers: [{{id: mine, name: Mine, dialect: openai_chat, base_url: 'http://127.0.0.1:{port}/v1', "
        f"auth: {{secret: [MINE_KEY]}}}}]\nmodels: [{listed}]\n"
    )


def until_listed(gateway: Gateway, model: str) -> float:
    """Seconds until both workers list the model."""
    started, seen = time.monotonic(), 0
    while seen < 20:
        answer = httpx.get(f"{gateway.url}/v1/models/{model}")
        assert answer.status_code in (200, 404)
        seen = seen + 1 if answer.status_code == 200 else 0
        assert time.monotonic() - started < 15, gateway.log.read_text()
    return time.monotonic() - started


def test_new_rows_are_served_without_a_restart(tmp_path: Path):
    """By every worker; a new model is listed, and answers with the new provider's credential."""
    file = tmp_path / "rows.yaml"
    with serve(Fake("one", "two")) as provider:
        file.write_text("models: []\n")
        with serving(
            tmp_path, CONCENTRATE_CONFIG=str(file), WORKERS="2", MINE_KEY="mine", CONCENTRATE_DISCOVER_LOCAL="off"
        ) as gateway:
            workers = gateway.workers()
            file.write_text(rows(provider.port, "one"))
            gateway.process.send_signal(signal.SIGHUP)
            assert until_listed(gateway, "one") < 10
            for _ in range(6):
                answer = httpx.post(
                    f"{gateway.url}/v1/responses", headers=gateway.headers, json={"model": "one", "input": "Hi"}
                )
                assert answer.status_code == 200, answer.text
                assert answer.json()["model"] == "mine/one"
            file.write_text(rows(provider.port, "one", "two"))  # no signal: the file is watched
            until_listed(gateway, "two")
            file.write_text("models: [")
            gateway.process.send_signal(signal.SIGHUP)
            time.sleep(1)
            until_listed(gateway, "two")
            assert gateway.workers() == workers
            assert "not YAML" in gateway.log.read_text()
