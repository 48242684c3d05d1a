"""The routing service as a plain object: a snapshot of the moment, and the pure plan made from it."""

from datetime import UTC, datetime
from typing import Final

from services.catalog.catalog import Catalog
from services.ports import Plan
from services.routing.affinity import Affinity
from services.routing.plan import plan
from services.routing.snapshot import Health, Prices, Snapshot
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller

_NOBODY: Final[frozenset[str]] = frozenset()


class CatalogRouter:
    """Routes by catalogue, prices and health. Assign `catalog` to swap in a new one; calls under way keep theirs."""

    def __init__(
        self, catalog: Catalog, prices: Prices, health: Health, affinity: Affinity, *, unlisted: bool = False
    ) -> None:
        """`unlisted`: whether `provider/<any model id>` is served though no row lists it."""
        self.catalog = catalog
        self._prices = prices
        self._health = health
        self._affinity = affinity
        self._unlisted = unlisted

    async def plan(self, call: Call, caller: Caller, *, explain: bool = False) -> Plan:
        """Targets for the call, best first. Raises as `plan.plan` does."""
        own = caller.policy.byok
        brought = frozenset(each.provider for each in own) - self.catalog.providers.keys() if own else _NOBODY
        return plan(call, self.snapshot(brought), caller.policy, explain=explain)

    def snapshot(self, brought: frozenset[str] = _NOBODY) -> Snapshot:
        """The state of the world now. `brought`: providers that the gateway has no credential for, but the caller does."""
        now = datetime.now(UTC)
        at = now.timestamp()
        return Snapshot(
            self.catalog.with_brought(brought) if brought else self.catalog,
            self._prices,
            self._health,
            now,
            self._unlisted,
            lambda prefix: self._affinity.warm(prefix, at),
            brought,
        )
