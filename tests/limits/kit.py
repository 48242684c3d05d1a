"""A clock set by hand, callers with limits, and stores with the same interface."""

from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from typing import Any

import uvloop

from services.limits.accounts import Account, AccountBook, account
from services.limits.local import LocalStore
from services.limits.table import Table
from services.limits.tiers import Tiers, load
from services.vocabulary.caller import Caller
from services.vocabulary.limits import Limits, ScopeLimits

NOON = 1_800_000_000_000
ANN = Caller("key_ann", "ann")


class Clock:
    """Milliseconds since 1970, moved by the test."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class Book:
    """Who may use how much, as the test says."""

    def __init__(self, *scopes: ScopeLimits) -> None:
        self.scopes: Sequence[ScopeLimits] = scopes

    def limits_of(self, caller: Caller) -> Sequence[ScopeLimits]:
        return self.scopes


def key_limits(tier: str | None = None, **numbers) -> ScopeLimits:
    return ScopeLimits("key", ANN.key_id, Limits(tier=tier, **numbers))


def accounts_of(*scopes: ScopeLimits, tiers: Tiers | None = None, slug=lambda name: name, **options) -> AccountBook:
    options.setdefault("on_outage", "local")
    return AccountBook(Book(*scopes), tiers or load(), slug=slug, **options)


def an_account(
    requests: int = -1, input: int = -1, output: int = -1, at_once: int = -1, name: str = "key:k"
) -> Account:
    return account(name, (requests, input, output, at_once), "key")


def local_store(clock: Clock, **options) -> LocalStore:
    return LocalStore(Table(None, processes=4), clock, **options)


def on_uvloop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a test on the event loop that workers have: timers and sockets take turns otherwise than on asyncio's own."""

    @wraps(test)
    def run(*arguments, **named) -> None:
        uvloop.run(test(*arguments, **named))

    return run
