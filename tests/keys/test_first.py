"""The first key of a database, the secret of its keys, and the keys of older releases."""

import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.errors import InvalidKey
from services.keys import first
from services.keys.secret import Hasher, SecretUnusable, given_hasher, is_key, load_hasher
from services.runtime.keys import first_key, hasher_of
from services.runtime.settings import SettingsError, read
from tests.gateway import ROOT
from tests.keys.kit import Clock, Keys, opened

KNOWN = "sk-cn-v1-" + "k" * 30


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[Keys]:
    async with opened(tmp_path / "data", Clock()) as made:
        yield made


class TestBootstrap:
    """The first key."""

    async def test_a_known_key_is_made_to_work(self, keys: Keys):
        """CONCENTRATE_BOOTSTRAP_KEY works at once, is not printed, and stays one row over restarts."""
        for _ in range(2):
            assert keys.bootstrap(KNOWN) is None
        caller = await keys.ring.verify(f"Bearer {KNOWN}", None)
        assert (caller.name, caller.scopes) == ("bootstrap", ["inference", "admin", "operator"])
        assert len(keys.rows()) == 1

    async def test_a_revoked_known_key_stays_revoked(self, keys: Keys):
        """A restart with the same variable does not bring a revoked key back."""
        keys.bootstrap(KNOWN)
        keys.revoke(keys.rows()[0].id)
        keys.bootstrap(KNOWN)
        with pytest.raises(InvalidKey):
            await keys.ring.verify(f"Bearer {KNOWN}", None)

    async def test_without_one_a_first_key_is_made_once(self, keys: Keys):
        """The first start returns a fresh key to print; later starts, and starts with keys, return none."""
        key = keys.bootstrap(None)
        assert key is not None
        assert (await keys.ring.verify(f"Bearer {key}", None)).name == "first key"
        assert keys.bootstrap(None) is None
        keys.revoke(keys.rows()[0].id)
        assert keys.bootstrap("") is None

    @pytest.mark.parametrize("wrong", ["secret", "sk-cn-v1-", "sk-cn-v1-" + "a b" * 20])
    async def test_a_key_of_the_wrong_form_is_refused(self, keys: Keys, wrong: str):
        """A typing error in the variable is an error at start, not a key nobody can use."""
        with pytest.raises(ValueError, match="CONCENTRATE_BOOTSTRAP_KEY must be"):
            keys.bootstrap(wrong)

    def test_many_processes_starting_at_once_agree(self, tmp_path: Path):
        """Of three processes on a new folder one makes the secret and one makes the first key."""
        program = (
            "import os; from services.runtime.keys import first_key, hasher_of; from services.runtime.settings import read;"
            "s = read(os.environ); print(first_key(s) or '', hasher_of(s).digest('x').hex())"
        )
        environment = {"CONCENTRATE_DATA_DIR": str(tmp_path), "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"}
        started = [
            subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)
            for _ in range(3)
        ]
        lines = [process.communicate(timeout=60)[0].rstrip("\n").split(" ") for process in started]
        assert len({digest for _, digest in lines}) == 1
        assert [is_key(key) for key, _ in lines].count(True) == 1


