"""Verifies API keys.

A key is looked up by its keyed hash and then remembered, with its policy: a busy key costs one hash and one look into a
dictionary. Twice a second every process asks which organisations were changed, and forgets what it remembers of them; so a
revoked key stops within that time on every replica. While the database does not answer, remembered keys go on working for
a minute; others get `Overloaded`.
"""

import asyncio
import contextlib
import hmac
from collections.abc import Callable, Sequence
from time import monotonic, time
from typing import Final, NamedTuple

import structlog

from services.errors import GatewayError, InvalidKey, Overloaded, PermissionDenied
from services.keys import store
from services.keys.secret import PREFIX, Hasher, is_key
from services.storage.database import Database
from services.tenancy import audit
from services.vocabulary.caller import INFERENCE, Caller
from services.vocabulary.limits import ScopeLimits

ASK_EVERY_S: Final = 0.5
BELIEVED_S: Final = 60.0
"""How long remembered keys work without news from the database."""

USED_EVERY_S: Final = 15.0
"""How often the times of last use are written."""

_REMEMBERED_MAX: Final = 200_000
_OVERLAP: Final = 200
"""Changes may be committed in another order than they are numbered in; so those of the last numbers are read again."""

_HOW: Final = f"Send `Authorization: Bearer <key>` (or `x-api-key: <key>`); keys start with `{PREFIX}`."
_FOREVER: Final = float("inf")

_log = structlog.get_logger("keys")


class _Remembered(NamedTuple):
    caller: Caller
    scopes: frozenset[str]
    until: float  # when it expires, in seconds since 1970


class DatabaseKeyRing:
    """Implements `ports.KeyRing` over the database. `start` it to have it hear of changes."""

    def __init__(
        self,
        database: Database,
        hasher: Hasher,
        *,
        clock: Callable[[], float] = time,
        monotonic_clock: Callable[[], float] = monotonic,
    ) -> None:
        """`hasher`: what this database's keys were hashed with. `clock`: seconds since 1970."""
        self._database = database
        self._hasher = hasher
        self._clock = clock
        self._now = monotonic_clock
        self._remembered: dict[bytes, _Remembered] = {}
        self._by_org: dict[str, set[bytes]] = {}
        self._believed_until = 0.0
        self._latest: int | None = None
        self._seen: set[int] = set()
        self._generation = 0
        self._limits: dict[str, Sequence[ScopeLimits]] = {}
        self._used: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    async def verify(
        self, authorization: str | None, x_api_key: str | None, *, scope: str | None = INFERENCE
    ) -> Caller:
        """See `ports.KeyRing.verify`."""
        digest = self._hasher.digest(_key(authorization, x_api_key))
        found = self._remembered.get(digest)
        if found is None or self._now() >= self._believed_until:
            found = await self._look_up(digest)
        now = self._clock()
        if now >= found.until:
            raise InvalidKey("This API key has expired.")
        if scope is not None and scope not in found.scopes:
            raise PermissionDenied(f"This key lacks the scope `{scope}`.")
        self._used[found.caller.key_id] = int(now)
        return found.caller

    def limits_of(self, caller: Caller) -> Sequence[ScopeLimits]:
        """See `ports.LimitsBook.limits_of`: of a caller that was verified here, as of then."""
        return self._limits.get(caller.key_id, ())

    def forget(self, org_id: str) -> None:
        """Looks the keys of an organisation up again: something about them was changed here."""
        self._generation += 1
        for digest in self._by_org.pop(org_id, ()):
            self._remembered.pop(digest, None)

    def start(self) -> None:
        """Begins to ask for changes, and to write when keys were used."""
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stops asking, and writes what is to be written."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(GatewayError):
            await self._write_used()

    async def refresh(self) -> None:
        """Asks for changes once. Raises `Overloaded` when the database does not answer."""
        asked_at, latest = self._now(), self._latest
        rows = await self._database.read(lambda connection: audit.changed(connection, latest, _OVERLAP))
        if latest is not None:
            for org_id in {org_id for seq, org_id in rows if seq not in self._seen}:
                self.forget(org_id)
        self._seen = {seq for seq, _ in rows}
        self._latest = max([latest or 0, *self._seen])
        self._believed_until = asked_at + BELIEVED_S

    async def _look_up(self, digest: bytes) -> _Remembered:
        if self._latest is None:
            await self.refresh()  # from here on changes are heard of; until now nothing is remembered
        generation = self._generation
        found = await self._database.read(lambda connection: store.look_up(connection, digest))
        if (
            found is None
            or not hmac.compare_digest(found.digest, digest)
            or found.row.revoked_at is not None
            or found.gone
        ):
            raise InvalidKey("This API key is unknown or has been revoked.")
        if found.row.disabled_at is not None:
            raise InvalidKey("This API key is disabled.")
        until = _FOREVER if found.row.expires_at is None else float(found.row.expires_at)
        remembered = _Remembered(found.caller, frozenset(found.caller.scopes or (INFERENCE,)), until)
        if generation == self._generation:  # else it may be what was before a change
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()  # a burst of look-ups once in a long while costs less than an order of use
                self._by_org.clear()
                self._limits.clear()
            self._remembered[digest] = remembered
            self._by_org.setdefault(found.caller.org_id, set()).add(digest)
        self._limits[found.caller.key_id] = found.limits
        return remembered

    async def _follow(self) -> None:
        written_at = self._now()
        said = False
        while True:
            await asyncio.sleep(ASK_EVERY_S)
            try:
                await self.refresh()
                said = False
                if self._now() - written_at >= USED_EVERY_S:
                    written_at = self._now()
                    await self._write_used()
            except Overloaded as error:
                if not said:
                    _log.warning("no news of changed keys", error=error.message)
                said = True

    async def _write_used(self) -> None:
        if not self._used:
            return
        used, self._used = self._used, {}
        try:
            await self._database.writer.submit(lambda connection: store.used(connection, used))
        except Overloaded:
            self._used = used | self._used  # later ones are newer
            raise


def _key(authorization: str | None, x_api_key: str | None) -> str:
    scheme, _, bearer = (authorization or "").strip().partition(" ")
    if scheme.lower() == "bearer" and (bearer := bearer.strip()):
        key = bearer
    elif x_api_key is not None and (x_api_key := x_api_key.strip()):
        key = x_api_key
    elif scheme:
        raise InvalidKey(f"The Authorization header is not `Bearer <key>`. {_HOW}")
    else:
        raise InvalidKey(f"No API key. {_HOW}")
    if not is_key(key):
        raise InvalidKey(f"This is not an API key of this gateway. {_HOW}")
    return key
