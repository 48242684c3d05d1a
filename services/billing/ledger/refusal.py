"""What a caller is told when the credit does not pay for a call."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from services.billing.ledger.operations import Reserve
from services.billing.money import NANO
from services.billing.periods import end_of
from services.errors import InsufficientCredits

if TYPE_CHECKING:
    from services.billing.ledger.book import Account, Budget

_SCOPES: Final = {"org": "the organisation", "team": "the team", "user": "the user", "key": "this key"}
_PERIODS: Final = {"day": "daily ", "week": "weekly ", "month": "monthly ", "total": ""}


def insufficient(order: Reserve, account: "Account", budgets: "list[Budget]") -> InsufficientCredits:
    """Names what is tightest: the balance, or a budget, with when that begins anew."""
    needed = order.minimum if order.flexible else order.want
    cost = f"This call may cost {'at least ' if order.flexible else ''}{dollars(needed)}"
    tightest = min(budgets, key=lambda budget: budget.left, default=None)
    if tightest is not None and (not account.metered or tightest.left < account.left):
        owner = _SCOPES.get(tightest.scope.partition(":")[0], tightest.scope)
        what = "spending cap" if tightest.scope.startswith("key:") else "budget"
        name = f"the {_PERIODS[tightest.period]}{what} of {owner} ({dollars(tightest.limit)})"
        renewed = end_of(tightest.period, order.now_ms)
        again = (
            ""
            if renewed is None
            else f" It begins anew at {datetime.fromtimestamp(renewed / 1000, UTC):%Y-%m-%d %H:%M} UTC."
        )
        return InsufficientCredits(f"{cost}, and {name} has {dollars(max(0, tightest.left))} left.{again}")
    owner = _SCOPES.get(account.id.partition(":")[0], account.id)
    return InsufficientCredits(
        f"{cost}, and the balance of {owner} has {dollars(max(0, account.left))} left. Add credits to continue."
    )


def dollars(nano: int) -> str:
    """`$1.00`, `$0.000012345`: exact, with at least two decimals."""
    whole, rest = divmod(abs(nano), NANO)
    decimals = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano < 0 else ''}${whole}.{decimals}"
