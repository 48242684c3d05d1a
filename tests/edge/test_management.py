"""Organisations, teams, users, keys and who may do what, through the real Envoy, as REST and as gRPC."""

import time
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from concentrate.management.v1 import keys_service_pb2 as pb
from concentrate.management.v1.keys_service_pb2_grpc import KeysServiceStub
from concentrate.management.v1.organizations_service_pb2 import CreateTeamRequest
from concentrate.management.v1.organizations_service_pb2_grpc import OrganizationsServiceStub
from concentrate.management.v1.settings_pb2 import Rates

from tests.edge.conftest import Pair
from tests.edge.test_openapi import check
from tests.gateway import Gateway

HTTP = httpx.Client(timeout=20)


@pytest.fixture(scope="module")
def running(pair: Pair) -> Iterator[Gateway]:
    yield pair.gateway
    HTTP.close()


class Client:
    """Asks with one key, and checks what it gets against the OpenAPI document."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        self.key = key
        self._url = f"{gateway.url}/v1"

    def __call__(self, method: str, path: str, status: int = 200, shape: str | None = None, **options: Any) -> Any:
        headers = {"x-api-key": self.key, **options.pop("headers", {})}
        answer = HTTP.request(method, self._url + path, headers=headers, **options)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        body = answer.json()
        if status == 200 and shape:
            check(body, shape)
        return body if status == 200 else body["error"]

    def make(self, path: str, status: int = 200, **body: Any) -> Any:
        return self("POST", path, status, json=body)

    def asks(self, status: int = 200, **body: Any) -> Any:
        return self("POST", "/responses", status, json={"model": "sandbox/echo", "input": "Hi", **body})


@pytest.fixture(scope="module")
def operator(running: Gateway) -> Client:
    return Client(running, running.key)


@pytest.fixture(scope="module")
def acme(running: Gateway, operator: Client) -> dict[str, Any]:
    """An organisation with an owner, an admin, a member and a team; and a client for a key of each person."""
    org = operator.make("/organizations", name="Acme", owner_name="Olga")
    people = {"owner": operator("GET", f"/users?org_id={org['id']}")["data"][0]}
    for role in ("admin", "member", "billing"):
        people[role] = operator.make("/users", org_id=org["id"], name=role, role=role)
    team = operator.make("/teams", org_id=org["id"], name="Research")
    clients = {}
    for role, user in people.items():
        made = operator.make("/keys", org_id=org["id"], user_id=user["id"], name=role, scopes=["inference", "admin"])
        clients[role] = Client(running, made["key"])
    return {"org": org, "team": team, "users": people, **clients}


def test_a_key_from_its_making_to_its_end(running: Gateway, operator: Client):
    """Shown once, listed masked, changed, rotated, revoked; soon it stops on every worker."""
    made = operator("POST", "/keys", shape="ApiKey", json={"name": "ci", "settings": {"store": False}})
    client = Client(running, made["key"])
    client.asks()
    listed = operator("GET", "/keys", shape="ListKeysResponse")
    assert made["key"] not in str(listed)
    shown = next(row for row in listed["data"] if row["id"] == made["id"])
    assert shown == {name: value for name, value in made.items() if name != "key"} | {
        "last_used_at": shown["last_used_at"]
    }
    assert shown["masked"] == f"sk-cn-v1...{made['key'][-4:]}"
    changed = operator("PATCH", f"/keys/{made['id']}", json={"name": "ci 2", "limits": {"requests_per_minute": 100}})
    assert (changed["name"], changed["settings"], changed["limits"]) == (
        "ci 2", {"store": False}, {"requests_per_minute": 100},
    )  # fmt: skip
    cleared = operator("PATCH", f"/keys/{made['id']}", json={"settings": {"store": None}, "limits": None})
    assert (cleared["settings"], cleared["limits"]) == ({}, {})
    successor = operator.make(f"/keys/{made['id']}/rotate")
    assert successor["rotated_from"] == made["id"]
    Client(running, successor["key"]).asks()
    assert operator("DELETE", f"/keys/{made['id']}")["status"] == "revoked"
    deadline = time.monotonic() + 20
    refused = 0
    while refused < 20:  # on both workers
        answer = HTTP.post(f"{running.url}/v1/responses", headers={"x-api-key": made["key"]}, json={})
        refused = refused + 1 if answer.status_code == 401 else 0
        assert time.monotonic() < deadline
    for revoked in (False, True):
        rows = operator("GET", f"/keys?limit=100&revoked={str(revoked).lower()}")["data"]
        assert (made["id"] in {row["id"] for row in rows}) is revoked


def test_lists_are_pages(operator: Client):
    """`limit`, `after`, `has_more`, `first_id`, `last_id`: each thing once, in the order of its making."""
    org = operator.make("/organizations", name="Pages")
    made = [operator.make("/teams", org_id=org["id"], name=str(number))["id"] for number in range(5)]
    seen, after = [], ""
    while True:
        page = operator("GET", f"/teams?org_id={org['id']}&limit=2{after}", shape="ListTeamsResponse")
        seen += [row["id"] for row in page["data"]]
        assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
        if not page["has_more"]:
            break
        after = f"&after={page['last_id']}"
    assert sorted(seen) == sorted(made)
    assert operator("GET", f"/users?org_id={org['id']}") == {
        "object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False,
    }  # fmt: skip


def test_another_organisation_is_not_found(running: Gateway, operator: Client, acme: dict[str, Any]):
    """Whatever is asked about it, also by an owner with every scope: 404, as for what does not exist."""
    other = operator.make("/organizations", name="Other", owner_name="Otto")["id"]
    user = operator("GET", f"/users?org_id={other}")["data"][0]["id"]
    team = operator.make("/teams", org_id=other, name="t")["id"]
    key = operator.make("/keys", org_id=other)["id"]
    byok = operator.make("/byok", org_id=other, provider="openai", secret="sk-proj-0123456789abcdefgh")["id"]
    paths = [
        ("GET", f"/organizations/{other}"), ("PATCH", f"/organizations/{other}"), ("DELETE", f"/organizations/{other}"),
        ("GET", f"/teams/{team}"), ("PATCH", f"/teams/{team}"), ("DELETE", f"/teams/{team}"),
        ("GET", f"/teams/{team}/members"), ("PUT", f"/teams/{team}/members/{user}"),
        ("DELETE", f"/teams/{team}/members/{user}"), ("PUT", f"/teams/{acme['team']['id']}/members/{user}"),
        ("GET", f"/users/{user}"), ("PATCH", f"/users/{user}"), ("DELETE", f"/users/{user}"),
        ("GET", f"/keys/{key}"), ("PATCH", f"/keys/{key}"), ("POST", f"/keys/{key}/rotate"), ("DELETE", f"/keys/{key}"),
        ("GET", f"/byok/{byok}"), ("PATCH", f"/byok/{byok}"), ("DELETE", f"/byok/{byok}"),
    ]  # fmt: skip
    for method, path in paths:
        body = {"json": {}} if method in ("PATCH", "POST", "PUT") else {}
        assert acme["owner"](method, path, 404, **body)["code"] == "not_found", path
    for path in ("teams", "users", "keys", "byok", "audit", "organizations"):
        assert acme["owner"]("GET", f"/{path}?org_id={other}", 404)["code"] == "not_found", path
    for path, body in (
        ("keys", {}), ("keys", {"org_id": None, "user_id": user}), ("keys", {"org_id": None, "team_id": team}),
        ("teams", {"name": "x"}), ("users", {"name": "x"}), ("byok", {"provider": "openai", "secret": "x" * 20}),
    ):  # fmt: skip
        acme["owner"].make(f"/{path}", 404, **{"org_id": other, **body})
    assert other not in str([acme["owner"]("GET", f"/{path}") for path in ("teams", "users", "keys", "byok", "audit")])


def test_roles_and_scopes(running: Gateway, acme: dict[str, Any]):
    """Owner: all. Admin: teams, keys, members. Billing: sees. Member: own keys. No key makes one that can do more."""
    owner, admin, member, billing = (acme[role] for role in ("owner", "admin", "member", "billing"))
    own, others = acme["users"]["member"]["id"], acme["users"]["owner"]["id"]
    org, team = acme["org"]["id"], acme["team"]["id"]

    owner("PATCH", f"/organizations/{org}", json={"name": "Acme Inc."})
    admin("PATCH", f"/organizations/{org}", 403, json={"name": "mine"})
    for client in (member, billing):
        client.make("/teams", 403, name="x")
    assert admin.make("/teams", name="x")["name"] == "x"
    admin.make("/users", 403, name="x", role="owner")
    admin("DELETE", f"/users/{others}", 403)
    owner("PATCH", f"/users/{others}", 409, json={"role": "member"})

    mine = member.make("/keys", user_id=own, scopes=["inference", "usage:read"])
    member.make("/keys", 403, user_id=others)
    member.make("/keys", 403)
    assert {row["user_id"] for row in member("GET", "/keys")["data"]} == {own}
    assert {row["user_id"] for row in billing("GET", "/keys?limit=100")["data"]} >= {own, others}
    billing("PATCH", f"/keys/{mine['id']}", 403, json={"name": "x"})
    slower = billing("PATCH", f"/keys/{mine['id']}", json={"limits": {"requests_per_minute": 9}})
    assert slower["limits"] == {"requests_per_minute": 9}
    for faster in ({"limits": {"requests_per_minute": 10}}, {"limits": None}):  # who is limited does not lift it
        assert "write this (limits)" in member("PATCH", f"/keys/{mine['id']}", 403, json=faster)["message"]
    member.make("/keys", 403, user_id=own, limits={"requests_per_minute": 10**6})
    assert admin("PATCH", f"/keys/{mine['id']}", json={"disabled": True})["status"] == "disabled"
    admin.make("/keys", 403, user_id=others, scopes=["admin"])
    owner.make("/keys", 403, scopes=["operator"])
    owner.make("/organizations", 403, name="x")
    plain = Client(running, member.make("/keys", user_id=own)["key"])
    plain.make("/keys", 403, user_id=own)
    assert "lacks the scope `keys:read`" in plain("GET", "/keys", 403)["message"]
    reader = Client(running, owner.make("/keys", user_id=others, scopes=["keys:write"])["key"])
    reader.asks(403)
    assert "scopes it lacks: `admin`" in reader.make("/keys", 403, user_id=others, scopes=["admin"])["message"]
    reader.make("/keys", user_id=others, scopes=["keys:read"])

    member("GET", f"/teams/{team}/members")
    member("PUT", f"/teams/{team}/members/{own}", 403, json={"role": "admin"})
    owner("PUT", f"/teams/{team}/members/{own}", json={"role": "admin"}, shape="TeamMember")
    team_key = member.make("/keys", team_id=team)
    assert member("GET", f"/keys/{team_key['id']}")["team_id"] == team
    member("PATCH", f"/teams/{team}", json={"settings": {"logging": True}})
    owner("DELETE", f"/teams/{team}/members/{own}")
    member("GET", f"/keys/{team_key['id']}", 403)


def test_a_parent_may_lock_what_it_settles(running: Gateway, acme: dict[str, Any]):
    """`policy_source` says who decided; below a lock a change is refused, and what was there does not count."""
    owner, org = acme["owner"], acme["org"]["id"]
    team = owner.make("/teams", name="Locked", settings={"zdr": False})["id"]
    key = owner.make("/keys", team_id=team, settings={"zdr": True})
    assert (key["policy"]["zdr"], key["policy_source"]) == (True, "key")
    locked = {"zdr": False, "locked": ["zdr"], "models": {"deny": ["claude-*"]}}
    owner("PATCH", f"/organizations/{org}", json={"settings": locked}, shape="Organization")
    shown = owner("GET", f"/keys/{key['id']}", shape="ApiKey")
    assert (shown["settings"]["zdr"], shown["policy"]["zdr"], shown["policy_source"]) == (True, False, "org")
    refused = owner("PATCH", f"/teams/{team}", 403, json={"settings": {"zdr": True}})
    assert (refused["message"], refused["param"]) == ("`zdr` is locked by the org.", "settings.zdr")
    assert [rule["source"] for rule in shown["policy"]["access"]] == ["org"]
    owner("PATCH", f"/organizations/{org}", json={"settings": None})
    assert owner("GET", f"/organizations/{org}")["settings"] == {}


def test_models_and_providers_can_be_closed(running: Gateway, operator: Client):
    """403 for what is asked for by name; the reason says that a policy did it."""
    for settings in (
        {"models": {"allow": ["gpt-*"]}}, {"models": {"deny": ["sandbox/echo"]}}, {"providers": {"deny": ["sandbox"]}},
    ):  # fmt: skip
        key = operator.make("/keys", settings=settings)["key"]
        refused = Client(running, key).asks(403)
        assert refused["code"] == "permission_denied", refused
    for settings in ({"models": {"allow": ["echo", "sand*"]}}, {"providers": {"allow": ["sandbox"]}}):
        Client(running, operator.make("/keys", settings=settings)["key"]).asks()


def test_what_is_wrong_is_named(operator: Client):
    """By its path; a name that nobody reads is wrong too."""
    for path, body, param in (
        ("/teams", {}, None),
        ("/teams", {"name": 7}, "name"),
        ("/teams", {"name": "x", "settings": {"zdrr": True}}, "settings.zdrr"),
        ("/teams", {"name": "x", "settings": {"zdr": "yes"}}, "settings.zdr"),
        ("/teams", {"name": "x", "settings": {"locked": ["everything"]}}, "settings.locked[0]"),
        ("/teams", {"name": "x", "limits": {"models": {"m": {"rpm": 1}}}}, "limits.models.m.rpm"),
        ("/teams", {"name": "x", "limits": {"tier": "platinum"}}, "limits"),
        ("/keys", {"scopes": ["everything"]}, "scopes"),
        ("/keys", {"expires_at": 1}, "expires_at"),
        ("/users", {"name": "x", "role": "king"}, "role"),
        ("/byok", {"provider": "nobody", "secret": "x"}, "provider"),
    ):
        error = operator.make(path, 400, **body)
        assert error["param"] == param, error
    assert operator("GET", "/keys?limit=1000", 400)["param"] == "limit"
    assert operator("POST", "/keys", 400, content=b"{")["code"] == "invalid_request_error"
    assert operator("POST", "/keys", 400, content=b"[]")["message"] == "The body must be a JSON object."


def test_every_change_leaves_a_row_without_secrets(operator: Client, acme: dict[str, Any]):
    """Who, what, before and after; the latest first; never a key, a digest or a credential."""
    owner = acme["owner"]
    key = owner.make("/keys", name="audited")
    owner("PATCH", f"/keys/{key['id']}", json={"name": "audited twice"})
    secret = "sk-proj-canary-9876543210"
    byok = owner.make("/byok", provider="openai", secret=secret)
    assert (byok["masked"], secret in str(byok)) == ("...3210", False)
    owner("DELETE", f"/byok/{byok['id']}")
    rows = owner("GET", "/audit?limit=4", shape="ListAuditEventsResponse")
    assert [row["action"] for row in rows["data"]] == ["byok.delete", "byok.create", "key.update", "key.create"]
    update = rows["data"][2]
    assert (update["before"]["name"], update["after"]["name"]) == ("audited", "audited twice")
    assert update["user_id"] == acme["users"]["owner"]["id"]
    more = owner("GET", f"/audit?limit=100&after={rows['last_id']}")
    everything = str([rows, more, operator("GET", "/audit?limit=100")])
    assert secret not in everything
    assert key["key"] not in everything
    assert "digest" not in everything
    assert [row["entity_id"] for row in owner("GET", f"/audit?entity_id={key['id']}")["data"]] == [key["id"]] * 2
    assert "not allow" in acme["member"]("GET", "/audit", 403)["message"]


def test_the_same_attempt_makes_one_thing(running: Gateway, operator: Client):
    """With an `Idempotency-Key` a second try answers as the first did: of the same caller, with the same request."""
    first, second, other = (
        operator("POST", "/keys", json={"name": "once"}, headers={"idempotency-key": name}) for name in ("a", "a", "b")
    )
    assert (first["id"], first["key"]) == (second["id"], second["key"])
    assert other["id"] != first["id"]
    changed = operator("POST", "/keys", 409, json={"name": "changed"}, headers={"idempotency-key": "a"})
    assert changed["code"] == "conflict"
    admin = Client(running, operator.make("/keys", scopes=["operator"])["key"])
    theirs = admin("POST", "/keys", json={"name": "once"}, headers={"idempotency-key": "a"})
    assert theirs["key"] != first["key"]


async def test_grpc_clients_get_the_same(running: Gateway, operator: Client):
    """Messages instead of JSON: absent is absent, maps hold messages, errors have their codes."""
    metadata = [("authorization", f"Bearer {running.key}")]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        keys = KeysServiceStub(channel)
        asked = pb.CreateKeyRequest(name="typed")
        asked.settings.zdr = False
        asked.settings.models.allow.append("gpt-*")
        asked.limits.models["gpt-5.4"].CopyFrom(Rates(requests_per_minute=5))
        made = await keys.CreateKey(asked, metadata=metadata)
        assert made.key.startswith("sk-cn-v1-")
        assert (made.status, made.HasField("expires_at"), made.settings.HasField("zdr")) == ("active", False, True)
        shown = operator("GET", f"/keys/{made.id}")
        assert shown["limits"] == {"models": {"gpt-5.4": {"requests_per_minute": 5}}}
        assert shown["settings"] == {"zdr": False, "models": {"allow": ["gpt-*"], "deny": []}}
        assert (await keys.GetKey(pb.GetKeyRequest(id=made.id), metadata=metadata)).limits == made.limits
        page = await keys.ListKeys(pb.ListKeysRequest(limit=1), metadata=metadata)
        assert (len(page.data), page.has_more) == (1, True)
        changed = await keys.UpdateKey(pb.UpdateKeyRequest(id=made.id, clear=["settings.models"]), metadata=metadata)
        assert not changed.settings.HasField("models")
        for call, code in (
            (keys.GetKey(pb.GetKeyRequest(id="key_0"), metadata=metadata), grpc.StatusCode.NOT_FOUND),
            (keys.GetKey(pb.GetKeyRequest(id=made.id)), grpc.StatusCode.UNAUTHENTICATED),
            (keys.ListKeys(pb.ListKeysRequest(limit=1000), metadata=metadata), grpc.StatusCode.INVALID_ARGUMENT),
            (
                OrganizationsServiceStub(channel).CreateTeam(
                    CreateTeamRequest(name="x"), metadata=[("x-api-key", made.key)]
                ),
                grpc.StatusCode.PERMISSION_DENIED,
            ),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await call
            assert error.value.code() == code
