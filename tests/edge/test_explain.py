"""Where a request would go, asked through Envoy and by gRPC: what is said is what is done, and nobody is asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from concentrate.keys.v1.caller_pb2 import Caller
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest
from concentrate.routing.v1.routing_service_pb2 import ExplainRequest, PlanRequest
from concentrate.routing.v1.routing_service_pb2_grpc import RoutingServiceStub

from tests.fake_provider import Fake, serve
from tests.gateway import Gateway, serving

# Three providers with the same model at different prices, and two with one that has a price at only one of them; the fake is all.
ROWS = """
providers:
  - {id: one, name: One, dialect: openai_chat, base_url: FAKE, auth: {secret: [ONE_KEY]}}
  - {id: two, name: Two, dialect: openai_chat, base_url: FAKE, auth: {secret: [TWO_KEY]}, zdr: "https://two.example/zdr"}
  - {id: three, name: Three, dialect: openai_chat, base_url: FAKE, auth: {scheme: none}}
models:
  - {id: m, author: us, created: "2026-01-01", tier: 3, facts: {context: 100000},
     offers: [{provider: one}, {provider: two}, {provider: three, facts: {images: false}}]}
  - {id: half, author: us, created: "2026-01-01", offers: [{provider: one, unpriced: unknown}, {provider: two}]}
prices:
  - {provider: one, model: m, rates: {input: 3, output: 30}, source: "https://a.example"}
  - {provider: two, model: m, rates: {input: 1, output: 10}, source: "https://a.example"}
  - {provider: three, model: m, rates: {input: 2, output: 20}, source: "https://a.example"}
  - {provider: two, model: half, rates: {input: 2, output: 20}, source: "https://a.example"}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Fake]]:
    """A gateway with the three, and what they were asked."""
    folder: Path = tmp_path_factory.mktemp("explain")
    with serve(Fake("m")) as fake:
        (folder / "rows.yaml").write_text(ROWS.replace("FAKE", f"{fake.url}/v1"))
        with serving(folder, CONCENTRATE_CONFIG=str(folder / "rows.yaml"), ONE_KEY="ours", TWO_KEY="ours") as gateway:
            yield gateway, fake


