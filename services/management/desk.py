"""What an operation works with: a transaction, who asks, the time, and fresh names that a second run finds again."""

import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import msgspec
import sqlalchemy as sa

from services.catalog.schema import Provider
from services.errors import NotFound, PermissionDenied
from services.keys.secret import Hasher, key_of
from services.storage.sealing import Sealer
from services.tenancy import audit, store
from services.tenancy.authority import Actor, Area, Owned, Verb, require
from services.tenancy.rows import Organization, Team, User
from services.tenancy.settings import SETTINGS, Chain, Settings, locked_by
from services.vocabulary.caller import DEFAULT_ORG, INFERENCE, Caller

LIMIT_MAX = 100
LIMIT = 20

Kind = Literal["org", "team", "user", "key", "byok", "transaction"]
Merged = TypeVar("Merged", bound=msgspec.Struct)


@dataclass(frozen=True)
class Fresh:
    """New ids and keys. The same object gives the same ones again: work may run more than once, and make one thing."""

    seed: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def id(self, kind: Kind) -> str:
        """A public id: `key_…`."""
        return f"{kind}_{self._drawn(kind).hex()[:16]}"

    def key(self) -> str:
        """An API key."""
        return key_of(self._drawn("secret 1") + self._drawn("secret 2"))

    def _drawn(self, purpose: str) -> bytes:
        return hmac.digest(self.seed, purpose.encode(), "sha256")


@dataclass(frozen=True)
class Tools:
    """What all operations share. provider: the row of a provider, by any of its names, with its placeholders.

    tiers: names of the rate limits' tiers; None: not known here, so not checked.
    """

    hasher: Hasher
    sealer: Sealer
    provider: Callable[[str], Provider | None] = lambda _: None
    tiers: frozenset[str] | None = None


@dataclass(frozen=True)
class Desk:
    """One operation at work. now_ms: milliseconds since 1970. idempotency_key: what the client names its attempt, if it does.

    touched: organisations about which something was changed.
    """

    connection: sa.Connection
    actor: Actor
    now_ms: int
    fresh: Fresh
    tools: Tools
    idempotency_key: str | None = None
    touched: set[str] = field(default_factory=set)

    @property
    def now(self) -> int:
        """The time in seconds since 1970."""
        return self.now_ms // 1000

    def require(self, verb: Verb, area: Area, owned: Owned) -> None:
        """Raises `NotFound` or `PermissionDenied`."""
        require(self.actor, verb, area, owned)

    def org_id(self, asked: str | None) -> str:
        """The organisation meant: the one asked for, else the caller's own."""
        return asked or self.actor.org_id or DEFAULT_ORG

    def organization(self, id: str) -> Organization:
        """One by its id. Raises `NotFound`."""
        return self._found(store.find(self.connection, Organization, id), "organization", id)

    def team(self, id: str) -> Team:
        """One by its id. Raises `NotFound`."""
        return self._found(store.find(self.connection, Team, id), "team", id)

    def user(self, id: str) -> User:
        """One by its id. Raises `NotFound`."""
        return self._found(store.find(self.connection, User, id), "user", id)

    def place(self, org_id: str | None, team_id: str | None, user_id: str | None) -> Owned:
        """Where a new thing goes; team and user must be the organisation's. Raises `NotFound`."""
        owned = Owned(self.org_id(org_id), team_id or "", user_id or "")
        if owned.org_id != self.actor.org_id and not self.actor.is_operator:
            raise NotFound(f"There is no organization `{owned.org_id}`.")
        self.organization(owned.org_id)
        if owned.team_id and self.team(owned.team_id).org_id != owned.org_id:
            raise NotFound(f"There is no team `{owned.team_id}`.")
        if owned.user_id and self.user(owned.user_id).org_id != owned.org_id:
            raise NotFound(f"There is no user `{owned.user_id}`.")
        return owned

    def above(self, owned: Owned, *, key: bool = False) -> Chain:
        """Settings of the scopes above a team, a user or (`key`) a key: what it inherits."""
        chain: list[tuple[Any, Settings]] = [("org", self.organization(owned.org_id).settings)]
        if owned.team_id and (owned.user_id or key) and (team := store.find(self.connection, Team, owned.team_id)):
            chain.append(("team", team.settings))
        if owned.user_id and key and (user := store.find(self.connection, User, owned.user_id)):
            chain.append(("user", user.settings))
        return chain

    def record(self, action: str, id: str, org_id: str, *, before: Any = None, after: Any = None) -> None:
        """Leaves an audit row."""
        self.touched.add(org_id)
        audit.record(self.connection, self.actor, action, id, at=self.now, org_id=org_id, before=before, after=after)

    @staticmethod
    def _found(thing: Merged | None, kind: str, id: str) -> Merged:
        if thing is None:
            raise NotFound(f"There is no {kind} `{id[:60]}`.")
        return thing


def actor_of(connection: sa.Connection, caller: Caller) -> Actor:
    """Who a verified key stands for, with the roles of its user."""
    user = store.find(connection, User, caller.user_id) if caller.user_id else None
    return Actor(
        name=caller.key_id,
        org_id=caller.org_id,
        team_id=caller.team_id,
        user_id=caller.user_id,
        scopes=frozenset(caller.scopes or (INFERENCE,)),
        role=user.role if user else None,
        team_roles=store.team_roles(connection, caller.user_id) if user else {},
    )


def check_locks(before: Settings, after: Settings, above: Chain) -> None:
    """Raises `PermissionDenied` for a change of what a scope above has locked; its lists may be narrowed."""
    for name in SETTINGS:
        if name in ("models", "providers") or getattr(before, name) == getattr(after, name):
            continue
        if getattr(after, name) is not None and (source := locked_by(name, above)) is not None:
            raise PermissionDenied(f"`{name}` is locked by the {source}.", param=f"settings.{name}")


def merged(before: Merged, patch: Merged | None, clear: Sequence[str], path: str) -> Merged:
    """`before` with what the patch says; a member named in `clear` (`settings.zdr`) goes back to its default."""
    values = {}
    for name in before.__struct_fields__:
        default = getattr(type(before)(), name)
        given = getattr(patch, name) if patch is not None else default
        if f"{path}.{name}" in clear or path in clear:
            values[name] = default
        elif given != default:
            values[name] = given
    return msgspec.structs.replace(before, **values)
