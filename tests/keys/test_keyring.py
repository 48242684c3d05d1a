"""Keys: verified, remembered, forgotten, on both kinds of database."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.errors import InvalidKey, Overloaded, PermissionDenied
from services.keys.secret import key_of, mask, new_key
from services.management import operations, requests
from services.tenancy.settings import Access, Settings
from services.vocabulary.limits import Limits, ScopeLimits
from tests.keys.kit import Clock, Keys, opened
from tests.storage.kit import KINDS, url_of

KNOWN = "sk-cn-v1-" + "k" * 30


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def keys(tmp_path: Path, clock: Clock) -> AsyncIterator[Keys]:
    async with opened(tmp_path / "data", clock) as made:
        yield made


@pytest.fixture(params=KINDS)
async def both(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Keys]:
    async with opened(tmp_path / "data", clock, url_of(request)) as made:
        yield made


async def test_a_created_key_works_in_either_header(both: Keys):
    """The key's owner is found by `Authorization: Bearer` and by `x-api-key`."""
    key, row = both.create("laptop")
    for headers in (
        (f"Bearer {key}", None),
        (f"bearer  {key} ", None),
        (None, key),
        ("Bearer ", key),
        ("Basic x", key),
    ):
        caller = await both.ring.verify(*headers)
        assert (caller.key_id, caller.name, caller.org_id) == (row.id, "laptop", "org_default")


async def test_the_bearer_key_wins(keys: Keys):
    """With a key in both headers the Bearer one counts, also when it is wrong."""
    (first, row), (second, _) = keys.create("first"), keys.create("second")
    assert (await keys.ring.verify(f"Bearer {first}", second)).key_id == row.id
    with pytest.raises(InvalidKey):
        await keys.ring.verify(f"Bearer {new_key()}", second)


@pytest.mark.parametrize(
    ("authorization", "x_api_key", "message"),
    [
        (None, None, "No API key"),
        ("", "  ", "No API key"),
        (KNOWN, None, "not `Bearer <key>`"),
        (f"Bearer: {KNOWN}", None, "not `Bearer <key>`"),
        ("Bearer", None, "not `Bearer <key>`"),
        (f"Basic {KNOWN}", None, "not `Bearer <key>`"),
        ("Bearer sk-proj-abcdefghijklmnopqrstuvwxyz", None, "not an API key of this gateway"),
        ("Bearer sk-cn-v1-short", None, "not an API key of this gateway"),
        (f"Bearer {KNOWN} {KNOWN}", None, "not an API key of this gateway"),
        (f"Bearer {KNOWN}\u00e9", None, "not an API key of this gateway"),
        (f"Bearer {KNOWN}" + "k" * 1_000_000, None, "not an API key of this gateway"),
        (f"Bearer {KNOWN}", None, "unknown or has been revoked"),
    ],
)
async def test_a_wrong_header_says_what_is_right(
    keys: Keys, authorization: str | None, x_api_key: str | None, message: str
):
    """Every kind of wrong header has its own message, which shows the right form and not the key."""
    with pytest.raises(InvalidKey) as error:
        await keys.ring.verify(authorization, x_api_key)
    assert message in error.value.message
    assert "revoked" in message or "Authorization: Bearer <key>" in error.value.message
    assert KNOWN not in error.value.message