def post(gateway: Gateway, path: str, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    whole = {"model": "m", "input": "Hi", **body}
    return httpx.post(
        gateway.url + path, json=whole, headers=gateway.headers if headers is None else headers, timeout=20
    )


def explained(gateway: Gateway, **body: Any) -> Any:
    answer = post(gateway, "/v1/routing/explain", **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def order(explanation: Any) -> list[str]:
    return [each["target"] for each in explanation["candidates"]]


BY_COST = {"provider": {"sort": "cost"}}
IMAGE = [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x.example/a.png"}]}]


def test_candidates_come_in_order_with_their_numbers(world):
    """Cheapest first, each with its predicted cost in dollars, its tier and why; nobody is asked."""
    gateway, fake = world
    fake.seen.clear()
    said = explained(gateway, routing=BY_COST, max_output_tokens=100)
    assert (said["object"], said["model"], said["sort"], said["interval_seconds"]) == (
        "routing.explanation", "m", "cost", 900,
    )  # fmt: skip
    assert order(said) == ["two/m", "three/m", "one/m"]
    tokens = said["predicted_usage"]
    for candidate, (input, output) in zip(said["candidates"], [(1, 10), (2, 20), (3, 30)], strict=True):
        cost = (tokens["input_tokens"] * input + tokens["output_tokens"] * output) / 1e6
        assert candidate["predicted_cost"] == candidate["score"]["sort"] == pytest.approx(cost)
        assert candidate["score"]["quality"] == 3
    assert (said["excluded"], said["translation_losses"], said["band"], fake.seen) == ([], [], None, [])


def test_what_is_left_out_has_its_reason(world):
    """By name, for the machine and for people."""
    gateway, _ = world
    said = explained(gateway, input=IMAGE, routing={"provider": {"ignore": ["one"]}})
    assert order(said) == ["two/m"]
    assert {each["target"]: each["reason"] for each in said["excluded"]} == {
        "one/m": "NOT_ALLOWED", "three/m": "LACKS_FEATURE",
    }  # fmt: skip
    assert all(each["detail"] for each in said["excluded"])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model": "three/m"},
        {"routing": BY_COST},
        {"routing": {"provider": {"zdr": True}}},
        {"routing": {"provider": {"only": ["three", "one"], "sort": "cost"}}},
        {"model": "auto"},
        {"input": IMAGE, "routing": {"provider": {"ignore": ["one"]}}},
        {"stream": True, "model": "two/m"},
    ],
    ids=str,
)
def test_what_is_said_is_what_is_done(world, body):
    """The first candidate serves, for the reason that was told."""
    gateway, _ = world
    said = explained(gateway, **body)
    done = post(gateway, "/v1/responses", **{**body, "stream": False}).json()
    assert (done["model"], done["routing"]["reason"]) == (order(said)[0], said["reason"])


def test_auto_is_explained(world):
    """How hard the call looks, the tiers that fit, and how well each model does."""
    gateway, _ = world
    said = explained(gateway, model="auto")
    assert said["band"]["difficulty"] < 0.25
    assert (said["band"]["tier_min"], said["band"]["tier_max"]) == (2, 3)
    assert 0 < said["candidates"][0]["score"]["auto"] <= 1


def test_errors_are_those_of_the_request(world):
    """No key, an unknown model, a wrong metric, no zero data retention: the same status and words."""
    gateway, _ = world
    refused = [
        {"model": "mm"},
        {"routing": {"provider": {"sort": "latency"}}},
        {"routing": {"provider": {"zdr": True, "only": ["one"]}}},
        {"input": IMAGE, "routing": {"provider": {"only": ["three"]}}},
        {"temperature": 9},
    ]
    for body in refused:
        said, done = post(gateway, "/v1/routing/explain", **body), post(gateway, "/v1/responses", **body)
        assert said.status_code >= 400
        assert (said.status_code, said.json()) == (done.status_code, done.json())
    assert post(gateway, "/v1/routing/explain", headers={}).status_code == 401


def member(gateway: Gateway, *, credit: float = 1, byok: str = "", **settings: Any) -> dict[str, str]:
    """The headers of a key of an organisation with these settings."""
    with httpx.Client(base_url=f"{gateway.url}/v1", headers=gateway.headers, timeout=20) as http:

        def make(path: str, **body: Any) -> Any:
            made = http.post(path, json=body)
            assert made.status_code == 200, made.text
            return made.json()

        org = make("/organizations", name="Members", settings=settings)["id"]
        if credit:
            make("/credits/transactions", type="top_up", amount=credit, org_id=org)
        if byok:
            make("/byok", org_id=org, provider=byok, secret="theirs-canary-1")
        return {"authorization": f"Bearer {make('/keys', org_id=org)['key']}"}


Asked = tuple[dict[str, Any], dict[str, Any], list[str], dict[str, str]]
MEMBERS: list[Asked] = [  # whose key, what it asks; the candidates, and who is left out
    ({}, {"model": "half"}, ["two/half"], {"one/half": "UNPRICED"}),
    ({"byok": "one"}, {"model": "half"}, ["one/half", "two/half"], {"one/half": "UNPRICED"}),
    ({"credit": 0}, {"model": "m"}, [], {}),
    ({"credit": 0, "byok": "two"}, {}, ["two/m"], dict.fromkeys(["one/m", "three/m", "two/m"], "NO_CREDIT")),
    ({"zdr": True}, {"routing": BY_COST}, ["two/m"], dict.fromkeys(["one/m", "three/m"], "NOT_ZDR")),
    ({"zdr": True}, {"model": "one/m"}, ["two/m"], dict.fromkeys(["one/m", "three/m"], "NOT_ZDR")),
    ({"providers": {"deny": ["o*"]}}, {}, ["two/m", "three/m"], {"one/m": "NOT_ALLOWED"}),
    ({"models": {"allow": ["three/m"]}}, {}, ["three/m"], dict.fromkeys(["one/m", "two/m"], "NOT_ALLOWED")),
    ({"models": {"allow": ["three/m"]}}, {"model": "half"}, [], {}),
    ({"models": {"deny": ["m"]}}, {"model": "auto"}, [], {}),
]


@pytest.mark.parametrize(("whose", "body", "candidates", "excluded"), MEMBERS, ids=str)
def test_what_a_key_may_use_and_pay_is_known(world, whose, body, candidates, excluded):
    """Policies, credentials of its own, credit and models without a price: what is said is what is done."""
    gateway, _ = world
    headers = member(gateway, **whose)
    said, done = post(gateway, "/v1/routing/explain", headers, **body), post(gateway, "/v1/responses", headers, **body)
    assert said.status_code == done.status_code, (said.text, done.text)
    if not candidates:
        assert said.status_code in (400, 402, 403)
        assert said.json() == done.json()
        return
    assert order(said.json()) == candidates
    assert {each["target"]: each["reason"] for each in said.json()["excluded"]} == excluded
    assert done.json()["model"] == candidates[0]
    assert done.json()["cost"].get("byok", False) is said.json()["candidates"][0]["byok"] is bool(whose.get("byok"))


def test_what_is_continued_counts(world):
    """A request that continues an answer is as long as the whole conversation; what cannot be continued is refused alike."""
    gateway, fake = world
    first = post(gateway, "/v1/responses", input="word " * 500).json()["id"]
    fake.seen.clear()
    said = explained(gateway, previous_response_id=first)
    assert said["predicted_usage"]["input_tokens"] > 400 > explained(gateway)["predicted_usage"]["input_tokens"]
    assert fake.seen == []
    unknown = {"previous_response_id": "resp_nothing"}
    said, done = (post(gateway, path, **unknown) for path in ("/v1/routing/explain", "/v1/responses"))
    assert (said.status_code, said.json()) == (done.status_code, done.json())


def test_typed_clients_hear_the_same(world):
    """By gRPC, with the same numbers; planning for whom they say they are is not theirs."""
    gateway, _ = world
    request = CreateResponseRequest(model="m", input_text="Hi", max_output_tokens=100)
    request.routing.provider.sort = "cost"
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        stub = RoutingServiceStub(channel)
        key = [("authorization", f"Bearer {gateway.key}")]
        answer = stub.Explain(ExplainRequest(request=request), metadata=key)
        said = explained(gateway, routing=BY_COST, max_output_tokens=100)
        assert [each.target for each in answer.candidates] == order(said)
        assert [each.predicted_cost for each in answer.candidates] == [
            each["predicted_cost"] for each in said["candidates"]
        ]
        with pytest.raises(grpc.RpcError) as refused:
            stub.Explain(ExplainRequest(request=request))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(grpc.RpcError) as refused:
            stub.Plan(PlanRequest(caller=Caller(key_id="somebody")), metadata=key)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
