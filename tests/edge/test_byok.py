"""Provider credentials that are brought: tried first, not charged, not counted, and given up for the gateway's when they fail."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.edge.guarded import Guarded
from tests.gateway import Gateway, command_line

MODEL = "mistral/mistral-large-3"
ASKED = {"model": MODEL, "input": "Hi"}
OURS, THEIRS, MEMBERS = Guarded.OURS, "theirs-canary-Qx7Zt4Vb8n", "members-canary-Hj2Mf5Kd1s"


@pytest.fixture(scope="module")
def gateway(guarded: tuple[Gateway, Guarded]) -> Gateway:
    return guarded[0]


@pytest.fixture
def provider(guarded: tuple[Gateway, Guarded]) -> Guarded:
    guarded[1].seen.clear()
    return guarded[1]


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{gateway.url}/v1", headers=gateway.headers, timeout=20) as client:
        yield client


def made(http: httpx.Client, path: str, **body: Any) -> Any:
    answer = http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ask(http: httpx.Client, key: str, *, status: int = 200, **body: Any) -> Any:
    sent = {"model": MODEL, "input": "Hi", **body}
    answer = http.post("/responses", headers={"authorization": f"Bearer {key}"}, json=sent)
    assert answer.status_code == status, answer.text
    return answer.json()


def until(condition: Callable[[], bool]) -> None:
    """Changes are known to a worker when it has asked for them, twice a second."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def until_used(http: httpx.Client, key: str, provider: Guarded, secret: str) -> None:
    """Until the provider is asked with this credential first."""

    def used() -> bool:
        provider.seen.clear()
        http.post("/responses", headers={"authorization": f"Bearer {key}"}, json=ASKED)
        return provider.keys()[:1] == [secret]

    until(used)


def organization(http: httpx.Client, **settings: Any) -> tuple[str, str, str]:
    """An organisation without credit: its id, its owner's, and a key of its owner."""
    org = made(http, "/organizations", name="Brings", owner_name="Olga", settings=settings)["id"]
    owner = http.get(f"/users?org_id={org}").json()["data"][0]["id"]
    return org, owner, made(http, "/keys", org_id=org, user_id=owner)["key"]


def test_it_is_tried_first_and_nothing_is_charged(http: httpx.Client, provider: Guarded):
    """Without any credit: `cost.byok`, a total of zero. The user's own comes before the organisation's."""
    org, owner, key = organization(http)
    assert ask(http, key, status=402)["error"]["code"] == "insufficient_credits"
    made(http, "/byok", org_id=org, provider="mistral", secret=THEIRS)
    until_used(http, key, provider, THEIRS)
    for stream in (False, True):
        if stream:
            body = {"model": MODEL, "input": "Hi", "stream": True}
            text = http.post("/responses", headers={"authorization": f"Bearer {key}"}, json=body).text
            answer = json.loads(text.split("event: response.completed\ndata: ")[1].split("\n")[0])["response"]
        else:
            answer = ask(http, key)
        assert answer["cost"] == {"total": 0.0, "breakdown": {}, "currency": "USD", "byok": True, "price_version": ""}
        assert (answer["status"], answer["usage"]["total_tokens"]) == ("completed", 9)
    assert provider.keys() == [THEIRS, THEIRS]
    made(http, "/byok", org_id=org, user_id=owner, provider="mistral", secret=MEMBERS)
    until_used(http, key, provider, MEMBERS)
    other = made(http, "/keys", org_id=org)["key"]
    ask(http, other)
    assert provider.keys() == [THEIRS]


def test_a_bad_one_does_not_fail_a_request(http: httpx.Client, provider: Guarded):
    """Where there is credit, the gateway's is used instead, and charged; the bad one then rests for its owner alone."""
    key = made(http, "/keys", name="default")["key"]
    own = made(http, "/byok", provider="mistral", secret=THEIRS)
    until_used(http, key, provider, THEIRS)
    provider.bad = {THEIRS}
    try:
        answer = ask(http, key)
        assert provider.keys() == [THEIRS, OURS]
        assert (answer["cost"]["byok"], answer["cost"]["total"] > 0) == (False, True)
        org, _, brings = organization(http)
        made(http, "/byok", org_id=org, provider="mistral", secret=MEMBERS)
        until_used(http, brings, provider, MEMBERS)
    finally:
        provider.bad = set()
    assert http.delete(f"/byok/{own['id']}").json()["deleted"]
    until_used(http, key, provider, OURS)


