"""Keys: made, verified, revoked, never shown."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.errors import InvalidKey
from services.keys.keyring import SqliteKeyRing
from services.keys.secret import is_key, load_hasher, mask, new_key

KNOWN = "sk-cn-v1-" + "k" * 30


class Clock:
    """A hand-set clock."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path, clock: Clock) -> Iterator[SqliteKeyRing]:
    ring = SqliteKeyRing(tmp_path / "data", clock=clock, monotonic_clock=clock)
    yield ring
    ring.close()


async def test_a_created_key_works_in_either_header(keys: SqliteKeyRing):
    """The key's owner is found by `Authorization: Bearer` and by `x-api-key`."""
    key, row = keys.create("laptop")
    for headers in (
        (f"Bearer {key}", None),
        (f"bearer  {key} ", None),
        (None, key),
        ("Bearer ", key),
        ("Basic x", key),
    ):
        caller = await keys.verify(*headers)
        assert (caller.key_id, caller.name) == (row.id, "laptop")


async def test_the_bearer_key_wins(keys: SqliteKeyRing):
    """With a key in both headers the Bearer one counts, also when it is wrong."""
    (first, row), (second, _) = keys.create("first"), keys.create("second")
    assert (await keys.verify(f"Bearer {first}", second)).key_id == row.id
    with pytest.raises(InvalidKey):
        await keys.verify(f"Bearer {new_key()}", second)


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
    keys: SqliteKeyRing, authorization: str | None, x_api_key: str | None, message: str
):
    """Every kind of wrong header has its own message, which shows the right form and not the key."""
    with pytest.raises(InvalidKey) as error:
        await keys.verify(authorization, x_api_key)
    assert message in error.value.message
    assert "revoked" in message or "Authorization: Bearer <key>" in error.value.message
    assert KNOWN not in error.value.message


async def test_a_revoked_key_stops_within_a_second(keys: SqliteKeyRing, clock: Clock):
    """A verified key is believed for one second more, and never again after that."""
    key, row = keys.create("")
    await keys.verify(f"Bearer {key}", None)
    assert keys.revoke(row.id) is not None
    clock.now += 1.0
    for _ in range(2):
        with pytest.raises(InvalidKey):
            await keys.verify(f"Bearer {key}", None)


async def test_a_revocation_is_seen_by_other_processes(keys: SqliteKeyRing, clock: Clock, tmp_path: Path):
    """Another key ring on the same folder knows the same keys, and loses one when this revokes it."""
    other = SqliteKeyRing(tmp_path / "data", monotonic_clock=clock)
    key, row = keys.create("")
    assert (await other.verify(f"Bearer {key}", None)).key_id == row.id
    keys.revoke(row.id)
    clock.now += 1.0
    with pytest.raises(InvalidKey):
        await other.verify(f"Bearer {key}", None)
    other.close()


