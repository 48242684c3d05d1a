"""The rules of the ledger, on what a transaction has read. Pure: state and operations in, rows and sums to write out.

Accounts and budgets are locked by the transaction that made the book, so what is decided here is what is written. An
account's `balance - held` and a budget's `limit - spent - held` are what may still be reserved; both are never crossed:
what an answer costs beyond its hold is taken from what is left, and what is not left is the house's shortfall.
"""

from dataclasses import dataclass, field
from typing import Final

from services.billing.ledger.operations import (
    REVENUE,
    SHORTFALL,
    Granted,
    Release,
    Released,
    Reserve,
    Settle,
    Settled,
)
from services.billing.ledger.refusal import insufficient
from services.billing.periods import Period, start_of
from services.errors import InsufficientCredits

SHARE: Final = 4
"""A call that names no limit gets at most one such part of what is left."""


@dataclass(slots=True)
class Account:
    """paid, reserved: by how much balance and held have changed. metered: it cannot spend what it does not have."""

    id: str
    metered: bool
    balance: int
    held: int
    paid: int = 0
    reserved: int = 0

    @property
    def left(self) -> int:
        return self.balance - self.held

    def hold(self, amount: int) -> None:
        self.held += amount
        self.reserved += amount

    def pay(self, amount: int) -> None:
        self.balance -= amount
        self.paid -= amount


@dataclass(slots=True)
class Budget:
    """start: of the period that `spent` and `held` are of."""

    id: str
    scope: str
    period: Period
    limit: int
    thresholds: tuple[int, ...]
    start: int
    spent: int
    held: int
    created_ms: int
    changed: bool = False

    @property
    def left(self) -> int:
        return self.limit - self.spent - self.held

    def turn(self, now_ms: int) -> None:
        """Begins the present period, if that is another. Clocks of replicas differ a little, so never an earlier one."""
        start = start_of(self.period, now_ms)
        if start > self.start:
            self.start, self.spent, self.held, self.changed = start, 0, 0, True

    def hold(self, amount: int) -> None:
        self.held += amount
        self.changed = True


@dataclass(frozen=True, slots=True)
class OpenHold:
    """reserved_in: budgets by id, and the start of the period it was reserved in."""

    response_id: str
    account: str
    amount: int
    reserved_in: dict[str, int]


TransferRow = tuple[str, int, str, str, str, int, str, str, str, str]
"""id, created_ms, kind, debit, credit, amount, owner, response_id, key_id, description."""

EventRow = tuple[str, int, str, str, int, int, int, int]
"""id, created_ms, scope, period, period_start_ms, percent, spent, limit."""