def test_limits_of_the_gateway_do_not_count_it(http: httpx.Client, provider: Guarded):
    """One request a minute, and three are served: with an own credential they are between its owner and the provider."""
    org, owner, _ = organization(http)
    made(http, "/byok", org_id=org, provider="mistral", secret=THEIRS)
    key = made(http, "/keys", org_id=org, user_id=owner, limits={"requests_per_minute": 1})["key"]
    for _ in range(3):
        ask(http, key)
    assert provider.keys() == [THEIRS] * 3
    assert ask(http, key, model="sandbox/echo")
    assert ask(http, key, status=429, model="sandbox/echo")["error"]["code"] == "rate_limit_exceeded"


def test_it_can_be_switched_off(http: httpx.Client, provider: Guarded):
    """By a setting of any scope above the key, and by disabling it."""
    org, owner, key = organization(http, byok=False)
    row = made(http, "/byok", org_id=org, provider="mistral", secret=THEIRS)
    ask(http, key, status=402)
    assert provider.keys() == []
    http.patch(f"/organizations/{org}", json={"settings": {"byok": True}})
    until_used(http, key, provider, THEIRS)
    http.patch(f"/byok/{row['id']}", json={"disabled": True})
    until(lambda: http.post("/responses", headers={"authorization": f"Bearer {key}"}, json=ASKED).status_code == 402)
    assert owner


def test_it_opens_providers_that_the_gateway_has_no_credential_for(http: httpx.Client, provider: Guarded):
    """For its owner alone; by name, by the model alone, and never for anybody else."""
    org, _, key = organization(http)
    ask(http, key, status=404, model="cohere/command-a-03-2025")
    made(http, "/byok", org_id=org, provider="xai", secret="xai-brought-canary-Gt5Hn2Lp")
    body = {"model": "xai/grok-4.3", "input": "Hi"}
    until(lambda: http.post("/responses", headers={"authorization": f"Bearer {key}"}, json=body).status_code != 404)
    for model in ("xai/grok-4.3", "grok-4.3"):
        provider.seen.clear()
        answer = ask(http, key, status=424, model=model)  # the fake does not speak its format
        assert "xai/grok-4.3" in answer["error"]["message"]
        assert provider.keys() == ["xai-brought-canary-Gt5Hn2Lp"]
    ask(http, made(http, "/keys")["key"], status=404, model="xai/grok-4.3")
    assert provider.keys() == []


def test_nothing_of_it_is_to_be_seen(http: httpx.Client, provider: Guarded, gateway: Gateway):
    """In no answer, error, audit row, log line, metric or database file; what a provider quotes of it is taken out."""
    org, _, key = organization(http)
    secret = "canary-secret-Zz9Xy8Wv7Uu6"
    row = made(http, "/byok", org_id=org, provider="mistral", secret=secret)
    assert row["masked"] == "...7Uu6"
    until_used(http, key, provider, secret)
    provider.bad = {secret}
    try:
        told = http.post("/responses", headers={"authorization": f"Bearer {key}"}, json={"model": MODEL, "input": "Hi"})
    finally:
        provider.bad = set()
    assert told.status_code == 424
    shown = [told.text, str(told.headers)]
    shown += [
        http.get(path).text
        for path in ("/byok", f"/byok/{row['id']}", f"/audit?org_id={org}", "/audit?limit=100", "/models")
    ]
    shown.append(gateway.log.read_text())
    (envoy,) = gateway.pids("--config-path")
    private = Path(command_line(envoy).split("--config-path ")[1].split()[0]).parent
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(private / "admin.sock"))) as admin:
        metrics = admin.get("http://envoy/stats?format=prometheus").text
        shown += [metrics, admin.get("http://envoy/config_dump").text]
    assert "envoy_http_downstream_rq" in metrics
    folder = gateway.log.parent
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for text in shown:
        assert secret not in text
        assert key not in text
    for content in files:
        assert secret.encode() not in content
        assert key.encode() not in content
    assert any(row["id"].encode() in content for content in files)
    provider.keys()
