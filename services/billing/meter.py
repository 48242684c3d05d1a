"""The meter: prices each answer once, however often it is told of it."""

from collections.abc import Callable
from datetime import UTC, datetime

from services.billing.pricing import Pricing
from services.catalog.schema import Target
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost
from services.vocabulary.usage import Usage

_REMEMBERED_MAX = 10_000


class PricingMeter:
    """Prices and remembers the last 10,000 answers, so that settling one again gives the same cost."""

    def __init__(self, pricing: Pricing, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`clock`: the time in UTC, which decides between prices."""
        self._pricing = pricing
        self._clock = clock
        self._settled: dict[str, Cost | None] = {}

    async def settle(
        self,
        response_id: str,
        caller: Caller,  # noqa: ARG002 - whose account it is; the ledger will ask
        target: Target,
        usage: Usage,
    ) -> Cost | None:
        """What the answer costs; None when it has no price. A second call for the same id changes nothing."""
        if response_id in self._settled:
            return self._settled[response_id]
        cost = self._pricing.cost(target, usage, self._clock())
        if len(self._settled) >= _REMEMBERED_MAX:
            self._settled.pop(next(iter(self._settled)))
        self._settled[response_id] = cost
        return cost
