"""The rate limiter these settings ask for."""

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from typing import Final

from services.limits.accounts import AccountBook
from services.limits.limiter import BucketLimiter
from services.limits.local import LocalStore
from services.limits.shared import SharedStore
from services.limits.table import Table
from services.limits.tiers import TierError, Tiers, load
from services.ports import LimitsBook
from services.runtime.settings import Settings, SettingsError

_PROCESSES_MIN: Final = 16
_FILE: Final = "limits.table"


def tiers(settings: Settings) -> Tiers:
    """The tiers there are. Raises `SettingsError`."""
    try:
        return load(settings.tiers)
    except TierError as error:
        raise SettingsError(f"CONCENTRATE_TIERS: {error}") from None


def limiter(settings: Settings, book: LimitsBook, slug: Callable[[str], str], folder: Path | None) -> BucketLimiter:
    """A limiter that is not started yet. Raises `SettingsError`.

    `slug`: the model behind a name. `folder`: where the workers of this gateway share files; None: this process is alone.
    """
    known = tiers(settings)
    on_outage = settings.limits_on_outage
    shared = None
    if settings.redis_url is not None:
        if find_spec("redis") is None:
            raise SettingsError("REDIS_URL is set, but the Python package `redis` is not installed.")
        shared = SharedStore(settings.redis_url.reveal(), process=token_hex(8))
    try:
        table = Table(folder / _FILE if folder else None, processes=max(_PROCESSES_MIN, 2 * settings.workers))
    except OSError as error:
        raise SettingsError(f"TMPDIR: no room for the table of rate limits: {error.strerror}.") from None
    alone = AccountBook(book, known, on_outage=on_outage, slug=slug, share=settings.replicas)
    together = alone if settings.replicas == 1 else AccountBook(book, known, on_outage=on_outage, slug=slug)
    return BucketLimiter(together, LocalStore(table, _milliseconds), shared, alone=alone)


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000
