"""The meter without books: prices each answer once, however often it is told of it."""

from collections.abc import Callable
from datetime import UTC, datetime

from services.billing.pricing import Pricing
from services.ports import Hold, Order, Outcome
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost

_REMEMBERED_MAX = 10_000


class PricingMeter:
    """Prices and remembers the last 10,000 answers, so that settling one again gives the same cost. Holds nothing."""

    def __init__(self, pricing: Pricing, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`clock`: the time in UTC, which decides between prices."""
        self._pricing = pricing
        self._clock = clock
        self._settled: dict[str, Cost | None] = {}

    async def hold(self, order: Order, caller: Caller) -> Hold:  # noqa: ARG002 - whose account it is; the ledger will ask
        """Nothing is set aside, nothing is refused."""
        return Hold(order.response_id)

    async def settle(self, outcome: Outcome, caller: Caller) -> Cost | None:  # noqa: ARG002
        """What the answer costs; None when it has no price. A second call for the same id changes nothing."""
        if outcome.response_id in self._settled:
            return self._settled[outcome.response_id]
        cost = None
        if outcome.usage is not None:
            cost = self._pricing.cost(outcome.target, outcome.usage, self._clock())
        if len(self._settled) >= _REMEMBERED_MAX:
            self._settled.pop(next(iter(self._settled)))
        self._settled[outcome.response_id] = cost
        return cost

    async def void(self, response_id: str, caller: Caller) -> None:
        """Nothing was set aside."""