class TestSecret:
    """What keys are hashed with."""

    async def test_only_a_keyed_hash_is_stored(self, keys: Keys, tmp_path: Path):
        """No file holds the key, and the secret is for its owner alone."""
        key, _ = keys.create("x")
        keys.bootstrap(KNOWN)
        for path in (tmp_path / "data").iterdir():
            assert key.encode() not in path.read_bytes()
            assert KNOWN.encode() not in path.read_bytes()
        assert stat.S_IMODE((tmp_path / "data/keys.secret").stat().st_mode) == 0o600

    async def test_nothing_prints_a_secret(self, keys: Keys, tmp_path: Path):
        """The repr of a key ring, its hasher and what it remembers shows neither keys, digests nor the secret."""
        key, _ = keys.create("x")
        await keys.ring.verify(f"Bearer {key}", None)
        digest = keys.hasher.digest(key)
        found = await keys.database.read(lambda connection: first.store.look_up(connection, digest))
        printed = repr((keys.ring, keys.hasher, keys.office, vars(keys.office), found, keys.rows()))
        for secret in (key, repr(digest), digest.hex(), repr((tmp_path / "data/keys.secret").read_bytes())):
            assert secret not in printed

    def test_digests_of_another_folder_are_different(self, tmp_path: Path):
        """The hash is keyed: a stolen table is of no use elsewhere."""
        one, other = load_hasher(tmp_path / "one"), load_hasher(tmp_path / "other")
        assert one.digest(KNOWN) != other.digest(KNOWN)
        assert load_hasher(tmp_path / "one").digest(KNOWN) == one.digest(KNOWN)

    def test_a_secret_can_be_given(self, tmp_path: Path):
        """As text, or as a file of text or of the 32 bytes that a data folder has: replicas then agree."""
        text = "s" * 40
        (tmp_path / "text").write_text(f"{text}\n")
        digest = Hasher(text.encode()).digest(KNOWN)
        for given in (given_hasher(text, None), given_hasher(None, tmp_path / "text")):
            assert given is not None
            assert given.digest(KNOWN) == digest
        own = load_hasher(tmp_path / "keys.secret")
        copied = given_hasher(None, tmp_path / "keys.secret")
        assert copied is not None
        assert copied.digest(KNOWN) == own.digest(KNOWN)
        with pytest.raises(SecretUnusable, match="32 random characters"):
            given_hasher("short", None)

    def test_what_is_wrong_with_it_is_said(self, tmp_path: Path):
        """A cut file, a short text, and a secret that is not the one this database's keys were hashed with."""
        (tmp_path / "a").mkdir()
        (tmp_path / "a/keys.secret").write_bytes(b"short")
        with pytest.raises(SettingsError, match=r"CONCENTRATE_DATA_DIR: .* must hold 32 bytes"):
            hasher_of(read({"CONCENTRATE_DATA_DIR": str(tmp_path / "a")}))
        variables = {"CONCENTRATE_DATA_DIR": str(tmp_path / "b"), "CONCENTRATE_SECRET": "s" * 32}
        assert is_key(first_key(read(variables)) or "")
        assert first_key(read(variables)) is None
        with pytest.raises(SettingsError, match="CONCENTRATE_SECRET: it must have 32"):
            first_key(read({**variables, "CONCENTRATE_SECRET": "short"}))
        with pytest.raises(SettingsError, match="hashed with another secret"):
            first_key(read({**variables, "CONCENTRATE_SECRET": "t" * 32}))


async def test_keys_of_older_releases_go_on_working(tmp_path: Path):
    """Their file is taken over once, with ids and times; those that were revoked stay so."""
    folder = tmp_path / "data"
    folder.mkdir()
    hasher = load_hasher(folder / "keys.secret")
    with sqlite3.connect(folder / "keys.db") as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.execute(
            "CREATE TABLE api_keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, masked TEXT NOT NULL, "
            "digest BLOB NOT NULL UNIQUE, created_at INTEGER NOT NULL, revoked_at INTEGER) STRICT"
        )
        for number, (name, revoked_at) in enumerate([("first key", None), ("laptop", None), ("lost", 7)]):
            key = f"{KNOWN}{number}"
            row = (f"key_{number}", name, "sk-cn-v1...kkk", hasher.digest(key), number, revoked_at)
            old.execute("INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?)", row)
    old.close()
    for _ in range(2):
        assert first_key(read({"CONCENTRATE_DATA_DIR": str(folder)})) is None
    async with opened(folder, Clock()) as keys:
        assert [(row.id, row.name, row.created_at, row.revoked_at, row.scopes[-1]) for row in keys.rows()] == [
            ("key_0", "first key", 0, None, "operator"),
            ("key_1", "laptop", 1, None, "inference"),
            ("key_2", "lost", 2, 7, "inference"),
        ]
        assert (await keys.ring.verify(f"Bearer {KNOWN}1", None)).key_id == "key_1"
        with pytest.raises(InvalidKey):
            await keys.ring.verify(f"Bearer {KNOWN}2", None)
    assert not (folder / "keys.db").exists()
