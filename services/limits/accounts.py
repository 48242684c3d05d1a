"""Which limits one request meets: each scope the caller is in, for all models together and for the one that is asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from services.limits.buckets import UNLIMITED
from services.limits.tiers import DEFAULT, Tiers
from services.ports import LimitsBook
from services.vocabulary.caller import Caller
from services.vocabulary.limits import Limits, Rates, ScopeLimits

_REMEMBERED_MAX: Final = 100_000
_NO_LIMITS: Final = Limits()

OnOutage = Literal["local", "refuse"]


@dataclass(frozen=True, slots=True)
class Account:
    """Three buckets and a number of places, of one scope.

    digest: a name in 16 bytes. limits: requests, input tokens, output tokens per minute, and requests at once. whose: for
    people. keys, words: the names of its buckets and leases in Redis, and its limits, as they travel.
    """

    digest: bytes
    limits: tuple[int, int, int, int]
    whose: str
    keys: tuple[bytes, bytes]
    words: tuple[bytes, ...]


def account(name: str, limits: tuple[int, int, int, int], whose: str) -> Account:
    """The account of that name, which must be unique."""
    digest = blake2b(name.encode(), digest_size=16).digest()
    key = f"concentrate:limits:{name}".encode()
    return Account(digest, limits, whose, (key, key + b":leases"), tuple(b"%d" % limit for limit in limits))


@dataclass(frozen=True, slots=True)
class Accounts:
    """All that one request meets: those of all models together, those of its own, and both.

    model: its slug; None where no limit names any model.
    """

    general: Sequence[Account]
    by_model: Sequence[Account]
    all: Sequence[Account]
    model: str | None
    on_outage: OnOutage


class AccountBook:
    """Finds the accounts of requests. Remembers them by key and model, as long as the limits stay the same."""

    def __init__(
        self, book: LimitsBook, tiers: Tiers, *, on_outage: OnOutage, slug: Callable[[str], str], share: int = 1
    ) -> None:
        """`slug`: the model behind a name that a client uses. `share`: divide all numbers by it (when replicas are alone)."""
        self._book = book
        self._tiers = tiers
        self._on_outage = on_outage
        self._slug = slug
        self._share = share
        self._key_default = tiers.resolved(Limits(tier=DEFAULT))
        self._remembered: dict[tuple[str, str], tuple[Sequence[ScopeLimits], Accounts]] = {}

    def find(self, caller: Caller, model: str) -> Accounts:
        """What a request of the caller for a model meets."""
        scopes = self._book.limits_of(caller)
        key = (caller.key_id, model)
        found = self._remembered.get(key)
        if found is not None and found[0] == scopes:
            return found[1]
        accounts = self._made(caller, model, scopes)
        if len(self._remembered) >= _REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[key] = scopes, accounts
        return accounts

    def forget(self) -> None:
        """Has all be found anew: models have other names now."""
        self._remembered.clear()

    def _made(self, caller: Caller, model: str, scopes: Sequence[ScopeLimits]) -> Accounts:
        if not any(each.scope == "key" for each in scopes):
            scopes = [*scopes, ScopeLimits("key", caller.key_id, _NO_LIMITS)]
        general: list[Account] = []
        by_model: list[Account] = []
        slug: str | None = None
        said: set[OnOutage] = set()
        for each in scopes:
            limits = self._resolved(each)
            if limits.on_outage is not None:
                said.add(limits.on_outage)
            self._add(general, f"{each.scope}:{each.id}", limits, each.scope)
            if limits.models:
                slug = slug or self._slug(model)
                if (rates := limits.models.get(slug)) is not None:
                    self._add(by_model, f"{each.scope}:{each.id}:{slug}", rates, f"{each.scope} for {slug}")
        on_outage: OnOutage = "refuse" if "refuse" in said else "local" if said else self._on_outage
        return Accounts(general, by_model, [*general, *by_model], slug, on_outage)

    def _resolved(self, scope: ScopeLimits) -> Limits:
        limits = scope.limits
        if scope.scope != "key" or limits.tier is not None:
            return self._tiers.resolved(limits)
        if limits is _NO_LIMITS:
            return self._key_default
        return self._tiers.resolved(msgspec.structs.replace(limits, tier=DEFAULT))

    def _add(self, accounts: list[Account], name: str, rates: Rates, whose: str) -> None:
        limits = (
            self._number(rates.requests_per_minute),
            self._number(rates.input_tokens_per_minute),
            self._number(rates.output_tokens_per_minute),
            self._number(rates.concurrent_requests),
        )
        if any(limit != UNLIMITED for limit in limits):
            accounts.append(account(name, limits, whose))

    def _number(self, limit: int | None) -> int:
        return UNLIMITED if limit is None else -(-limit // self._share)