@dataclass
class Book:
    """accounts by id; budgets by scope; holds: those of the operations that are still open.

    The rest is to be written: transfers, events, `opened` holds (with lease and expiry), sums of house accounts.
    """

    accounts: dict[str, Account]
    budgets: dict[str, list[Budget]]
    holds: dict[str, OpenHold]
    transfers: list[TransferRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    opened: dict[str, tuple[OpenHold, Reserve]] = field(default_factory=dict)
    house: dict[str, int] = field(default_factory=dict)

    def reserve(self, order: Reserve) -> Granted | InsufficientCredits:
        """Sets the worst case aside, or says what would be exceeded."""
        budgets = self._budgets(order.scopes, order.now_ms)
        account = self.accounts.get(order.account) or Account(order.account, True, 0, 0)
        room = min((budget.left for budget in budgets), default=None)
        if account.metered:
            room = account.left if room is None else min(room, account.left)
        amount = 0 if room is None else _granted(order, room)
        if amount is None:
            return insufficient(order, account, budgets)
        if room is None:
            return Granted(0, unlimited=True)
        if amount == 0 or order.trial:
            return Granted(amount)
        account.hold(amount)
        for budget in budgets:
            budget.hold(amount)
        hold = OpenHold(order.response_id, order.account, amount, {budget.id: budget.start for budget in budgets})
        self.opened[order.response_id] = hold, order
        self._transfer("hold", order, REVENUE, amount, order.key_id)
        return Granted(amount)

    def settle(self, bill: Settle) -> Settled:
        """Posts the cost: from the hold, else from what is left, else the house bears it."""
        hold = self._close(bill.response_id)
        budgets = self._budgets(bill.scopes, bill.now_ms)
        if bill.amount == 0:
            if hold is not None:
                self._transfer("void", bill, REVENUE, hold.amount, bill.key_id)
            return Settled(0, 0)
        account = self.accounts.get(bill.account) or Account(bill.account, True, 0, 0)
        charged = min(bill.amount, max(0, account.left)) if account.metered else bill.amount
        counted = [budget for budget in budgets if budget.start == self._begun(budget, hold, bill)]
        for budget in counted:
            if budget.created_ms <= bill.began_ms:  # a budget does not reach back
                reserved = hold.amount if hold is not None and budget.id in hold.reserved_in else 0
                charged = min(charged, max(0, budget.left, reserved))
        if charged:
            account.pay(charged)
            self._earn(REVENUE, charged)
            self._transfer("capture", bill, REVENUE, charged, bill.key_id)
            for budget in counted:
                self._spend(budget, charged, bill.now_ms)
        elif hold is not None:
            self._transfer("void", bill, REVENUE, hold.amount, bill.key_id)
        short = bill.amount - charged
        if short:
            self._earn(REVENUE, short)
            self._earn(SHORTFALL, -short)
            self.transfers.append(
                (
                    f"{bill.response_id}/shortfall",
                    bill.now_ms,
                    "shortfall",
                    SHORTFALL,
                    REVENUE,
                    short,
                    SHORTFALL,
                    bill.response_id,
                    bill.key_id,
                    bill.description,
                )
            )
        return Settled(charged, short)

    def release(self, order: Release) -> Released:
        """Gives a hold back."""
        hold = self._close(order.response_id)
        if hold is None:
            return Released(0)
        self._transfer("void", order, REVENUE, hold.amount, "")
        return Released(hold.amount)

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _budgets(self, scopes: tuple[str, ...], now_ms: int) -> list[Budget]:
        found = [budget for scope in scopes for budget in self.budgets.get(scope, ())]
        for budget in found:
            budget.turn(now_ms)
        return found

    def _close(self, response_id: str) -> OpenHold | None:
        """Takes a hold back, as if it had never been."""
        hold = self.holds.pop(response_id, None)
        if hold is None:
            opened = self.opened.pop(response_id, None)
            if opened is None:
                return None
            hold = opened[0]
        account = self.accounts.get(hold.account)
        if account is not None:
            account.hold(-hold.amount)
        for budgets in self.budgets.values():
            for budget in budgets:
                if hold.reserved_in.get(budget.id) == budget.start:
                    budget.hold(-hold.amount)
        return hold

    @staticmethod
    def _begun(budget: Budget, hold: OpenHold | None, bill: Settle) -> int:
        """The start of the budget's period that the call belongs to: the one in which it began."""
        if hold is not None and budget.id in hold.reserved_in:
            return hold.reserved_in[budget.id]
        return start_of(budget.period, bill.began_ms)

    def _spend(self, budget: Budget, amount: int, now_ms: int) -> None:
        before, budget.spent, budget.changed = budget.spent, budget.spent + amount, True
        for percent in budget.thresholds:
            if before * 100 < percent * budget.limit <= budget.spent * 100:
                self.events.append(
                    (
                        f"{budget.id}/{budget.start}/{percent}",
                        now_ms,
                        budget.scope,
                        budget.period,
                        budget.start,
                        percent,
                        budget.spent,
                        budget.limit,
                    )
                )

    def _earn(self, account: str, amount: int) -> None:
        self.house[account] = self.house.get(account, 0) + amount

    def _transfer(self, kind: str, order: Reserve | Settle | Release, credit: str, amount: int, key_id: str) -> None:
        self.transfers.append(
            (
                f"{order.response_id}/{kind}",
                order.now_ms,
                kind,
                order.account,
                credit,
                amount,
                order.account,
                order.response_id,
                key_id,
                order.description,
            )
        )


def _granted(order: Reserve, room: int) -> int | None:
    """How much of `room` the call gets; None: not enough."""
    if not order.flexible:
        return order.want if order.want <= room else None
    amount = min(order.want, max(order.least, room // SHARE))
    if amount <= room:
        return amount
    return room if order.minimum <= room else None
