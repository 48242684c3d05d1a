"""The meter over the ledger: money is held before a provider is asked, and posted once when the answer has ended.

Only the hold and the settlement wait for the database. What cannot run out (an account without a limit, no budget, a free
model) is not held at all: that it is so is remembered for a second.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import structlog
from sqlalchemy.exc import IntegrityError

from services.billing.ledger.lease import Lease
from services.billing.ledger.operations import Granted, Operation, Release, Reserve, Result, Settle
from services.billing.ledger.posting import must_last, post
from services.billing.pricing import Pricing
from services.billing.usage_rows import rows
from services.billing.worst_case import LEAST_OUTPUT, MINIMUM_OUTPUT, WorstCase, worst_case
from services.errors import Conflict, Overloaded, PermissionDenied
from services.ports import Hold, Order, Outcome
from services.storage.database import Database
from services.storage.writer import Group
from services.vocabulary.caller import DEFAULT_ORG, Caller
from services.vocabulary.cost import Cost

HOLD_S: Final = 3600.0
"""How long a hold lives whatever its process does. An answer that takes longer is settled all the same."""

UNLIMITED_S: Final = 1.0
"""For how long it is remembered that nothing limits a key's spending."""

SETTLE_S: Final = 10.0
"""How long an answer that is complete waits for the database before its client is told that it failed."""

RECORD_S: Final = 1.0
"""And one that costs nothing that could run out: it is only recorded, now or later."""

_REMEMBERED_MAX: Final = 10_000
_PATIENT_S: Final = 60.0
_AGAIN_S: Final = 2.0
_EVERYTHING: Final = 1 << 62

_log: Final = structlog.get_logger("billing")


@dataclass(frozen=True, slots=True)
class Payer:
    """account: who pays. scopes: whose budgets count."""

    account: str
    scopes: tuple[str, ...]


def payer(caller: Caller) -> Payer:
    """A key's calls are paid by its organisation."""
    org = f"org:{caller.org_id or DEFAULT_ORG}"
    named = (("team", caller.team_id), ("user", caller.user_id), ("key", caller.key_id))
    return Payer(org, (org, *(f"{kind}:{id_}" for kind, id_ in named if id_)))