class TestStaleness:
    """How long a key is believed that was changed elsewhere."""

    async def test_a_revoked_key_stops_at_the_next_question(self, both: Keys):
        """A verified key is remembered, until this process asks what was changed: twice a second."""
        (key, row), (other, _) = both.create(), both.create()
        for each in (key, other):
            await both.ring.verify(f"Bearer {each}", None)
        both.revoke(row.id)
        await both.ring.verify(f"Bearer {key}", None)
        await both.ring.refresh()
        for _ in range(2):
            with pytest.raises(InvalidKey, match="revoked"):
                await both.ring.verify(f"Bearer {key}", None)
        await both.ring.verify(f"Bearer {other}", None)

    async def test_a_started_ring_asks_by_itself(self, keys: Keys):
        """Nobody has to tell it that the key was revoked."""
        key, row = keys.create()
        await keys.ring.verify(f"Bearer {key}", None)
        keys.ring.start()
        keys.revoke(row.id)
        async with asyncio.timeout(20):
            while True:
                try:
                    await keys.ring.verify(f"Bearer {key}", None)
                except InvalidKey:
                    return
                await asyncio.sleep(0.05)

    async def test_a_busy_key_asks_no_database(self, keys: Keys, monkeypatch: pytest.MonkeyPatch):
        """Verifying again is a hash and a look into a dictionary; news of other organisations change nothing."""
        key, _ = keys.create()
        await keys.ring.verify(f"Bearer {key}", None)
        other = keys.office.run_here(operations.CREATE_ORGANIZATION, requests.CreateOrganization(name="other"))
        keys.create(org_id=other.id)
        await keys.ring.refresh()
        await keys.ring.refresh()
        monkeypatch.setattr(keys.ring, "_database", None)
        await keys.ring.verify(f"Bearer {key}", None)

    async def test_without_a_database_known_keys_go_on_for_a_minute(
        self, keys: Keys, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ):
        """Others are told to come again; after the minute all are."""
        key, _ = keys.create()
        await keys.ring.verify(f"Bearer {key}", None)

        async def silent(*_: object) -> None:
            raise Overloaded("The database is not available.", retry_after=2)

        monkeypatch.setattr(keys.database, "read", silent)
        clock.now += 59
        assert await keys.ring.verify(f"Bearer {key}", None)
        with pytest.raises(Overloaded):
            await keys.ring.verify(f"Bearer {new_key()}", None)
        clock.now += 1
        with pytest.raises(Overloaded):
            await keys.ring.verify(f"Bearer {key}", None)

    async def test_last_use_is_written_in_one_go(self, both: Keys, clock: Clock, monkeypatch: pytest.MonkeyPatch):
        """Not when a key is used, but later and for all keys together; never back in time."""

        async def full(*_: object) -> None:
            raise Overloaded("Too much is waiting.", retry_after=1)

        (key, _), (unused, _) = both.create("a"), both.create("b")
        for _ in range(3):
            clock.now += 7
            await both.ring.verify(f"Bearer {key}", None)
        with monkeypatch.context() as patched:
            patched.setattr(both.database.writer, "submit", full)
            with pytest.raises(Overloaded):
                await both.ring._write_used()  # nothing is lost: it is written next time
        assert {row.name: row.last_used_at for row in both.rows()} == {"a": None, "b": None}
        await both.ring.close()
        assert {row.name: row.last_used_at for row in both.rows()} == {"a": 1021, "b": None}
        assert unused != key