async def test_a_busy_key_is_looked_up_once_a_second(
    keys: SqliteKeyRing, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    """Verifying again within the second asks no database."""
    key, _ = keys.create("")
    await keys.verify(f"Bearer {key}", None)
    store = keys._store
    monkeypatch.setattr(keys, "_store", None)
    clock.now += 0.9
    await keys.verify(f"Bearer {key}", None)
    monkeypatch.setattr(keys, "_store", store)


def test_revoking_twice_keeps_the_first_time(keys: SqliteKeyRing, clock: Clock):
    """A key is revoked once; an unknown id is None."""
    _, row = keys.create("")
    first = keys.revoke(row.id)
    clock.now += 100
    assert keys.revoke(row.id) == first
    assert keys.revoke("key_0") is None


def test_the_list_shows_masked_keys_oldest_first(keys: SqliteKeyRing, clock: Clock):
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


class TestBootstrap:
    """The first key."""

    async def test_a_known_key_is_made_to_work(self, keys: SqliteKeyRing):
        """CONCENTRATE_BOOTSTRAP_KEY works at once, is not printed, and stays one row over restarts."""
        for _ in range(2):
            assert keys.bootstrap(KNOWN) is None
        assert (await keys.verify(f"Bearer {KNOWN}", None)).name == "bootstrap"
        assert len(keys.rows()) == 1

    async def test_a_revoked_known_key_stays_revoked(self, keys: SqliteKeyRing):
        """A restart with the same variable does not bring a revoked key back."""
        keys.bootstrap(KNOWN)
        keys.revoke(keys.rows()[0].id)
        keys.bootstrap(KNOWN)
        with pytest.raises(InvalidKey):
            await keys.verify(f"Bearer {KNOWN}", None)

    async def test_without_one_a_first_key_is_made_once(self, keys: SqliteKeyRing):
        """The first start returns a fresh key to print; later starts, and starts with keys, return none."""
        key = keys.bootstrap(None)
        assert key is not None
        assert (await keys.verify(f"Bearer {key}", None)).name == "first key"
        assert keys.bootstrap(None) is None
        keys.revoke(keys.rows()[0].id)
        assert keys.bootstrap("") is None

    @pytest.mark.parametrize("wrong", ["secret", "sk-cn-v1-", "sk-cn-v1-" + "a b" * 20])
    def test_a_key_of_the_wrong_form_is_refused(self, keys: SqliteKeyRing, wrong: str):
        """A typing error in the variable is an error at start, not a key nobody can use."""
        with pytest.raises(ValueError, match="CONCENTRATE_BOOTSTRAP_KEY must be"):
            keys.bootstrap(wrong)


class TestSecrets:
    """What is on the disk and in the logs."""

    def test_only_a_keyed_hash_is_stored(self, keys: SqliteKeyRing, tmp_path: Path):
        """No file holds the key, and the secret is for its owner alone."""
        key, _ = keys.create("x")
        keys.bootstrap(KNOWN)
        for path in (tmp_path / "data").iterdir():
            assert key.encode() not in path.read_bytes()
            assert KNOWN.encode() not in path.read_bytes()
        assert stat.S_IMODE((tmp_path / "data/keys.secret").stat().st_mode) == 0o600

    def test_nothing_prints_a_secret(self, keys: SqliteKeyRing, tmp_path: Path):
        """The repr of a key ring, its hasher and its rows shows neither keys, digests nor the secret."""
        key, _ = keys.create("x")
        digest = keys._hasher.digest(key)
        found = keys._store.find(digest)
        printed = repr((keys, vars(keys), keys._hasher, found, keys.rows()))
        for secret in (key, repr(digest), digest.hex(), repr((tmp_path / "data/keys.secret").read_bytes())):
            assert secret not in printed

    def test_digests_of_another_folder_are_different(self, keys: SqliteKeyRing, tmp_path: Path):
        """The hash is keyed: a stolen table is of no use elsewhere."""
        other = load_hasher(tmp_path / "other.secret")
        assert other.digest(KNOWN) != keys._hasher.digest(KNOWN)
        assert load_hasher(tmp_path / "other.secret").digest(KNOWN) == other.digest(KNOWN)

    def test_a_damaged_secret_is_an_error(self, tmp_path: Path):
        """A cut file is named instead of making all keys wrong."""
        (tmp_path / "keys.secret").write_bytes(b"short")
        with pytest.raises(ValueError, match="must hold 32 bytes"):
            SqliteKeyRing(tmp_path)

    def test_many_processes_starting_at_once_agree(self, tmp_path: Path):
        """Of ten processes on a new folder one makes the secret and one makes the first key."""
        program = (
            "import sys; from pathlib import Path; from services.keys.keyring import SqliteKeyRing;"
            "ring = SqliteKeyRing(Path(sys.argv[1])); print(ring.bootstrap(None) or '', ring._hasher.digest('x').hex())"
        )
        started = [
            subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
            for _ in range(10)
        ]
        lines = [process.communicate(timeout=60)[0].rstrip("\n").split(" ") for process in started]
        assert len({digest for _, digest in lines}) == 1
        assert [is_key(key) for key, _ in lines].count(True) == 1
