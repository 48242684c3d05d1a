"""The first key of a database, and the keys of a data folder from before there was one."""

import hmac
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from services.keys import store
from services.keys.secret import PREFIX, Hasher, is_key, mask, new_key
from services.keys.store import KeyRow
from services.storage.schema import upsert
from services.tenancy import audit
from services.tenancy.authority import ADMIN, OPERATOR, Actor
from services.tenancy.rows import Organization, new_id
from services.tenancy.store import add
from services.tenancy.tables import installation
from services.vocabulary.caller import DEFAULT_ORG, INFERENCE

FIRST_SCOPES: Final = [INFERENCE, ADMIN, OPERATOR]
"""Of the first key: with it its owner makes everything else."""

_OLD_FILE: Final = "keys.db"
_OLD_OWNERS: Final = ("bootstrap", "first key")
_CHECK: Final = "keys_secret_check"
_SYSTEM: Final = Actor(name="start")


class OtherSecret(ValueError):
    """The keys of the database were hashed with another secret, so none of them would work."""


def begin(connection: sa.Connection, hasher: Hasher, *, at: int) -> None:
    """Makes the default organisation, and checks the secret. Raises `OtherSecret`. `at`: seconds since 1970."""
    check = hasher.derived("check").hex()
    statement = upsert(connection, installation).values(name=_CHECK, value=check)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["name"]))
    kept = connection.execute(sa.select(installation.c.value).where(installation.c.name == _CHECK)).scalar() or ""
    if not hmac.compare_digest(kept, check):
        raise OtherSecret("the keys of this database were hashed with another secret, and would not work with this one")
    add(connection, Organization(id=DEFAULT_ORG, name="Default", created_at=at))


def bootstrap(connection: sa.Connection, hasher: Hasher, known_key: str | None, *, at: int) -> str | None:
    """Makes sure that there is a first key: `known_key`, else a fresh one, which is returned to be shown once.

    Raises `ValueError` when `known_key` is not the form of a key.
    """
    if known_key and not is_key(known_key):
        raise ValueError(f"CONCENTRATE_BOOTSTRAP_KEY must be `{PREFIX}` and at least 20 printable characters")
    if not known_key and not store.is_empty(connection):
        return None
    key = known_key or new_key()
    row = KeyRow(
        id=new_id("key"),
        org_id=DEFAULT_ORG,
        name="bootstrap" if known_key else "first key",
        masked=mask(key),
        scopes=FIRST_SCOPES,
        created_at=at,
    )
    if store.add(connection, row, hasher.digest(key)):
        audit.record(connection, _SYSTEM, "key.create", row.id, at=at, org_id=row.org_id, after=row)
    return None if known_key else key


def adopt(connection: sa.Connection, folder: Path) -> Callable[[], None]:
    """Takes over the keys of `keys.db`, which older releases kept in the data folder, with their ids and times.

    Call what it returns when the transaction is committed: it puts the file aside, so that this happens once.
    """
    path = folder / _OLD_FILE
    if not path.is_file():
        return lambda: None
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as old:
        rows = old.execute("SELECT id, name, masked, digest, created_at, revoked_at FROM api_keys").fetchall()
    old.close()
    for id, name, masked, digest, created_at, revoked_at in rows:
        row = KeyRow(
            id=id,
            org_id=DEFAULT_ORG,
            name=name,
            masked=masked,
            scopes=FIRST_SCOPES if name in _OLD_OWNERS else [INFERENCE],
            created_at=created_at,
            revoked_at=revoked_at,
        )
        store.add(connection, row, digest)
    return lambda: _put_aside(path)


def _put_aside(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.rename(f"{path}.adopted")
