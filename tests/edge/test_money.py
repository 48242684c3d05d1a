"""Credit, budgets and use, through the real Envoy: what is asked and answered is exact to the nano-dollar."""

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import grpc
import httpx
import pytest
from concentrate.management.v1 import money_service_pb2 as pb
from concentrate.management.v1.money_service_pb2_grpc import MoneyServiceStub

from tests.edge.guarded import Guarded
from tests.edge.test_openapi import check
from tests.gateway import Gateway

MODEL = "mistral/mistral-large-3"


@pytest.fixture(scope="module")
def gateway(guarded: tuple[Gateway, Guarded]) -> Gateway:
    return guarded[0]


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{gateway.url}/v1", headers=gateway.headers, timeout=20) as client:
        yield client


def call(http: httpx.Client, method: str, path: str, status: int = 200, shape: str = "", **options: Any) -> Any:
    """The JSON of an answer, with decimals as they stand there."""
    answer = http.request(method, path, **options)
    assert answer.status_code == status, answer.text
    if shape:
        check(answer.json(), shape)
    return json.loads(answer.text, parse_float=Decimal)


def organization(http: httpx.Client) -> tuple[str, str, dict[str, str]]:
    """An organisation: its id, its owner's, and the headers of the owner's key."""
    org = call(http, "POST", "/organizations", json={"name": "Pays", "owner_name": "Olga"})["id"]
    owner = call(http, "GET", f"/users?org_id={org}")["data"][0]["id"]
    body = {"org_id": org, "user_id": owner, "scopes": ["inference", "admin"]}
    key = call(http, "POST", "/keys", json=body)["key"]
    return org, owner, {"authorization": f"Bearer {key}"}


def test_credit_from_top_up_to_refund(http: httpx.Client):
    """Balance, statement and generation tell the same; the same idempotency key moves money once."""
    org, _, mine = organization(http)
    top_up = {"type": "top_up", "amount": 1.000000001, "org_id": org}
    for _ in range(2):
        made = call(http, "POST", "/credits/transactions", json=top_up, headers={"idempotency-key": "first"})
    assert (made["amount"], made["type"], made["description"]) == (Decimal("1.000000001"), "top_up", "Credits")
    credits = call(http, "GET", "/credits", headers=mine, shape="Credits")
    assert (credits["balance"], credits["held"], credits["limited"]) == (Decimal("1.000000001"), 0, True)
    call(http, "POST", "/credits/transactions", 403, json={"type": "top_up", "amount": 5}, headers=mine)

    answer = call(http, "POST", "/responses", json={"model": MODEL, "input": "Hi"}, headers=mine)
    cost = answer["cost"]["total"]
    assert cost > 0
    statement = call(http, "GET", "/credits/transactions?limit=1", headers=mine, shape="ListTransactionsResponse")
    (row,) = statement["data"]
    assert (row["type"], row["description"], row["amount"]) == ("usage", "API usage - mistral-large-3", -cost)
    assert (row["response_id"], statement["has_more"]) == (answer["id"], True)
    rest = call(http, "GET", f"/credits/transactions?after={statement['last_id']}", headers=mine)["data"]
    assert [each["type"] for each in rest] == ["top_up"]
    assert call(http, "GET", "/credits", headers=mine)["balance"] == Decimal("1.000000001") - cost

    told = call(http, "GET", f"/generations/{answer['id']}", headers=mine, shape="StoredGeneration")
    assert (told["cost"], told["input_tokens"], told["output_tokens"], told["status"]) == (cost, 7, 2, "completed")
    assert (told["model"], told["provider"], told["surface"]) == ("mistral-large-3", "mistral", "responses")
    assert sum(told["cost_breakdown"].values()) == cost
    for elsewhere in ("chatcmpl-", "msg_"):  # as clients of the other formats know it
        assert call(http, "GET", f"/generations/{answer['id'].replace('resp_', elsewhere)}", headers=mine) == told
    _, _, other = organization(http)
    call(http, "GET", f"/generations/{answer['id']}", 404, headers=other)

    refund = {"type": "refund", "response_id": answer["id"]}
    assert call(http, "POST", "/credits/transactions", json=refund)["amount"] == cost
    assert call(http, "GET", "/credits", headers=mine)["balance"] == Decimal("1.000000001")
    take = {"type": "adjustment", "amount": -1, "org_id": org, "description": "Found an error"}
    call(http, "POST", "/credits/transactions", json=take)
    call(http, "POST", "/credits/transactions", 402, json=take)
    assert call(http, "POST", "/responses", 402, json={"model": MODEL, "input": "Hi"}, headers=mine)
    actions = [row["action"] for row in call(http, "GET", f"/audit?org_id={org}&limit=100")["data"]]
    assert actions.count("credits.transaction") == 3


def test_amounts_are_exact_or_refused(http: httpx.Client):
    """What is finer than a nano-dollar, or no number, is no amount."""
    org, _, _ = organization(http)
    for text, status in (("0.000000001", 200), ("0.0000000001", 400), ("[1]", 400), ("-1", 400), ("1e400", 400)):
        body = f'{{"type": "top_up", "org_id": "{org}", "amount": {text}}}'
        answer = http.post("/credits/transactions", content=body.encode())
        assert answer.status_code == status, answer.text
    assert '"balance":1E-9' in http.get(f"/credits?org_id={org}").text


