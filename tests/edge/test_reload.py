"""A running gateway takes new rows, on SIGHUP or when it sees the file changed, and drops no request."""

import signal
import time
from collections.abc import Callable

import httpx

from tests.edge.conftest import Pair
from tests.fake_provider import Fake, serve
from tests.gateway import Gateway


def rows(port: int, *models: str) -> str:
    listed = ", ".join(f"{{id: {model}, offers: [{{provider: mine}}]}}" for model in models)
    return (
        f"providers: [{{id: mine, name: Mine, dialect: openai_chat, base_url: 'http://127.0.0.1:{port}/v1', "
        f"auth: {{secret: [MINE_KEY]}}}}]\nmodels: [{listed}]\n"
    )


def until(condition: Callable[[], bool], gateway: Gateway) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, gateway.log.read_text()
        time.sleep(0.02)


def until_listed(gateway: Gateway, model: str) -> None:
    """Until both workers list the model: so often in a row the same one cannot have been asked."""
    statuses: list[int] = []

    def listed() -> bool:
        statuses.append(httpx.get(f"{gateway.url}/v1/models/{model}").status_code)
        return statuses[-20:] == [200] * 20

    until(listed, gateway)
    assert set(statuses) <= {200, 404}


def test_new_rows_are_served_without_a_restart(pair: Pair):
    """By every worker; a new model is listed, and answers with the new provider's credential."""
    gateway = pair.gateway
    workers = gateway.workers()
    with serve(Fake("one", "two")) as provider:
        pair.rows.write_text(rows(provider.port, "one"))
        gateway.process.send_signal(signal.SIGHUP)
        until_listed(gateway, "one")
        for _ in range(6):
            body = {"model": "one", "input": "Hi"}
            answer = httpx.post(f"{gateway.url}/v1/responses", headers=gateway.headers, json=body)
            assert answer.status_code == 200, answer.text
            assert answer.json()["model"] == "mine/one"
        assert provider.seen[-1].headers["authorization"] == "Bearer mine"
        pair.rows.write_text(rows(provider.port, "one", "two"))  # no signal: the file is watched
        until_listed(gateway, "two")
        pair.rows.write_text("models: [")
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: gateway.log.read_text().count("not YAML") >= 2, gateway)  # each worker has seen it
        until_listed(gateway, "two")
    pair.rows.write_text("models: []\n")
    assert gateway.workers() == workers