class LedgerMeter:
    """Implements `ports.Meter`. `start` it before the first call, `close` it after the last.

    When the database is away, calls whose credit is limited are refused (503), and their settlements wait up to ten seconds
    before the client hears that the answer failed; they are posted when the database is back. Free models, and callers of
    whom it was known before that nothing limits them, go on: docs/outages.md.
    """

    def __init__(
        self,
        database: Database,
        pricing: Pricing,
        *,
        clock: Callable[[], float],
        lease: Lease,
        unpriced: Literal["deny", "allow"] = "deny",
    ) -> None:
        """`clock`: Unix seconds. unpriced: whether models without a price serve callers whose credit is limited."""
        self._group: Group[Operation, Result] = database.writer.driven_group(post, durable=must_last)
        self._pricing = pricing
        self._clock = clock
        self._lease = lease
        self._unpriced = unpriced
        self._unlimited: dict[Payer, float] = {}
        self._later: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Shows that this process is alive, from now on. Raises `Overloaded`."""
        await self._lease.start(self._group)

    async def close(self) -> None:
        """Writes what still can be written, and gives up the lease."""
        if self._later:
            await asyncio.wait(self._later, timeout=SETTLE_S)
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        await self._lease.close()

    async def hold(self, order: Order, caller: Caller) -> Hold:
        """See `ports.Meter.hold`. Raises `PermissionDenied` when no target has a price, and the credit is limited."""
        now = self._clock()
        who = payer(caller)
        if now < self._unlimited.get(who, 0.0) + UNLIMITED_S:
            return Hold(order.response_id)
        worst = worst_case(order, self._pricing, datetime.fromtimestamp(now, UTC))
        refused = worst.unpriced if self._unpriced == "deny" else []
        reserve = self._reserve(order, caller, who, worst, now)
        if reserve.want == 0 and not refused:
            return Hold(order.response_id)
        granted = await self._granted(reserve, who, now)
        if granted.unlimited:
            return Hold(order.response_id)
        if refused and len(refused) == len(order.targets):
            raise PermissionDenied(
                f"{order.model} has no price, and this key's credit is limited, so it cannot be used.", model=refused[0]
            )
        short = reserve.flexible and granted.amount < reserve.want
        return Hold(order.response_id, granted.amount, worst.output_max(granted.amount) if short else None, refused)

    async def settle(self, outcome: Outcome, caller: Caller) -> Cost | None:
        """See `ports.Meter.settle`. Raises `Overloaded` when it could not be written in time; it is posted later."""
        who = payer(caller)
        cost = self._cost(outcome)
        bill = self._bill(outcome, caller, who, cost)
        owed = bill.amount > 0 and who not in self._unlimited
        try:
            await self._group.submit(bill, patience_s=SETTLE_S if owed else RECORD_S)
        except IntegrityError:
            pass  # it was posted before
        except Overloaded:
            self._after(bill)
            if owed:
                raise
        return cost

    async def void(self, response_id: str, caller: Caller) -> None:
        """See `ports.Meter.void`. What cannot be given back now is given back as soon as the database answers."""
        release = Release(response_id, payer(caller).account, int(self._clock() * 1000))
        try:
            await self._group.submit(release)
        except Overloaded:
            self._after(release)

    async def renew(self, lease: str) -> float:
        """Keeps the holds of another process, for so many seconds. Raises `Overloaded`."""
        return await self._lease.renew(lease)

    # ---- parts -------------------------------------------------------------------------------------------------------

    async def _granted(self, reserve: Reserve, who: Payer, now: float) -> Granted:
        try:
            granted = await self._group.submit(reserve)
        except IntegrityError:
            raise Conflict(f"{reserve.response_id} was asked for before.") from None
        except Overloaded:
            self._after(Release(reserve.response_id, reserve.account, reserve.now_ms))
            if who in self._unlimited:
                return Granted(0, unlimited=True)
            raise
        except asyncio.CancelledError:  # it may be under way
            self._after(Release(reserve.response_id, reserve.account, reserve.now_ms))
            raise
        assert isinstance(granted, Granted), "an order is granted"
        if not granted.unlimited:
            self._unlimited.pop(who, None)
        else:
            if len(self._unlimited) >= _REMEMBERED_MAX:
                self._unlimited.clear()
            self._unlimited[who] = now
        return granted

    def _reserve(self, order: Order, caller: Caller, who: Payer, worst: WorstCase, now: float) -> Reserve:
        flexible = order.max_output_tokens is None
        now_ms = int(now * 1000)
        return Reserve(
            response_id=order.response_id,
            account=who.account,
            scopes=who.scopes,
            key_id=caller.key_id,
            want=worst.cost(_EVERYTHING if order.max_output_tokens is None else order.max_output_tokens),
            least=worst.cost(LEAST_OUTPUT),
            minimum=worst.cost(MINIMUM_OUTPUT),
            flexible=flexible,
            description=f"API usage - {order.model}",
            lease=order.lease or self._lease.id,
            now_ms=now_ms,
            expires_ms=now_ms + int(HOLD_S * 1000),
            trial=order.trial,
        )

    def _cost(self, outcome: Outcome) -> Cost | None:
        """By the prices of when it began, so that settling again gives the same."""
        if outcome.byok:
            return Cost(0, byok=True)
        if outcome.usage is None:
            return None
        return self._pricing.cost(outcome.target, outcome.usage, datetime.fromtimestamp(outcome.began_at, UTC))

    def _bill(self, outcome: Outcome, caller: Caller, who: Payer, cost: Cost | None) -> Settle:
        usage, daily = rows(outcome, caller, cost)
        return Settle(
            response_id=outcome.response_id,
            account=who.account,
            scopes=who.scopes,
            key_id=caller.key_id,
            amount=0 if cost is None else cost.total,
            description=f"API usage - {outcome.target.model}",
            began_ms=int(outcome.began_at * 1000),
            now_ms=int(self._clock() * 1000),
            usage=usage,
            daily=daily,
        )

    def _after(self, operation: Operation) -> None:
        """Does it when the database can, without anybody waiting."""
        task = asyncio.get_running_loop().create_task(self._until_posted(operation))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _until_posted(self, operation: Operation) -> None:
        while True:
            try:
                await self._group.submit(operation, patience_s=_PATIENT_S)
            except IntegrityError:
                return
            except Overloaded:
                await asyncio.sleep(_AGAIN_S)
            except Exception as error:  # noqa: BLE001  # nobody else would hear of it
                _log.error("not posted", operation=operation, exc_info=error)
                return
            else:
                return