def test_a_key_has_a_spending_cap(http: httpx.Client):
    """Set when it is made or later; `credits.period` shows it; over it is 402; events tell its thresholds."""
    org, owner, mine = organization(http)
    call(http, "POST", "/credits/transactions", json={"type": "top_up", "amount": 5, "org_id": org})
    made = call(
        http, "POST", "/keys", headers=mine, json={"user_id": owner, "budget": {"limit": 0.00001, "period": "day"}}
    )
    period = made["credits"]["period"]
    assert (period["limit"], period["used"], period["refresh"]) == (Decimal("0.00001"), 0, "day")
    assert time.time() < period["next_refresh"] <= time.time() + 86_400
    capped = {"authorization": f"Bearer {made['key']}"}
    refused = call(http, "POST", "/responses", 402, json={"model": MODEL, "input": "Hi"}, headers=capped)
    assert "the daily spending cap of this key ($0.00001)" in refused["error"]["message"]
    raised = {"scope_id": made["id"], "period": "day", "limit": 0.0005, "thresholds": [1]}
    assert call(http, "POST", "/budgets", json=raised, headers=mine, shape="Budget")["id"] == f"{made['id']}.day"
    raised = {"scope_id": org, "period": "total", "limit": 0.0001, "thresholds": [10]}
    call(http, "POST", "/budgets", json=raised, headers=mine)
    for _ in range(20):
        answer = http.post("/responses", json={"model": MODEL, "input": "Hi", "max_output_tokens": 2}, headers=capped)
        if answer.status_code == 402:
            break
    for path, shape in (("/budgets", "ListBudgetsResponse"), ("/budgets/events", "ListBudgetEventsResponse")):
        rows = call(http, "GET", path, headers=mine, shape=shape)["data"]
        assert {row["scope_id"] for row in rows} == {org, made["id"]}
        first = call(http, "GET", f"{path}?limit=1", headers=mine)
        assert (first["data"], first["has_more"]) == (rows[:1], True)
        assert call(http, "GET", f"{path}?after={first['last_id']}", headers=mine)["data"] == rows[1:]
        call(http, "GET", f"{path}?after=nothing", 404, headers=mine)
    successor = call(http, "POST", f"/keys/{made['id']}/rotate", headers=mine)
    assert successor["credits"] == call(http, "GET", f"/keys/{made['id']}", headers=mine)["credits"]
    assert successor["credits"]["period"]["used"] > 0
    assert call(http, "DELETE", f"/budgets/{made['id']}.day", headers=mine)["deleted"]
    call(http, "DELETE", f"/budgets/{made['id']}.day", 404, headers=mine)
    _, _, other = organization(http)
    call(http, "POST", "/budgets", 404, json=raised, headers=other)


def test_usage_is_summed_as_asked(http: httpx.Client):
    """By day, model, provider and key; a member sees their own."""
    today = time.strftime("%Y-%m-%d", time.gmtime())
    org, _, mine = organization(http)
    call(http, "POST", "/credits/transactions", json={"type": "top_up", "amount": 5, "org_id": org})
    user = call(http, "POST", "/users", json={"name": "m"}, headers=mine)["id"]
    body = {"user_id": user, "scopes": ["inference", "usage:read"]}
    member = {"authorization": f"Bearer {call(http, 'POST', '/keys', json=body, headers=mine)['key']}"}
    for headers in (mine, mine, member):
        call(http, "POST", "/responses", json={"model": MODEL, "input": "Hi"}, headers=headers)
    day = call(http, "GET", "/usage", headers=mine, shape="ListUsageResponse")
    (row,) = day["data"]
    assert (row["requests"], row["input_tokens"], row["output_tokens"], row["model"]) == (3, 21, 6, None)
    assert row["day"] in (today, time.strftime("%Y-%m-%d", time.gmtime()))
    keys = call(http, "GET", "/usage?group_by=key,model&limit=1", headers=mine)
    assert (len(keys["data"]), keys["has_more"]) == (1, True)
    more = call(http, "GET", f"/usage?group_by=key,model&after={keys['last_id']}", headers=mine)
    assert sorted(each["requests"] for each in (*keys["data"], *more["data"])) == [1, 2]
    assert sum(each["cost"] for each in (*keys["data"], *more["data"])) == row["cost"]
    assert [each["requests"] for each in call(http, "GET", "/usage", headers=member)["data"]] == [1]
    call(http, "GET", f"/usage?user_id={row['id']}", 403, headers=member)
    assert call(http, "GET", "/usage?from_day=2000-01-01&to_day=2000-01-02", headers=mine)["data"] == []
    assert call(http, "GET", "/usage?group_by=shoe", 400, headers=mine)["error"]["param"] == "group_by"
    assert call(http, "GET", "/usage?from_day=today", 400, headers=mine)["error"]["param"] == "from_day"


async def test_grpc_clients_get_nano_dollars(gateway: Gateway, http: httpx.Client):
    """The same amounts as integers."""
    org, _, _ = organization(http)
    metadata = [("authorization", f"Bearer {gateway.key}")]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        money = MoneyServiceStub(channel)
        asked = pb.CreateTransactionRequest(type="top_up", amount=1_500_000_001, org_id=org, idempotency_key="a")
        made = await money.CreateTransaction(asked, metadata=metadata)
        assert (made.amount, made.type) == (1_500_000_001, "top_up")
        credits = await money.GetCredits(pb.GetCreditsRequest(org_id=org), metadata=metadata)
        assert (credits.balance, credits.available, credits.limited) == (1_500_000_001, 1_500_000_001, True)
        budget = await money.SetBudget(pb.SetBudgetRequest(scope_id=org, limit=7), metadata=metadata)
        assert (budget.limit, budget.period, list(budget.thresholds)) == (7, "month", [80, 100])
    assert call(http, "GET", f"/credits?org_id={org}")["balance"] == Decimal("1.500000001")