class TestWhatAKeyIs:
    """Scopes, end, policy, limits."""

    async def test_scopes(self, keys: Keys):
        """A key without the scope of a call is refused with 403; who asks for no scope learns whose it is."""
        key, _ = keys.create(scopes=["usage:read"])
        assert (await keys.ring.verify(f"Bearer {key}", None, scope=None)).scopes == ["usage:read"]
        with pytest.raises(PermissionDenied, match="lacks the scope `inference`"):
            await keys.ring.verify(f"Bearer {key}", None)

    async def test_an_expired_key_stops_on_time(self, keys: Keys, clock: Clock):
        """To the second, also when it is remembered."""
        key, _ = keys.create(expires_at=1010)
        clock.now = 1009.9
        await keys.ring.verify(f"Bearer {key}", None)
        clock.now = 1010.0
        with pytest.raises(InvalidKey, match="expired"):
            await keys.ring.verify(f"Bearer {key}", None)

    async def test_a_disabled_key_works_again_when_it_is_enabled(self, keys: Keys):
        """`disabled` is not for ever."""
        key, row = keys.create()
        for disabled in (True, False):
            keys.office.run_here(operations.UPDATE_KEY, requests.UpdateKey(id=row.id, disabled=disabled))
            await keys.ring.refresh()
            if disabled:
                with pytest.raises(InvalidKey, match="disabled"):
                    await keys.ring.verify(f"Bearer {key}", None)
            else:
                await keys.ring.verify(f"Bearer {key}", None)

    async def test_a_rotated_key_overlaps_with_its_successor(self, keys: Keys, clock: Clock):
        """Both work until the overlap ends, then only the new one."""
        old, row = keys.create("ci", settings=Settings(zdr=True))
        new = keys.office.run_here(operations.ROTATE_KEY, requests.RotateKey(id=row.id, overlap_seconds=60))
        assert (new.name, new.settings.zdr, new.rotated_from) == ("ci", True, row.id)
        clock.now += 59
        for key in (old, new.key):
            await keys.ring.verify(f"Bearer {key}", None)
        clock.now += 1
        with pytest.raises(InvalidKey, match="expired"):
            await keys.ring.verify(f"Bearer {old}", None)
        await keys.ring.verify(f"Bearer {new.key}", None)

    async def test_the_policy_of_all_scopes_above_holds(self, both: Keys):
        """Organisation, team, user and key, resolved."""
        run = both.office.run_here
        org = run(
            operations.CREATE_ORGANIZATION,
            requests.CreateOrganization(
                name="o", owner_name="ann", settings=Settings(zdr=True, locked=["zdr"]),
                limits=Limits(requests_per_minute=100),
            ),
        )  # fmt: skip
        team = run(
            operations.CREATE_TEAM,
            requests.CreateTeam(org_id=org.id, name="t", settings=Settings(models=Access(allow=["gpt-*"]))),
        )
        (user,) = run(operations.LIST_USERS, requests.Some(org_id=org.id)).data
        own = Limits(concurrent_requests=2)
        key, row = both.create(org_id=org.id, team_id=team.id, user_id=user.id, limits=own)
        caller = await both.ring.verify(f"Bearer {key}", None)
        assert (caller.org_id, caller.team_id, caller.user_id) == (org.id, team.id, user.id)
        assert caller.policy.zdr
        assert [rule.allowed_models for rule in caller.policy.access] == [["gpt-*"]]
        assert caller.policy.sources == {"zdr": "org", "models": "team"}
        assert both.ring.limits_of(caller) == [
            ScopeLimits("organisation", org.id, Limits(requests_per_minute=100)),
            ScopeLimits("key", row.id, own),
        ]
        run(operations.DELETE_TEAM, requests.One(id=team.id))
        await both.ring.refresh()
        with pytest.raises(InvalidKey):
            await both.ring.verify(f"Bearer {key}", None)


def test_a_key_of_a_seed_is_always_the_same():
    """Work that runs twice makes one key; other seeds make others."""
    assert key_of(b"1" * 64) == key_of(b"1" * 64) != key_of(b"2" * 64)
    assert len(key_of(b"1" * 64)) == len(new_key())


async def test_the_list_shows_masked_keys_oldest_first(keys: Keys, clock: Clock):
    """A list has ids, names and masks, in the order of creation."""
    made = []
    for name in ("a", "b"):
        made.append(keys.create(name))
        clock.now += 1
    assert [(row.name, row.masked, row.created_at) for row in keys.rows()] == [
        ("a", mask(made[0][0]), 1000),
        ("b", mask(made[1][0]), 1001),
    ]
    assert mask(made[0][0]) == f"sk-cn-v1...{made[0][0][-4:]}"


async def test_revoking_twice_keeps_the_first_time(keys: Keys, clock: Clock):
    """A key is revoked once."""
    _, row = keys.create()
    first = keys.revoke(row.id)
    clock.now += 100
    assert keys.revoke(row.id) == first
